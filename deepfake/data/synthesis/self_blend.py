"""Self-blended images: a photograph's face blended back onto itself, slightly changed.

What every face swap shares is a seam between two pictures that do not quite agree. A detector that learns
the seam from fakes made of the very photographs it sees as real cannot lean on who is shown, by which
camera or generator (Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images, CVPR 2022).
The face's outline is drawn from five landmarks here, where the paper has 68 or 81.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.types import Landmarks, Pixels

"""(5, 2) x and y, as shares of the picture's width and height: the eyes, the nose, the mouth's corners."""

_STRENGTHS = (0.5, 0.75, 1.0, 1.0, 1.0, 1.0)  # of the blend; the paper's faintest, 0.25, is lost in JPEG


def self_blend(pixels: Pixels, landmarks: Landmarks, rng: np.random.Generator) -> Pixels:
    """A fake made of one photograph.

    Args:
        pixels: (H, W, 3) uint8, a face.
        landmarks: the face's.
        rng: the only source of randomness.

    Returns:
        (H, W, 3) uint8; unlike ``pixels`` in and around the face only, or around it only.
    """
    height, width = pixels.shape[:2]
    points = landmarks * np.array([width, height], np.float32)
    mask = soft(_outline(points, height, width, rng), rng)
    changed = _changed(pixels, rng)
    inner, outer = (changed, pixels) if rng.random() < 0.5 else (pixels, changed)
    inner, mask = _moved(inner, mask, points, rng)
    mask = (mask * float(rng.choice(_STRENGTHS)))[..., None]
    mixed = inner.astype(np.float32) * mask + outer.astype(np.float32) * (1 - mask)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def face_mask(side: int, landmarks: Landmarks, rng: np.random.Generator) -> NDArray[np.float32]:
    """(side, side) float32 in 0..1: soft, inside a face's outline or that of a part of it."""
    return soft(_outline(landmarks * np.float32(side), side, side, rng), rng)


def _outline(points: Landmarks, height: int, width: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) 1 inside a wobbly outline of the face, or of a part of it."""
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    down = mouth - eyes
    across = np.array([down[1], -down[0]]) * max(
        0.7, eye_distance(points) / (float(np.linalg.norm(down)) + 1e-6)
    )
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    # Half a face's height lies between brow and chin, about 1.2 times the way from the eyes to the mouth.
    top, bottom = rng.uniform(0.35, 1.0), rng.uniform(1.1, 1.75)
    part = rng.random()
    if part < 0.12:  # mouth and chin
        top = -rng.uniform(0.45, 0.7)
    elif part < 0.24:  # eyes and nose
        bottom = rng.uniform(0.4, 0.8)
    middle, half = (bottom - top) / 2, (bottom + top) / 2
    wide = rng.uniform(0.75, 1.1)
    radius = 1 + rng.uniform(-0.12, 0.12, angles.size)
    outline = (
        eyes
        + np.outer(np.cos(angles) * radius * wide, across)
        + np.outer(middle + np.sin(angles) * radius * half, down)
    )
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255)
    return mask.astype(np.float32) / np.float32(255)


def soft(mask: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A mask with a soft edge, (H, W) in 0..1."""
    side = min(mask.shape)
    blurred = cv2.GaussianBlur(mask, (0, 0), side * float(rng.uniform(0.004, 0.03)))
    if rng.random() < 0.5:  # the seam moves inwards, as an eroded mask's would
        blurred = np.clip(blurred * 2 - 1, 0, 1)
        blurred = cv2.GaussianBlur(blurred, (0, 0), side * float(rng.uniform(0.003, 0.012)))
    return np.asarray(blurred, np.float32)


def _changed(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """The picture in slightly other colours, and softer or sharper."""
    hsv = cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV).astype(np.int16)
    hsv += rng.integers([-8, -30, -26], [9, 31, 27]).astype(np.int16)
    hsv[..., 0] %= 180
    changed = cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB).astype(np.float32)
    changed = changed * float(rng.uniform(0.9, 1.1)) + rng.uniform(-16, 16, 3).astype(np.float32)
    changed = np.clip(changed, 0, 255).astype(np.uint8)
    how = rng.random()
    height, width = pixels.shape[:2]
    if how < 0.45:
        smaller = float(rng.uniform(0.25, 0.8))
        small = cv2.resize(changed, None, fx=smaller, fy=smaller, interpolation=cv2.INTER_AREA)
        kernel = cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR
        changed = cv2.resize(small, (width, height), interpolation=kernel)
    elif how < 0.8:
        soft = cv2.GaussianBlur(changed, (0, 0), 1.5)
        amount = float(rng.uniform(0.2, 0.9))
        changed = cv2.addWeighted(changed, 1 + amount, soft, -amount, 0)
    return np.asarray(changed, np.uint8)


def _moved(
    inner: Pixels, mask: NDArray[np.float32], points: Landmarks, rng: np.random.Generator
) -> tuple[Pixels, NDArray[np.float32]]:
    """The inner picture and its mask, shifted and scaled a little about the face's middle."""
    middle = points.mean(axis=0)
    scale = float(rng.uniform(0.95, 1 / 0.95))
    shift = rng.uniform(-0.06, 0.06, 2) * eye_distance(points)
    matrix = np.array(
        [
            [scale, 0, middle[0] * (1 - scale) + shift[0]],
            [0, scale, middle[1] * (1 - scale) + shift[1]],
        ],
        np.float32,
    )
    size = (inner.shape[1], inner.shape[0])
    moved = cv2.warpAffine(inner, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(moved, np.uint8), np.asarray(cv2.warpAffine(mask, matrix, size), np.float32)


def eye_distance(points: Landmarks) -> float:
    """In the unit of ``points``."""
    return float(np.linalg.norm(points[1] - points[0]))
