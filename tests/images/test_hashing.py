"""Prints of images: found again after what becomes of images on their way, and not mistaken for others."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from deepfake.images.hashing import (
    FACE_BITS,
    LIKE_BITS,
    ImagePrint,
    alike_groups,
    bits_apart,
    image_print,
    perceptual_hash,
)
from deepfake.perturbations.primitives import jpeg
from tests.support.images import noise_image


def flipped(print_bytes: bytes, bits: int) -> bytes:
    """The same hash with so many bits turned."""
    return (int.from_bytes(print_bytes) ^ ((1 << bits) - 1)).to_bytes(8)


def test_bits_apart_are_counted() -> None:
    pixels = noise_image(1, 120, 120)
    one = perceptual_hash(pixels).tobytes()
    other = perceptual_hash(noise_image(2, 120, 120)).tobytes()
    by_numpy = np.unpackbits(np.frombuffer(one, np.uint8) ^ np.frombuffer(other, np.uint8)).sum()
    assert bits_apart(one, other) == by_numpy
    assert bits_apart(one, flipped(one, 5)) == 5


def test_an_image_is_known_again_when_it_was_saved_smaller() -> None:
    pixels = noise_image(3, 300, 240)
    smaller: Any = cv2.resize(pixels, (120, 150), interpolation=cv2.INTER_AREA)
    small = jpeg(smaller, 50)
    assert image_print(pixels).like(image_print(small)) == "whole"
    assert image_print(pixels).like(image_print(noise_image(4, 300, 240))) is None


def test_a_cropped_image_is_known_again_by_a_face() -> None:
    """Of two faces one is cut away; of the image so little is left that it alone would not be known."""
    fine = np.random.default_rng(5).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    pixels: Any = cv2.resize(fine, (400, 400), interpolation=cv2.INTER_CUBIC)
    left, right = pixels[150:250, 20:120], pixels[150:250, 280:380]
    whole = image_print(pixels, [left, right])
    cut = pixels[100:300, 230:400]
    assert image_print(cut).like(whole) is None
    assert image_print(cut, [jpeg(right, 70)]).like(whole) == "cropped"
    assert image_print(cut, [noise_image(6, 100, 100)]).like(whole) is None


@pytest.mark.parametrize(("bits", "found"), [(FACE_BITS, "cropped"), (FACE_BITS + 1, None)])
def test_faces_must_be_nearer_than_images(bits: int, found: str | None) -> None:
    face = perceptual_hash(noise_image(7)).tobytes()
    one, other = ImagePrint(bytes(8), (face,)), ImagePrint(bytes([255] * 8), (flipped(face, bits),))
    assert one.like(other) == found
    assert ImagePrint(face).like(ImagePrint(flipped(face, LIKE_BITS))) == "whole"
    assert ImagePrint(face).like(ImagePrint(flipped(face, LIKE_BITS + 1))) is None


def test_forms_of_one_image_make_a_group() -> None:
    """The third is like the first by its whole, the fifth like the third by a face: all three are one."""
    face, other = (perceptual_hash(noise_image(seed)).tobytes() for seed in (8, 9))
    wholes = [perceptual_hash(noise_image(seed)).tobytes() for seed in (10, 11, 12)]
    prints = [
        ImagePrint(wholes[0]),
        ImagePrint(wholes[1], (other,)),
        ImagePrint(flipped(wholes[0], 3), (face,)),
        ImagePrint(flipped(wholes[1], 2)),
        ImagePrint(wholes[2], (flipped(face, 4),)),
        ImagePrint(bytes(8)),
    ]
    assert alike_groups(prints) == [(0, 2, 4), (1, 3)]
    pairs = [(a, b) for a in range(6) for b in range(a) if prints[a].like(prints[b])]
    assert pairs == [(2, 0), (3, 1), (4, 2)]
    assert alike_groups([]) == alike_groups(prints[:1]) == []
