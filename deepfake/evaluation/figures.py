"""Figures of an evaluation: curves over all thresholds, confusion matrix, histogram, reliability, intervals.

A curve's figure takes any number of detectors by name; of a single one it shows further thresholds too.
Where images stand behind a point, its last custom datum is the word of its mark (``marks.Mark``) or the cell
of the confusion matrix; ``with_mark`` draws the chosen one.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from scipy.special import ndtri

from deepfake.detection.card import detector_title
from deepfake.evaluation.compare import MetricEstimate
from deepfake.evaluation.marks import ChartName, Mark, mark_words
from deepfake.evaluation.statistics.metrics import Confusion
from deepfake.evaluation.statistics.thresholds import ConfusionCell, ThresholdMetrics
from deepfake.evaluation.text import CELLS
from deepfake.plotting import (
    ACCENT_COLOUR,
    BUTTON,
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
    figure = base_figure("Real images called fake (% of Real)", "Fakes found (% of Fake)", CURVE_HEIGHT)
    _add_guessing(figure, 0, 1)
    hover = ("fakes found %{y:.1%}", "false alarms %{x:.2%}")
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
    figure = base_figure("Fakes found (% of Fake)", "Fakes among those called fake (%)", CURVE_HEIGHT)
    base = float(next(iter(curves.values()))["precision"].iloc[-1])  # all called fake: the share of Fake
    _add_guessing(figure, base, base)
    hover = ("fakes found %{x:.1%}", "of those called fake, %{y:.1%} are")
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
    figure = base_figure("Real images called fake (% of Real)", "Fakes missed (% of Fake)", CURVE_HEIGHT)
    hover = ("false alarms %{customdata[1]:.2%}", "fakes missed %{customdata[2]:.1%}")
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
        **_unseen_dots(ACCENT_COLOUR),
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


def _unseen_dots(colour: str) -> dict[str, Any]:
    """Of a line, dots that a click finds and that are seen once chosen: a bare line cannot be clicked."""
    return {
        "marker": {"color": colour, "size": 12, "opacity": 0},
        "selected": {"marker": {"opacity": 1}},
        "unselected": {"marker": {"opacity": 0}},
    }


def with_mark(figure: go.Figure, word: str | None) -> go.Figure:
    """Draws a mark as the chosen one.

    Args:
        figure: changed and returned; as it was where none of its points has the word.
        word: of the mark; None for none.
    """
    traces: Any = figure.data
    found = {
        number: points
        for number, trace in enumerate(traces)
        if (points := [n for n, datum in enumerate(_words(trace)) if datum == word])
    }
    if word is not None and found:
        for number, trace in enumerate(traces):
            if trace.customdata is not None:
                trace.selectedpoints = found.get(number, [])[:1]
    return figure


def _words(trace: Any) -> list[str]:
    """The last custom datum of each point; none where there are no words."""
    if trace.customdata is None:
        return []
    return [str(row[-1]) for row in trace.customdata]


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
            **_unseen_dots(colour),
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
        text += f"<br>false alarms {alarms:.2%}<br>fakes found {recall:.1%}"
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


DOT_TITLES = {
    "accuracy": "Accuracy (% of images)",
    "auc": "ROC AUC (0.5 is guessing, 1 is perfect)",
    "recall": "Fakes found (% of Fake)",
    "false_alarm_rate": "Real images called fake (% of Real)",
}


WHITE, DARK_PAGE = "#FFFFFF", "#14191C"
"""What tints of a class lie on; the second is the dark page of .streamlit/config.toml."""


def confusion_figure(counts: Confusion, *, dark: bool = False) -> go.Figure:
    """The confusion matrix: counts and shares of the actual class, a row each in the class's colour.

    Args:
        counts: of the cells.
        dark: for a dark page.
    """
    figure = base_figure("", "Actual class", height=300)
    rows: tuple[tuple[int, str, tuple[ConfusionCell, ConfusionCell]], ...] = (
        (0, REAL_COLOUR, ("false_alarms", "passed")),
        (1, FAKE_COLOUR, ("found", "missed")),
    )
    for row, colour, cells in rows:
        numbers: list[int] = [getattr(counts, cell) for cell in cells]
        total = sum(numbers)
        for column, count in enumerate(numbers):
            share = count / total if total else 0.0
            # Rectangles and not Plotly's heat map, which has one scale of colours for all cells. They are
            # opaque, so that the words are read alike in light and dark.
            red, green, blue = _tint(colour, 0.08 + 0.92 * share, DARK_PAGE if dark else WHITE)
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
            shown = f"<b>{count:,}</b><br>{share:.1%}" if total else "<b>0</b><br>no such images"
            bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 120
            font = {"size": 16, "color": "#111111" if bright else "#FFFFFF"}
            figure.add_annotation(x=column, y=row, text=shown, showarrow=False, font=font)
        _add_cells(figure, row, cells, numbers)
    bare = {"showgrid": False, "fixedrange": True, "tickvals": [0, 1], "range": [-0.5, 1.5]}
    figure.update_xaxes(side="top", ticktext=["Called fake", "Called real"], title=None, **bare)
    figure.update_yaxes(ticktext=["Real", "Fake"], **bare)
    return figure


def kinds_figure(matrix: pd.DataFrame, words: Mapping[str, str], *, dark: bool = False) -> go.Figure:
    """What images of each kind are called: counts, and shares of the kind as shades.

    Args:
        matrix: of ``kinds.KindsMeasured.tables``.
        words: for its rows and columns.
        dark: for a dark page.
    """
    shares = matrix.div(matrix.sum(axis=1).clip(lower=1), axis=0)
    figure = base_figure("Called", "Actual kind", height=110 + 60 * len(matrix))
    figure.add_heatmap(
        z=shares.to_numpy(),
        x=[words[name] for name in matrix.columns],
        y=[words[name] for name in matrix.index],
        text=[[f"{count:,}<br>{share:.0%}" for count, share in zip(*row, strict=True)]
              for row in zip(matrix.to_numpy(), shares.to_numpy(), strict=True)],
        texttemplate="%{text}",
        hovertemplate="%{y}, called %{x}: %{text}<extra></extra>",
        colorscale=[[0, "#20272B" if dark else "#F3F5F6"], [1, ACCENT_COLOUR]],
        zmin=0,
        zmax=1,
        showscale=False,
        xgap=2,
        ygap=2,
    )  # fmt: skip
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    figure.update_xaxes(fixedrange=True)
    figure.update_layout(margin={"t": 32})  # the button that saves the figure covers no cell
    return figure


def _add_cells(
    figure: go.Figure, row: int, cells: tuple[ConfusionCell, ConfusionCell], counts: list[int]
) -> None:
    """What a click on a row of the confusion matrix finds: rectangles alone cannot be clicked."""
    figure.add_scatter(
        x=[0, 1],
        y=[row, row],
        customdata=[[count, cell] for count, cell in zip(counts, cells, strict=True)],
        text=[CELLS[cell] for cell in cells],
        mode="markers",
        marker={"symbol": "square", "size": 100, "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        hovertemplate="%{text}: %{customdata[0]:,}<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(hoverdistance=-1)


def _tint(colour: str, strength: float, ground: str) -> tuple[int, int, int]:
    """A colour on a ground: 0 is the ground, 1 the colour itself."""
    below, above = ([int(each[start : start + 2], 16) for start in (1, 3, 5)] for each in (ground, colour))
    red, green, blue = (round(low + strength * (high - low)) for low, high in zip(below, above, strict=True))
    return red, green, blue


def histogram_figure(histogram: pd.DataFrame, threshold: float) -> go.Figure:
    """How the scores of each class lie, and where the threshold cuts them.

    Args:
        histogram: from ``curves.score_histogram``.
        threshold: 0..1.
    """
    figure = base_figure("Score: probability of Fake", "Images (log scale)")
    width = histogram["high"] - histogram["low"]
    numbers = range(len(histogram))
    for name, column, colour in (("Real", "real", REAL_COLOUR), ("Fake", "fake", FAKE_COLOUR)):
        figure.add_bar(
            x=histogram["low"] + width / 2,
            y=histogram[column],
            width=width,
            customdata=histogram[["low", "high"]].assign(word=mark_words("histogram", numbers, name)),
            name=name,
            marker={"color": colour, "line": {"width": 0}, "opacity": 0.6},
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 0.35}},
            hovertemplate=f"{name}: %{{y:,}} images<br>score %{{customdata[0]:.3f}} to "
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
        tables: from ``reliability.reliability_table``, by name; the last, drawn in the accent colour, is of
            calibrated scores, any before it of others.
    """
    figure = base_figure("Score: mean probability of Fake in the bin (%)", "Actually fake (%)")
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
    words = mark_words("reliability", filled.index, "after" if last else "before")
    figure.add_scatter(
        x=filled["mean_p_fake"],
        y=filled["share_fake"],
        error_y=_error_bars(filled["share_fake"], filled["share_low"], filled["share_high"], colour),
        customdata=filled[["n", "share_low", "share_high"]].assign(word=words),
        mode="lines+markers",
        selected={"marker": {"size": 16}},
        unselected={"marker": {"opacity": 1}},
        line={"color": colour, "width": 1.5, "dash": "solid" if last else "dash"},
        marker={"color": colour, "size": 9 if last else 7, "symbol": "circle" if last else "square-open"},
        name=name,
        hovertemplate="mean score %{x:.1%}<br>actually fake %{y:.1%} "
        "(95% interval %{customdata[1]:.1%} to %{customdata[2]:.1%})<br>%{customdata[0]:,} images"
        "<extra></extra>",
    )


