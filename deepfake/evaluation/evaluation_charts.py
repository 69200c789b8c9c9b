"""Charts of one threshold and of one set of scores: confusion matrix, histogram, reliability, dot plot."""

from __future__ import annotations

import html
from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from deepfake.evaluation.thresholds import ThresholdMetrics
from deepfake.plotting import ACCENT_COLOUR, FAKE_COLOUR, NEUTRAL_COLOUR, REAL_COLOUR, base_figure, share_axis

DOT_TITLES = {
    "accuracy": "Called rightly (% of pictures)",
    "auc": "ROC AUC (0.5 is guessing, 1 is perfect)",
    "recall": "Fakes found (% of Fake)",
    "false_alarm_rate": "Real pictures called fake (% of Real)",
}


def confusion_figure(metrics: ThresholdMetrics) -> go.Figure:
    """The confusion matrix: counts and shares of the true class, a row each in the class's colour."""
    figure = base_figure("", "True class", height=300)
    rows = (
        (0, REAL_COLOUR, (metrics.false_alarms, metrics.passed)),
        (1, FAKE_COLOUR, (metrics.found, metrics.missed)),
    )
    for row, colour, counts in rows:
        total = sum(counts)
        for column, count in enumerate(counts):
            share = count / total if total else 0.0
            # Rectangles and not Plotly's heat map, which has one scale of colours for all cells. They are
            # opaque, so that the words are read alike in light and dark.
            red, green, blue = _tint(colour, 0.08 + 0.92 * share)
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
            shown = f"<b>{count:,}</b><br>{share:.1%}" if total else "<b>0</b><br>no such pictures"
            bright = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 120
            font = {"size": 16, "color": "#111111" if bright else "#FFFFFF"}
            figure.add_annotation(x=column, y=row, text=shown, showarrow=False, font=font)
    bare = {"showgrid": False, "fixedrange": True, "tickvals": [0, 1], "range": [-0.5, 1.5]}
    figure.update_xaxes(side="top", ticktext=["Called fake", "Called real"], title=None, **bare)
    figure.update_yaxes(ticktext=["Real", "Fake"], **bare)
    return figure


def _tint(colour: str, strength: float) -> tuple[int, int, int]:
    """A colour on white: 0 is white, 1 the colour itself."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    red, green, blue = (round(255 + strength * (part - 255)) for part in parts)
    return red, green, blue


def histogram_figure(histogram: pd.DataFrame, threshold: float) -> go.Figure:
    """How the scores of each class lie, and where the threshold cuts them.

    Args:
        histogram: from ``curves.score_histogram``.
        threshold: 0..1.
    """
    figure = base_figure("Score: probability of Fake", "Pictures (log scale)")
    width = histogram["high"] - histogram["low"]
    for name, column, colour in (("Real", "real", REAL_COLOUR), ("Fake", "fake", FAKE_COLOUR)):
        figure.add_bar(
            x=histogram["low"] + width / 2,
            y=histogram[column],
            width=width,
            customdata=histogram[["low", "high"]],
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            opacity=0.6,
            hovertemplate=f"{name}: %{{y:,}} pictures<br>score %{{customdata[0]:.3f}} to "
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
        tables: from ``calibration.reliability_table``, by name; the last is drawn in the accent colour.
    """
    figure = base_figure("Score: mean probability of Fake in the bin (%)", "Of these, fake in truth (%)")
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
    figure.add_scatter(
        x=filled["mean_p_fake"],
        y=filled["share_fake"],
        error_y={
            "type": "data",
            "symmetric": False,
            "array": filled["share_high"] - filled["share_fake"],
            "arrayminus": filled["share_fake"] - filled["share_low"],
            "color": colour,
            "thickness": 1.5,
        },
        customdata=filled[["n", "share_low", "share_high"]],
        mode="lines+markers",
        line={"color": colour, "width": 1.5, "dash": "solid" if last else "dash"},
        marker={"color": colour, "size": 9 if last else 7, "symbol": "circle" if last else "square-open"},
        name=name,
        hovertemplate="mean score %{x:.1%}<br>fake in truth %{y:.1%} "
        "(95 % interval %{customdata[1]:.1%} to %{customdata[2]:.1%})<br>%{customdata[0]:,} pictures"
        "<extra></extra>",
    )


def dot_figure(table: pd.DataFrame, metric: str) -> go.Figure:
    """A row a part, with a dot at its number and a line for its 95 % interval.

    Args:
        table: from ``breakdown.breakdown_table``.
        metric: ``accuracy``, ``auc``, ``recall`` or ``false_alarm_rate``. Parts without it are left out.
    """
    rows = table[table[metric].notna()]
    names = [_wrapped(name) for name in rows["part"]]
    figure = base_figure(DOT_TITLES[metric], "", height=110 + 46 * max(1, len(rows)))
    shown = ".3f" if metric == "auc" else ".1%"
    figure.add_scatter(
        x=rows[metric],
        y=names,
        error_x={
            "type": "data",
            "symmetric": False,
            "array": rows[f"{metric}_high"] - rows[metric],
            "arrayminus": rows[metric] - rows[f"{metric}_low"],
            "color": ACCENT_COLOUR,
            "thickness": 2,
        },
        customdata=rows[["images", f"{metric}_low", f"{metric}_high"]],
        mode="markers",
        marker={"color": ACCENT_COLOUR, "size": 11},
        showlegend=False,
        hovertemplate=f"%{{y}}<br>%{{x:{shown}}} (95 % interval %{{customdata[1]:{shown}}} to "
        f"%{{customdata[2]:{shown}}})<br>%{{customdata[0]:,}} pictures<extra></extra>",
    )
    if metric in ("accuracy", "auc"):
        figure.add_vline(x=0.5, line={"color": NEUTRAL_COLOUR, "dash": "dot", "width": 1.5})
    figure.update_xaxes(**{**share_axis(), **({"tickformat": ".1f"} if metric == "auc" else {})})
    figure.update_yaxes(autorange="reversed", title=None, showgrid=True)
    return figure


def _wrapped(name: str, width: int = 22) -> str:
    """A name in lines of about `width` letters, so that a phone keeps room for the plot."""
    lines = [""]
    for word in name.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(html.escape(line, quote=False) for line in lines)  # Plotly reads a few tags
