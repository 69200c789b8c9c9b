"""Self-blended photographs: changed about the face only, and the same again for the same seed."""

from __future__ import annotations

import numpy as np

from deepfake.data.synthesis.self_blend import self_blend
from tests.support.images import noise_image

FACE = np.array([[0.4, 0.42], [0.6, 0.42], [0.5, 0.52], [0.43, 0.62], [0.57, 0.62]], np.float32)


def test_form_seed_and_input() -> None:
    pixels = noise_image(3, 200, 160)
    before = pixels.copy()
    for seed in range(10):
        blend = self_blend(pixels, FACE, np.random.default_rng(seed))
        assert blend.shape == pixels.shape
        assert blend.dtype == np.uint8
        assert np.array_equal(blend, self_blend(pixels, FACE, np.random.default_rng(seed)))
    assert np.array_equal(pixels, before)


def test_the_seam_lies_about_the_face() -> None:
    """Either the face or its surroundings keep their pixels; over many draws, both happen."""
    pixels = noise_image(5, 256, 256)
    corner, centre = slice(0, 24), slice(120, 140)
    kept_corner, kept_centre, changed = 0, 0, 0
    for seed in range(60):
        apart = np.abs(self_blend(pixels, FACE, np.random.default_rng(seed)).astype(int) - pixels)
        corner_kept, centre_kept = apart[corner, corner].max() <= 1, apart[centre, centre].mean() < 1
        kept_corner += corner_kept
        kept_centre += centre_kept
        changed += apart.max() > 8
    assert kept_corner >= 15, "the face was changed, its surroundings were not"
    assert 60 - kept_corner >= 15, "the surroundings were changed"
    assert changed >= 55
