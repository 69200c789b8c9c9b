"""Perturbed copies of an image: one to three kinds, each at a random strength, then JPEG; for training.

The kinds, weights and ranges are those of the 'perturbed Validation' that predicts the official Test of
OpenForensics (Le et al., 2021) well. Everything is numpy and OpenCV on uint8 (H, W, 3) RGB of any size; all
randomness comes from the generator passed in, so a seed gives the same images again.
"""

from dataclasses import dataclass

import numpy as np

from deepfake.images.pixels import resize
from deepfake.perturbations.blocks import BLOCKS
from deepfake.perturbations.blur import BLUR
from deepfake.perturbations.colour import COLOUR
from deepfake.perturbations.common import Perturbation, between
from deepfake.perturbations.edges import EDGES
from deepfake.perturbations.noise import NOISE
from deepfake.perturbations.primitives import jpeg
from deepfake.perturbations.weather import WEATHER
from deepfake.types import Pixels

FINAL_QUALITY = 75  # JPEG quality of every perturbed image
COUNT_SHARES = (0.50, 0.35, 0.15)  # shares of images with one, two and three kinds


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


@dataclass(frozen=True)
class Augmentation:
    """How a training image is varied.

    Attributes:
        perturbed: share of samples put through ``perturb``.
        min_area: smallest share of the image that a random crop keeps; 1 turns cropping off.
        recompressed: share of the samples not perturbed that get one JPEG pass of quality 40-95.
        flip: mirror half of the samples.
    """

    perturbed: float = 0.65
    min_area: float = 0.45
    recompressed: float = 0.3
    flip: bool = True


def augment(pixels: Pixels, size: int, augmentation: Augmentation, rng: np.random.Generator) -> Pixels:
    """One training sample of an image: crop, perturb, mirror, resize.

    Args:
        pixels: (H, W, 3) uint8.
        size: side of the result in pixels.
        augmentation: what to do how often.
        rng: the only source of randomness.

    Returns:
        (size, size, 3) uint8.
    """
    if augmentation.min_area < 1:
        pixels = _random_crop(pixels, augmentation.min_area, rng)
    if rng.random() < augmentation.perturbed:
        pixels = perturb(pixels, rng)
    elif rng.random() < augmentation.recompressed:
        pixels = jpeg(pixels, int(rng.integers(40, 96)))
    pixels = resize(pixels, size)
    if augmentation.flip and rng.random() < 0.5:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    return pixels


def _random_crop(pixels: Pixels, min_area: float, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    share = rng.uniform(min_area, 1.0)
    aspect = np.exp(rng.uniform(-0.15, 0.15))
    crop_height = min(height, max(16, round(height * np.sqrt(share / aspect))))
    crop_width = min(width, max(16, round(width * np.sqrt(share * aspect))))
    top = int(rng.integers(0, height - crop_height + 1))
    left = int(rng.integers(0, width - crop_width + 1))
    return np.ascontiguousarray(pixels[top : top + crop_height, left : left + crop_width])


def perturbed_copy(pixels: Pixels, sha256: str) -> Pixels:
    """The one perturbed copy of an image: its draws follow from its content, so that anyone who
    evaluates on perturbed images evaluates on the same ones."""
    return perturb(pixels, np.random.default_rng(int(sha256[:16], 16)))
