"""One face, one box: a found face looked at again from a little aside, and which way is up.

A cascade finds the same face with another box in each size of the same picture, a tenth of its side apart.
Here its last network sees each found face again at one size, in seven squares that differ a little, and once
for each quarter turn: the mean of what it says hardly depends on where the cascade came from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.types import Pixels

FloatBox = tuple[float, float, float, float]
Decide = Callable[[NDArray[np.float32]], Any]
"""MTCNN's last network: (N, 48, 48, 3) from -1 to 1 -> offsets (N, 4), landmarks (N, 10), scores (N, 2)."""

INPUT_SIDE = 48  # of the network's input, in pixels
ROOM = 1.7  # side of what is cut out around a face / side of the face's square
GREY = (128, 128, 128)  # beyond the picture's edge

# Of the squares: shift across and down as parts of the side, and size.
SQUARES = np.array(
    [(0, 0, 1), (-0.06, 0, 1), (0.06, 0, 1), (0, -0.06, 1), (0, 0.06, 1), (0, 0, 0.9), (0, 0, 1.1)]
)

SURER = (
    0.02  # by which another turn's confidence must exceed that of the picture as it is: most stand upright
)


@dataclass(frozen=True)
class RefinedFace:
    """A face after a second look.

    Attributes:
        box: left, top, right, bottom in pixels of the picture.
        confidence: mean of the network's confidence over the squares, 0..1.
        turn: degrees (0, 90, 180, 270) anticlockwise by which the picture must be turned for the face to
            stand upright.
        upright: its landmarks, too, say that it stands upright after that turn.
    """

    box: FloatBox
    confidence: float
    turn: int
    upright: bool


@dataclass(frozen=True)
class _Seen:
    """What the network says of each face in one turn: (N, 4) boxes in the picture, (N,) each of the rest."""

    boxes: NDArray[np.float64]
    confidence: NDArray[np.float64]
    upright: NDArray[np.bool_]


def refine(decide: Decide, pixels: Pixels, boxes: list[FloatBox], *, turns: bool = True) -> list[RefinedFace]:
    """Faces with a box that hardly depends on the picture's size, and which way each is up.

    Args:
        decide: the cascade's last network.
        pixels: (H, W, 3) uint8, RGB.
        boxes: of faces, in pixels.
        turns: whether to look which way is up; else all faces stand upright.
    """
    if not boxes:
        return []
    cuts = [_cut_out(pixels, np.array(box, np.float64)) for box in boxes]
    places = {0: np.arange(len(boxes))}  # of the faces seen in each turn
    seen = {0: _look(decide, cuts, 0)}
    merit = np.zeros((4, len(boxes)))
    merit[0] = seen[0].confidence * seen[0].upright
    doubtful = np.flatnonzero(merit[0] < 1 - SURER)  # no other turn can be surer than 1
    if turns and len(doubtful):
        for quarters in (1, 2, 3):
            most = _most(decide, [cuts[index] for index in doubtful], quarters)
            places[quarters] = doubtful[most - SURER > merit[0, doubtful]]
            if len(places[quarters]):
                seen[quarters] = _look(decide, [cuts[index] for index in places[quarters]], quarters)
                surer = seen[quarters].confidence * seen[quarters].upright - SURER
                merit[quarters, places[quarters]] = surer
    best = merit.argmax(axis=0)
    refined: dict[int, RefinedFace] = {}
    for quarters in set(best.tolist()):
        chosen = np.flatnonzero(best == quarters)
        rows = np.searchsorted(places[quarters], chosen)
        last = _look(decide, [_cut_out(pixels, box) for box in seen[quarters].boxes[rows]], quarters)
        for row, index in enumerate(chosen.tolist()):
            left, top, right, bottom = last.boxes[row].tolist()
            sure = float(last.confidence[row])
            refined[index] = RefinedFace(
                (left, top, right, bottom), sure, 90 * quarters, bool(last.upright[row])
            )
    return [refined[index] for index in range(len(boxes))]


@dataclass(frozen=True)
class _CutOut:
    """One face and what is around it.

    Attributes:
        region: a square of the picture, brought to about the network's size.
        scale: a pixel of the region / a pixel of the picture.
        middle: of the face, in pixels of the picture.
        aside: of the face's middle from the region's own, in pixels of the region.
        side: of the face's square, in pixels of the picture.
    """

    region: Pixels
    scale: float
    middle: tuple[float, float]
    aside: tuple[float, float]
    side: float


def _most(decide: Decide, cuts: list[_CutOut], quarters: int) -> NDArray[np.float64]:
    """The most that the confidence in each face can be in a turn, by its first square alone."""
    scores = np.asarray(decide(_batch([_squares(cut, quarters, SQUARES[:1]) for cut in cuts]))[2])
    return (scores[:, 1].astype(np.float64) + len(SQUARES) - 1) / len(SQUARES)


