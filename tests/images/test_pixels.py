"""The one resize-and-scale."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from deepfake.images.pixels import InputSpec, resize, scaled, to_batch
from tests.support.images import noise_image


def test_right_size_is_left_alone() -> None:
    pixels = noise_image(1, 64, 64)
    assert np.array_equal(resize(pixels, 64), pixels)


def test_shrinking_averages_areas() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    blocks = pixels.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    assert np.abs(resize(pixels, 16).astype(float) - blocks).max() <= 0.5 + 1e-6


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((128, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(resize(stripes, 64).astype(int)) == 0


def test_enlarging_is_bilinear() -> None:
    pixels = noise_image(2, 48, 48)
    expected = cv2.resize(pixels, (96, 96), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(resize(pixels, 96), expected)


@pytest.mark.parametrize("shape", [(40, 90), (90, 40), (33, 33), (1, 1), (64, 128)])
def test_any_shape_becomes_a_square(shape: tuple[int, int]) -> None:
    resized = resize(np.full((*shape, 3), 77, np.uint8), 64)
    assert resized.shape == (64, 64, 3)
    assert resized.dtype == np.uint8
    assert (resized == 77).all()


def test_batch_of_crops_of_any_size() -> None:
    crops = [noise_image(1, 50, 50), noise_image(2, 64, 64), noise_image(3, 100, 100)]
    batch = to_batch(crops, InputSpec(64))
    assert batch.shape == (3, 64, 64, 3)
    assert batch.dtype == np.uint8
    assert np.array_equal(batch[1], crops[1])


def test_a_turned_view_is_taken() -> None:
    crop = noise_image(1, 50, 50)
    turned = np.rot90(crop)  # strides OpenCV would refuse, were it not for the copy that it makes
    assert np.array_equal(resize(turned, 32), resize(np.ascontiguousarray(turned), 32))


@pytest.mark.parametrize(
    ("spec", "low", "high"), [(InputSpec(8), -1.0, 1.0), (InputSpec(8, 1 / 255, 0.0), 0.0, 1.0)]
)
def test_scaling_is_the_same_for_arrays_and_tensors(spec: InputSpec, low: float, high: float) -> None:
    import tensorflow as tf

    batch = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
    batch[0, 0, 0] = (0, 255, 128)
    floats = scaled(batch, spec)
    assert floats.dtype == np.float32
    assert floats.min() == pytest.approx(low, abs=1e-6)
    assert floats.max() == pytest.approx(high, abs=1e-6)
    tensor = scaled(tf.constant(batch), spec)
    assert tensor.dtype == tf.float32
    assert np.allclose(np.asarray(tensor), floats, rtol=0, atol=1e-6)


def test_input_travels_in_json() -> None:
    spec = InputSpec(160, 1 / 255, 0.0)
    assert InputSpec(**json.loads(json.dumps(spec.to_dict()))) == spec


def test_the_interpolation_travels_with_the_input() -> None:
    """Older cards, which do not name it, and bicubic ones come back as they were."""
    assert "interpolation" not in InputSpec(64).to_dict()
    bicubic = InputSpec(64, interpolation="bicubic")
    assert InputSpec(**json.loads(json.dumps(bicubic.to_dict()))) == bicubic
    crop = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    (batch,) = to_batch([crop], bicubic)
    assert np.array_equal(batch, resize(crop, 64, "bicubic")) and not np.array_equal(batch, resize(crop, 64))
