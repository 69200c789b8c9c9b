"""One run's curves, per step, per epoch and of the machine; its confusion matrix and tracked images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from deepfake.data.sets import demo_set, image_file
from deepfake.errors import UserError
from deepfake.evaluation.figures.cells import confusion_figure
from deepfake.evaluation.statistics.metrics import Confusion
from deepfake.evaluation.text.cells import confusion_sentence, report_texts
from deepfake.images.encode import jpeg_bytes, shrink
from deepfake.images.load import load_image
from deepfake.runs import figures as run_figures
from deepfake.runs.history import History
from deepfake.runs.runs import Run
from deepfake.runs.table import run_settings
from ui.charts import chart, download_later, number_table
from ui.page import is_dark


def show_step_curves(run: Run) -> None:
    """Loss and accuracy per step."""
    history = run.history
    if not history.steps or not len(history.steps["total"]):
        st.info("Curves appear after the first steps.", icon=":material/show_chart:")
        return
    weight = st.slider(
        "Smoothing of the curves per step", 0.0, 0.99, 0.9, step=0.01, key="smoothing", bind="query-params",
        help="Weight of earlier steps in each point. The faint line is unsmoothed.",
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
        st.info("Measurements of this machine appear after the first steps.", icon=":material/memory:")
        return
    pairs: list[tuple[str, Any, str]] = [
        ("Images per second", run_figures.rate_figure(history), "while training, without validation")
    ]
    for column, title, axis, scale, meaning in (
        ("cores", "CPU cores in use", "Cores", 1.0, "by this run"),
        ("memory_mb", "Memory used by the run", "GB", 1 / 1024, "by this run"),
        ("memory_free_mb", "Free memory on this machine", "GB", 1 / 1024, "not used by any program"),
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


IMAGE_WIDTH = 168
"""Pixels; two stand side by side on a phone."""


def show_confusion(run: Run) -> None:
    """The confusion matrix after an epoch; the latest where nobody has moved the slider."""
    epochs = run.history.epochs
    if not epochs:
        st.info("The confusion matrix appears after the first epoch.", icon=":material/grid_on:")
        return
    count, last = len(epochs), st.session_state.get("confusion-last", 0)
    if st.session_state.get("confusion-epoch", 0) in (0, last) or last > count:
        st.session_state["confusion-epoch"] = count  # follow a run that goes on
    st.session_state["confusion-last"] = count
    chosen = count
    if count > 1:
        chosen = st.slider("Epoch", 1, count, key="confusion-epoch")
    validation = epochs[min(chosen, count) - 1]["validation"]
    forms = [form for form in ("clean", "perturbed") if validation.get(form)]
    for column, form in zip(st.columns(2), forms, strict=False):
        of_fake, of_real = validation[form]["confusion_matrix"]
        counts = Confusion(*of_fake, *of_real)
        with column:
            st.markdown(f"**Epoch {chosen}, {form} validation images**")
            chart(
                confusion_figure(counts, dark=is_dark()),
                f"{run.name} {form} confusion",
                f"Confusion matrix after epoch {chosen}, {form}: {confusion_sentence(counts)}",
            )
            number_table(report_texts(counts))
    st.caption("At a threshold of 0.5, before calibration. Counts, and shares of the actual class.")


def show_strip(run: Run) -> None:
    """A few validation images and what the network thinks of them after each epoch."""
    history = run.history
    strip = history.start.get("strip") or []
    epochs = [epoch for epoch in history.epochs if epoch.get("strip")]
    if not strip or not epochs:
        st.info(
            "Sample validation images and their probability of fake appear here after the first epoch. Runs "
            "of older versions did not record them.",
            icon=":material/image:",
        )
        return
    root = Path(str(run_settings(run.folder).get("data", "")))
    if run.recorded:
        root = demo_set() or root
        if demo_set() is None:
            st.caption("These are images of the demo dataset. Open the page Dataset once to create them.")
    epoch = epochs[-1]["epoch"]
    if len(epochs) > 1:
        epoch = st.slider("After epoch", epochs[0]["epoch"], epoch, epoch, key=f"strip-epoch-{epoch}")
    values = next((each for each in epochs if each["epoch"] == epoch), epochs[-1])["strip"]
    st.caption(f"Probability of fake after epoch {epoch}, before calibration.")
    for label, truth in ((1, "fake"), (0, "real")):
        st.markdown(f"**Actually {truth}**")
        with st.container(horizontal=True):
            for index, image in enumerate(strip[: len(values["clean"])]):
                if image["label"] == label:
                    show_image(root, str(image["path"]), values, index)
    if len(epochs) > 1:
        st.markdown("**Probability of fake after each epoch, clean images**")
        chart(
            run_figures.strip_figure(epochs, [image["label"] for image in strip]),
            f"{run.name} images",
            f"Probability of fake of {len(strip)} validation images after each epoch",
        )


def show_image(root: Path, path: str, values: dict[str, list[float]], index: int) -> None:
    """One of the images, small, with its probabilities."""
    with st.container(border=True, width=IMAGE_WIDTH):
        picture = thumbnail(str(root), path)
        if picture is None:
            st.text("Image not available.")
        else:
            st.image(picture, width="stretch")
        st.markdown(f"**{values['clean'][index]:.0%}**")
        if values.get("perturbed"):
            st.caption(f"{values['perturbed'][index]:.0%} when perturbed")


@st.cache_data(max_entries=256, show_spinner=False)
def thumbnail(root: str, path: str) -> bytes | None:
    """An image of the data set as a small JPEG, None where it cannot be shown."""
    file = image_file(Path(root), path)
    if file is None:
        return None
    try:
        return jpeg_bytes(shrink(load_image(file).pixels, 160))
    except UserError:
        return None