def _batch(patches: list[Pixels]) -> NDArray[np.float32]:
    """From -1 to 1, as the network wants them."""
    return (np.concatenate(patches).astype(np.float32) - np.float32(127.5)) / np.float32(128)


def _look(decide: Decide, cuts: list[_CutOut], quarters: int) -> _Seen:
    """One round over faces, with the picture turned anticlockwise by so many quarters."""
    batch = _batch([_squares(cut, quarters, SQUARES) for cut in cuts])
    offsets, landmarks, scores = (np.asarray(part) for part in decide(batch))
    count = len(SQUARES)
    found = np.empty((len(cuts), 4))
    confidence, upright = np.empty(len(cuts)), np.empty(len(cuts), bool)
    for index, cut in enumerate(cuts):
        rows = slice(index * count, (index + 1) * count)
        weights = scores[rows, 1].astype(np.float64) + 1e-6
        corners = cut.side * (
            SQUARES[:, None, 2] * (np.array([-0.5, -0.5, 0.5, 0.5]) + offsets[rows]) + _SHIFTS
        )
        mean = (corners * weights[:, None]).sum(axis=0) / weights.sum()
        found[index] = np.tile(cut.middle, 2) + _turned_back(mean, quarters)
        confidence[index] = scores[rows, 1].mean()
        points = (landmarks[rows] * weights[:, None]).sum(axis=0) / weights.sum()
        upright[index] = eyes_above_mouth(points[:5], points[5:])
    return _Seen(found, confidence, upright)


_SHIFTS = SQUARES[:, [0, 1, 0, 1]]


def _cut_out(pixels: Pixels, box: NDArray[np.float64]) -> _CutOut:
    """What the squares around one face are cut out of."""
    side = max(box[2] - box[0], box[3] - box[1], 2.0)
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = int(np.floor(middle_x - ROOM * side / 2)), int(np.floor(middle_y - ROOM * side / 2))
    room = int(np.ceil(ROOM * side)) + 1
    region = _padded(pixels, left, top, room)
    small = max(8, round(room * INPUT_SIDE / side))
    scale = small / room
    if small != room:
        how = cv2.INTER_AREA if small < room else cv2.INTER_LINEAR
        region = np.asarray(cv2.resize(region, (small, small), interpolation=how), np.uint8)
    aside = (middle_x - left) * scale - small / 2, (middle_y - top) * scale - small / 2
    return _CutOut(region, scale, (middle_x, middle_y), aside, float(side))


def _squares(cut: _CutOut, quarters: int, squares: NDArray[np.float64]) -> Pixels:
    """Squares around one face (N, 48, 48, 3), with the picture turned."""
    off_x, off_y = cut.aside
    for _ in range(quarters):
        off_x, off_y = off_y, -off_x
    region = np.ascontiguousarray(np.rot90(cut.region, quarters))
    small, reach = len(region), cut.side * cut.scale
    patches = []
    for shift_x, shift_y, size in squares:
        step = size * cut.side * cut.scale / INPUT_SIDE
        x = small / 2 + off_x + shift_x * reach - step * INPUT_SIDE / 2
        y = small / 2 + off_y + shift_y * reach - step * INPUT_SIDE / 2
        matrix = np.array([[step, 0, x + step / 2 - 0.5], [0, step, y + step / 2 - 0.5]])
        patches.append(
            cv2.warpAffine(
                region,
                matrix,
                (INPUT_SIDE, INPUT_SIDE),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=GREY,
            )
        )
    return np.stack(patches).astype(np.uint8)


def _padded(pixels: Pixels, left: int, top: int, side: int) -> Pixels:
    """A square of the picture, grey where it reaches beyond."""
    height, width = pixels.shape[:2]
    part = pixels[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    above, before = max(-top, 0), max(-left, 0)
    below, after = max(top + side - height, 0), max(left + side - width, 0)
    if not (above or before or below or after):
        return np.ascontiguousarray(part)
    square = np.full((side, side, 3), GREY, np.uint8)
    square[above : above + part.shape[0], before : before + part.shape[1]] = part
    return square


def _turned_back(corners: NDArray[np.float64], quarters: int) -> NDArray[np.float64]:
    """A box around the face's middle in the turned picture, in the picture as given."""
    left, top, right, bottom = corners
    for _ in range(quarters):
        left, top, right, bottom = -bottom, left, -top, right
    return np.array([left, top, right, bottom])


def eyes_above_mouth(x: NDArray[Any], y: NDArray[Any]) -> bool:
    """Whether the mouth is below the eyes, within 45 degrees; order: two eyes, nose, two mouth corners."""
    down, across = y[3:].mean() - y[:2].mean(), x[3:].mean() - x[:2].mean()
    return bool(down > abs(across))