def dot_figure(table: pd.DataFrame, metric: str) -> go.Figure:
    """A row a subset, with a dot at its number and a line for its 95% interval.

    Args:
        table: from ``breakdown.breakdown_table``.
        metric: ``accuracy``, ``auc``, ``recall`` or ``false_alarm_rate``. Subsets without it are left out.
    """
    rows = table[table[metric].notna()].assign(row=lambda rows: rows["part"].map(_wrapped))
    rows = rows.rename(columns={metric: "value", f"{metric}_low": "low", f"{metric}_high": "high"})
    figure = _interval_figure(DOT_TITLES[metric], rows, ".3f" if metric == "auc" else ".1%")
    if metric in ("accuracy", "auc"):
        figure.add_vline(x=0.5, line={"color": NEUTRAL_COLOUR, "dash": "dot", "width": 1.5})
    figure.update_xaxes(**{**share_axis(), **({"tickformat": ".1f"} if metric == "auc" else {})})
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


def differences_figure(
    differences: Mapping[str, MetricEstimate], titles: Mapping[str, str], a: str
) -> go.Figure:
    """A row a metric: its difference with a line for the interval; right of 0 the metric is higher for A.

    Args:
        differences: differences of A and B by metric; undefined ones are left out.
        titles: of the metrics.
        a: name of the first of the two.
    """
    rows = [
        (titles[key].replace(", ", ",<br>"), one.value, *(one.interval or (one.value, one.value)))
        for key, one in differences.items()
        if one.value is not None
    ]
    table = pd.DataFrame(rows, columns=["row", "value", "low", "high"])
    figure = _interval_figure(f"Difference; right of 0: higher for {html.escape(a)}", table, "+.4f")
    figure.add_vline(x=0, line={"color": NEUTRAL_COLOUR, "dash": "dot", "width": 1.5})
    figure.update_xaxes(tickformat="+.2~f")
    return figure


