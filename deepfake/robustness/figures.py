"""Charts of robustness: a map of all perturbations, and curves over the strength of one."""

from __future__ import annotations

import html
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from deepfake.plotting import (
    ACCENT_COLOUR,
    BUTTON,
    FAKE_COLOUR,
    NEUTRAL_COLOUR,
    REAL_COLOUR,
    base_figure,
    share_axis,
)
from deepfake.robustness.text import MEASURE_AXES, MEASURE_WORDS, Measure

SERIES_COLOURS = (ACCENT_COLOUR, "#CC79A7", "#E69F00", "#7E6BC4", NEUTRAL_COLOUR)
"""Of several detectors, in their order; none is Fake's or Real's."""
SERIES_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")
MAP_SCALE = ((0.0, "#8C2D04"), (0.5, "#E8B06B"), (1.0, "#E3F1EE"))
DARK_MAP_SCALE = ((0.0, "#F08C3A"), (0.5, "#7A5128"), (1.0, "#22312F"))
"""From guessing to perfect, on a light and on a dark page: the larger the loss, the more a cell stands
out, so that it reads without colour too."""


def map_figure(summary: pd.DataFrame, measure: Measure, *, dark: bool = False) -> go.Figure:
    """Detectors against perturbations, one number a cell.

    Args:
        summary: from ``text.summary_table``.
        measure: which number it holds.
        dark: for a dark page.
    """
    figure = base_figure("", "", height=90 + 30 * len(summary))
    shown = ".3f" if measure == "roc_auc" else ".1%"
    figure.add_heatmap(
        z=summary.to_numpy(),
        x=[html.escape(column).replace(" ", "<br>", 1) for column in summary.columns],
        y=list(summary.index),
        zmin=0.5,
        zmax=1.0,
        colorscale=[list(stop) for stop in (DARK_MAP_SCALE if dark else MAP_SCALE)],
        showscale=False,
        xgap=2,
        ygap=2,
        texttemplate=f"%{{z:{shown}}}",
        hoverongaps=False,
        hovertemplate=f"%{{y}}<br>%{{x}}<br>{MEASURE_WORDS[measure]} %{{z:{shown}}}<extra></extra>",
    )
    figure.update_xaxes(side="top", title=None, showgrid=False, fixedrange=True, type="category")
    figure.update_layout(margin_r=BUTTON)
    figure.update_yaxes(autorange="reversed", title=None, showgrid=False, fixedrange=True)
    return figure


def curve_figure(curves: Mapping[str, pd.DataFrame], measure: Measure, axis: str) -> go.Figure:
    """One number against the strength of one perturbation, a line a detector, with 95% intervals.

    Args:
        curves: by label, from ``text.curve_table``.
        measure: which number.
        axis: what the amounts are.
    """
    figure = base_figure(axis, MEASURE_AXES[measure])
    shown = ".3f" if measure == "roc_auc" else ".1%"
    for index, (label, rows) in enumerate(curves.items()):
        look = index % len(SERIES_COLOURS)
        colour, symbol = SERIES_COLOURS[look], SERIES_SYMBOLS[look]
        _add_line(figure, rows, measure, label, colour=colour, symbol=symbol, shown=shown)
    lowest = min([0.5, *(float(rows[f"{measure}_low"].min(skipna=True)) for rows in curves.values())])
    if measure != "decided":  # of which no share is guessing
        figure.add_hline(y=0.5, line={"color": NEUTRAL_COLOUR, "dash": "dot", "width": 1.5})
    ticks = {"tickformat": ".1f"} if measure == "roc_auc" else {}
    figure.update_yaxes(**{**share_axis(max(0.0, lowest // 0.1 / 10)), **ticks})
    _clean_first(figure, curves)
    figure.update_layout(showlegend=len(curves) > 1)
    return figure


def scores_figure(curves: Mapping[str, pd.DataFrame], axis: str, threshold: float | None) -> go.Figure:
    """Mean scores of Fake and of Real against the strength: which class drifts, and in which direction.

    Args:
        curves, axis: as for ``curve_figure``.
        threshold: drawn where all share one.
    """
    figure = base_figure(axis, "Mean score (probability of Fake)")
    dashes = ("solid", "dash", "dot", "dashdot", "longdash")
    for index, (label, rows) in enumerate(curves.items()):
        for name, column, colour in (("Fake", "mean_fake", FAKE_COLOUR), ("Real", "mean_real", REAL_COLOUR)):
            if rows[column].isna().all():
                continue
            series = f"{name}, {label}" if len(curves) > 1 else f"{name} images"
            symbol = SERIES_SYMBOLS[index % len(SERIES_SYMBOLS)]
            dash = dashes[index % len(dashes)]
            _add_line(figure, rows, column, series, colour=colour, symbol=symbol, shown=".3f", dash=dash)
    if threshold is not None:
        figure.add_hline(
            y=threshold,
            line={"color": NEUTRAL_COLOUR, "dash": "dash", "width": 1.5},
            annotation={"text": f"forced choice {threshold:.3f}", "font": {"color": NEUTRAL_COLOUR}},
        )
    figure.update_yaxes(range=[-0.02, 1.02], tickformat=".1f")
    _clean_first(figure, curves)
    return figure


def _clean_first(figure: go.Figure, curves: Mapping[str, pd.DataFrame]) -> None:
    """Amounts as steps of equal width in their order, whichever detector has them."""
    steps = list(dict.fromkeys(step for rows in curves.values() for step in rows["shown"]))
    figure.update_xaxes(type="category", categoryorder="array", categoryarray=steps)


def _add_line(
    figure: go.Figure,
    rows: pd.DataFrame,
    column: str,
    label: str,
    *,
    colour: str,
    symbol: str,
    shown: str,
    dash: str = "solid",
) -> None:
    low, high = rows[f"{column}_low"], rows[f"{column}_high"]
    figure.add_scatter(
        x=rows["shown"],
        y=rows[column],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": high - rows[column],
            "arrayminus": rows[column] - low,
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        customdata=pd.DataFrame({"low": low, "high": high, "n": rows["n"]}),
        mode="lines+markers",
        line={"color": colour, "width": 2.5, "dash": dash},
        marker={"color": colour, "size": 9, "symbol": symbol},
        name=label,
        hovertemplate=f"%{{x}}<br>%{{y:{shown}}} (95% interval %{{customdata[0]:{shown}}} to "
        f"%{{customdata[1]:{shown}}})<br>%{{customdata[2]:,}} images",
    )
