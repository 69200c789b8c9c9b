"""Arithmetic of the boxes in which a cascade looks for faces.

The rules are those of the ``mtcnn`` package (Iván de Paz Centeno, MIT licence), whose weights we use.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
"""(N, 5 or more): left, top, right, bottom, confidence; landmarks may follow."""

_BLOCK = 256  # boxes compared with all surer ones at a time, which bounds the memory


def surest_first(boxes: Boxes) -> Boxes:
    """The same boxes in the order of their confidence."""
    return boxes[np.argsort(boxes[:, 4])[::-1]]


def without_overlaps(boxes: Boxes, most: float) -> Boxes:
    """Boxes that share little with every surer one.

    A box goes even where the surer one that it overlaps goes too.

    Args:
        boxes: the surest first.
        most: what two boxes may share, as part of what both cover.
    """
    count = len(boxes)
    if count < 2:
        return boxes
    left, top, right, bottom = (np.ascontiguousarray(boxes[:, column]) for column in range(4))
    areas = (right - left) * (bottom - top)
    kept = np.ones(count, bool)
    for start in range(0, count, _BLOCK):
        block = slice(start, min(start + _BLOCK, count))
        surer = slice(0, block.stop)
        shared = np.minimum(right[surer, None], right[block])
        shared -= np.maximum(left[surer, None], left[block])
        down = np.minimum(bottom[surer, None], bottom[block])
        down -= np.maximum(top[surer, None], top[block])
        np.maximum(shared, 0, out=shared)
        np.maximum(down, 0, out=down)
        shared *= down
        # shared / (one + other - shared) > most, without a division
        covered = areas[surer, None] + areas[block]
        covered -= shared
        covered *= most
        too_much = shared > covered
        too_much[start:] = np.triu(too_much[start:], 1)
        kept[block] = ~too_much.any(axis=0)
    return boxes[kept]


def squared(boxes: Boxes) -> Boxes:
    """Each box widened or heightened around its middle to a square."""
    across, down = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    side = np.maximum(across, down)
    made = boxes.copy()
    made[:, 0] += across * 0.5 - side * 0.5
    made[:, 1] += down * 0.5 - side * 0.5
    made[:, 2:4] = made[:, :2] + side[:, None]
    return made


def shifted(boxes: Boxes, offsets: NDArray[np.float32]) -> Boxes:
    """Boxes whose sides moved by (N, 4) shares of the box's own width and height."""
    across, down = boxes[:, 2] - boxes[:, 0] + 1, boxes[:, 3] - boxes[:, 1] + 1
    made = boxes.copy()
    made[:, :4] += offsets * np.stack([across, down, across, down], axis=1)
    return made


def inside(boxes: Boxes, width: int, height: int) -> Boxes:
    """Boxes cut off at the picture's edge; landmarks stay where they are."""
    made = boxes.copy()
    made[:, :4] = np.clip(boxes[:, :4], 0, np.array([width, height, width, height]) - 1)
    return made


def overlap(one: Sequence[int], other: Sequence[int]) -> float:
    """Intersection over union of two boxes (left, top, right, bottom); 1 for equal ones, even empty ones."""
    if list(one) == list(other):
        return 1.0
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if min(across, down) <= 0:
        return 0.0
    areas = sum(abs((box[2] - box[0]) * (box[3] - box[1])) for box in (one, other))
    return across * down / (areas - across * down)
