"""Boxes cut out of a picture, all brought to one size at once."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.faces.boxes import Boxes
from deepfake.faces.pyramid import in_unit_range
from deepfake.types import Pixels

FloatPixels = NDArray[np.float32]


class Cutter:
    """Cuts patches out of one picture, as ``tf.image.crop_and_resize`` does.

    A patch's outermost pixels lie on the box's sides; between the picture's pixels runs a straight line, and
    beyond its edge all is grey.
    """

    def __init__(self, pixels: Pixels) -> None:
        """
        Args:
            pixels: (H, W, 3) uint8.
        """
        self._height, self._width = pixels.shape[:2]
        # A pixel is one number of 32 bits, so that it is fetched at once.
        self._flat = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA).view(np.uint32).ravel()

    def patches(self, boxes: Boxes, side: int) -> FloatPixels:
        """(N, side, side, 3) from -1 to 1 of (N, 4 or more) boxes in pixels."""
        across, before, after = _samples(boxes[:, 0], boxes[:, 2], self._width, side)
        down, above, below = _samples(boxes[:, 1], boxes[:, 3], self._height, side)
        right = np.repeat((across - before).astype(np.float32), 4, axis=1)[:, None]
        made = self._row(above, before, after, right)
        lower = self._row(below, before, after, right)
        lower -= made
        lower *= (down - above).astype(np.float32)[:, :, None]
        made += lower
        made = in_unit_range(np.ascontiguousarray(made.reshape(len(boxes), side, side, 4)[..., :3]))
        beyond = (across < 0) | (across > self._width - 1)
        if beyond.any():
            made[np.broadcast_to(beyond[:, None], made.shape[:3])] = 0
        made[(down < 0) | (down > self._height - 1)] = 0
        return made

    def _row(
        self,
        lines: NDArray[np.int64],
        before: NDArray[np.int64],
        after: NDArray[np.int64],
        right: FloatPixels,
    ) -> FloatPixels:
        """(N, side, 4 * side): of these lines the pixels between two columns."""
        shape = len(lines), lines.shape[1], 4 * lines.shape[1]
        first = (lines * self._width)[:, :, None]
        made, other = (
            self._flat.take(first + columns[:, None]).view(np.uint8).reshape(shape).astype(np.float32)
            for columns in (before, after)
        )
        other -= made
        other *= right
        made += other
        return made


def _samples(
    first: NDArray[np.float64], last: NDArray[np.float64], length: int, side: int
) -> tuple[FloatPixels, NDArray[np.int64], NDArray[np.int64]]:
    """Along one axis (N, side): where a patch's pixels lie, and the picture's pixels before and after."""
    # In 32 bits and by way of shares of the axis, as TensorFlow does, so that the same pixels come out.
    begin, end = ((value / length).astype(np.float32) for value in (first, last))
    reach = np.float32(length - 1)
    step = (end - begin) * reach / np.float32(side - 1)
    places = (begin * reach)[:, None] + np.arange(side, dtype=np.float32) * step[:, None]
    before, after = (np.clip(how(places), 0, length - 1).astype(np.int64) for how in (np.floor, np.ceil))
    return places.astype(np.float32), before, after
