"""Plain margins around a picture: white or black bars, frames, the empty part of a page or a phone's screen.

A margin shrinks the face in the picture's square and shows a detector what no camera saw, so it is cut away
before anything is looked for. A plain wall, a studio's background or the sky is part of a photograph: it stays.
A margin is told from them by the straight edge along which the photograph begins.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepfake.preprocessing import Pixels

Margins = tuple[int, int, int, int]  # of left, top, right and bottom, in pixels

FLAT = 10  # levels of 255 by which a margin's pixels may differ from its colour
FLAT_SHARE = 0.98  # of a line's pixels that are so near
CONTRAST = 16  # levels by which a photograph must differ from the margin where it begins
ONSET = 0.35  # part of that difference at which it has begun: ringing of JPEG stays below
REACH = 20  # pixels beyond the margin within which the photograph begins, or this part of its side
REACH_SHARE = 0.02
STRAIGHT = 0.6  # part of the edge that must lie on one line
SMALLEST = 32  # pixels; less is no picture
FRAMES = 4  # a margin within a margin, at most so many
SAMPLES = 1500  # of a line's pixels, at least; every one of a short line


def inner_box(pixels: Pixels) -> tuple[int, int, int, int]:
    """What is left of a picture without its plain margins.

    Margins may have any colour, one for each side, stand on one to four sides and within each other, and have
    gone through JPEG. Two or three lines of the photograph go with the margin, where the two run into one.

    Args:
        pixels: (H, W, 3) uint8.

    Returns:
        Left, top, right and bottom in pixels, right and bottom exclusive; the whole picture where it has no
        margin.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = 0, 0, width, height
    for _ in range(FRAMES):
        cut = _margins(pixels[top:bottom, left:right])
        inner = left + cut[0], top + cut[1], right - cut[2], bottom - cut[3]
        if not any(cut) or min(inner[2] - inner[0], inner[3] - inner[1]) < SMALLEST:
            break
        left, top, right, bottom = inner
    return left, top, right, bottom


def _margins(pixels: Pixels) -> Margins:
    """The outermost margin of each side, 0 where there is none."""
    runs = [_plain_lines(_from_side(pixels, side)) for side in range(4)]
    height, width = pixels.shape[:2]
    if not any(runs) or runs[0] + runs[2] >= width or runs[1] + runs[3] >= height:
        return 0, 0, 0, 0
    inside = pixels[runs[1] : height - runs[3], runs[0] : width - runs[2]]
    cut = [0, 0, 0, 0]
    for side, run in enumerate(runs):
        if run:
            colour = _colour(_from_side(pixels, side)[0])
            depth = _straight_edge(_from_side(inside, side), colour)
            cut[side] = 0 if depth is None else run + depth
    return cut[0], cut[1], cut[2], cut[3]


def _from_side(pixels: Pixels, side: int) -> Pixels:
    """A view whose first rows are the lines at the left, top, right or bottom edge."""
    across = pixels if side % 2 else pixels.transpose(1, 0, 2)
    return across[::-1] if side >= 2 else across


def _colour(line: Pixels) -> NDArray[np.int16]:
    return np.median(line, axis=0).astype(np.int16)


def _plain_lines(view: Pixels) -> int:
    """How many of the first rows are of the first one's colour."""
    length = view.shape[1]
    sampled = view[:, :: max(1, length // SAMPLES)]
    colour = _colour(sampled[0])
    for start in range(0, len(view), 64):
        apart = np.abs(sampled[start : start + 64].astype(np.int16) - colour).max(axis=2)
        plain = (apart <= FLAT).mean(axis=1) >= FLAT_SHARE
        if not plain.all():
            return start + int(plain.argmin())
    return len(view)


def _straight_edge(view: Pixels, colour: NDArray[np.int16]) -> int | None:
    """How far from the first row a photograph certainly has begun, where it begins along one line."""
    reach = max(REACH, round(REACH_SHARE * len(view)))
    apart = np.abs(view[:reach].astype(np.int16) - colour).max(axis=2)
    most = apart.max(axis=0)
    onset = (apart > np.maximum(CONTRAST, ONSET * most)).argmax(axis=0)[most > CONTRAST]
    if not onset.size:
        return None
    spread = 1 if len(view) < 200 else 2  # on either side of the line
    counts = np.convolve(np.bincount(onset, minlength=reach), np.ones(2 * spread + 1), mode="same")
    line = int(counts.argmax())
    if counts[line] < STRAIGHT * view.shape[1]:
        return None
    on_line = onset[np.abs(onset - line) <= spread]
    return int(np.quantile(on_line, 0.9)) + 2
