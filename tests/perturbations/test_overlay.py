"""What is laid over photographs: shapes, determinism, untouched inputs, how much of the image is covered."""

import numpy as np
import pytest

from deepfake.perturbations.common import Pixels
from deepfake.perturbations.overlay import OVERLAY, caption, overlay, sticker, watermark


def face(height: int = 256, width: int = 256) -> Pixels:
    return np.random.default_rng(1).integers(60, 190, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", [*OVERLAY, "overlay"])
@pytest.mark.parametrize("shape", [(256, 256), (48, 64), (9, 7), (300, 100)])
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_each_keeps_the_promises_of_a_perturbation(
    name: str, shape: tuple[int, int], strength: float
) -> None:
    function = OVERLAY.get(name, overlay)
    pixels = face(*shape)
    before = pixels.copy()
    first = function(pixels, strength, np.random.default_rng(3))
    again = function(pixels, strength, np.random.default_rng(3))
    assert np.array_equal(pixels, before)
    assert np.array_equal(first, again)
    assert first.shape == pixels.shape and first.dtype == np.uint8 and first.flags["C_CONTIGUOUS"]
    assert not np.shares_memory(first, pixels)


@pytest.mark.parametrize("seed", range(12))
def test_a_watermark_is_translucent_at_any_strength(seed: int) -> None:
    """The face shows through everywhere: no pixel moves further than its text is opaque."""
    pixels = face()
    for strength, opacity in ((0.0, 0.15), (1.0, 0.6)):
        marked = watermark(pixels, strength, np.random.default_rng(seed))
        change = np.abs(marked.astype(int) - pixels)
        assert 0 < (change.max(2) > 2).mean() < 0.9
        shadow = 1 - (1 - opacity) * (1 - 0.6 * opacity)
        assert change.max() <= 255 * shadow + 2


def test_a_caption_stays_at_the_edge() -> None:
    """A quarter of the height at most is written on, at the top or the bottom (letters may hang over)."""
    for seed in range(12):
        changed = (caption(face(), 1.0, np.random.default_rng(seed)) != face()).any((1, 2))
        assert changed.any() and not changed[90:166].any()


def test_more_strength_lays_more_stickers() -> None:
    def covered(strength: float) -> float:
        changed = [
            (sticker(face(), strength, np.random.default_rng(seed)) != face()).any(2).mean()
            for seed in range(20)
        ]
        return float(np.mean(changed))

    assert 0.003 < covered(0.0) < covered(1.0) < 0.3
