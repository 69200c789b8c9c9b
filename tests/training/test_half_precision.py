"""Weights stored in 16 bits: half the file, read as any other, and the same answers but for rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deepfake.networks.architectures import compact
from deepfake.training.combine import halve

PARTS: dict[str, Any] = {"stages": ((64, 2), (96, 2)), "stem": 32}


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Any, Path]:
    """A network and its file."""
    keras.utils.set_random_seed(0)
    network: Any = compact(**PARTS)
    network.save(tmp_path / "net.keras")
    return network, tmp_path / "net.keras"


def test_half_the_size_and_nearly_the_same_logits(saved: tuple[Any, Path]) -> None:
    network, file = saved
    before = file.stat().st_size
    halve(file)
    assert file.stat().st_size < 0.65 * before
    again: Any = keras.saving.load_model(file, compile=False, safe_mode=True)
    assert {variable.dtype for variable in again.weights} == {variable.dtype for variable in network.weights}
    images = np.random.default_rng(0).uniform(-1, 1, (4, 48, 48, 3)).astype(np.float32)
    logits, rounded = (np.asarray(each(images, training=False)) for each in (network, again))
    assert np.allclose(logits, rounded, atol=0.02)
    assert not np.array_equal(logits, rounded)
    assert np.ptp(logits) > 0


def test_the_same_network_makes_the_same_file(saved: tuple[Any, Path]) -> None:
    _, file = saved
    halve(file)
    once = file.read_bytes()
    halve(file)
    assert file.read_bytes() == once


def test_what_16_bits_do_not_hold_is_refused(saved: tuple[Any, Path]) -> None:
    network, file = saved
    network.set_weights([np.full_like(values, 1e6) for values in network.get_weights()])
    network.save(file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match="too large"):
        halve(file)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]
