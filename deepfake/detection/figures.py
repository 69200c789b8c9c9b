"""A stress test as a chart and as a table."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from deepfake.detection.stress import StressTest
from deepfake.detection.text import CALL_WORDS
from deepfake.plotting import CALL_COLOURS, base_figure, share_axis
from deepfake.types import OperatingPoint, Thresholds


def stress_table(result: StressTest) -> pd.DataFrame:
    """A row for the crop as it is and for each change: what was done, how much, p_fake (0..1), verdict."""
    rows = [("As it is", "", result.p_fake, CALL_WORDS[result.call])]
    rows += [
        (point.change.kind, point.change.unit, point.p_fake, CALL_WORDS[point.call])
        for point in result.points
    ]
    return pd.DataFrame(rows, columns=["Change", "Amount", "Probability of fake", "Verdict"])


def stress_figure(
    result: StressTest, thresholds: Thresholds, point: OperatingPoint = "balanced"
) -> go.Figure:
    """A dot for each change on the scale of p_fake; the uncertain band is shaded."""
    table = stress_table(result)
    figure = base_figure("Probability of fake", "", height=130 + 17 * len(table))  # room for each name
    words = [
        f"{change} {amount}".strip() for change, amount in zip(table["Change"], table["Amount"], strict=True)
    ]
    calls = [result.call, *(point.call for point in result.points)]
    figure.add_vrect(
        x0=thresholds.uncertain_low,
        x1=min(1.0, thresholds.fake_from(point)),
        fillcolor=CALL_COLOURS["uncertain"],
        opacity=0.18,
        line_width=0,
    )
    figure.add_vline(x=result.p_fake, line={"dash": "dot", "width": 1, "color": CALL_COLOURS[result.call]})
    for call in ("fake", "uncertain", "real"):
        mine = [place for place, name in enumerate(calls) if name == call]
        figure.add_scatter(
            x=[table["Probability of fake"].iloc[place] for place in mine],
            y=[words[place] for place in mine],
            mode="markers",
            name=CALL_WORDS[call],
            marker={"size": 10, "color": CALL_COLOURS[call]},
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    figure.update_xaxes(**share_axis())
    figure.update_yaxes(categoryorder="array", categoryarray=words[::-1], dtick=1, title=None)
    return figure
