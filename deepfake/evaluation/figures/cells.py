"""Tables of counts as figures: the confusion matrix, and which kinds fakes are called."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from deepfake.evaluation.statistics.metrics import Confusion
from deepfake.evaluation.statistics.thresholds import ConfusionCell
from deepfake.evaluation.text.cells import CELLS
from deepfake.plotting import ACCENT_COLOUR, FAKE_COLOUR, REAL_COLOUR, base_figure

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
