"""Plain margins around a picture: white or black bars, frames, the empty part of a page or a phone's screen.

A margin shrinks the face in the picture's square and shows a detector what no camera saw, so it is cut away
before anything is looked for. A plain wall, a studio's background and the sky belong to the photograph. What
tells a margin from them is the straight edge along which the photograph begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepfake.types import Pixels

Margins = tuple[int, int, int, int]  # of left, top, right and bottom, in pixels

# In levels of 255, of a line's pixels against the margin's colour; what the margin's outermost line varies by
# comes on top, up to NOISE.
FLAT = 3  # a margin's pixels are within it
CONTRAST = 9  # a photograph's pixels, where it begins, are beyond it
NOISE = 7
FLAT_SHARE = 0.98  # of a line's pixels that are flat
ONSET = 0.35  # part of a photograph's difference at which it has begun: JPEG's ringing stays below
CLEAN = 0.75  # part of it from which its first line is its own, not blended with the margin
STEP = 4  # lines within which a margin ends
GRADUAL = (
    0.4  # part of the difference that may be there before, or it is a wall that grows darker, or the sky
)
REACH = 20  # pixels beyond the margin within which the photograph begins, or this part of its side
REACH_SHARE = 0.02
STRAIGHT = 0.5  # part of the edge that must lie on one line
STRAIGHT_TOO = 0.25  # the same where another side's margin of that colour is sure
SMOOTH, ROUGH = (
    1,
    0.3,
)  # noise up to which it may be drawn, and how much straighter the edge of any other must be
MIN_INNER_SIDE = 32  # pixels; less is no picture
FRAMES = 4  # a margin within a margin, at most so many
SAMPLES = 1500  # of a line's pixels, at least; every one of a short line
FIRST_LINES, MORE_LINES = 2, 64  # looked at in one go; most pictures have no margin


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
        if not any(cut) or min(inner[2] - inner[0], inner[3] - inner[1]) < MIN_INNER_SIDE:
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
    edges = {
        side: _edge(_from_side(inside, side), _from_side(pixels, side)[0])
        for side, run in enumerate(runs)
        if run
    }
    sure = [edge.colour for edge in edges.values() if edge.straight >= STRAIGHT]
    cut = [0, 0, 0, 0]
    for side, edge in edges.items():
        alike = any(np.abs(edge.colour - colour).max() <= FLAT for colour in sure)
        if edge.straight >= (STRAIGHT_TOO if alike else STRAIGHT):
            cut[side] = runs[side] + edge.depth
    return cut[0], cut[1], cut[2], cut[3]


def _from_side(pixels: Pixels, side: int) -> Pixels:
    """A view whose first rows are the lines at the left, top, right or bottom edge."""
    across = pixels if side % 2 else pixels.transpose(1, 0, 2)
    return across[::-1] if side >= 2 else across


def _colour(line: Pixels) -> tuple[NDArray[np.int16], int]:
    """A margin's colour, and the levels by which its pixels may differ."""
    colour = np.median(line, axis=0).astype(np.int16)
    noise = np.quantile(np.abs(line.astype(np.int16) - colour).max(axis=1), FLAT_SHARE)
    return colour, FLAT + min(round(float(noise)), NOISE)


def _plain_lines(view: Pixels) -> int:
    """How many of the first rows are of the first one's colour."""
    sampled = view[:, :: max(1, view.shape[1] // SAMPLES)]
    colour, flat = _colour(sampled[0])
    start, count = 0, FIRST_LINES
    while start < len(view):
        near = np.abs(sampled[start : start + count].astype(np.int16) - colour) <= flat
        plain = (near[:, :, 0] & near[:, :, 1] & near[:, :, 2]).mean(axis=1) >= FLAT_SHARE
        if not plain.all():
            return start + int(plain.argmin())
        start, count = start + count, MORE_LINES
    return len(view)


@dataclass(frozen=True)
class _Edge:
    """Where a photograph begins beyond plain lines.

    Attributes:
        colour: of the plain lines, (3,).
        straight: part of the edge that lies on one line, 0..1.
        depth: of the first line that is the photograph's own, in lines.
    """

    colour: NDArray[np.int16]
    straight: float
    depth: int


def _edge(view: Pixels, outermost: Pixels) -> _Edge:
    """Of a view whose first row is the first that is not plain."""
    colour, flat = _colour(outermost)
    reach = max(REACH, round(REACH_SHARE * len(view)))
    apart = np.abs(view[:reach].astype(np.int16) - colour).max(axis=2)
    most = apart.max(axis=0)
    least = flat + CONTRAST - FLAT
    onset = (apart > np.maximum(least, ONSET * most)).argmax(axis=0)
    across = np.arange(len(onset))
    before = np.where(onset >= STEP, apart[np.maximum(onset - STEP, 0), across], 0)
    at, after = apart[onset, across], apart[np.minimum(onset + 1, len(apart) - 1), across]
    begins = (most > least) & (before <= GRADUAL * np.maximum(at, after))
    if not begins.any():
        return _Edge(colour, 0.0, 0)
    counts = np.bincount(onset[begins], minlength=len(apart))
    spread = 1 if len(view) < 200 else 2  # on either side of the line
    line = int(np.convolve(counts, np.ones(2 * spread + 1), mode="same").argmax())
    near = slice(max(line - spread, 0), line + spread + 1)
    first = near.start + int(counts[near].argmax())
    blended = np.median(at[begins & (onset == first)]) < CLEAN * np.median(after[begins & (onset == first)])
    straight = float(counts[near].sum() / len(onset))
    return _Edge(colour, straight if flat <= FLAT + SMOOTH else straight - ROUGH, first + bool(blended))
