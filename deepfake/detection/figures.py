"""A verdict in pictures: where its score lies, faces with their boxes, the stress test, a video over time."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image, ImageColor, ImageDraw, ImageFont

from deepfake.detection.embedding.neighbours import Neighbour
from deepfake.detection.stress import StressTest
from deepfake.detection.text import BAND_WORDS, CALL_WORDS, SOURCE_WORDS, framed_square, short_words
from deepfake.detection.verdict import Verdict
from deepfake.detection.video import VideoVerdict
from deepfake.images.encode import PREVIEW_SIDE, jpeg_bytes, shrink
from deepfake.plotting import CALL_COLOURS, FAKE_COLOUR, NEUTRAL_COLOUR, REAL_COLOUR, base_figure, share_axis
from deepfake.types import Box, OperatingPoint, Pixels, Thresholds, VerdictLabel
from deepfake.util.text import format_percent

FRAME_SIDE = 480
"""Longest side of a video's frame that is shown, in pixels."""


LOWEST_SHOWN = 0.001
"""Scores nearer to 0 or 1 than this are drawn at the edge of a strip."""
STRIP_BINS = 28
STRIP_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


@dataclass(frozen=True)
class Band:
    """The scores that one verdict is given for.

    Attributes:
        call: the verdict.
        low, high: scores in 0..1; empty where they are the same.
    """

    call: VerdictLabel
    low: float
    high: float


def bands(thresholds: Thresholds, point: OperatingPoint = "balanced") -> tuple[Band, Band, Band]:
    """Real, Uncertain and Fake at an operating point, from the lowest scores to the highest."""
    low, high = thresholds.uncertain_low, min(1.0, thresholds.fake_from(point))
    return Band("real", 0.0, low), Band("uncertain", low, high), Band("fake", high, 1.0)


def strip_place(p_fake: float) -> float:
    """Where a score lies on a strip from 0 to 1 that is stretched toward both ends, as scores crowd there.

    It is the logit of the score, cut at ``LOWEST_SHOWN`` from either end.
    """
    reach = math.log((1 - LOWEST_SHOWN) / LOWEST_SHOWN)
    inside = min(max(p_fake, LOWEST_SHOWN), 1 - LOWEST_SHOWN)
    return 0.5 + 0.5 * math.log(inside / (1 - inside)) / reach


def strip_table(scores: pd.DataFrame) -> pd.DataFrame:
    """How many validation images have which score: a row for each of ``STRIP_BINS`` bins of a strip.

    Args:
        scores: a table with ``label`` (1 Fake, 0 Real) and ``p_fake`` (0..1).

    Returns:
        ``From`` and ``To`` in 0..1, and counts ``Fake`` and ``Real``.
    """
    edges = np.linspace(0.0, 1.0, STRIP_BINS + 1)
    reach = math.log((1 - LOWEST_SHOWN) / LOWEST_SHOWN)
    shares = 1 / (1 + np.exp(-reach * (2 * edges - 1)))
    shares[0], shares[-1] = 0.0, 1.0
    labels, p_fake = scores["label"].to_numpy(), scores["p_fake"].to_numpy(float)
    counts = {name: np.histogram(p_fake[labels == label], shares)[0] for name, label in _CLASSES.items()}
    return pd.DataFrame({"From": shares[:-1], "To": shares[1:], **counts})


_CLASSES = {"Fake": 1, "Real": 0}


def band_table(scores: pd.DataFrame, thresholds: Thresholds, point: OperatingPoint) -> pd.DataFrame:
    """How many validation images of each class fall into each band.

    Args:
        scores: see ``strip_table``.
        thresholds, point: where the bands lie.

    Returns:
        a row for each of ``bands``: ``Band``, ``Scores`` in words, ``Fake images`` and ``Real images`` as
        shares of their class (0..1; NaN where there are none).
    """
    labels, p_fake = scores["label"].to_numpy(), scores["p_fake"].to_numpy(float)
    rows = []
    for band in bands(thresholds, point):
        top = math.inf if band.call == "fake" else band.high
        within = (p_fake >= band.low) & (p_fake < top)
        words = f"{format_percent(band.low)} to {format_percent(band.high)}"
        shares = {f"{name} images": _share(within, labels == label) for name, label in _CLASSES.items()}
        rows.append({"Band": BAND_WORDS[band.call], "Scores": words, **shares})
    return pd.DataFrame(rows)


