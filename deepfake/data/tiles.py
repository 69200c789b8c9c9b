"""A sheet of square pictures on black -> the pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepfake.types import Pixels

_BLACK = 10  # what a JPEG pass leaves of black is darker
_FILLED = 0.75  # share of a line that is brighter: more in a picture, less in a caption
_OFF = 4  # pixels by which a picture may differ from the side given


def cut_tiles(pixels: Pixels, side: int) -> list[Pixels]:
    """The square pictures of one size that lie on black, without what is written between them.

    A picture with a black edge is not found.

    Args:
        pixels: (H, W, 3) uint8: the sheet.
        side: of a picture, in pixels, to within 4.

    Returns:
        (about side, about side, 3) uint8 each, from left to right, each column from the top.
    """
    bright = pixels.max(axis=2) > _BLACK
    tiles = []
    for left, right in _runs(bright.mean(axis=0) > bright.mean(axis=0).max() / 3, side):
        for top, bottom in _runs(bright[:, left:right].mean(axis=1) > _FILLED, side):
            tiles.append(np.ascontiguousarray(pixels[top:bottom, left:right]))
    return tiles


def _runs(inside: NDArray[np.bool_], length: int) -> list[tuple[int, int]]:
    """Where ``inside`` holds on end for about ``length``."""
    edges = np.flatnonzero(np.diff(np.r_[False, inside, False].astype(np.int8)))
    pairs = edges.reshape(-1, 2)
    return [(int(start), int(end)) for start, end in pairs if abs(end - start - length) <= _OFF]
