"""Whether an image is a photograph at all: drawings and cartoons are outside of what a detector knows.

A drawing has flat areas, few colours and hard edges with little between; a camera leaves noise and soft
shading everywhere. Six such numbers are weighed by a logistic regression that was fitted on Validation crops
(OpenForensics, StyleGAN and FFHQ, a quarter of them perturbed, a quarter shrunk and compressed) against
drawings that a program made; ``benchmarks/drawings.py`` measures it."""

from __future__ import annotations

import cv2
import numpy as np

from deepfake.images.pixels import centre_part, resize
from deepfake.types import Pixels

COPY_SIDE = 128
"""Side in pixels of the copy that is looked at."""
MIDDLE = 0.6
"""Share of each side that is the middle, where a face has its skin."""
_WEIGHTS = (-4.403, -3.147, -19.705, 3.204, 2.604, 14.676)
_BIAS = -12.34


def drawing_score(crop: Pixels) -> float:
    """How much a face looks drawn: above 0 is called a drawing; 1 in 400 photographs it was fitted on is.

    Args:
        crop: the square around a face, (H, W, 3) uint8 RGB.
    """
    return float(np.dot(_WEIGHTS, _statistics(crop)) + _BIAS)


def looks_drawn(crop: Pixels) -> bool:
    """Whether a face looks like a drawing rather than a photograph.

    Args:
        crop: the square around it, (H, W, 3) uint8 RGB.
    """
    return drawing_score(crop) > 0


def _statistics(crop: Pixels) -> tuple[float, ...]:
    height, width = crop.shape[:2]
    whole = resize(crop, COPY_SIDE)
    middle = centre_part(crop, max(1, round(height * MIDDLE)), max(1, round(width * MIDDLE)))
    middle = resize(middle, round(COPY_SIDE * MIDDLE))
    quiet, usual = np.percentile(_edges(whole), [25, 50])
    ranges = _local_range(whole)
    shares = _colour_shares(whole)
    return (
        float(np.log1p(quiet)),
        float(np.log1p(usual)),
        float(((ranges > 8) & (ranges < 40)).mean()),
        float(-(shares * np.log(shares)).sum()),
        float(np.log1p(np.percentile(_edges(middle), 25))),
        float(_colour_shares(middle)[:8].sum()),
    )


def _edges(pixels: Pixels) -> np.ndarray:
    """Absolute Laplacian of the brightness, in grey levels."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.abs(cv2.Laplacian(grey, cv2.CV_32F))


def _local_range(pixels: Pixels) -> np.ndarray:
    """Highest minus lowest value among a pixel and its neighbours, of the channel that differs most."""
    square = np.ones((3, 3), np.uint8)
    return (cv2.dilate(pixels, square).astype(int) - cv2.erode(pixels, square)).max(axis=2)


def _colour_shares(pixels: Pixels) -> np.ndarray:
    """Share of the pixels of each colour of 16 levels a channel, the most frequent first; none is 0."""
    red, green, blue = (pixels[..., channel].astype(int) >> 4 for channel in range(3))
    counts = np.bincount((red * 256 + green * 16 + blue).ravel())
    return np.sort(counts[counts > 0])[::-1] / red.size
