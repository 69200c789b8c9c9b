"""What all Plotly figures share: plain axes with titles, room for a phone, and how they are saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from deepfake.types import VerdictLabel
from deepfake.util.text import slug

# Vermillion and blue of the palette by Okabe and Ito (2008), told apart with every common colour
# blindness, and a grey whose lightness differs from both. .streamlit/config.toml repeats them.
FAKE_COLOUR = "#D55E00"


REAL_COLOUR = "#0072B2"


UNCERTAIN_COLOUR = "#6B7280"


CALL_COLOURS: Mapping[VerdictLabel, str] = {
    "fake": FAKE_COLOUR,
    "real": REAL_COLOUR,
    "uncertain": UNCERTAIN_COLOUR,
}


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

_SAME = 1e-6
"""Numbers that differ by less than this part of themselves are one number to the eye."""

SaveFormat = Literal["png", "svg"]


BUTTON = 44
"""Pixels right of a figure, where a long legend or heading would run below the button that saves it."""


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


def frame_constant(figure: go.Figure, *, share: bool = False) -> go.Figure:
    """Gives the vertical axis a range where all curves are one and the same number; else leaves it alone.

    Plotly would lay an axis one unit above and below it: a learning rate of 0.001 then looks like 0 between
    -1 and 1, an accuracy of 50% stands between -50 and 150%.

    Args:
        figure: whose curves are drawn already; changed and returned.
        share: values are shares in 0..1, so the axis shows all of that; else it reaches from 0 to twice the
            number.
    """
    traces: Any = figure.data
    drawn = [np.asarray(trace.y, float) for trace in traces if trace.y is not None and len(trace.y)]
    values = np.concatenate(drawn) if drawn else np.empty(0)
    values = values[np.isfinite(values)]
    if not values.size or np.ptp(values) > _SAME * np.abs(values).max():
        return figure
    middle = float(values.mean())
    if share:
        figure.update_yaxes(range=share_axis()["range"])
    elif middle:
        figure.update_yaxes(range=sorted((0.0, 2 * middle)))
    else:
        figure.update_yaxes(range=[0.0, 1.0])
    return figure


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
    """A plain name for the file of a figure or table."""
    return slug(text) or "figure"