def strip_heights(table: pd.DataFrame) -> pd.DataFrame:
    """How tall the bars of a strip are, 0..1: the square root of each bin's share of its class.

    So that the few images in the middle are seen beside the many at the ends.

    Args:
        table: from ``strip_table``.
    """
    return pd.DataFrame({name: np.sqrt(table[name] / max(1, table[name].sum())) for name in _CLASSES})


def _share(within: np.ndarray, of: np.ndarray) -> float:
    return float(within[of].mean()) if of.any() else math.nan


@dataclass(frozen=True)
class Mark:
    """A score to be marked on a strip.

    Attributes:
        words: what it is of, and the score.
        p_fake: the score, 0 to 1.
        call: its verdict.
        face: the face's number from 1; 0 for the whole image.
    """

    words: str
    p_fake: float
    call: VerdictLabel
    face: int = 0


def score_marks(verdict: Verdict) -> tuple[Mark, ...]:
    """What a strip marks: the image's score first, then, where several decide, that of each face."""
    if verdict.p_fake is None:
        return ()
    name = "Whole image" if verdict.basis == "whole" else "This image"
    image = Mark(f"{name}: {format_percent(verdict.p_fake)}", verdict.p_fake, verdict.verdict)
    faces = [
        Mark(f"Face {number}: {format_percent(face.p_fake)}", face.p_fake, face.verdict, number)
        for number, face in enumerate(verdict.faces, start=1)
        if not face.excluded
    ]
    return image, *(faces if len(faces) > 1 or verdict.basis == "whole" else ())


def strip_figure(scores: pd.DataFrame | None, verdict: Verdict, thresholds: Thresholds) -> go.Figure:
    """Where the score of an image lies: the three bands, validation images behind them, and a mark.

    Fakes stand above the line and real images below it, see ``strip_heights``.

    Args:
        scores: see ``strip_table``; None draws the bands alone.
        verdict: with a score.
        thresholds: of its detector.
    """
    figure = base_figure("Probability of fake (ends stretched)", "", height=210)
    figure.update_layout(
        margin={"l": 4, "r": 4, "t": 44, "b": 8}, showlegend=False, bargap=0, barmode="overlay"
    )
    marks = score_marks(verdict)
    height = 1.0 if scores is None else _add_scores(figure, strip_table(scores), strip_place(marks[0].p_fake))
    for band in bands(thresholds, verdict.operating_point):
        left, right = strip_place(band.low), strip_place(band.high)
        if right <= left:
            continue
        figure.add_vrect(
            x0=left, x1=right, fillcolor=CALL_COLOURS[band.call], opacity=0.16, line_width=0, layer="below"
        )
        if right - left > 0.1:  # else the word would lie over its neighbours'
            figure.add_annotation(
                x=(left + right) / 2, y=1, yref="paper", yanchor="bottom", text=BAND_WORDS[band.call],
                showarrow=False, font={"size": 13},
            )  # fmt: skip
    for edge in (thresholds.uncertain_low, min(1.0, thresholds.fake_from(verdict.operating_point))):
        figure.add_vline(x=strip_place(edge), line={"width": 1, "dash": "dot", "color": NEUTRAL_COLOUR})
    _add_marks(figure, marks, height)
    figure.update_xaxes(
        range=[-0.01, 1.01],
        tickvals=[strip_place(tick) for tick in STRIP_TICKS],
        ticktext=[f"{100 * tick:g}%" for tick in STRIP_TICKS],
        showgrid=False,
    )
    figure.update_yaxes(range=[-1.08 * height, 1.08 * height], visible=False)
    return figure


