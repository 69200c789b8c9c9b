"""Curves over all thresholds: ROC, precision-recall, DET, and what abstaining buys."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import plotly.graph_objects as go
from scipy.special import ndtri

from deepfake.evaluation.curves import thin
from deepfake.evaluation.thresholds import ThresholdMetrics
from deepfake.plotting import ACCENT_COLOUR, NEUTRAL_COLOUR, base_figure, share_axis

MARK_SYMBOLS = ("circle-open", "square-open", "diamond-open", "triangle-up-open")
DET_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99)
CURVE_HEIGHT = 430
_HOVER = {
    "recall": "fakes found %{y:.1%}",
    "false_alarm_rate": "false alarms %{x:.2%}",
}


def roc_figure(
    points: pd.DataFrame, now: ThresholdMetrics, marks: Mapping[str, ThresholdMetrics] | None = None
) -> go.Figure:
    """Fakes found against false alarms.

    Args:
        points: from ``curves.operating_points``.
        now: the threshold chosen, drawn as a filled mark.
        marks: further thresholds by name, drawn as open marks.
    """
    figure = base_figure("Real pictures called fake (% of Real)", "Fakes found (% of Fake)", CURVE_HEIGHT)
    add_guessing(figure, 0, 1)
    drawn = thin(points, "false_alarm_rate", "recall")
    _add_curve(figure, drawn["false_alarm_rate"], drawn["recall"], drawn["threshold"], *_HOVER.values())
    _add_marks(figure, now, marks, lambda m: (m.false_alarm_rate.share, m.recall.share))
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(**share_axis())
    return figure


def precision_recall_figure(
    points: pd.DataFrame, now: ThresholdMetrics, marks: Mapping[str, ThresholdMetrics] | None = None
) -> go.Figure:
    """How many of the pictures called fake are fake, against how many fakes are found.

    Args: as for ``roc_figure``.
    """
    figure = base_figure("Fakes found (% of Fake)", "Fakes among those called fake (%)", CURVE_HEIGHT)
    last = points.iloc[-1]
    base = float(last["precision"])
    add_guessing(figure, base, base)
    drawn = thin(points, "recall", "precision")
    _add_curve(
        figure,
        drawn["recall"],
        drawn["precision"],
        drawn["threshold"],
        "fakes found %{x:.1%}",
        "of those called fake, %{y:.1%} are",
    )
    _add_marks(figure, now, marks, lambda m: (m.recall.share, m.precision.share))
    lowest = float(points["precision"].min())
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(**share_axis(max(0.0, min(lowest, base) // 0.1 / 10)))
    return figure


def det_figure(
    kept: pd.DataFrame, now: ThresholdMetrics, marks: Mapping[str, ThresholdMetrics] | None = None
) -> go.Figure | None:
    """Fakes missed against false alarms on normal-deviate axes (Martin et al., 1997).

    Args:
        kept: from ``curves.det_points``.
        now, marks: as for ``roc_figure``.

    Returns:
        None where the classes are told apart without an error: both errors are then never above 0.
    """
    if len(kept) < 2:
        return None
    figure = base_figure("Real pictures called fake (% of Real)", "Fakes missed (% of Fake)", CURVE_HEIGHT)
    drawn = thin(kept, "x", "y")
    customdata = drawn[["threshold", "false_alarm_rate", "miss_rate"]].to_numpy()
    figure.add_scatter(
        x=drawn["x"],
        y=drawn["y"],
        customdata=customdata,
        mode="lines",
        line={"color": ACCENT_COLOUR, "width": 2.5, "shape": "linear"},
        name="All thresholds",
        showlegend=False,
        hovertemplate="threshold %{customdata[0]:.3f}<br>false alarms %{customdata[1]:.2%}"
        "<br>fakes missed %{customdata[2]:.1%}<extra></extra>",
    )

    _add_marks(figure, now, marks, deviates)
    set_deviate_axes(figure, kept)
    return figure


def set_deviate_axes(figure: go.Figure, kept: pd.DataFrame) -> None:
    """Both axes of a DET figure in normal deviates, with shares as ticks, wide enough for the points."""
    for update, column in ((figure.update_xaxes, "x"), (figure.update_yaxes, "y")):
        low, high = float(kept[column].min()), float(kept[column].max())
        ticks = [tick for tick in DET_TICKS if low - 0.5 <= ndtri(tick) <= high + 0.5]
        update(
            tickmode="array",
            tickvals=[float(ndtri(tick)) for tick in ticks],
            ticktext=[f"{100 * tick:g}%" for tick in ticks],
            range=[low - 0.2, high + 0.2],
        )


def coverage_risk_figure(table: pd.DataFrame) -> go.Figure:
    """What leaving out the least certain pictures buys.

    Args:
        table: columns coverage (share judged, 0..1), risk (share of those judged wrongly) and n.
    """
    figure = base_figure("Pictures judged, the most certain first (%)", "Judged wrongly (% of those judged)")
    drawn = thin(table, "coverage", "risk")
    figure.add_scatter(
        x=drawn["coverage"],
        y=drawn["risk"],
        customdata=drawn["n"],
        mode="lines",
        line={"color": ACCENT_COLOUR, "width": 2.5},
        name="Errors",
        hovertemplate="%{x:.0%} judged (%{customdata:,} pictures)<br>%{y:.2%} of them wrongly<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(rangemode="tozero", tickformat=".1~%")
    return figure


def add_guessing(figure: go.Figure, left: float, right: float) -> None:
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


def _add_curve(figure: go.Figure, x: pd.Series, y: pd.Series, thresholds: pd.Series, *lines: str) -> None:
    figure.add_scatter(
        x=x,
        y=y,
        customdata=thresholds.clip(upper=1),
        mode="lines",
        line={"color": ACCENT_COLOUR, "width": 2.5},
        name="All thresholds",
        showlegend=False,
        hovertemplate="<br>".join(["threshold %{customdata:.3f}", *lines]) + "<extra></extra>",
    )


Place = tuple[float | None, float | None]


def deviates(metrics: ThresholdMetrics) -> Place:
    """Where a threshold lies on DET axes; (None, None) where it makes no error of one kind."""
    alarms, recall = metrics.false_alarm_rate.share, metrics.recall.share
    if alarms is None or recall is None or not (0 < alarms < 1 and 0 < recall < 1):
        return None, None
    return float(ndtri(alarms)), float(ndtri(1 - recall))


def _add_marks(
    figure: go.Figure,
    now: ThresholdMetrics,
    marks: Mapping[str, ThresholdMetrics] | None,
    place: Callable[[ThresholdMetrics], Place],
) -> None:
    """Marks at thresholds; one that the axes cannot show is left out."""
    for symbol, (name, metrics) in zip(MARK_SYMBOLS, (marks or {}).items(), strict=False):
        _add_mark(
            figure, name, metrics, place(metrics), {"symbol": symbol, "color": NEUTRAL_COLOUR, "size": 11}
        )
    chosen = {
        "symbol": "circle",
        "color": ACCENT_COLOUR,
        "size": 14,
        "line": {"color": "white", "width": 2},
    }
    _add_mark(figure, "Threshold now", now, place(now), chosen)


def _add_mark(
    figure: go.Figure,
    name: str,
    metrics: ThresholdMetrics,
    where: Place,
    marker: dict[str, object],
) -> None:
    if None in where:
        return
    x, y = where
    name = name.rstrip(":")  # the number that follows on a button stands in the hover text alone
    alarms, recall = metrics.false_alarm_rate.share, metrics.recall.share
    text = f"{name}: {metrics.threshold:.3f}"
    if alarms is not None and recall is not None:
        text += f"<br>false alarms {alarms:.2%}<br>fakes found {recall:.1%}"
    marker = {"line": {"width": 2}, **marker}
    figure.add_scatter(
        x=[x], y=[y], mode="markers", marker=marker, name=name, hovertemplate=text + "<extra></extra>"
    )
