"""Numbers with their intervals, a dot and a line each."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from deepfake.evaluation.compare import MetricEstimate
from deepfake.plotting import ACCENT_COLOUR, NEUTRAL_COLOUR, base_figure, share_axis

DOT_TITLES = {
    "accuracy": "Accuracy (% of images)",
    "auc": "ROC AUC (0.5 is guessing, 1 is perfect)",
    "recall": "Recall (% of Fake)",
    "false_alarm_rate": "False-positive rate (% of Real)",
}


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
        error_x=error_bars(rows["value"], rows["low"], rows["high"], ACCENT_COLOUR),
        customdata=rows[["low", "high", *extra]],
        mode="markers",
        marker={"color": ACCENT_COLOUR, "size": 11},
        showlegend=False,
        hovertemplate=hover + "<br>%{customdata[2]:,} images" * len(extra) + "<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", title=None, showgrid=True)
    return figure


def error_bars(value: pd.Series, low: pd.Series, high: pd.Series, colour: str) -> dict[str, Any]:
    """Plotly's error bars of values whose intervals may lie askew, for ``error_x`` or ``error_y``."""
    return {
        "type": "data",
        "symmetric": False,
        "array": high - value,
        "arrayminus": value - low,
        "color": colour,
        "thickness": 1.5,
    }
