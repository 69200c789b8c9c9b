"""Figures of training runs: curves per step and per epoch, of one run or of several."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy.signal import lfilter

from deepfake.plotting import (
    ACCENT_COLOUR,
    BUTTON,
    FAKE_COLOUR,
    NEUTRAL_COLOUR,
    REAL_COLOUR,
    base_figure,
    frame_constant,
    share_axis,
)
from deepfake.runs.history import History, headline, number
from deepfake.runs.progress import step_rates

PERTURBED_COLOUR = "#B8679A"
RUN_COLOURS = (ACCENT_COLOUR, PERTURBED_COLOUR, "#C98A00", "#4BA3D9", "#7C6BD6", NEUTRAL_COLOUR)
POINTS = 1500
"""Most points of a drawn curve; a chart is seldom wider in pixels."""
METRIC_TITLES = {"loss": "Loss", "accuracy": "Accuracy", "roc_auc": "ROC AUC"}
SHARES = ("accuracy", "roc_auc")
"""Metrics that lie in 0..1."""
_ABOVE = 28
"""Pixels over a figure without a legend, for the button that saves it."""
_PARTS = (
    ("Training", "train", NEUTRAL_COLOUR, "dot"),
    ("Validation, clean", "clean", ACCENT_COLOUR, "solid"),
    ("Validation, perturbed", "perturbed", PERTURBED_COLOUR, "solid"),
)


def smoothed(values: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Exponential moving average, divided by the weight it has seen, so that it is right from the start.

    The bias correction is that of Adam (Kingma and Ba, 2015). NaN neither counts nor breaks the curve.

    Args:
        values: (N,).
        weight: of the past, from 0 (no smoothing) to below 1.
    """
    known = np.isfinite(values)
    mass = np.asarray(lfilter([1 - weight], [1, -weight], known.astype(float)))
    total = np.asarray(lfilter([1 - weight], [1, -weight], np.where(known, values, 0.0)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mass > 1e-12, total / mass, np.nan)


def thinned(
    x: NDArray[np.float64], y: NDArray[np.float64], points: int = POINTS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most about ``points`` points of a curve: the lowest and the highest of each stretch, and the last.

    Args:
        x: (N,) rising.
        y: (N,), NaN where unknown.
        points: at least 4.
    """
    size = len(x)
    if size <= points:
        return x, y
    width = -(-size // (points // 2))
    padded = np.r_[y, np.full(-size % width, np.nan)].reshape(-1, width)
    starts = np.arange(len(padded)) * width
    low = starts + np.where(np.isnan(padded), np.inf, padded).argmin(axis=1)
    high = starts + np.where(np.isnan(padded), -np.inf, padded).argmax(axis=1)
    rows = np.unique(np.r_[low, high, size - 1])
    rows = rows[rows < size]
    return x[rows], y[rows]


def steps_figure(history: History, metric: str, weight: float) -> go.Figure:
    """Loss or accuracy of the training steps: raw faint, smoothed bold.

    Args:
        history: the run's.
        metric: ``loss`` or ``accuracy``.
        weight: see ``smoothed``.
    """
    figure = base_figure("Step", METRIC_TITLES[metric], height=280)
    if history.steps:
        total, values = history.steps["total"], history.steps[metric]
        rows = (("Raw", values, 1.0, 0.35), (f"Smoothed ({weight:.2f})", smoothed(values, weight), 2.5, 1.0))
        for name, drawn, width, opacity in rows:
            x, y = thinned(total, drawn)
            figure.add_scatter(
                x=x, y=y, name=name, mode="lines" if len(x) > 1 else "markers", opacity=opacity,
                line={"color": ACCENT_COLOUR, "width": width},
                hovertemplate=f"step %{{x:,}}<br>{METRIC_TITLES[metric].lower()} %{{y:.4f}}<extra></extra>",
            )  # fmt: skip
    if metric == "accuracy":
        figure.update_yaxes(tickformat=".0%")
    return frame_constant(figure, share=metric in SHARES)


def epochs_figure(history: History, metric: str) -> go.Figure:
    """A number after each epoch, for training and for both forms of the validation images.

    Args:
        history: the run's.
        metric: ``loss``, ``accuracy`` or ``roc_auc`` (which training lacks).
    """
    figure = base_figure("Epoch", METRIC_TITLES[metric], height=280)
    x = [epoch["epoch"] for epoch in history.epochs]
    for name, part, colour, dash in _PARTS:
        y = [number(_part(epoch, part).get(metric)) for epoch in history.epochs]
        if not np.isfinite(y).any():
            continue
        figure.add_scatter(
            x=x, y=y, name=name, mode="lines+markers",
            line={"color": colour, "width": 2, "dash": dash}, marker={"size": 6},
            hovertemplate=f"{name}<br>epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(margin_r=BUTTON)
    _epoch_axis(figure, len(x))
    _mark_best(figure, history, falls=metric == "loss")
    if metric == "accuracy":
        figure.update_yaxes(tickformat=".0%")
    return frame_constant(figure, share=metric in SHARES)


def sources_figure(history: History) -> go.Figure | None:
    """ROC AUC of each source of the validation images after each epoch; None where there is one source.

    Perturbed images where those were measured, else clean ones.
    """
    parts = [_part(epoch, "perturbed") or _part(epoch, "clean") for epoch in history.epochs]
    names = sorted({name for part in parts for name in part.get("source_roc_auc", {})})
    if len(names) < 2:
        return None
    figure = base_figure("Epoch", "ROC AUC", height=320)
    for index, name in enumerate(names):
        figure.add_scatter(
            x=[epoch["epoch"] for epoch in history.epochs],
            y=[number(part.get("source_roc_auc", {}).get(name)) for part in parts],
            name=html.escape(name, quote=False), mode="lines+markers", marker={"size": 6},
            line={"color": RUN_COLOURS[index % len(RUN_COLOURS)], "width": 2,
                  "dash": "solid" if index < len(RUN_COLOURS) else "dash"},
        )  # fmt: skip
    _epoch_axis(figure, len(history.epochs))
    return frame_constant(figure, share=True)


def column_figure(history: History, column: str, title: str, scale: float = 1.0) -> go.Figure:
    """One column of the steps as it is, against the step; steps where it is unknown are left out.

    Args:
        history: the run's.
        column: a name in ``History.steps``.
        title: of the vertical axis, with its unit.
        scale: what the values are multiplied by.
    """
    figure = base_figure("Step", title, height=240)
    figure.update_layout(margin_t=_ABOVE)
    if history.steps:
        known = np.isfinite(history.steps[column])
        x, y = thinned(history.steps["total"][known], scale * history.steps[column][known])
        mode = "lines" if len(x) > 1 else "markers"
        line = {"color": ACCENT_COLOUR, "width": 2}
        figure.add_scatter(x=x, y=y, mode=mode, line=line, showlegend=False)
        if column != "learning_rate":
            figure.update_yaxes(rangemode="tozero")
        else:
            figure.update_yaxes(exponentformat="power")
    return frame_constant(figure)


def rate_figure(history: History) -> go.Figure:
    """Images a second between one logged step and the next: raw faint, smoothed bold."""
    figure = base_figure("Step", "Images per second", height=240)
    figure.update_layout(margin_t=_ABOVE)
    if history.steps:
        rates = step_rates(history)
        for values, width, opacity in ((rates, 1.0, 0.35), (smoothed(rates, 0.9), 2.5, 1.0)):
            x, y = thinned(history.steps["total"], values)
            figure.add_scatter(
                x=x, y=y, mode="lines" if np.isfinite(y).sum() > 1 else "markers", opacity=opacity,
                showlegend=False,
                line={"color": ACCENT_COLOUR, "width": width},
            )  # fmt: skip
        figure.update_yaxes(rangemode="tozero")
    return frame_constant(figure)


def strip_figure(epochs: Sequence[dict[str, Any]], labels: Sequence[int]) -> go.Figure:
    """What the network thought of a few clean validation images after each epoch.

    Args:
        epochs: epoch events that have a ``strip``.
        labels: of the images, 1 Fake, 0 Real.
    """
    figure = base_figure("Epoch", "Probability of fake", height=280)
    shown: set[int] = set()
    for index, label in enumerate(labels):
        word, colour = ("fake", FAKE_COLOUR) if label == 1 else ("real", REAL_COLOUR)
        figure.add_scatter(
            x=[epoch["epoch"] for epoch in epochs],
            y=[epoch["strip"]["clean"][index] for epoch in epochs],
            name=f"Actually {word}", legendgroup=word, showlegend=label not in shown, mode="lines+markers",
            line={"color": colour, "width": 1.5, "dash": "solid" if label == 1 else "dot"},
            hovertemplate=f"actually {word}<br>epoch %{{x}}: %{{y:.0%}}<extra></extra>",
        )  # fmt: skip
        shown.add(label)
    figure.update_yaxes(**share_axis())
    figure.update_xaxes(tickformat="d", dtick=1 if len(epochs) <= 12 else None)
    return figure


def overlay_figure(histories: Mapping[str, History], metric: str, weight: float) -> go.Figure:
    """The same number of several runs: training loss by step, or a validation number by epoch.

    Args:
        histories: by the run's name.
        metric: ``train_loss``, or ``loss``, ``accuracy``, ``roc_auc`` of validation images.
        weight: see ``smoothed``; for ``train_loss`` only.
    """
    by_step = metric == "train_loss"
    title = "Training loss, smoothed" if by_step else f"Validation {METRIC_TITLES[metric]}"
    figure = base_figure("Step" if by_step else "Epoch", title, height=320)
    for index, (name, history) in enumerate(histories.items()):
        if by_step and history.steps:
            x, y = thinned(history.steps["total"], smoothed(history.steps["loss"], weight))
        else:
            x = np.array([float(epoch["epoch"]) for epoch in history.epochs])
            y = np.array([headline(epoch, metric) for epoch in history.epochs])
        figure.add_scatter(
            x=x, y=y, name=html.escape(name, quote=False), mode="lines" if by_step else "lines+markers",
            line={"color": RUN_COLOURS[index % len(RUN_COLOURS)], "width": 2,
                  "dash": "solid" if index < len(RUN_COLOURS) else "dash"},
        )  # fmt: skip
    figure.update_layout(showlegend=True, margin_r=BUTTON)
    if not by_step:
        _epoch_axis(figure, max((len(history.epochs) for history in histories.values()), default=0))
    return frame_constant(figure, share=metric in SHARES)


def _part(epoch: dict[str, Any], part: str) -> dict[str, Any]:
    found = epoch["train"] if part == "train" else epoch["validation"].get(part)
    return found if isinstance(found, dict) else {}


def _epoch_axis(figure: go.Figure, epochs: int) -> None:
    figure.update_xaxes(range=[0.7, max(epochs, 2) + 0.3], tickformat="d", dtick=1 if epochs <= 12 else None)


def _mark_best(figure: go.Figure, history: History, *, falls: bool) -> None:
    """A line at the kept epoch; its word stands where the curves do not end."""
    if history.best_epoch:
        figure.add_vline(x=history.best_epoch, line={"color": NEUTRAL_COLOUR, "width": 1, "dash": "dash"})
        left = history.best_epoch > 1
        figure.add_annotation(
            x=history.best_epoch, y=1 if falls else 0, yref="paper", yanchor="top" if falls else "bottom",
            text="kept", showarrow=False, xanchor="right" if left else "left", xshift=-4 if left else 4,
        )  # fmt: skip
