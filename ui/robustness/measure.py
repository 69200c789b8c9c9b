"""Measuring from the page Robustness: a form, and the progress of what runs in the background."""

from __future__ import annotations

import json

import streamlit as st

from deepfake.data.index import DatasetIndex
from deepfake.detection.card import detector_title
from deepfake.errors import UserError
from deepfake.plotting import file_stem
from deepfake.robustness.job import JOB, start
from deepfake.robustness.record import to_dict
from deepfake.robustness.sweep import data_title
from deepfake.util.jobs import find_job
from deepfake.util.text import format_duration
from ui import choose
from ui.jobs import LEAVE, follow_job
from ui.page import escape_markdown, main_button, section

MAX_IMAGES = 2000


def show_progress() -> None:
    """How far the measurement is, for whoever opens the page; nothing where none is under way."""
    if measuring():
        with st.container(border=True):
            follow_job(JOB, "images", note=LEAVE)


def measuring() -> bool:
    """Whether a measurement is under way."""
    job = find_job(JOB)
    return job is not None and job.running


def show_last_run() -> None:
    """How the latest measurement ended, and its numbers to keep."""
    job = find_job(JOB)
    if job is None or job.running:
        return
    names, data = escape_markdown(", ".join(map(detector_title, job.about.models))), job.about.data
    if job.state == "finished":
        st.success(
            f"Measured {names} on {escape_markdown(data)}: {job.total:,} images in "
            f"{format_duration(job.seconds)}. Choose the results under Detectors; they are available until "
            "the server stops.",
            icon=":material/check_circle:",
        )
        st.download_button(
            "Results as JSON",
            lambda: json.dumps({result.model: to_dict(result) for result in job.result}, indent=1).encode(),
            f"robustness-{file_stem(data)}.json",
            "application/json",
            on_click="ignore",
            icon=":material/download:",
        )
    elif job.state == "stopped":
        st.info(f"The measurement of {names} was canceled; nothing was saved.", icon=":material/info:")
    else:
        st.error("The last measurement failed.", icon=":material/error:")
        st.text(job.message)


def show_form(names: list[str]) -> None:
    """What to measure: detectors, a data set of this server, and how many pictures of it."""
    section("Measure")
    models = st.pills(
        "Detectors to measure",
        names,
        selection_mode="multi",
        default=names[:1],
        format_func=detector_title,
        key="measure-models",
    )
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
        "Max. images", 2, MAX_IMAGES, 100, step=50, key="measure-images",
        help="Half of them fake, half real, if there are enough of both.",
    )  # fmt: skip
    part = choose.show_part(data, split, source)
    if part is None:
        return
    busy = measuring()
    if main_button("Start", disabled=busy or not models, key="start-run"):
        begin(models, part, data_title(part, split, source), int(images))
    st.caption(
        "Use images that the detector was not trained on. Each image takes one to three seconds per detector "
        "on two CPU cores. The test continues if you leave the page."
        + (" Another measurement is running; only one runs at a time." if busy else "")
    )


def begin(models: list[str], data: DatasetIndex, title: str, images: int) -> None:
    try:
        start(models, data, title, images)
    except UserError as error:
        st.warning(escape_markdown(error.message), icon=":material/info:")
        return
    st.rerun()
