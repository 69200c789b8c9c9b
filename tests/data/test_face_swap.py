"""Composites of two photographs: changed in the face only, by what the donor's face shows there."""

from __future__ import annotations

import cv2
import numpy as np

from deepfake.data.synthesis.face_swap import swap_in
from tests.support.images import noise_image

FACE = np.array([[0.4, 0.42], [0.6, 0.42], [0.5, 0.52], [0.43, 0.62], [0.57, 0.62]], np.float32)


def test_form_seed_and_input() -> None:
    pixels, donor = noise_image(3, 200, 200), noise_image(4, 240, 240)
    kept = pixels.copy(), donor.copy()
    for seed in range(10):
        swap = swap_in(pixels, FACE, donor, FACE, np.random.default_rng(seed))
        assert swap.shape == pixels.shape
        assert swap.dtype == np.uint8
        assert np.array_equal(swap, swap_in(pixels, FACE, donor, FACE, np.random.default_rng(seed)))
    assert np.array_equal(pixels, kept[0])
    assert np.array_equal(donor, kept[1])


def test_the_surroundings_stay_and_the_face_changes_in_whole_or_part() -> None:
    pixels, donor = noise_image(5, 256, 256), noise_image(6, 256, 256)
    sizes = []
    for seed in range(60):
        apart = np.abs(swap_in(pixels, FACE, donor, FACE, np.random.default_rng(seed)).astype(int) - pixels)
        assert apart[:24, :24].max() <= 1
        assert apart[-24:].max() <= 1
        sizes.append((apart.max(axis=2) > 8).mean())
    assert min(sizes) > 0.001
    assert np.median(sizes) < 0.25
    assert max(sizes) > 4 * min(sizes), "a part now, the whole face another time"


def test_the_donors_face_is_brought_to_the_landmarks() -> None:
    """A donor lying on its side, half as large and away from the middle, gives what it would give upright."""
    upright = np.asarray(cv2.GaussianBlur(noise_image(7, 256, 256), (0, 0), 6), np.uint8)
    matrix = np.array([[0, -0.5, 200], [0.5, 0, 40]], np.float32)
    lying = np.asarray(cv2.warpAffine(upright, matrix, (256, 256), borderMode=cv2.BORDER_REFLECT), np.uint8)
    there = (FACE * 256) @ matrix[:, :2].T + matrix[:, 2]
    pixels = np.full((256, 256, 3), 128, np.uint8)
    for seed in range(8):
        first = swap_in(pixels, FACE, upright, FACE, np.random.default_rng(seed)).astype(int)
        second = swap_in(pixels, FACE, lying, (there / 256).astype(np.float32), np.random.default_rng(seed))
        assert np.abs(first - second).mean() < 1.0
        assert np.abs(first - 128).max() > 3


def test_landmarks_in_one_point_do_no_harm() -> None:
    pixels = noise_image(8, 64, 64)
    swap = swap_in(pixels, FACE, pixels, np.full((5, 2), 0.5, np.float32), np.random.default_rng(0))
    assert swap.shape == pixels.shape
