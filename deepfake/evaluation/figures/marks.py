"""The part of a figure whose images are shown below it."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go


def unseen_dots(colour: str) -> dict[str, Any]:
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
