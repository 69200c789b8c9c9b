"""Measuring from the page Robustness: a form, and the progress of what runs in the background."""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from deepfake.data.index import DatasetIndex, index_dataset
from deepfake.errors import UserError
from deepfake.plotting import file_stem
from deepfake.robustness.job import JOB, start
from deepfake.robustness.record import to_dict
from deepfake.robustness.sweep import data_title
from deepfake.settings import allowed_roots, resolve_in_roots
from deepfake.util.jobs import find_job
from deepfake.util.text import duration_words
from ui.jobs import LEAVE, follow_job
from ui.page import plain

ALL = "All"
MOST_IMAGES = 2000


def show_progress() -> None:
    """How far the measurement is, for whoever opens the page; nothing where none is under way."""
    if measuring():
        with st.container(border=True):
            follow_job(JOB, "pictures", note=LEAVE)


def measuring() -> bool:
    """Whether a measurement is under way."""
    job = find_job(JOB)
    return job is not None and job.running


def show_last_run() -> None:
    """How the latest measurement ended, and its numbers to keep."""
    job = find_job(JOB)
    if job is None or job.running:
        return
    names, data = plain(", ".join(job.about.models)), job.about.data
    if job.state == "finished":
        st.success(
            f"Measured {names} on {plain(data)}: {job.total:,} pictures in {duration_words(job.seconds)}. "
            "The results stand under Detectors until this server stops.",
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
        st.info(f"The measurement of {names} was cancelled; nothing of it is kept.", icon=":material/info:")
    else:
        st.error("The last measurement failed.", icon=":material/error:")
        st.text(job.message)


def show_form(names: list[str]) -> None:
    """What to measure: detectors, a data set of this server, and how many pictures of it."""
    st.subheader("Measure", anchor=False)
    roots = allowed_roots()
    if not roots:
        st.info(
            "This server offers no data set. Start it with the environment variable DEEPFAKE_DATA set to a "
            "folder of labelled face crops to measure from here.",
            icon=":material/info:",
        )
        return
    models = st.multiselect("Detectors to measure", names, default=names[:1], key="measure-models")
    left, right = st.columns(2)
    root = left.selectbox("Data set", roots, format_func=str, key="measure-root")
    below = right.text_input("Folder in it", key="measure-folder", placeholder="The whole data set")
    try:
        data = indexed(str(resolve_in_roots(str(Path(root) / below.strip()))))
    except UserError as error:
        st.error("This data set cannot be used.", icon=":material/error:")
        st.text(error.message)
        return
    selected = ask_for_part(data)
    busy = measuring()
    if st.button(
        "Start", type="primary", icon=":material/play_arrow:", disabled=busy or not models, key="start-run"
    ):
        begin(models, *selected)
    st.caption(
        "Use pictures that the detector was not trained on. A picture takes one to three seconds for each "
        "detector on two processor cores. It goes on when you leave the page."
        + (" Another measurement is under way; one runs at a time." if busy else "")
    )


@st.cache_data(ttl=600, max_entries=8, show_spinner="Looking through the data set")
def indexed(folder: str) -> DatasetIndex:
    """A data set's index; looked through again after ten minutes."""
    return index_dataset(folder)


def ask_for_part(data: DatasetIndex) -> tuple[DatasetIndex, str, int]:
    """Source, split and number of pictures: those chosen, what they are in words, and how many at most."""
    left, middle, right = st.columns(3)
    sources = sorted(map(str, data.table["source"].unique()))
    source = left.selectbox("Source", [ALL, *sources], key="measure-source")
    there = data if source == ALL else data.select(source=source)
    splits = sorted(map(str, there.table["split"].unique()))
    first = splits.index("Validation") + 1 if "Validation" in splits else 0
    split = middle.selectbox("Split", [ALL, *splits], index=first, key="measure-split")
    part = there if split == ALL else there.select(split=split)
    images = right.number_input(
        "Pictures at most", 2, MOST_IMAGES, 100, step=50, key="measure-images",
        help="Half of them fake, half real, where there are enough of both.",
    )  # fmt: skip
    counts = part.table["label"].value_counts()
    st.caption(f"It holds {counts.get(1, 0):,} fake and {counts.get(0, 0):,} real pictures.")
    chosen = (None if split == ALL else split, None if source == ALL else source)
    return part, data_title(part, *chosen), int(images)


def begin(models: list[str], data: DatasetIndex, title: str, images: int) -> None:
    try:
        start(models, data, title, images)
    except UserError as error:
        st.warning(plain(error.message), icon=":material/info:")
        return
    st.rerun()
