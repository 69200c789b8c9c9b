"""A stress test as a picture for a document: a mark for each change, told apart without colour too."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from deepfake.detection.stress import StressTest
from deepfake.detection.text import CALL_WORDS
from deepfake.plotting import CALL_COLOURS
from deepfake.types import CallName, OperatingPoint, Thresholds
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


def _scale(draw: ImageDraw.ImageDraw, font: _Font, rows: list[tuple[str, float, CallName]]) -> _Scale:
    names = max(draw.textlength(name, font=font) for name, _, _ in rows)
    shares = max(draw.textlength(format_percent(p_fake), font=font) for _, p_fake, _ in rows)
    return _Scale(_RIM + names + _GAP, WIDTH - _RIM - shares - _GAP)


def stress_chart(test: StressTest, thresholds: Thresholds, point: OperatingPoint = "balanced") -> bytes:
    """A PNG file ``WIDTH`` pixels wide: p_fake as it is and after each change, in words and as marks.

    The uncertain band is shaded; a dotted line leads down from the score as it is.

    Args:
        test: of one face.
        thresholds, point: where the band lies.
    """
    rows: list[tuple[str, float, CallName]] = [("As it is", test.p_fake, test.call)]
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
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()


def _mark(draw: ImageDraw.ImageDraw, x: float, y: float, call: CallName) -> None:
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
    draw.text((x + 42, _TOP / 2), "uncertain band", fill=_INK, font=font, anchor="lm")
