"""Curves over all thresholds: ROC, precision-recall, DET, and what abstaining buys."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping

import pandas as pd
import plotly.graph_objects as go
from scipy.special import ndtri

from deepfake.evaluation.compare import Estimate
from deepfake.evaluation.curves import thin
from deepfake.evaluation.thresholds import ThresholdMetrics
from deepfake.plotting import (
    ACCENT_COLOUR,
    DETECTOR_STYLES,
    FAKE_COLOUR,
    NEUTRAL_COLOUR,
    REAL_COLOUR,
    base_figure,
    share_axis,
)

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


DOT_TITLES = {
    "accuracy": "Called rightly (% of pictures)",
    "auc": "ROC AUC (0.5 is guessing, 1 is perfect)",
    "recall": "Fakes found (% of Fake)",
    "false_alarm_rate": "Real pictures called fake (% of Real)",
}


def confusion_figure(metrics: ThresholdMetrics) -> go.Figure:
    """The confusion matrix: counts and shares of the true class, a row each in the class's colour."""
    figure = base_figure("", "True class", height=300)
    rows = (
        (0, REAL_COLOUR, (metrics.false_alarms, metrics.passed)),
        (1, FAKE_COLOUR, (metrics.found, metrics.missed)),
    )
    for row, colour, counts in rows:
        total = sum(counts)
        for column, count in enumerate(counts):
            share = count / total if total else 0.0
            # Rectangles and not Plotly's heat map, which has one scale of colours for all cells. They are
            # opaque, so that the words are read alike in light and dark.
            red, green, blue = _tint(colour, 0.08 + 0.92 * share)
            figure.add_shape(
                type="rect",
                x0=column - 0.49,
                x1=column + 0.49,
                y0=row - 0.48,
                y1=row + 0.48,
                line={"color": colour, "width": 1},
                fillcolor=f"rgb({red},{green},{blue})",
                layer="below",
            )
            shown = f"<b>{count:,}</b><br>{share:.1%}" if total else "<b>0</b><br>no such pictures"
            bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 120
            font = {"size": 16, "color": "#111111" if bright else "#FFFFFF"}
            figure.add_annotation(x=column, y=row, text=shown, showarrow=False, font=font)
    bare = {"showgrid": False, "fixedrange": True, "tickvals": [0, 1], "range": [-0.5, 1.5]}
    figure.update_xaxes(side="top", ticktext=["Called fake", "Called real"], title=None, **bare)
    figure.update_yaxes(ticktext=["Real", "Fake"], **bare)
    return figure