def _add_scores(figure: go.Figure, table: pd.DataFrame, mark: float) -> float:
    """Draws the validation images, their names clear of the mark; gives the height of the tallest bar."""
    width, highest = 1 / len(table), 0.0
    centres = (np.arange(len(table)) + 0.5) * width
    for name, colour, sign in (("Fake", FAKE_COLOUR, 1), ("Real", REAL_COLOUR, -1)):
        shares = strip_heights(table)[name].to_numpy()
        highest = max(highest, float(shares.max()))
        ranges = [f"{low:.1%} to {high:.1%}" for low, high in zip(table["From"], table["To"], strict=True)]
        figure.add_bar(
            x=centres, y=sign * shares, width=width, name=f"{name} validation images",
            marker={"color": colour, "line": {"width": 0}, "opacity": 0.75},
            unselected={"marker": {"opacity": 0.75}},
            customdata=np.stack([ranges, table[name].to_numpy().astype(str)], axis=1),
            hovertemplate=f"%{{customdata[1]}} {name.lower()} validation images scored %{{customdata[0]}}"
            "<extra></extra>",
        )  # fmt: skip
    height = highest or 1.0
    for words, x, y, anchor in (
        ("Validation: fake", mark + 0.01 if mark < 0.3 else 0.0, 0.75, "left"),
        ("Validation: real", mark - 0.01 if mark > 0.7 else 1.0, -0.75, "right"),
    ):
        figure.add_annotation(
            x=x, y=y * height, xanchor=anchor, text=words, showarrow=False, font={"size": 12}
        )
    return height


def _add_marks(figure: go.Figure, marks: Sequence[Mark], height: float) -> None:
    """The image's score as a line with a label above the bands, each face's as a diamond on the line, whose
    custom datum is the face's number."""
    for mark in marks[1:]:
        figure.add_scatter(
            x=[strip_place(mark.p_fake)], y=[0], mode="markers", hovertemplate=f"{mark.words}<extra></extra>",
            customdata=[mark.face], unselected={"marker": {"opacity": 1}},
            marker={"symbol": "diamond", "size": 11, "color": CALL_COLOURS[mark.call],
                    "line": {"width": 1.5, "color": "white"}},
        )  # fmt: skip
    for mark in marks[:1]:
        x, colour = strip_place(mark.p_fake), CALL_COLOURS[mark.call]
        for wide, drawn in ((6, "white"), (3, colour)):
            figure.add_scatter(
                x=[x, x], y=[-1.08 * height, 1.08 * height], mode="lines", hoverinfo="skip",
                line={"width": wide, "color": drawn},
            )  # fmt: skip
        figure.add_annotation(
            x=x, y=1, yref="paper", yanchor="bottom", yshift=20, text=f"<b>{mark.words}</b>", showarrow=False,
            xanchor="left" if x < 0.25 else "right" if x > 0.75 else "center",
            font={"color": "white", "size": 13}, bgcolor=colour, borderpad=3,
        )  # fmt: skip


def strip_alt(scores: pd.DataFrame | None, verdict: Verdict, thresholds: Thresholds) -> str:
    """A strip in words, for who cannot see it."""
    if verdict.p_fake is None:
        return ""
    point = verdict.operating_point
    places = [
        f"{BAND_WORDS[band.call]} {format_percent(band.low)} to {format_percent(band.high)}"
        for band in bands(thresholds, point)
    ]
    score = verdict.p_fake
    here = next(band for band in reversed(bands(thresholds, point)) if score >= band.low)
    words = (
        f"The score of this image, {format_percent(score)}, lies in the band {BAND_WORDS[here.call]}. "
        f"Bands: {', '.join(places)}."
    )
    if scores is None:
        return words
    row = band_table(scores, thresholds, point).iloc[[*BAND_WORDS].index(here.call)]
    fake, real = (format_percent(row[f"{name} images"]) for name in _CLASSES)
    return f"{words} {fake} of the fake and {real} of the real validation images lie in the same band."


def sources_table(neighbours: Sequence[Neighbour]) -> pd.DataFrame:
    """Where similar training images come from: a row for each source, the one with most first.

    Returns:
        ``Source`` in words, counts ``Fake`` and ``Real``, and the highest ``Similarity`` (-1 to 1).
    """
    rows: dict[str, list[Neighbour]] = {}
    for each in neighbours:
        rows.setdefault(SOURCE_WORDS.get(each.source, each.source), []).append(each)
    return pd.DataFrame(
        [
            {
                "Source": name,
                "Fake": sum(each.label == 1 for each in mine),
                "Real": sum(each.label == 0 for each in mine),
                "Similarity": max(each.similarity for each in mine),
            }
            for name, mine in sorted(rows.items(), key=lambda row: -len(row[1]))
        ]
    )


