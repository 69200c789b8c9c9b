"""Charts of several detectors on the same images: curves laid over each other, and differences."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping

import pandas as pd
import plotly.graph_objects as go

from deepfake.evaluation.compare import Estimate
from deepfake.evaluation.figures import CURVE_HEIGHT, Place, add_guessing, deviates, set_deviate_axes
from deepfake.evaluation.thresholds import ThresholdMetrics
from deepfake.plotting import ACCENT_COLOUR, DETECTOR_STYLES, NEUTRAL_COLOUR, base_figure, share_axis

Curves = Mapping[str, pd.DataFrame]
Marks = Mapping[str, ThresholdMetrics]


def roc_curves_figure(curves: Curves, now: Marks) -> go.Figure:
    """Fakes found against false alarms, a curve for each detector.

    Args:
        curves: from ``curves.operating_points``, by detector.
        now: each detector's threshold, drawn as a filled mark on its curve.
    """
    figure = base_figure("Real pictures called fake (% of Real)", "Fakes found (% of Fake)", CURVE_HEIGHT)
    add_guessing(figure, 0, 1)
    hover = ("fakes found %{y:.1%}", "false alarms %{x:.2%}")
    _add_curves(
        figure, curves, now, columns=("false_alarm_rate", "recall"), hover=hover, place=_alarms_and_recall
    )
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(**share_axis())
    return figure


def precision_recall_curves_figure(curves: Curves, now: Marks) -> go.Figure:
    """How many of the pictures called fake are fake, against how many fakes are found; args as above."""
    figure = base_figure("Fakes found (% of Fake)", "Fakes among those called fake (%)", CURVE_HEIGHT)
    base = float(
        next(iter(curves.values())).iloc[-1]["precision"]
    )  # everything called fake: the share of Fake
    add_guessing(figure, base, base)
    hover = ("fakes found %{x:.1%}", "of those called fake, %{y:.1%} are")
    _add_curves(
        figure, curves, now, columns=("recall", "precision"), hover=hover, place=_recall_and_precision
    )
    lowest = min(float(points["precision"].min()) for points in curves.values())
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(**share_axis(max(0.0, min(lowest, base) // 0.1 / 10)))
    return figure


def det_curves_figure(curves: Curves, now: Marks) -> go.Figure | None:
    """Fakes missed against false alarms on normal-deviate axes (Martin et al., 1997).

    Args:
        curves: from ``curves.det_points``, two or more points each.
        now: as above.

    Returns:
        None without a curve.
    """
    if not curves:
        return None
    figure = base_figure("Real pictures called fake (% of Real)", "Fakes missed (% of Fake)", CURVE_HEIGHT)
    hover = ("false alarms %{customdata[1]:.2%}", "fakes missed %{customdata[2]:.1%}")
    _add_curves(figure, curves, now, columns=("x", "y"), hover=hover, place=deviates)
    set_deviate_axes(figure, pd.concat(curves.values()))
    return figure


def differences_figure(found: Mapping[str, Estimate], titles: Mapping[str, str], a: str) -> go.Figure:
    """A row a metric: its difference with a line for the interval; right of 0 the metric is higher for A.

    Args:
        found: differences of A and B by metric; undefined ones are left out.
        titles: of the metrics.
        a: name of the first of the two.
    """
    rows = [(titles[key], one.value, one.interval) for key, one in found.items() if one.value is not None]
    figure = base_figure(
        f"Difference; right of 0: higher for {html.escape(a)}",
        "",
        110 + 44 * max(1, len(rows)),
    )
    values = [value for _, value, _ in rows]
    pairs = [pair or (value, value) for _, value, pair in rows]
    figure.add_scatter(
        x=values,
        y=[title.replace(", ", ",<br>") for title, _, _ in rows],
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [high - value for (_, high), value in zip(pairs, values, strict=True)],
            "arrayminus": [value - low for (low, _), value in zip(pairs, values, strict=True)],
            "color": ACCENT_COLOUR,
            "thickness": 2,
        },
        customdata=pairs,
        mode="markers",
        marker={"color": ACCENT_COLOUR, "size": 11},
        showlegend=False,
        hovertemplate="%{y}<br>%{x:+.4f} (95 % interval %{customdata[0]:+.4f} to %{customdata[1]:+.4f})"
        "<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": NEUTRAL_COLOUR, "dash": "dot", "width": 1.5})
    figure.update_xaxes(tickformat="+.2~f")
    figure.update_yaxes(autorange="reversed", title=None, showgrid=True)
    return figure


def _alarms_and_recall(metrics: ThresholdMetrics) -> Place:
    return metrics.false_alarm_rate.share, metrics.recall.share


def _recall_and_precision(metrics: ThresholdMetrics) -> Place:
    return metrics.recall.share, metrics.precision.share


def _add_curves(
    figure: go.Figure,
    curves: Curves,
    now: Marks,
    *,
    columns: tuple[str, str],
    hover: tuple[str, ...],
    place: Callable[[ThresholdMetrics], Place],
) -> None:
    """A line for each detector, and a mark at its threshold where the axes can show it."""
    styles = dict(zip(now, DETECTOR_STYLES, strict=False))
    for name, points in curves.items():
        colour, dash = styles[name]
        shown = html.escape(name)
        extra = [column for column in ("false_alarm_rate", "miss_rate") if column in points]
        figure.add_scatter(
            x=points[columns[0]],
            y=points[columns[1]],
            customdata=points.assign(threshold=points["threshold"].clip(upper=1))[["threshold", *extra]],
            mode="lines",
            line={"color": colour, "width": 2.5, "dash": dash},
            name=shown,
            hovertemplate="<br>".join([shown, "threshold %{customdata[0]:.3f}", *hover]) + "<extra></extra>",
        )
        x, y = place(now[name])
        if x is not None and y is not None:
            figure.add_scatter(
                x=[x],
                y=[y],
                mode="markers",
                marker={"color": colour, "size": 13, "line": {"color": "white", "width": 2}},
                showlegend=False,
                hovertemplate=f"{shown} now: threshold {now[name].threshold:.3f}<extra></extra>",
            )
