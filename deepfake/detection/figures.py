"""A verdict in pictures: faces with their boxes, the stress test, a video over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image, ImageColor, ImageDraw, ImageFont

from deepfake.detection.stress import StressTest
from deepfake.detection.text import CALL_WORDS, framed_square, short_words
from deepfake.detection.verdict import Verdict
from deepfake.detection.video import VideoVerdict
from deepfake.images.encode import PREVIEW_SIDE, jpeg_bytes, shrink
from deepfake.plotting import CALL_COLOURS, FAKE_COLOUR, NEUTRAL_COLOUR, REAL_COLOUR, base_figure, share_axis
from deepfake.types import Box, CallName, OperatingPoint, Pixels, Thresholds

FRAME_SIDE = 480
"""Longest side of a video's frame that is shown, in pixels."""


def stress_table(result: StressTest) -> pd.DataFrame:
    """A row for the crop as it is and for each change: what was done, how much, p_fake (0..1), verdict."""
    rows = [("As it is", "", result.p_fake, CALL_WORDS[result.call])]
    rows += [
        (point.change.kind, point.change.unit, point.p_fake, CALL_WORDS[point.call])
        for point in result.points
    ]
    return pd.DataFrame(rows, columns=["Change", "Amount", "Probability of fake", "Verdict"])


