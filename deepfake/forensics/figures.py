"""An image beside a map of it, in one figure that zooms both together."""

from __future__ import annotations

import base64

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from deepfake.forensics.pixels import PixelMap
from deepfake.images.encode import jpeg_bytes
from deepfake.plotting import plot_config
from deepfake.types import Pixels

_TALLEST, _LOWEST = 440, 240  # pixels of the screen
_TOP = 56  # for the titles, and above them for the buttons
_PANEL, _PHONE = 520, 320  # width of one of the two on a wide screen and on a phone, in pixels


def compare_figure(
    original: Pixels, shown: PixelMap, name: str, *, together: bool = True, stacked: bool = False
) -> go.Figure:
    """An image and a map of it beside it.

    Args:
        original: (H, W, 3) uint8, what the map was made of.
        shown: the map.
        name: of the map, above it.
        together: both show the same places, so that zooming into one zooms into the other.
        stacked: the map below the image, for a phone.
    """
    rows, columns = (2, 1) if stacked else (1, 2)
    figure = make_subplots(
        rows, columns, horizontal_spacing=0.02, vertical_spacing=0.06, subplot_titles=("Image", name)
    )
    for index, pixels in enumerate((original, shown.pixels), start=1):
        height, width = pixels.shape[:2]
        data = base64.b64encode(jpeg_bytes(pixels)).decode()
        # Both in the image's own units, whatever the resolution each is drawn at.
        scale = max(original.shape[:2]) / max(height, width) if together else 1.0
        figure.add_trace(
            go.Image(
                source=f"data:image/jpeg;base64,{data}", dx=scale, dy=scale, x0=0, y0=0, hoverinfo="skip"
            ),
            index if stacked else 1,
            1 if stacked else index,
        )
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, constrain="domain", constraintoward="top")
    if together:
        figure.update_xaxes(matches="x")
        figure.update_yaxes(matches="y")
    height, width = original.shape[:2]
    panel = min(_TALLEST, max(_LOWEST, round((_PHONE if stacked else _PANEL) * height / width)))
    figure.update_layout(
        height=_TOP + rows * panel,
        margin={"l": 0, "r": 0, "t": _TOP, "b": 0},
        dragmode="zoom",
        uirevision="same" if together else name,  # another map keeps the place that was zoomed into
    )
    return figure


def compare_config(name: str) -> dict[str, object]:
    """Plotly's settings for such a figure: buttons that zoom, go back, and save it."""
    buttons = [["zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]]
    return {**plot_config(name), "modeBarButtons": buttons, "doubleClick": "reset"}
