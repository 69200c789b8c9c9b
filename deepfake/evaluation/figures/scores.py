"""Scores as figures: their histogram, and how often such a score was right."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from deepfake.evaluation.figures.intervals import error_bars
from deepfake.evaluation.marks import mark_words
from deepfake.plotting import ACCENT_COLOUR, FAKE_COLOUR, NEUTRAL_COLOUR, REAL_COLOUR, base_figure, share_axis


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
        error_y=error_bars(filled["share_fake"], filled["share_low"], filled["share_high"], colour),
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