def _interval_figure(x_title: str, rows: pd.DataFrame, number: str) -> go.Figure:
    """A dot and a line for its 95% interval in each row, the first row on top.

    Args:
        x_title: of the axis of numbers.
        rows: columns row (its name, as Plotly shows it), value, low, high, and perhaps images (a count).
        number: Plotly's format of the numbers in the hover text.
    """
    figure = base_figure(x_title, "", height=110 + 45 * max(1, len(rows)))
    hover = (
        f"%{{y}}<br>%{{x:{number}}} (95% interval %{{customdata[0]:{number}}} to %{{customdata[1]:{number}}})"
    )
    extra = ["images"] if "images" in rows else []
    figure.add_scatter(
        x=rows["value"],
        y=rows["row"],
        error_x=_error_bars(rows["value"], rows["low"], rows["high"], ACCENT_COLOUR),
        customdata=rows[["low", "high", *extra]],
        mode="markers",
        marker={"color": ACCENT_COLOUR, "size": 11},
        showlegend=False,
        hovertemplate=hover + "<br>%{customdata[2]:,} images" * len(extra) + "<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", title=None, showgrid=True)
    return figure


def _error_bars(value: pd.Series, low: pd.Series, high: pd.Series, colour: str) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": high - value,
        "arrayminus": value - low,
        "color": colour,
        "thickness": 1.5,
    }