def stress_figure(
    result: StressTest, thresholds: Thresholds, point: OperatingPoint = "balanced"
) -> go.Figure:
    """A dot for each change on the scale of p_fake; the uncertain band is shaded."""
    table = stress_table(result)
    figure = base_figure("Probability of fake", "", height=130 + 17 * len(table))  # room for each name
    words = [
        f"{change} {amount}".strip() for change, amount in zip(table["Change"], table["Amount"], strict=True)
    ]
    calls = [result.call, *(point.call for point in result.points)]
    figure.add_vrect(
        x0=thresholds.uncertain_low,
        x1=min(1.0, thresholds.fake_from(point)),
        fillcolor=CALL_COLOURS["uncertain"],
        opacity=0.18,
        line_width=0,
    )
    figure.add_vline(x=result.p_fake, line={"dash": "dot", "width": 1, "color": CALL_COLOURS[result.call]})
    for call in ("fake", "uncertain", "real"):
        mine = [place for place, name in enumerate(calls) if name == call]
        figure.add_scatter(
            x=[table["Probability of fake"].iloc[place] for place in mine],
            y=[words[place] for place in mine],
            mode="markers",
            name=CALL_WORDS[call],
            marker={"size": 10, "color": CALL_COLOURS[call]},
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(categoryorder="array", categoryarray=words[::-1], dtick=1, title=None)
    return figure


_SYMBOLS: Mapping[CallName, str] = {"fake": "diamond", "uncertain": "square", "real": "circle"}


def video_table(result: VideoVerdict) -> pd.DataFrame:
    """A row a frame: second, p_fake (0..1; none without a face), faces found, verdict in words."""
    return pd.DataFrame(
        {
            "Second": [round(frame.second, 2) for frame in result.frames],
            "Probability of fake": [frame.verdict.p_fake for frame in result.frames],
            "Faces": [len(frame.verdict.faces) for frame in result.frames],
            "Verdict": [short_words(frame.verdict) for frame in result.frames],
        }
    )


def video_figure(result: VideoVerdict) -> go.Figure:
    """A dot for each frame with a face over the time, and the median as a dotted line."""
    figure = base_figure("Time (s)", "Probability of fake")
    shown = result.deciding
    figure.add_scatter(
        x=[frame.second for frame in shown],
        y=[frame.verdict.p_fake for frame in shown],
        mode="lines",
        line={"color": NEUTRAL_COLOUR, "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )
    for call, symbol in _SYMBOLS.items():
        mine = [frame for frame in shown if frame.verdict.verdict == call]
        figure.add_scatter(
            x=[frame.second for frame in mine],
            y=[frame.verdict.p_fake for frame in mine],
            mode="markers",
            name=CALL_WORDS[call],
            marker={"size": 10, "color": CALL_COLOURS[call], "symbol": symbol},
            hovertemplate="%{x:.1f} s: %{y:.1%}<extra></extra>",
        )
    if result.p_fake is not None:
        figure.add_hline(
            y=result.p_fake,
            line={"dash": "dot", "width": 2, "color": CALL_COLOURS[result.verdict]},
            annotation={"text": "Median", "yanchor": "bottom" if result.p_fake < 0.9 else "top"},
        )
    figure.update_xaxes(range=[0, max(result.facts.seconds, 0.1)])
    figure.update_yaxes(**share_axis())
    return figure


def draw_verdict(pixels: Pixels, verdict: Verdict, side: int = PREVIEW_SIDE) -> Pixels:
    """A picture, whole or a smaller copy, with the faces of its verdict marked; see ``draw_faces``."""
    boxes = [face.box for face in verdict.faces]
    calls: list[CallName] = [face.verdict for face in verdict.faces]
    square = framed_square(verdict)
    return draw_faces(pixels, boxes, calls, side, square=square, full_width=verdict.width)


def draw_faces(
    pixels: Pixels,
    boxes: Sequence[Box],
    calls: Sequence[CallName],
    side: int = PREVIEW_SIDE,
    *,
    square: Box | None = None,
    full_width: int | None = None,
) -> Pixels:
    """The picture, shrunk to ``side``, with a numbered, labelled box around each face.

    Numbers count from 1 in the order given. The verdict stands in the label and in the colour; a label much
    wider than its box, which would cover other faces, or wider than the picture is the number alone.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        boxes: left, top, right, bottom in pixels, right and bottom exclusive.
        calls: the verdict of each.
        side: longest side of the result, in pixels.
        square: what the verdict 'fake' rests on where it is not a face; framed and labelled.
        full_width: of the picture that the boxes lie in, where ``pixels`` is a smaller copy of it.

    Returns:
        a new (h, w, 3) uint8 array.

    Raises:
        ValueError: ``boxes`` and ``calls`` differ in length.
    """
    if len(boxes) != len(calls):
        raise ValueError(f"Every box needs a call. Received {len(boxes)} boxes and {len(calls)} calls.")
    small = shrink(pixels, side)
    scale = small.shape[1] / (full_width or pixels.shape[1])
    canvas = Image.fromarray(small)
    drawing = ImageDraw.Draw(canvas)
    long_side = max(small.shape[:2])
    line = max(1, round(long_side / 170))
    if square is not None:
        left, top, right, bottom = (round(edge * scale) for edge in square)
        drawing.rectangle((left, top, right - 1, bottom - 1), outline="white", width=2 * line + 2)
        inner = (left + 1, top + 1, right - 2, bottom - 2)
        drawing.rectangle(inner, outline=CALL_COLOURS["fake"], width=2 * line)
    # Smallest first, so that the largest faces' labels end on top.
    for number in range(len(boxes), 0, -1):
        left, top, right, bottom = (round(edge * scale) for edge in boxes[number - 1])
        call = calls[number - 1]
        rim = (left - line - 1, top - line - 1, right + line, bottom + line)
        drawing.rectangle(rim, outline="white", width=line + 2)  # visible on any background
        outer = (left - line, top - line, right + line - 1, bottom + line - 1)
        drawing.rectangle(outer, outline=CALL_COLOURS[call], width=line)
    size = max(11, round(long_side / 30))
    font = ImageFont.load_default(size=size)
    if square is not None:
        left, top, _, bottom = (round(edge * scale) for edge in square)
        _draw_tag(drawing, font, f"Whole image {CALL_WORDS['fake'].lower()}", (left, top, bottom), "fake")
    for number in range(len(boxes), 0, -1):
        left, top, right, bottom = (round(edge * scale) for edge in boxes[number - 1])
        call = calls[number - 1]
        text = f"{number} {CALL_WORDS[call]}"
        wide = drawing.textlength(text, font=font)
        if (len(boxes) > 1 and wide > 1.5 * (right - left)) or wide + size > canvas.width:
            text = str(number)
        _draw_tag(drawing, font, text, (left, top, bottom), call)
    return np.asarray(canvas)


def draw_heat(crop: Pixels, heat: np.ndarray, opacity: float, side: int = 320) -> Pixels:
    """A crop with a map over it: Fake's colour where it speaks for Fake, Real's where for Real.

    Args:
        crop: (H, W, 3) uint8 RGB.
        heat: (h, w) in [-1, 1], above 0 for Fake; brought to the crop's size.
        opacity: 0..1 of the strongest places.
        side: of the result, in pixels.

    Returns:
        (side, side, 3) uint8.
    """
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    large = np.clip(cv2.resize(heat.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC), -1, 1)
    fake, real = (np.array(ImageColor.getrgb(name), np.float32) for name in (FAKE_COLOUR, REAL_COLOUR))
    colour = np.where(large[..., None] > 0, fake, real)
    cover = np.abs(large)[..., None] * opacity
    return np.rint(small * (1 - cover) + colour * cover).astype(np.uint8)


def _draw_tag(
    drawing: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    text: str,
    place: tuple[int, int, int],
    call: CallName,
) -> None:
    """A label above a box, or below it at the picture's upper edge, kept inside the picture."""
    left, top, bottom = place
    width, height = drawing.im.size  # pyright: ignore[reportAttributeAccessIssue]
    x0, y0, x1, y1 = drawing.textbbox((0, 0), text, font=font)
    pad = max(2, round((y1 - y0) / 4))
    tag_width, tag_height = round(x1 - x0) + 2 * pad, round(y1 - y0) + 2 * pad
    x = max(0, min(left, width - tag_width))
    y = top - tag_height if top >= tag_height else min(bottom, height - tag_height)
    y = max(0, y)
    drawing.rectangle((x, y, x + tag_width - 1, y + tag_height - 1), fill=CALL_COLOURS[call])
    drawing.text((x + pad - x0, y + pad - y0), text, fill="white", font=font)


def frame_picture(pixels: Pixels, verdict: Verdict) -> bytes:
    """A video's frame with its faces marked, ``FRAME_SIDE`` pixels at most, as a JPEG file."""
    return jpeg_bytes(draw_verdict(pixels, verdict, FRAME_SIDE), quality=80)
