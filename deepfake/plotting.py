"""What all Plotly figures share: plain axes with titles, room for a phone, and how they are saved."""

from __future__ import annotations

import re
from typing import Any, Literal

import plotly.graph_objects as go

ACCENT_COLOUR = "#14998C"
"""Of a detector's own curve: stands out on white and on near-black; neither Fake's nor Real's colour."""
NEUTRAL_COLOUR = "#8B94A1"
DETECTOR_STYLES = (
    (ACCENT_COLOUR, "solid"),
    ("#C2569B", "dash"),
    ("#B7791F", "dot"),
    ("#7C6BD6", "dashdot"),
    ("#5F8A2B", "longdash"),
)
"""Colour and dash of detectors drawn together, in their order; told apart without colour too."""

SaveFormat = Literal["png", "svg"]


def base_figure(x_title: str, y_title: str, height: int = 380) -> go.Figure:
    """An empty figure: fonts and backgrounds are left to the page's light or dark theme."""
    figure = go.Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 16, "t": 8, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "title": None},
        hoverlabel={"align": "left"},
        dragmode=False,
    )
    figure.update_xaxes(title=x_title, automargin=True, zeroline=False)
    figure.update_yaxes(title=y_title, automargin=True, zeroline=False)
    return figure


def share_axis(lowest: float = 0.0, highest: float = 1.0) -> dict[str, Any]:
    """An axis of shares in percent with a little room at both ends."""
    room = 0.02 * (highest - lowest)
    return {"range": [lowest - room, highest + room], "tickformat": ".0%"}


def plot_config(name: str, kind: SaveFormat = "png") -> dict[str, Any]:
    """Plotly's settings: one button, which saves the figure from the browser itself.

    Args:
        name: of the file, without ending.
        kind: of the file.
    """
    return {
        "displaylogo": False,
        "displayModeBar": True,
        "modeBarButtons": [["toImage"]],
        "scrollZoom": False,
        "toImageButtonOptions": {"format": kind, "filename": file_stem(name), "scale": 2},
    }


def file_stem(text: str) -> str:
    """A plain file name of a title.

    >>> file_stem("ROC, Test: all")
    'roc-test-all'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "figure"
