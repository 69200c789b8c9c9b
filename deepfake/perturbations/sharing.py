"""Random copies of a face image as people have it: small, turned, in a margin, written on, sent on and on.

Composed of simple steps, each drawn on its own, so that what is learnt and measured covers their mixtures.
"""

from __future__ import annotations

import cv2
import numpy as np

from deepfake.perturbations.common import Pixels, as_pixels, between
from deepfake.perturbations.overlay import overlay
from deepfake.perturbations.primitives import gamma, jpeg, rescale, turn

MIN_FACE_SIDE, MAX_FACE_SIDE = 48, 256
"""Sides in pixels that a face image is shrunk to."""

_WAYS = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)


def moved(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Turn by up to 9 degrees, shift by up to 8% and zoom by 0.9-1.25; the rim is mirrored."""
    angle, zoom = float(np.clip(rng.normal(0, 4), -9, 9)), float(rng.uniform(0.9, 1.25))
    across, down = rng.uniform(-0.08, 0.08, 2).tolist()
    return turn(pixels, angle, zoom=zoom, offset=(across, down))


def in_margin(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Shrink to 75-97% and lay on a plain margin, white, black or grey, evenly or to one side."""
    small = rescale(pixels, float(rng.uniform(0.75, 0.97)))
    height, width = small.shape[:2]
    shade = (255, 0, int(rng.integers(256)))[int(rng.integers(3))]
    canvas = np.full_like(pixels, shade, order="C")
    top, left = (
        round((side - part) * rng.random())
        for side, part in zip(pixels.shape[:2], small.shape[:2], strict=True)
    )
    canvas[top : top + height, left : left + width] = small
    return canvas


def shrunk(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Shrink to a side of 48-256 px, small ones as likely as large ones; never enlarged."""
    side = float(np.exp(rng.uniform(np.log(MIN_FACE_SIDE), np.log(MAX_FACE_SIDE))))
    factor = min(1.0, side / min(pixels.shape[:2]))
    way = _WAYS[int(rng.choice(4, p=(0.55, 0.2, 0.2, 0.05)))]
    return rescale(pixels, factor, at_least=8, interpolation=way)


def screenshot(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Show at 0.6-1.6 of the size on a screen: resampled, tones bent a little, sometimes under a grey bar."""
    factor = max(float(rng.uniform(0.6, 1.6)), min(1.0, MIN_FACE_SIDE / min(pixels.shape[:2])))
    shown = rescale(pixels, factor, at_least=16, interpolation=_WAYS[int(rng.integers(1, 3))])
    shown = gamma(shown, float(rng.uniform(0.85, 1.15)))
    if rng.random() < 0.25:
        bar = max(1, round(shown.shape[0] * rng.uniform(0.03, 0.1)))
        shade = int(rng.integers(20, 250))
        rows = slice(0, bar) if rng.random() < 0.5 else slice(-bar, None)
        shown[rows] = shade
    return shown


def posted(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Send one to three times: each time JPEG of quality 45-92, half of the times at 0.7-1.0 of the size."""
    for _ in range(1 + int(rng.choice(3, p=(0.5, 0.3, 0.2)))):
        if rng.random() < 0.5 and min(pixels.shape[:2]) > MIN_FACE_SIDE:
            factor = max(between(0.7, 1.0, float(rng.random())), MIN_FACE_SIDE / min(pixels.shape[:2]))
            pixels = rescale(pixels, factor, at_least=8)
        pixels = jpeg(pixels, int(rng.integers(45, 93)))
    return pixels


def as_shared(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """One copy of a face image as people have it.

    Args:
        pixels: (H, W, 3) uint8 RGB, of a face.
        rng: the only source of randomness.

    Returns:
        (h, w, 3) uint8 RGB, of another size as a rule: of 48 px and more where the image had as much.
    """
    if rng.random() < 0.5:
        pixels = moved(pixels, rng)
    if rng.random() < 0.1:
        pixels = in_margin(pixels, rng)
    written = rng.random() < 0.4
    if written and rng.random() < 0.5:
        pixels, written = overlay(pixels, float(rng.random()), rng), False
    if rng.random() < 0.5:
        pixels = shrunk(pixels, rng)
    if written:
        pixels = overlay(pixels, float(rng.random()), rng)
    if rng.random() < 0.2:
        pixels = screenshot(pixels, rng)
    return posted(pixels, rng) if rng.random() < 0.75 else as_pixels(pixels)
