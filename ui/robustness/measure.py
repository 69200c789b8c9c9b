"""Measuring from the page Robustness: a form, and the progress of what runs in the background."""

from __future__ import annotations

import json

import streamlit as st

from deepfake.data.index import DatasetIndex
from deepfake.errors import UserError
from deepfake.plotting import file_stem
from deepfake.robustness.job import RUNNER, Run
from deepfake.robustness.record import to_dict
from deepfake.robustness.sweep import data_title
from ui import choose
from ui.page import plain

MOST_IMAGES = 2000


@st.fragment(run_every=2)
def show_progress() -> None:
    """How far the measurement is, for whoever opens the page; ends by drawing the whole page anew."""
    run = RUNNER.current()
    if run is None or not run.active:
        st.rerun()
    with st.container(border=True):
        st.progress(run.done / max(1, run.total), text=progress_text(run))
        st.button(
            "Cancelling" if run.state == "cancelling" else "Cancel",
            icon=":material/close:",
            key="cancel-run",
            on_click=RUNNER.cancel,
            disabled=run.state == "cancelling",
        )


def progress_text(run: Run) -> str:
    """How far and how long still, as plain Markdown."""
    what = f"{plain(', '.join(run.models))} on {plain(run.data)}"
    said = f"Measuring {what}: {run.done:,} of {run.total:,} pictures"
    if run.state == "cancelling":
        return f"{said}. Stopping after the pictures under way."
    if not run.done:
        return f"{said}. Loading the network."
    left = run.seconds / run.done * (run.total - run.done)
    return f"{said}, about {duration(left)} left. You may leave this page."


def duration(seconds: float) -> str:
    """Seconds in words: ``40 seconds``, ``3 minutes``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} second{'s' * (round(seconds) > 1)}"
    return f"{round(seconds / 60)} minutes"


def show_last_run() -> None:
    """How the latest measurement ended, and its numbers to keep."""
    run = RUNNER.current()
    if run is None or run.active:
        return
    names = plain(", ".join(run.models))
    if run.state == "finished":
        st.success(
            f"Measured {names} on {plain(run.data)}: {run.total:,} pictures in {duration(run.seconds)}. "
            "The results stand under Detectors until this server stops.",
            icon=":material/check_circle:",
        )
        kept = [
            result for result in RUNNER.results() if result.model in run.models and result.data == run.data
        ]
        st.download_button(
            "Results as JSON",
            lambda: json.dumps({result.model: to_dict(result) for result in kept}, indent=1).encode(),
            f"robustness-{file_stem(run.data)}.json",
            "application/json",
            on_click="ignore",
            icon=":material/download:",
        )
    elif run.state == "cancelled":
        st.info(f"The measurement of {names} was cancelled; nothing of it is kept.", icon=":material/info:")
    else:
        st.error("The last measurement failed.", icon=":material/error:")
        st.text(run.message)


def show_form(names: list[str]) -> None:
    """What to measure: detectors, a data set of this server, and how many pictures of it."""
    st.subheader("Measure", anchor=False)
    models = st.multiselect("Detectors to measure", names, default=names[:1], key="measure-models")
    data = choose.ask_for_data(
        st.container(),
        "measure-data",
        command="python -m deepfake robustness DATA --split Validation --record",
    )
    if data is None:
        return
    left, middle, right = st.columns(3)
    with middle:
        split = choose.ask_for_split(data.table, "measure-split", "Validation")
    with right:
        source = choose.ask_for_source(data.table, "measure-source")
    images = left.number_input(
        "Pictures at most", 2, MOST_IMAGES, 100, step=50, key="measure-images",
        help="Half of them fake, half real, where there are enough of both.",
    )  # fmt: skip
    part = choose.show_part(data, split, source)
    if part is None:
        return
    busy = (run := RUNNER.current()) is not None and run.active
    if st.button(
        "Start", type="primary", icon=":material/play_arrow:", disabled=busy or not models, key="start-run"
    ):
        start(models, part, data_title(part, split, source), int(images))
    st.caption(
        "Use pictures that the detector was not trained on. A picture takes one to three seconds for each "
        "detector on two processor cores. It goes on when you leave the page."
        + (" Another measurement is under way; one runs at a time." if busy else "")
    )


def start(models: list[str], data: DatasetIndex, title: str, images: int) -> None:
    try:
        RUNNER.start(models, data, title, images)
    except UserError as error:
        st.warning(plain(error.message), icon=":material/info:")
        return
    st.rerun()