def _tint(colour: str, strength: float) -> tuple[int, int, int]:
    """A colour on white: 0 is white, 1 the colour itself."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    red, green, blue = (round(255 + strength * (part - 255)) for part in parts)
    return red, green, blue


def histogram_figure(histogram: pd.DataFrame, threshold: float) -> go.Figure:
    """How the scores of each class lie, and where the threshold cuts them.

    Args:
        histogram: from ``curves.score_histogram``.
        threshold: 0..1.
    """
    figure = base_figure("Score: probability of Fake", "Pictures (log scale)")
    width = histogram["high"] - histogram["low"]
    for name, column, colour in (("Real", "real", REAL_COLOUR), ("Fake", "fake", FAKE_COLOUR)):
        figure.add_bar(
            x=histogram["low"] + width / 2,
            y=histogram[column],
            width=width,
            customdata=histogram[["low", "high"]],
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            opacity=0.6,
            hovertemplate=f"{name}: %{{y:,}} pictures<br>score %{{customdata[0]:.3f}} to "
            "%{customdata[1]:.3f}<extra></extra>",
        )
    figure.add_vline(x=threshold, line={"color": NEUTRAL_COLOUR, "width": 2, "dash": "dash"})
    figure.add_annotation(
        x=threshold,
        y=1,
        yref="paper",
        yanchor="top",
        xanchor="right" if threshold > 0.5 else "left",
        text=f"threshold {threshold:.3f}",
        showarrow=False,
        bgcolor="rgba(128,128,128,0.15)",
    )
    figure.update_layout(barmode="overlay", bargap=0)
    figure.update_xaxes(range=[-0.01, 1.01])
    figure.update_yaxes(type="log", dtick=1, exponentformat="none", tickformat=",")
    return figure


def reliability_figure(tables: Mapping[str, pd.DataFrame]) -> go.Figure:
    """What a score says against what was true.

    Args:
        tables: from ``calibration.reliability_table``, by name; the last is drawn in the accent colour.
    """
    figure = base_figure("Score: mean probability of Fake in the bin (%)", "Of these, fake in truth (%)")
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": NEUTRAL_COLOUR, "dash": "dot", "width": 1.5},
        name="Perfectly calibrated", hoverinfo="skip",
    )  # fmt: skip
    for number, (name, table) in enumerate(tables.items(), start=1):
        _add_reliability(figure, name, table, last=number == len(tables))
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(**share_axis())
    return figure


def _add_reliability(figure: go.Figure, name: str, table: pd.DataFrame, *, last: bool) -> None:
    filled = table[table["n"] > 0]
    colour = ACCENT_COLOUR if last else NEUTRAL_COLOUR
    figure.add_scatter(
        x=filled["mean_p_fake"],
        y=filled["share_fake"],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": filled["share_high"] - filled["share_fake"],
            "arrayminus": filled["share_fake"] - filled["share_low"],
            "color": colour,
            "thickness": 1.5,
        },
        customdata=filled[["n", "share_low", "share_high"]],
        mode="lines+markers",
        line={"color": colour, "width": 1.5, "dash": "solid" if last else "dash"},
        marker={"color": colour, "size": 9 if last else 7, "symbol": "circle" if last else "square-open"},
        name=name,
        hovertemplate="mean score %{x:.1%}<br>fake in truth %{y:.1%} "
        "(95% interval %{customdata[1]:.1%} to %{customdata[2]:.1%})<br>%{customdata[0]:,} pictures"
        "<extra></extra>",
    )


def dot_figure(table: pd.DataFrame, metric: str) -> go.Figure:
    """A row a part, with a dot at its number and a line for its 95% interval.

    Args:
        table: from ``breakdown.breakdown_table``.
        metric: ``accuracy``, ``auc``, ``recall`` or ``false_alarm_rate``. Parts without it are left out.
    """
    rows = table[table[metric].notna()]
    names = [_wrapped(name) for name in rows["part"]]
    figure = base_figure(DOT_TITLES[metric], "", height=110 + 46 * max(1, len(rows)))
    shown = ".3f" if metric == "auc" else ".1%"
    figure.add_scatter(
        x=rows[metric],
        y=names,
        error_x={
            "type": "data",
            "symmetric": False,
            "array": rows[f"{metric}_high"] - rows[metric],
            "arrayminus": rows[metric] - rows[f"{metric}_low"],
            "color": ACCENT_COLOUR,
            "thickness": 2,
        },
        customdata=rows[["images", f"{metric}_low", f"{metric}_high"]],
        mode="markers",
        marker={"color": ACCENT_COLOUR, "size": 11},
        showlegend=False,
        hovertemplate=f"%{{y}}<br>%{{x:{shown}}} (95% interval %{{customdata[1]:{shown}}} to "
        f"%{{customdata[2]:{shown}}})<br>%{{customdata[0]:,}} pictures<extra></extra>",
    )
    if metric in ("accuracy", "auc"):
        figure.add_vline(x=0.5, line={"color": NEUTRAL_COLOUR, "dash": "dot", "width": 1.5})
    figure.update_xaxes(**{**share_axis(), **({"tickformat": ".1f"} if metric == "auc" else {})})
    figure.update_yaxes(autorange="reversed", title=None, showgrid=True)
    return figure


def _wrapped(name: str, width: int = 22) -> str:
    """A name in lines of about `width` letters, so that a phone keeps room for the plot."""
    lines = [""]
    for word in name.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(html.escape(line, quote=False) for line in lines)  # Plotly reads a few tags


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
        hovertemplate="%{y}<br>%{x:+.4f} (95% interval %{customdata[0]:+.4f} to %{customdata[1]:+.4f})"
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
