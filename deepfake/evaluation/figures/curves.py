"""Curves over all thresholds: ROC, precision and recall, DET, risk and coverage."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from scipy.special import ndtri

from deepfake.detection.card import detector_title
from deepfake.evaluation.figures.marks import unseen_dots
from deepfake.evaluation.marks import ChartName, Mark, mark_words
from deepfake.evaluation.statistics.thresholds import ThresholdMetrics
from deepfake.plotting import ACCENT_COLOUR, BUTTON, DETECTOR_STYLES, NEUTRAL_COLOUR, base_figure, share_axis

MARK_SYMBOLS = ("circle-open", "square-open", "diamond-open", "triangle-up-open")
DET_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
CURVE_HEIGHT = 430

Curves = Mapping[str, pd.DataFrame]
"""Points of a curve by the detector's name."""
AtThreshold = Mapping[str, ThresholdMetrics]
"""Metrics at a threshold by the detector's name, or by what the threshold is."""
Point = tuple[float | None, float | None]
"""x and y; None where an axis cannot show the value."""


def roc_figure(curves: Curves, now: AtThreshold, marks: AtThreshold | None = None) -> go.Figure:
    """Fakes found against false alarms, a curve for each detector; the dotted line is guessing.

    Args:
        curves: the points that are drawn of each detector's curve, by its name (``LoadedEvaluation.roc``).
        now: each detector's threshold, drawn as a filled mark on its curve.
        marks: further thresholds of the first detector by what they are, drawn as open marks.
    """
    figure = base_figure("False-positive rate (% of Real)", "Recall (% of Fake)", CURVE_HEIGHT)
    _add_guessing(figure, 0, 1)
    hover = ("recall %{y:.1%}", "false-positive rate %{x:.2%}")
    _add_curves(
        figure,
        "roc",
        curves,
        now,
        marks,
        columns=("false_alarm_rate", "recall"),
        hover=hover,
        position=lambda m: (m.false_alarm_rate.share, m.recall.share),
    )
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(**share_axis())
    return figure


