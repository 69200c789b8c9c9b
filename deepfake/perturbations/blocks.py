"""Perturbations that cover, drop or shrink away parts of an image."""

import cv2
import numpy as np

from deepfake.perturbations.common import Perturbation, Pixels, as_pixels, between, size
from deepfake.perturbations.primitives import rescale


def _cut(pixels: Pixels, count: int, sides: tuple[float, float], rng: np.random.Generator) -> Pixels:
    """Cover `count` rectangles with sides in px at 256 px, all black or each of a random color."""
    height, width = pixels.shape[:2]
    cut = pixels.copy(order="C")
    low, high = size(pixels, sides[0]), size(pixels, sides[1])
    tall, wide = rng.integers(low, high + 1, (2, count)).tolist()
    tops = (rng.random(count) * [max(1, height - side + 1) for side in tall]).astype(int).tolist()
    lefts = (rng.random(count) * [max(1, width - side + 1) for side in wide]).astype(int).tolist()
    colours = rng.integers(256, size=(count, 3)) if rng.random() < 0.5 else np.zeros((count, 3), int)
    for top, left, down, across, colour in zip(tops, lefts, tall, wide, colours.tolist(), strict=True):
        cv2.rectangle(cut, (left, top), (left + across - 1, top + down - 1), colour, cv2.FILLED)
    return cut


def small_holes(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Cover 8-120 rectangles of 4-14 px."""
    return _cut(pixels, round(between(8, 120, strength)), (4, 14), rng)


def large_holes(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Cover 1-4 rectangles of 25-80 px."""
    return _cut(pixels, 1 + min(3, int(4 * strength)), (25, 80), rng)


def dropped_pixels(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Set 5-10% of the pixels to black, or all of them to one random color."""
    dropped = pixels.copy(order="C")
    flat = dropped.reshape(-1, 3)
    places = rng.integers(len(flat), size=max(1, round(len(flat) * between(0.05, 0.10, strength))))
    flat[places] = 0 if rng.random() < 0.5 else rng.integers(256, size=3).astype(np.uint8)
    return dropped


def down_up(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Shrink to 0.6-0.12 of the size and enlarge again, by nearest neighbor or smoothly."""
    height, width = pixels.shape[:2]
    if rng.random() < 0.5:
        down, up = cv2.INTER_NEAREST, cv2.INTER_NEAREST
    else:
        down, up = cv2.INTER_AREA, cv2.INTER_LINEAR
    shrunk = rescale(pixels, between(0.6, 0.12, strength), interpolation=down)
    return as_pixels(cv2.resize(shrunk, (width, height), interpolation=up))


BLOCKS: dict[str, Perturbation] = {
    "small_holes": small_holes,
    "large_holes": large_holes,
    "dropped_pixels": dropped_pixels,
    "down_up": down_up,
}
