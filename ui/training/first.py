"""A quick start on the page Training: a small detector with one click, and the baseline beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from deepfake.data.sets import demo_set, list_sets, make_demo
from deepfake.runs import runs
from deepfake.runs.estimate import Estimate, measure_elsewhere
from deepfake.runs.options import can_train, free_name
from deepfake.util.jobs import ReportProgress, find_job, forget_job, start_job
from ui.jobs import follow_job
from ui.page import escape_markdown
from ui.training.estimate import show_estimate

SMALL, BASELINE, ESTIMATE = "small-run", "baseline-run", "baseline-estimate"
"""Keys of the jobs: one of each at a time, whoever asked."""
SMALL_OPTIONS = ("--recipe", "compact", "--epochs", "8")
BASELINE_OPTIONS = ("--recipe", "seed")


def started_run() -> str | None:
    """Name of a run that a job here has just started, told once; a page opens it before it draws widgets."""
    for key in (SMALL, BASELINE):
        job = find_job(key)
        if job is not None and job.state == "finished":
            forget_job(key)
            return str(job.result)
    return None


def show() -> None:
    """Both, beside each other; nothing where training is switched off."""
    if not runs.training_allowed():
        return
    left, right = st.columns(2, gap="medium")
    with left.container(border=True, height="stretch"):
        show_small()
    with right.container(border=True, height="stretch"):
        show_baseline()


def show_small() -> None:
    """One click: the demo dataset, where it is missing, and a run on it."""
    st.markdown("**Train a small detector now (about one minute)**")
    st.write(
        "A small network learns the demo dataset: 480 cartoon faces, half of them with a swapped face. Watch "
        "its curves as it learns. On a busy machine it takes longer."
    )
    show_start(SMALL, "Train a small detector", "demo", SMALL_OPTIONS)


def show_baseline() -> None:
    """The baseline's settings, what it will take on this machine, and its start."""
    folder = training_set()
    st.markdown("**Baseline: ResNet50, 128 px, 2 epochs**")
    name = "the demo dataset"
    if folder is not None and not same_set(folder, None):
        name = f"the dataset {escape_markdown(folder.name)}"
    st.write(f"A large network, trained from scratch on {name}.")
    job = find_job(ESTIMATE)
    if job is not None and job.running:
        follow_job(ESTIMATE, "steps")
    elif job is not None and job.state == "finished" and same_set(job.about, folder):
        show_estimate(job.result)
    else:
        if job is not None and job.state == "failed":
            st.error(escape_markdown(job.message), icon=":material/error:")
        st.button(
            "Estimate the baseline", icon=":material/timer:", on_click=estimate, args=(folder,),
            help="Measures a few steps on this machine, in one to three minutes: time, memory and disk",
        )  # fmt: skip
    show_start(BASELINE, "Train the baseline", "baseline", BASELINE_OPTIONS, folder=folder)


def show_start(
    key: str,
    label: str,
    stem: str,
    options: tuple[str, ...],
    *,
    folder: Path | None = None,
) -> None:
    """The button that starts a run, how far its dataset is drawn, and why it could not be started."""
    job = find_job(key)
    if job is not None and job.running:
        follow_job(key, "drawings", verb=None)
        return
    if job is not None and job.state == "failed":
        st.error(escape_markdown(job.message), icon=":material/error:")
    st.button(
        label, icon=":material/play_arrow:", key=f"start-{key}",
        on_click=start, args=(key, stem, options, folder),
    )  # fmt: skip


def same_set(one: Path | None, other: Path | None) -> bool:
    """Whether two folders are the same dataset; None is the demo set, drawn or not."""
    return one == other or {one, other} == {None, demo_set()}


def training_set() -> Path | None:
    """The first dataset that a run can use; None where only the demo set is left, drawn or not."""
    return next((folder for folder in list_sets().values() if can_train(folder)), None)


def start(key: str, stem: str, options: tuple[str, ...], folder: Path | None) -> None:
    """Callback: begins a run beside the page, on the demo dataset where no folder is given."""

    def work(report: ReportProgress, stopped: Callable[[], bool]) -> str:
        data = make_demo(report) if folder is None else folder
        name = free_name(stem, runs.run_names())
        runs.launch(name, data, options)
        return name

    start_job(key, "Starting", work, opening="preparing the dataset")


def estimate(folder: Path | None) -> None:
    """Callback: begins to measure the baseline on this machine."""

    def work(report: ReportProgress, stopped: Callable[[], bool]) -> Estimate:
        data = make_demo() if folder is None else folder
        return measure_elsewhere(data, BASELINE_OPTIONS, on_progress=report, stopped=stopped)

    opening = "loading TensorFlow and building the network"
    start_job(ESTIMATE, "Estimating", work, opening=opening, about=folder)
