"""What is done to an image by a number: does the number mean what it says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import pytest

from deepfake.perturbations.common import Pixels
from deepfake.perturbations.primitives import (
    blur,
    brightness,
    contrast,
    crop,
    fade,
    gamma,
    jpeg,
    noise,
    rescale,
    shift,
    turn,
)
from tests.support.images import noise_image

ALL: dict[str, Callable[[Pixels], Pixels]] = {
    "jpeg": partial(jpeg, quality=60),
    "blur": partial(blur, sigma=1.5),
    "noise": lambda pixels: noise(pixels, np.full(pixels.shape, 3.0)),
    "rescale": partial(rescale, share=0.5),
    "crop": partial(crop, share=0.5),
    "shift": partial(shift, share=0.1),
    "turn": partial(turn, degrees=10),
    "brightness": partial(brightness, factor=0.5),
    "contrast": partial(contrast, factor=0.5),
    "gamma": partial(gamma, power=2),
    "fade": partial(fade, share=0.5),
}


@pytest.mark.parametrize("name", ALL)
def test_input_stays_and_a_view_gives_what_its_copy_gives(name: str) -> None:
    pixels = noise_image(1, 60, 80)
    before = pixels.copy()
    mirrored = ALL[name](pixels[:, ::-1])
    assert mirrored.dtype == np.uint8 and mirrored.flags.c_contiguous
    assert np.array_equal(mirrored, ALL[name](np.ascontiguousarray(pixels[:, ::-1])))
    assert np.array_equal(pixels, before)


def test_jpeg_loses_more_at_lower_quality_and_refuses_nonsense() -> None:
    pixels = noise_image(1, 128, 128)
    errors = [np.abs(jpeg(pixels, q).astype(int) - pixels).mean() for q in (95, 75, 40, 15)]
    assert errors == sorted(errors)
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(jpeg(red, 90).astype(int) - red).max() < 8  # the channels keep their order
    for quality in (0, 101):
        with pytest.raises(ValueError, match="quality"):
            jpeg(pixels, quality)


def test_blur_is_given_in_pixels_of_256_and_never_less_than_asked() -> None:
    pixels = noise_image(1, 512, 512)
    assert np.array_equal(blur(pixels, 1.5), cv2.GaussianBlur(pixels, (0, 0), 3.0))
    assert np.array_equal(blur(pixels, 0.01, at_least=0.5), cv2.GaussianBlur(pixels, (0, 0), 0.5))


def test_noise_is_rounded_and_cut_off() -> None:
    pixels = np.array([[[0, 100, 255]]], np.uint8)
    assert noise(pixels, np.array([[[-3.0, 0.6, 3.0]]])).tolist() == [[[0, 101, 255]]]
    assert noise(pixels, np.array([[[-3, 1, 3]]], np.int16)).tolist() == [[[0, 101, 255]]]


def test_frames() -> None:
    pixels = noise_image(1, 100, 80)
    assert rescale(pixels, 0.5).shape == (50, 40, 3)
    assert rescale(pixels, 0.01, at_least=8).shape == (8, 8, 3)
    assert np.array_equal(crop(pixels, 0.5), pixels[25:75, 20:60])
    assert np.array_equal(shift(pixels, 0.1), pixels[5:95, 8:])
    assert np.array_equal(shift(pixels, -0.1), pixels[5:95, :-8])
    assert np.array_equal(turn(pixels, 180), pixels[::-1, ::-1])
    assert np.array_equal(turn(pixels, 0, offset=(0.1, 0.2))[20:, 8:], pixels[:80, :72])


def test_light_and_colour() -> None:
    pixels = np.full((8, 8, 3), (40, 80, 120), np.uint8)
    assert brightness(pixels, 2.5)[0, 0].tolist() == [100, 200, 255]
    assert contrast(pixels, 0.5)[0, 0].tolist() == [60, 80, 100]
    assert gamma(pixels, 1.0)[0, 0].tolist() == [40, 80, 120]
    assert len(set(fade(pixels, 1.0)[0, 0].tolist())) == 1
    assert np.array_equal(fade(pixels, 0.0), pixels)
