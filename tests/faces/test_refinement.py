"""One box for one face, and which way is up: with a network that knows a drawn face by its colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deepfake.faces.refinement import INPUT_SIDE, eyes_above_mouth, refine

Box = tuple[float, float, float, float]
FACE: Box = (120.0, 90.0, 200.0, 190.0)


def picture(width: int = 320, height: int = 280) -> np.ndarray:
    """Grey, with a white face whose eyes are a blue stripe and whose mouth is a red one."""
    pixels = np.full((height, width, 3), 110, np.uint8)
    left, top, right, bottom = (int(value) for value in FACE)
    pixels[top:bottom, left:right] = 255
    pixels[top + 20 : top + 35, left + 5 : right - 5] = (0, 0, 255)
    pixels[top + 70 : top + 85, left + 20 : right - 20] = (255, 0, 0)
    return pixels


def decide(batch: NDArray[np.float32]) -> tuple[Any, Any, Any]:
    """Offsets to the drawn face in each square, from its eyes and mouth; surer the more upright it stands."""
    offsets, landmarks, scores = [], [], []
    for patch in batch:
        blue = ((patch[:, :, 2] > 0.2) & (patch[:, :, 0] < 0)).nonzero()
        red = ((patch[:, :, 0] > 0.2) & (patch[:, :, 2] < 0)).nonzero()
        eyes, mouth = (
            np.array([part[1].mean() + 0.5, part[0].mean() + 0.5]) / INPUT_SIDE for part in (blue, red)
        )
        down = mouth - eyes
        long = float(np.abs(down).max())
        half = long * (np.array([0.8, 1.0]) if abs(down[1]) > abs(down[0]) else np.array([1.0, 0.8]))
        middle = (eyes + mouth) / 2 - 0.05 * down
        offsets.append([*(middle - half), *(middle + half - 1)])
        x = [eyes[0] - 0.1, eyes[0] + 0.1, middle[0], mouth[0] - 0.1, mouth[0] + 0.1]
        landmarks.append([*x, eyes[1], eyes[1], middle[1], mouth[1], mouth[1]])
        sure = 0.99 if down[1] > 0.2 else 0.9
        scores.append([1 - sure, sure])
    return np.array(offsets), np.array(landmarks), np.array(scores)


def turned(box: Box, quarters: int, width: int, height: int) -> Box:
    """Where a box lies in the picture turned anticlockwise."""
    left, top, right, bottom = box
    for _ in range(quarters):
        left, top, right, bottom, width, height = top, width - right, bottom, width - left, height, width
    return left, top, right, bottom


@pytest.mark.parametrize("start", [(120, 90, 200, 190), (110, 95, 195, 200), (128, 84, 204, 180)])
def test_the_same_box_wherever_the_search_began(start: Box) -> None:
    (face,) = refine(decide, picture(), [start])
    assert np.allclose(face.box, FACE, atol=1.5)
    assert (face.turn, face.upright) == (0, True)
    assert face.confidence == pytest.approx(0.99, abs=1e-6)


@pytest.mark.parametrize("scale", [0.4, 1.0, 3.0])
def test_the_same_box_in_every_size(scale: float) -> None:
    small = Image.fromarray(picture())
    pixels = np.asarray(small.resize((round(320 * scale), round(280 * scale)), Image.Resampling.LANCZOS))
    left, top, right, bottom = (value * scale for value in (114, 86, 202, 196))
    (face,) = refine(decide, pixels, [(left, top, right, bottom)])
    assert np.allclose(np.array(face.box) / scale, FACE, atol=2)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_which_way_is_up(quarters: int) -> None:
    lying = np.ascontiguousarray(np.rot90(picture(), quarters))
    expected = turned(FACE, quarters, 320, 280)
    (face,) = refine(decide, lying, [expected])
    assert (face.turn, face.upright) == ((-90 * quarters) % 360, True)
    assert np.allclose(face.box, expected, atol=1.5)
    (as_it_is,) = refine(decide, lying, [expected], turns=False)
    assert (as_it_is.turn, as_it_is.upright) == (0, not quarters)


def test_each_face_has_its_own_turn() -> None:
    pair = np.concatenate([picture(), picture()[::-1, ::-1]], axis=1)
    upside_down = (320 + 120.0, 90.0, 320 + 200.0, 190.0)
    faces = refine(decide, pair, [FACE, upside_down])
    assert [face.turn for face in faces] == [0, 180]
    assert np.allclose(faces[1].box, upside_down, atol=1.5)


def test_a_face_at_the_edge_of_the_picture() -> None:
    cut = np.ascontiguousarray(picture()[85:195, 115:205])
    (face,) = refine(decide, cut, [(5, 5, 85, 105)])
    assert np.allclose(face.box, (5, 5, 85, 105), atol=2)


def test_no_face() -> None:
    assert refine(decide, picture(), []) == []


def test_eyes_above_mouth() -> None:
    x, y = np.array([1.0, 2, 1.5, 1, 2]), np.array([1.0, 1, 1.5, 2, 2])
    assert eyes_above_mouth(x, y)
    assert not eyes_above_mouth(x, -y)
    assert not eyes_above_mouth(y, x)
