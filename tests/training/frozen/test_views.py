"""Views of an image: the same for everybody, faces as small as people have them, inputs untouched."""

import cv2
import numpy as np
import pytest

from deepfake.images.pixels import resize
from deepfake.perturbations import sharing
from deepfake.perturbations.mix import perturbed_copy
from deepfake.training.frozen.views import View, view_of

SHA = "5f" * 32


def face(side: int = 256) -> np.ndarray:
    coarse = np.random.default_rng(2).integers(20, 230, (8, 8, 3), dtype=np.uint8)
    return np.ascontiguousarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


@pytest.mark.parametrize("view", ["clean", "perturbed", "shared", "mixed"])
def test_a_view_follows_from_the_file(view: View) -> None:
    pixels, before = face(), face()
    first, again = view_of(pixels, SHA, view), view_of(pixels, SHA, view)
    assert np.array_equal(first, again) and np.array_equal(pixels, before)
    if view != "clean":
        other = view_of(pixels, "a0" * 32, view)
        assert first.shape != other.shape or not np.array_equal(first, other)


def test_the_perturbed_view_is_the_copy_that_is_measured_elsewhere() -> None:
    assert np.array_equal(view_of(face(), SHA, "perturbed"), perturbed_copy(face(), SHA))


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("side", [40, 64, 256, 512])
def test_a_shared_face_has_48_pixels_where_it_had_as_much(seed: int, side: int) -> None:
    shared = sharing.as_shared(face(side), np.random.default_rng(seed))
    assert shared.dtype == np.uint8 and shared.flags["C_CONTIGUOUS"]
    assert min(shared.shape[:2]) >= min(side, sharing.MIN_FACE_SIDE) - 1


def test_small_faces_are_as_likely_as_large_ones() -> None:
    sides = [sharing.shrunk(face(), np.random.default_rng(seed)).shape[0] for seed in range(400)]
    middle = (sharing.MIN_FACE_SIDE * sharing.MAX_FACE_SIDE) ** 0.5
    assert 0.42 < np.mean(np.array(sides) < middle) < 0.58


def test_moving_keeps_the_face_in_sight() -> None:
    """A disc in the middle stays within a third of the image."""
    pixels = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(pixels, (100, 100), 20, (255, 255, 255), -1)
    for seed in range(30):
        rows, columns = np.nonzero(sharing.moved(pixels, np.random.default_rng(seed))[..., 0] > 128)
        assert abs(rows.mean() - 100) < 34 and abs(columns.mean() - 100) < 34


def test_bicubic_does_not_alias_when_shrinking() -> None:
    """A board of single pixels becomes grey."""
    board = (np.indices((448, 448)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    small = resize(board, 56, "bicubic")
    assert small.shape == (56, 56, 3) and np.abs(small[4:-4, 4:-4].astype(int) - 127).max() <= 2
    assert resize(small, 56, "bicubic") is small
