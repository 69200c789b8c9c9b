"""A video's verdict over time: a chart and the table behind it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from deepfake.detection.text import CALL_WORDS
from deepfake.detection.video import VideoVerdict
from deepfake.plotting import CALL_COLOURS, NEUTRAL_COLOUR, base_figure, share_axis
from deepfake.types import CallName

_SYMBOLS: Mapping[CallName, str] = {"fake": "diamond", "uncertain": "square", "real": "circle"}
NO_FACE = "No face"


def video_table(result: VideoVerdict) -> pd.DataFrame:
    """A row a frame: second, p_fake (0..1; none without a face), faces found, verdict in words."""
    return pd.DataFrame(
        {
            "Second": [round(frame.second, 2) for frame in result.frames],
            "Probability of fake": [frame.verdict.p_fake for frame in result.frames],
            "Faces": [len(frame.verdict.faces) for frame in result.frames],
            "Verdict": [
                NO_FACE if frame.verdict.scope == "no_face" else CALL_WORDS[frame.verdict.verdict]
                for frame in result.frames
            ],
        }
    )


def video_figure(result: VideoVerdict) -> go.Figure:
    """A dot for each frame with a face over the time, and the median as a dotted line."""
    figure = base_figure("Second of the video", "Probability of fake")
    shown = result.deciding
    figure.add_scatter(
        x=[frame.second for frame in shown],
        y=[frame.verdict.p_fake for frame in shown],
        mode="lines",
        line={"color": NEUTRAL_COLOUR, "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )
    for call, symbol in _SYMBOLS.items():
        mine = [frame for frame in shown if frame.verdict.verdict == call]
        figure.add_scatter(
            x=[frame.second for frame in mine],
            y=[frame.verdict.p_fake for frame in mine],
            mode="markers",
            name=CALL_WORDS[call],
            marker={"size": 10, "color": CALL_COLOURS[call], "symbol": symbol},
            hovertemplate="%{x:.1f} s: %{y:.1%}<extra></extra>",
        )
    if result.p_fake is not None:
        figure.add_hline(
            y=result.p_fake,
            line={"dash": "dot", "width": 2, "color": CALL_COLOURS[result.verdict]},
            annotation={"text": "Median", "yanchor": "bottom" if result.p_fake < 0.9 else "top"},
        )
    figure.update_xaxes(range=[0, max(result.facts.seconds, 0.1)])
    figure.update_yaxes(**share_axis())
    return figure