def sources_figure(neighbours: Sequence[Neighbour]) -> go.Figure:
    """A bar for each source of similar training images, fakes and real ones in their colours."""
    table = sources_table(neighbours)
    figure = base_figure("Similar training images", "", height=110 + 44 * len(table))
    figure.update_layout(barmode="stack", bargap=0.35, legend_traceorder="normal")
    names = ["<br>".join(textwrap.wrap(html.escape(name), 26)) for name in table["Source"]]
    for name, colour in (("Fake", FAKE_COLOUR), ("Real", REAL_COLOUR)):
        figure.add_bar(
            x=table[name], y=names, orientation="h", name=name, marker_color=colour,
            hovertemplate=f"%{{x}} {name.lower()}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(dtick=1, range=[0, len(neighbours)])
    figure.update_yaxes(autorange="reversed", title=None)
    return figure


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
        mine = [index for index, name in enumerate(calls) if name == call]
        figure.add_scatter(
            x=[table["Probability of fake"].iloc[index] for index in mine],
            y=[words[index] for index in mine],
            mode="markers",
            name=CALL_WORDS[call],
            marker={"size": 10, "color": CALL_COLOURS[call]},
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(categoryorder="array", categoryarray=words[::-1], dtick=1, title=None)
    return figure


_SYMBOLS: Mapping[VerdictLabel, str] = {"fake": "square", "uncertain": "diamond", "real": "circle"}
"""As in the report's chart."""


def video_table(result: VideoVerdict) -> pd.DataFrame:
    """A row a frame: second, p_fake (0..1; none without a face), faces found, verdict in words."""
    return pd.DataFrame(
        {
            "Second": [round(frame.second, 2) for frame in result.frames],
            "Probability of fake": [frame.verdict.p_fake for frame in result.frames],
            "Faces": [len(frame.verdict.faces) for frame in result.frames],
            "Verdict": [short_words(frame.verdict) for frame in result.frames],
            "Notes": [_why_unscored(frame.verdict) for frame in result.frames],
        }
    )


def _why_unscored(verdict: Verdict) -> str:
    """Why a frame with a face has no probability; empty where it has one."""
    if verdict.scope == "no_face" or verdict.p_fake is not None:
        return ""
    return verdict.warnings[0] if verdict.warnings else ""


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
    calls: list[VerdictLabel] = [face.verdict for face in verdict.faces]
    square = framed_square(verdict)
    return draw_faces(pixels, boxes, calls, side, square=square, full_width=verdict.width)


def draw_faces(
    pixels: Pixels,
    boxes: Sequence[Box],
    calls: Sequence[VerdictLabel],
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


def draw_heat(crop: Pixels, heat: np.ndarray, opacity: float, side: int = 448) -> Pixels:
    """A crop in grey with a map over it: Fake's colour where it speaks for Fake, Real's where for Real.

    In grey, so that no colour of the crop's own is taken for the map's.

    Args:
        crop: (H, W, 3) uint8 RGB.
        heat: (h, w) in [-1, 1], above 0 for Fake; brought to the crop's size.
        opacity: 0..1 of the strongest places; at 0 the crop is as it was.
        side: of the result, in pixels.

    Returns:
        (side, side, 3) uint8.
    """
    small = np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    if opacity == 0:
        return small
    small = np.repeat(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    large = np.clip(cv2.resize(heat.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC), -1, 1)
    fake, real = (np.array(ImageColor.getrgb(name), np.float32) for name in (FAKE_COLOUR, REAL_COLOUR))
    colour = np.where(large[..., None] > 0, fake, real)
    cover = np.abs(large)[..., None] * opacity
    return np.rint(small * (1 - cover) + colour * cover).astype(np.uint8)


def _draw_tag(
    drawing: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    text: str,
    edges: tuple[int, int, int],
    call: VerdictLabel,
) -> None:
    """A label above a box, or below it at the picture's upper edge, kept inside the picture."""
    left, top, bottom = edges
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
