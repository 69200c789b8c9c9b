"""Perturbed copies of images, as photographs meet them on their way: for training and for robustness tests.

The kinds, weights and ranges are those of the 'perturbed Validation' that predicts the official Test of
OpenForensics (Le et al., 2021) well. Everything is numpy and OpenCV on uint8 (H, W, 3) RGB of any size; all
randomness comes from the generator passed in, so a seed gives the same images again.
"""

import cv2
import numpy as np

from deepfake.perturbations.blocks import BLOCKS
from deepfake.perturbations.blur import BLUR
from deepfake.perturbations.colour import COLOUR
from deepfake.perturbations.common import Perturbation, Pixels, as_pixels, between
from deepfake.perturbations.edges import EDGES
from deepfake.perturbations.noise import NOISE
from deepfake.perturbations.weather import WEATHER

__all__ = ["COUNT_SHARES", "FINAL_QUALITY", "KIND_WEIGHTS", "PERTURBATIONS", "draw_kinds", "jpeg", "perturb"]

FINAL_QUALITY = 75  # JPEG quality of every perturbed image
COUNT_SHARES = (0.50, 0.35, 0.15)  # shares of images with one, two and three kinds


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Return `pixels` (uint8, (H, W, 3), RGB) after JPEG at `quality` in 1-100, chroma halved as is usual.

    Raises:
        ValueError: if `quality` is outside 1-100.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality must be 1 to 100, got {quality}.")
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if decoded is None:
        raise RuntimeError("OpenCV could not read the JPEG it had just written.")
    return as_pixels(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def _jpeg_by_strength(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Compress as JPEG of quality 90 down to 15."""
    return jpeg(pixels, round(between(90, 15, strength)))


PERTURBATIONS: dict[str, dict[str, Perturbation]] = {
    "colour": COLOUR,
    "noise": NOISE,
    "blur": BLUR,
    "blocks": BLOCKS,
    "weather": WEATHER,
    "edges": EDGES,
    "jpeg": {"jpeg": _jpeg_by_strength},
}

KIND_WEIGHTS: dict[str, float] = {
    "colour": 3.0,
    "noise": 2.0,
    "blur": 2.0,
    "blocks": 2.0,
    "weather": 2.0,
    "edges": 1.2,
    "jpeg": 1.0,
}


def draw_kinds(rng: np.random.Generator, *, kinds_at_most: int = 3) -> list[str]:
    """Return one to `kinds_at_most` (1-3) different kinds, counts by COUNT_SHARES and kinds by KIND_WEIGHTS.

    Raises:
        ValueError: if `kinds_at_most` is outside 1-3.
    """
    if not 1 <= kinds_at_most <= len(COUNT_SHARES):
        raise ValueError(f"kinds_at_most must be 1 to {len(COUNT_SHARES)}, got {kinds_at_most}.")
    shares = np.array(COUNT_SHARES[:kinds_at_most])
    count = 1 + int(rng.choice(kinds_at_most, p=shares / shares.sum()))
    weights = np.array(list(KIND_WEIGHTS.values()))
    drawn = rng.choice(len(weights), size=count, replace=False, p=weights / weights.sum())
    names = list(KIND_WEIGHTS)
    return [names[i] for i in drawn.tolist()]


def perturb(pixels: Pixels, rng: np.random.Generator, *, kinds_at_most: int = 3) -> Pixels:
    """Return a perturbed copy of `pixels`, uint8 (H, W, 3) RGB, of the same size.

    Applies the kinds of `draw_kinds` in the order drawn, each by one of its functions at a strength in
    [0, 1], drawn uniformly, then JPEG at quality 75. The input is not written to.

    Raises:
        ValueError: if `kinds_at_most` is outside 1-3, or `pixels` is not uint8 (H, W, 3).
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"Expected uint8 pixels of shape (H, W, 3), got {pixels.dtype} {pixels.shape}.")
    perturbed = np.ascontiguousarray(pixels)
    for kind in draw_kinds(rng, kinds_at_most=kinds_at_most):
        functions = list(PERTURBATIONS[kind].values())
        perturbed = functions[int(rng.integers(len(functions)))](perturbed, float(rng.random()), rng)
    return jpeg(perturbed, FINAL_QUALITY)
