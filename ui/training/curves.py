"""The page Training's curves: per step, per epoch, and of the machine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from deepfake.runs import figures as run_figures
from deepfake.runs.history import History
from deepfake.runs.runs import Run
from ui.charts import chart, download_later


def show_step_curves(run: Run) -> None:
    """Loss and accuracy per step."""
    history = run.history
    if not history.steps or not len(history.steps["total"]):
        st.info("The curves begin with the first steps.", icon=":material/show_chart:")
        return
    weight = st.slider(
        "Smoothing of the curves per step", 0.0, 0.99, 0.9, step=0.01, key="smoothing", bind="query-params",
        help="How much of the past each point keeps. The faint line is what was measured.",
    )  # fmt: skip
    pairs: list[tuple[str, Any, str]] = [
        ("Training loss per step", run_figures.steps_figure(history, "loss", weight), _last(history, "loss")),
        (
            "Training accuracy per step",
            run_figures.steps_figure(history, "accuracy", weight),
            _last(history, "accuracy"),
        ),
    ]
    show_pairs(pairs, run.name)


def show_epoch_curves(run: Run) -> None:
    """What each epoch came to, and the learning rate until now."""
    history = run.history
    pairs: list[tuple[str, Any, str]] = []
    if history.epochs:
        said = f"after {len(history.epochs)} epochs, best in epoch {history.best_epoch}"
        for title, metric in (
            ("Loss per epoch", "loss"),
            ("Accuracy per epoch", "accuracy"),
            ("Validation ROC AUC per epoch", "roc_auc"),
        ):
            pairs.append((title, run_figures.epochs_figure(history, metric), said))
    if history.steps and len(history.steps["total"]):
        rate = run_figures.column_figure(history, "learning_rate", "Learning rate")
        pairs.append(("Learning rate", rate, _last(history, "learning_rate")))
    show_pairs(pairs, run.name)
    by_source = run_figures.sources_figure(history)
    if by_source is not None:
        form = "perturbed" if history.epochs[-1]["validation"].get("perturbed") else "clean"
        st.markdown(f"**Validation ROC AUC by source, {form} images**")
        chart(by_source, f"{run.name} sources", "ROC AUC of each source of the validation images per epoch")
    if history.epochs:
        download_later("Epochs as CSV", lambda: epochs_table(history), f"{run.name} epochs")


def show_machine(run: Run) -> None:
    """Processor, memory and speed as the process noted them."""
    history = run.history
    if not history.steps or not len(history.steps["total"]):
        st.info("Measurements of the machine begin with the first steps.", icon=":material/memory:")
        return
    pairs: list[tuple[str, Any, str]] = [
        ("Images per second", run_figures.rate_figure(history), "while training, validation left out")
    ]
    for column, title, axis, scale, meaning in (
        ("cores", "Processor cores kept busy", "Cores", 1.0, "by this run"),
        ("memory_mb", "Memory of the run", "GB", 1 / 1024, "held by this run"),
        ("memory_free_mb", "Memory still free on the machine", "GB", 1 / 1024, "left by all programs"),
    ):
        if np.isfinite(history.steps[column]).any():
            pairs.append((title, run_figures.column_figure(history, column, axis, scale), meaning))
    show_pairs(pairs, run.name)


def show_pairs(figures: list[tuple[str, Any, str]], name: str) -> None:
    """Figures two by two, which a phone stacks."""
    for start in range(0, len(figures), 2):
        for column, (title, figure, alt) in zip(st.columns(2), figures[start : start + 2], strict=False):
            with column:
                st.markdown(f"**{title}**")
                chart(figure, f"{name} {title}", f"{title}: {alt}")


def _last(history: History, column: str) -> str:
    values = history.steps[column]
    return f"{len(values)} measurements, the last {values[-1]:.4g}"


def epochs_table(history: History) -> pd.DataFrame:
    """The numbers behind the curves per epoch."""
    rows = []
    for epoch in history.epochs:
        row: dict[str, Any] = {"epoch": epoch["epoch"]}
        for part, values in {"train": epoch["train"], **epoch["validation"]}.items():
            row |= {f"{part}_{key}": value for key, value in values.items() if isinstance(value, float)}
        rows.append(row)
    return pd.DataFrame(rows)
