"""The chart of slices."""

from __future__ import annotations

import math

import pandas as pd
import plotly.graph_objects as go

from deepfake.evaluation.figures.intervals import dot_figure
from deepfake.plotting import NEUTRAL_COLOUR, share_axis

ROW = 32
"""Height of a slice, in pixels."""


def slices_figure(table: pd.DataFrame, metric: str) -> go.Figure:
    """A dot for each slice with a line for its 95% interval, on an axis as wide as the numbers need.

    The dashed line is the number of all images.

    Args:
        table: from ``table.slices_table``.
        metric: as of ``evaluation.figures.intervals.dot_figure``.
    """
    figure = dot_figure(table, metric)
    rows = table[table[metric].notna()]
    figure.update_layout(height=110 + ROW * max(1, len(rows)))
    if rows.empty:
        return figure
    low, high = rows[f"{metric}_low"].min(), rows[f"{metric}_high"].max()
    lowest, highest = math.floor(10 * low) / 10, math.ceil(10 * high) / 10
    if lowest > 0.5:  # where guessing lies, nothing is drawn
        figure.layout.shapes = ()  # pyright: ignore[reportAttributeAccessIssue]
    if rows.index[0] == table.index[0]:
        line = {"color": NEUTRAL_COLOUR, "dash": "dash", "width": 1}
        figure.add_vline(x=float(rows[metric].iloc[0]), line=line)
    figure.update_xaxes(range=share_axis(lowest, highest)["range"])
    return figure
