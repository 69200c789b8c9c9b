"""One picture in ever smaller sizes, so that a network that knows one size of face finds them all."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.types import Pixels

STEP = 0.709  # from one size of the picture to the next smaller one
_ROWS = 32  # made at a time: what they are made of stays in the processor's cache
_MAX_ROWS = 257  # of 255 each that a number of 16 bits can add up


class Pyramid:
    """The sizes of one picture; each of their pixels is the mean of the area that it covers.

    OpenCV would read the whole picture again for each of them. Here sums down each column are kept, of which
    a small size needs only the rows where its pixels begin.
    """

    def __init__(self, pixels: Pixels) -> None:
        """
        Args:
            pixels: (H, W, 3) uint8.
        """
        self._shape = pixels.shape
        self._lines = np.ascontiguousarray(pixels).reshape(len(pixels), -1)
        self._sums: NDArray[np.uint16] | None = None

    def level(self, scale: float) -> NDArray[np.float32]:
        """The picture at ``scale`` of its size, below 1; from -1 to 1."""
        height, width, channels = self._shape
        rows, columns = int(height * scale), int(width * scale)
        made = np.empty((rows, columns, channels), np.float32)
        if height / rows > _MAX_ROWS - 2:  # a narrow strip
            cv2.resize(
                self._lines.reshape(self._shape).astype(np.float32),
                (columns, rows),
                made,
                interpolation=cv2.INTER_AREA,
            )
            return in_unit_range(made)
        edges = np.arange(rows + 1) * (height / rows)
        edges[-1] = height
        for start in range(0, rows, _ROWS):
            part = made[start : start + _ROWS]
            summed = self._summed(edges[start : start + _ROWS + 1])
            cv2.resize(summed, (columns, len(part)), part, interpolation=cv2.INTER_AREA)
        made *= np.float32(rows / height)
        return in_unit_range(made)

    def _summed(self, edges: NDArray[np.float64]) -> NDArray[np.float32]:
        """(N, W, 3): sums of the picture's lines from each edge to the next."""
        if self._sums is None:
            self._sums = _sums(self._lines)
        whole = edges.astype(np.int64)
        beyond = self._lines.take(whole, axis=0, mode="clip") * (edges - whole).astype(np.float32)[:, None]
        sums = self._sums.take(whole, axis=0)
        summed = (sums[1:] - sums[:-1]).astype(np.float32)
        summed += beyond[1:]
        summed -= beyond[:-1]
        return summed.reshape(-1, *self._shape[1:])


def in_unit_range(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """0..255 as the networks want it, from -1 to 1; in place."""
    levels -= np.float32(127.5)
    levels *= np.float32(1 / 128)
    return levels


def scales(width: int, height: int, smallest: float, cell: int) -> list[float]:
    """Sizes at which faces from ``smallest`` pixels on are as large as ``cell``; the largest first."""
    count = round(-(np.log(min(width, height) / cell) / np.log(STEP) + 1))
    return [cell / smallest * STEP**number for number in range(count)]


def _sums(lines: Pixels) -> NDArray[np.uint16]:
    """(H + 1, N): of all lines above each, without what is too much for 16 bits: differences stay right."""
    sums = np.zeros((len(lines) + 1, lines.shape[1]), np.uint16)
    sums[1:] = lines
    for above, line in itertools.pairwise(sums):
        np.add(above, line, out=line)
    return sums