def precision_recall_figure(curves: Curves, now: AtThreshold, marks: AtThreshold | None = None) -> go.Figure:
    """How many of the pictures called fake are fake, against how many fakes are found.

    Args:
        curves: ``LoadedEvaluation.precision_recall`` by the detector's name.
        now, marks: as for ``roc_figure``.
    """
    figure = base_figure("Recall (% of Fake)", "Precision (% of those called fake)", CURVE_HEIGHT)
    base = float(next(iter(curves.values()))["precision"].iloc[-1])  # all called fake: the share of Fake
    _add_guessing(figure, base, base)
    hover = ("recall %{x:.1%}", "of those called fake, %{y:.1%} are")
    _add_curves(
        figure,
        "precision",
        curves,
        now,
        marks,
        columns=("recall", "precision"),
        hover=hover,
        position=lambda m: (m.recall.share, m.precision.share),
    )
    lowest = min(float(points["precision"].min()) for points in curves.values())
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(**share_axis(max(0.0, min(lowest, base) // 0.1 / 10)))
    return figure


def det_figure(curves: Curves, now: AtThreshold, marks: AtThreshold | None = None) -> go.Figure | None:
    """Fakes missed against false alarms on normal-deviate axes (Martin et al., 1997).

    Args:
        curves: ``LoadedEvaluation.det`` by the detector's name.
        now, marks: as for ``roc_figure``.

    Returns:
        None where no detector makes both errors at two thresholds or more: there is then no line.
    """
    curves = {name: points for name, points in curves.items() if len(points) > 1}
    if not curves:
        return None
    figure = base_figure("False-positive rate (% of Real)", "Fakes missed (% of Fake)", CURVE_HEIGHT)
    hover = ("false-positive rate %{customdata[1]:.2%}", "fakes missed %{customdata[2]:.1%}")
    _add_curves(figure, "det", curves, now, marks, columns=("x", "y"), hover=hover, position=_deviates)
    every = pd.concat(curves.values())
    for update, column in ((figure.update_xaxes, "x"), (figure.update_yaxes, "y")):
        low, high = float(every[column].min()), float(every[column].max())
        ticks = [tick for tick in DET_TICKS if low - 0.5 <= ndtri(tick) <= high + 0.5]
        update(
            tickmode="array",
            tickvals=[float(ndtri(tick)) for tick in ticks],
            ticktext=[f"{100 * tick:g}%" for tick in ticks],
            range=[low - 0.2, high + 0.2],
        )
    return figure


def coverage_risk_figure(table: pd.DataFrame) -> go.Figure:
    """What leaving out the least certain pictures buys.

    Args:
        table: columns coverage (share judged, 0..1), risk (share of those judged wrongly) and n.
    """
    figure = base_figure("Images decided, most certain first (%)", "Wrong (% of those decided)")
    figure.add_scatter(
        x=table["coverage"],
        y=table["risk"],
        customdata=table[["n"]].assign(word=mark_words("abstaining", table["coverage"])),
        mode="lines+markers",
        line={"color": ACCENT_COLOUR, "width": 2.5},
        **unseen_dots(ACCENT_COLOUR),
        name="Errors",
        hovertemplate="%{x:.0%} decided (%{customdata[0]:,} images)<br>%{y:.2%} of them wrongly"
        "<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(rangemode="tozero", tickformat=".1~%")
    return figure


def _add_guessing(figure: go.Figure, left: float, right: float) -> None:
    """A dotted line from the left to the right edge of a figure of shares: what guessing gives."""
    line = {"color": NEUTRAL_COLOUR, "dash": "dot", "width": 1.5}
    figure.add_scatter(
        x=[0, 1],
        y=[left, right],
        mode="lines",
        line=line,
        name="Guessing",
        hoverinfo="skip",
        showlegend=False,
    )


def _add_curves(
    figure: go.Figure,
    chart: ChartName,
    curves: Curves,
    now: AtThreshold,
    marks: AtThreshold | None,
    *,
    columns: tuple[str, str],
    hover: tuple[str, str],
    position: Callable[[ThresholdMetrics], Point],
) -> None:
    """A line for each detector in its style, with marks at thresholds where the axes can show them.

    A single detector needs no name: its thresholds stand in the legend; of several, their lines.
    """
    alone = len(now) == 1
    figure.update_layout(margin={"r": BUTTON})
    styles = dict(zip(now, DETECTOR_STYLES, strict=False))
    for name, points in curves.items():
        colour, dash = styles[name]
        shown = html.escape(detector_title(name))
        extra = [column for column in ("false_alarm_rate", "miss_rate") if column in points]
        figure.add_scatter(
            x=points[columns[0]],
            y=points[columns[1]],
            customdata=points.assign(
                threshold=points["threshold"].clip(upper=1),
                word=mark_words(chart, points["threshold"], name),
            )[["threshold", *extra, "word"]],
            mode="lines+markers",
            line={"color": colour, "width": 2.5, "dash": dash},
            **unseen_dots(colour),
            name=shown,
            showlegend=not alone,
            hovertemplate="<br>".join([shown, "threshold %{customdata[0]:.3f}", *hover]) + "<extra></extra>",
        )
    for symbol, (title, metrics) in zip(MARK_SYMBOLS, (marks or {}).items(), strict=False):
        marker = {"symbol": symbol, "color": NEUTRAL_COLOUR, "size": 11, "line": {"width": 2}}
        # The number that follows on a button stands in the hover text alone.
        mark = Mark(chart, metrics.threshold, next(iter(curves)))
        _add_mark(figure, title.rstrip(":"), metrics, position(metrics), marker, mark=mark)
    for name in curves:
        marker = {"color": styles[name][0], "size": 14, "line": {"color": "white", "width": 2}}
        title = "Threshold now" if alone else f"{detector_title(name)}, threshold now"
        mark = Mark(chart, now[name].threshold, name)
        _add_mark(figure, title, now[name], position(now[name]), marker, mark=mark, showlegend=alone)


def _add_mark(
    figure: go.Figure,
    title: str,
    metrics: ThresholdMetrics,
    point: Point,
    marker: dict[str, Any],
    *,
    mark: Mark,
    showlegend: bool = True,
) -> None:
    if None in point:
        return
    name = html.escape(title)
    text = f"{name}: {metrics.threshold:.3f}"
    alarms, recall = metrics.false_alarm_rate.share, metrics.recall.share
    if alarms is not None and recall is not None:
        text += f"<br>false-positive rate {alarms:.2%}<br>recall {recall:.1%}"
    figure.add_scatter(
        x=[point[0]],
        y=[point[1]],
        customdata=[[mark.word]],
        mode="markers",
        marker=marker,
        unselected={"marker": {"opacity": 1}},
        name=name,
        showlegend=showlegend,
        hovertemplate=text + "<extra></extra>",
    )


def _deviates(metrics: ThresholdMetrics) -> Point:
    """Where a threshold lies on DET axes; (None, None) where it makes no error of one kind."""
    alarms, recall = metrics.false_alarm_rate.share, metrics.recall.share
    if alarms is None or recall is None or not (0 < alarms < 1 and 0 < recall < 1):
        return None, None
    return float(ndtri(alarms)), float(ndtri(1 - recall))
