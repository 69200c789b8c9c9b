"""Where a score lies, and a stress test, as pictures for a document; told apart without colour too."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image, ImageColor, ImageDraw, ImageFont

from deepfake.detection.figures import (
    STRIP_TICKS,
    bands,
    score_marks,
    strip_heights,
    strip_place,
    strip_table,
)
from deepfake.detection.stress import StressTest
from deepfake.detection.text import BAND_WORDS, CALL_WORDS
from deepfake.detection.verdict import Verdict
from deepfake.detection.words import UNCERTAIN
from deepfake.plotting import CALL_COLOURS, FAKE_COLOUR, REAL_COLOUR
from deepfake.types import OperatingPoint, Thresholds, VerdictLabel
from deepfake.util.text import format_percent

WIDTH = 840
_ROW, _TOP, _BOTTOM = 36, 60, 80
_GAP, _RIM = 24, 12
_INK, _PALE, _BAND = "#1c2529", "#d5dbde", "#e8eaed"
_RADIUS = 10
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class _Scale:
    """Where 0 and 1 lie, in pixels from the left: beside the words, whatever they are."""

    zero: float
    one: float

    def x(self, p_fake: float) -> float:
        return self.zero + p_fake * (self.one - self.zero)


def _scale(draw: ImageDraw.ImageDraw, font: _Font, rows: list[tuple[str, float, VerdictLabel]]) -> _Scale:
    names = max(draw.textlength(name, font=font) for name, _, _ in rows)
    shares = max(draw.textlength(format_percent(p_fake), font=font) for _, p_fake, _ in rows)
    return _Scale(_RIM + names + _GAP, WIDTH - _RIM - shares - _GAP)


_STRIP_TOP, _STRIP_HEIGHT = 84, 150


def strip_chart(scores: pd.DataFrame | None, verdict: Verdict, thresholds: Thresholds) -> bytes:
    """A PNG file ``WIDTH`` pixels wide: ``figures.strip_figure`` for a document.

    Args:
        scores: of validation images, see ``figures.strip_table``; None draws the bands alone.
        verdict: with a score.
        thresholds: of its detector.
    """
    bottom = _STRIP_TOP + _STRIP_HEIGHT
    canvas = Image.new("RGB", (WIDTH, bottom + _BOTTOM), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=20)
    scale, middle = _Scale(_RIM, WIDTH - _RIM), _STRIP_TOP + _STRIP_HEIGHT / 2
    for band in bands(thresholds, verdict.operating_point):
        left, right = scale.x(strip_place(band.low)), scale.x(strip_place(band.high))
        if right <= left:
            continue
        draw.rectangle((left, _STRIP_TOP, right, bottom), fill=_pale(CALL_COLOURS[band.call]))
        words = BAND_WORDS[band.call]
        if right - left > draw.textlength(words, font=font):
            draw.text(((left + right) / 2, _STRIP_TOP - 8), words, fill=_INK, font=font, anchor="mb")
    if scores is not None:
        _strip_bars(draw, scale, strip_table(scores), middle)
        draw.text((_RIM + 8, _STRIP_TOP + 8), "Validation: fake", fill=_INK, font=font)
        draw.text((WIDTH - _RIM - 8, bottom - 8), "Validation: real", fill=_INK, font=font, anchor="rd")
    for tick in STRIP_TICKS[1:-1]:
        x = scale.x(strip_place(tick))
        draw.text((x, bottom + 8), f"{100 * tick:g}%", fill=_INK, font=font, anchor="ma")
    title = "Probability of fake (ends stretched)"
    draw.text((scale.x(0.5), bottom + 40), title, fill=_INK, font=font, anchor="ma")
    for mark in score_marks(verdict)[1:]:
        _mark(draw, scale.x(strip_place(mark.p_fake)), middle, mark.call)
    for mark in score_marks(verdict)[:1]:
        x, colour = scale.x(strip_place(mark.p_fake)), CALL_COLOURS[mark.call]
        draw.line((x, _STRIP_TOP, x, bottom), fill="white", width=9)
        draw.line((x, _STRIP_TOP, x, bottom), fill=colour, width=5)
        half = draw.textlength(mark.words, font=font) / 2 + 8
        centre = min(max(x, _RIM + half), WIDTH - _RIM - half)
        draw.rectangle((centre - half, 12, centre + half, 44), fill=colour)
        draw.text((centre, 28), mark.words, fill="white", font=font, anchor="mm")
    return _png(canvas)


def _pale(colour: str) -> tuple[int, int, int]:
    """A colour as a sixth of it looks on white."""
    red, green, blue = (round(255 - (255 - value) / 6) for value in ImageColor.getrgb(colour)[:3])
    return red, green, blue


def _strip_bars(draw: ImageDraw.ImageDraw, scale: _Scale, table: pd.DataFrame, middle: float) -> None:
    """Fakes above the middle, real images below it."""
    edges = np.linspace(0, 1, len(table) + 1)
    heights = strip_heights(table)
    tallest = max(float(heights.to_numpy().max()), 1e-9)
    for name, colour, sign in (("Fake", FAKE_COLOUR, -1), ("Real", REAL_COLOUR, 1)):
        for left, right, height in zip(edges, edges[1:], heights[name], strict=False):
            end = middle + sign * 0.48 * _STRIP_HEIGHT * height / tallest
            if round(end) != round(middle):
                draw.rectangle(
                    (scale.x(left), min(middle, end), scale.x(right), max(middle, end)), fill=colour
                )


def _png(canvas: Image.Image) -> bytes:
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()


def stress_chart(test: StressTest, thresholds: Thresholds, point: OperatingPoint = "balanced") -> bytes:
    """A PNG file ``WIDTH`` pixels wide: p_fake as it is and after each change, in words and as marks.

    The uncertain band is shaded; a dotted line leads down from the score as it is.

    Args:
        test: of one face.
        thresholds, point: where the band lies.
    """
    rows: list[tuple[str, float, VerdictLabel]] = [("As it is", test.p_fake, test.call)]
    rows.extend((f"{p.change.kind} {p.change.unit}", p.p_fake, p.call) for p in test.points)
    bottom = _TOP + _ROW * len(rows)
    canvas = Image.new("RGB", (WIDTH, bottom + _BOTTOM), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=22)
    scale = _scale(draw, font, rows)
    high = min(1.0, thresholds.fake_from(point))
    draw.rectangle((scale.x(thresholds.uncertain_low), _TOP, scale.x(high), bottom), fill=_BAND)
    for tenth in range(0, 11, 2):
        x = scale.x(tenth / 10)
        draw.line((x, _TOP, x, bottom), fill=_PALE)
        draw.text((x, bottom + 8), f"{10 * tenth}%", fill=_INK, font=font, anchor="ma")
    draw.text((scale.x(0.5), bottom + 42), "Probability of fake", fill=_INK, font=font, anchor="ma")
    for y in range(_TOP, bottom, 10):
        draw.line(
            (scale.x(test.p_fake), y, scale.x(test.p_fake), y + 4), fill=CALL_COLOURS[test.call], width=2
        )
    for number, (name, p_fake, call) in enumerate(rows):
        y = _TOP + _ROW * number + _ROW / 2
        draw.text((scale.zero - _GAP, y), name, fill=_INK, font=font, anchor="rm")
        draw.text((scale.one + _GAP, y), format_percent(p_fake), fill=_INK, font=font, anchor="lm")
        _mark(draw, scale.x(p_fake), y, call)
    _legend(draw, font)
    return _png(canvas)


def _mark(draw: ImageDraw.ImageDraw, x: float, y: float, call: VerdictLabel) -> None:
    """A square for fake, a disc for real, a diamond for uncertain."""
    r, colour = _RADIUS, CALL_COLOURS[call]
    if call == "fake":
        draw.rectangle((x - r + 1, y - r + 1, x + r - 1, y + r - 1), fill=colour)
    elif call == "real":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    else:
        draw.polygon(((x, y - r - 1), (x + r + 1, y), (x, y + r + 1), (x - r - 1, y)), fill=colour)


def _legend(draw: ImageDraw.ImageDraw, font: _Font) -> None:
    x = 12.0
    for call, words in CALL_WORDS.items():
        _mark(draw, x + _RADIUS, _TOP / 2, call)
        draw.text((x + 3 * _RADIUS, _TOP / 2), words, fill=_INK, font=font, anchor="lm")
        x += 3 * _RADIUS + draw.textlength(words, font=font) + 30
    draw.rectangle((x, _TOP / 2 - 12, x + 30, _TOP / 2 + 12), fill=_BAND)
    draw.text((x + 42, _TOP / 2), f"{UNCERTAIN} band", fill=_INK, font=font, anchor="lm")
