"""The page Evaluation's third view: measure a detector on a data set of this server, from the page."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from deepfake.detection.card import Card, detector_title
from deepfake.errors import UserError
from deepfake.evaluation import measure
from deepfake.evaluation.records import RUN_HERE
from deepfake.plotting import file_stem
from deepfake.util.jobs import Job, find_job, forget_job
from ui import choose
from ui.jobs import LEAVE, follow_job
from ui.page import ask_for_detector, escape_markdown, main_button

MAX_NAMED = 200  # unreadable pictures


def show_measuring(cards: Mapping[str, Card], first: str) -> None:
    """What is under way or came of the last one, then the form for the next."""
    job = find_job(measure.JOB)
    if job is not None:
        with st.container(border=True):
            title = f"{detector_title(job.about.detector)} on {job.about.name}"
            st.markdown(f"**{escape_markdown(title)}**")
            if job.running:
                follow_job(measure.JOB, "images", note=LEAVE)
                return
            show_outcome(job)
    ask_and_start(cards, first)


def show_outcome(job: Job) -> None:
    """What came of it, and the scores."""
    request, result = job.about, job.result
    if job.state == "stopped":
        st.info("Canceled. Nothing was saved.", icon=":material/info:")
    elif job.state == "failed":
        st.error(escape_markdown(job.message), icon=":material/error:")
    elif result.not_kept:
        st.warning(
            escape_markdown(f"Evaluated, but not saved. {result.not_kept} The scores are below."),
            icon=":material/warning:",
        )
    else:
        st.success(
            f"Measured {job.done:,} images in {job.seconds:.0f} s. The result is saved on this server, not "
            f"in the detector's card.",
            icon=":material/check_circle:",
        )
        main_button(
            "Show the result",
            on_click=show_recorded,
            args=(request.detector, f"{request.name}, {RUN_HERE}"),
        )
    if result is not None and result.left_out:
        with st.expander(f"{len(result.left_out):,} images could not be read and are not counted"):
            st.code("\n".join(result.left_out[:MAX_NAMED]), language=None)
    with st.container(horizontal=True):
        if result is not None:
            st.download_button(
                "Scores as CSV",
                result.scores,
                f"scores-{file_stem(request.name)}.csv",
                "text/csv",
                on_click="ignore",
                icon=":material/download:",
            )
        st.button("Dismiss", on_click=forget_job, args=(measure.JOB,))


def show_recorded(detector: str, title: str) -> None:
    """Turns the page to the evaluation."""
    st.session_state.update({"view": "One detector", "detector": detector, "evaluation": title})


def ask_and_start(cards: Mapping[str, Card], first: str) -> None:
    """The form; the data set is read before it can be started."""
    left, right = st.columns(2, gap="medium")
    with left:
        name = ask_for_detector(list(cards), first)
    data = choose.ask_for_data(
        left, "data-folder", command='python -m deepfake evaluate DATA --record "Name of the dataset"'
    )
    if data is None:
        return
    with right:
        split = choose.ask_for_split(data.table, "part-split", "Test")
        source = choose.ask_for_source(data.table, "part-source")
        perturbed = st.toggle(
            "Perturbed copies",
            key="altered",
            bind="query-params",
            help="Scores one perturbed copy of each image instead: recompressed, blurred, recolored and the "
            "like. The copy follows from the image's content, so everyone measures the same ones.",
        )
        title = st.text_input("Evaluation name", data.root.name, max_chars=80, key=f"title-{data.root}")
    if choose.show_part(data, split, source) is None:
        return
    if main_button("Evaluate"):
        try:
            measure.start(
                measure.EvaluationRequest(name, data.root, (title or "").strip(), split, source, perturbed)
            )
        except UserError as error:
            st.error(escape_markdown(error.message), icon=":material/error:")
        else:
            st.rerun()
