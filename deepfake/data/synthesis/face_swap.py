"""Composites: another photograph's face, or parts of it, laid over a photograph's own.

What an editing program or a face swapper leaves, without any generator: features of a second face, moved
onto the landmarks of the first, in its colours, under a soft mask. The parts are those of hand-made
composites (eyes, nose, mouth), or the whole face.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.data.synthesis.self_blend import eye_distance, face_mask, soft
from deepfake.types import Landmarks, Pixels

_PARTS = ("eyes", "one eye", "nose", "mouth", "eyes and mouth")


def swap_in(
    pixels: Pixels, landmarks: Landmarks, donor: Pixels, donor_landmarks: Landmarks, rng: np.random.Generator
) -> Pixels:
    """A fake made of two photographs.

    Args:
        pixels: (S, S, 3) uint8, a face.
        landmarks: the face's.
        donor: (T, T, 3) uint8, the face that gives.
        donor_landmarks: that face's.
        rng: the only source of randomness.

    Returns:
        (S, S, 3) uint8; unlike ``pixels`` in the face or its parts only.
    """
    side = pixels.shape[0]
    points = landmarks * np.float32(side)
    mask = face_mask(side, landmarks, rng) if rng.random() < 0.5 else _part_mask(side, points, rng)
    moved = moved_onto(donor, donor_landmarks, points, side)
    moved = in_colours_of(pixels, moved, mask, float(rng.uniform(0.6, 1.0)))
    mask = (mask * float(rng.uniform(0.85, 1.0)))[..., None]
    return np.rint(moved * mask + pixels * (1 - mask)).astype(np.uint8)


def _part_mask(side: int, points: Landmarks, rng: np.random.Generator) -> NDArray[np.float32]:
    part = _PARTS[int(rng.integers(len(_PARTS)))]
    left, right, nose, *corners = points
    mouth = np.mean(corners, axis=0)
    eyes = [left, right] if part != "one eye" else [(left, right)[int(rng.integers(2))]]
    wide = eye_distance(points)
    holes = {
        "nose": [(nose * 0.7 + (left + right) / 2 * 0.3, 0.32, 0.42)],
        "mouth": [(mouth, 0.55, 0.34)],
        "eyes": [(eye, 0.42, 0.3) for eye in eyes],
    }
    angle = float(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0])))
    mask = np.zeros((side, side), np.uint8)
    for name, ellipses in holes.items():
        if name in part or (name == "eyes" and part == "one eye"):
            for middle, across, down in ellipses:
                size = wide * np.array([across, down]) * rng.uniform(0.85, 1.25, 2)
                centre, axes = np.rint(middle).astype(int), np.maximum(1, np.rint(size)).astype(int)
                cv2.ellipse(mask, centre.tolist(), axes.tolist(), angle, 0, 360, 255, -1)
    return soft(mask.astype(np.float32) / np.float32(255), rng)


def moved_onto(
    donor: Pixels, donor_landmarks: Landmarks, points: Landmarks, side: int
) -> NDArray[np.float32]:
    """The donor with its landmarks where the other's are, as near as turning and scaling bring them.

    Args:
        donor: (T, T, 3) uint8.
        donor_landmarks: as shares of its side.
        points: the other's landmarks, in pixels.
        side: of the result.

    Returns:
        (side, side, 3) float32 in about 0..255.
    """
    giving = (donor_landmarks * np.float32(donor.shape[0])) @ np.array([1, 1j])
    taking = points @ np.array([1, 1j])
    from_middle = giving - giving.mean()
    # Least squares over similarities of the plane, which are multiplications of complex numbers.
    turn = (from_middle.conj() @ (taking - taking.mean())) / ((from_middle.conj() @ from_middle).real + 1e-6)
    shift = taking.mean() - turn * giving.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    moved = cv2.warpAffine(donor, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return moved.astype(np.float32)


def in_colours_of(
    pixels: Pixels, moved: NDArray[np.float32], mask: NDArray[np.float32], strength: float
) -> NDArray[np.float32]:
    """Mean and spread of each channel under the mask as in ``pixels`` (after Reinhard et al., 2001).

    Args:
        pixels: (S, S, 3) uint8.
        moved: (S, S, 3) float32, what is to look like it.
        mask: (S, S) in 0..1.
        strength: from 0, as it was, to 1, wholly so.

    Returns:
        (S, S, 3) float32 in 0..255.
    """
    weights = mask.ravel()[:, None] / (mask.sum() + 1e-6)
    here, there = pixels.reshape(-1, 3).astype(np.float32), moved.reshape(-1, 3)
    means = [(part * weights).sum(axis=0) for part in (here, there)]
    spreads = [
        np.sqrt((((part - mean) ** 2) * weights).sum(axis=0)) + 1.0
        for part, mean in zip((here, there), means, strict=True)
    ]
    matched = (there - means[1]) * np.clip(spreads[0] / spreads[1], 0.5, 2.0) + means[0]
    return np.clip(there + (matched - there) * strength, 0, 255).reshape(moved.shape)
