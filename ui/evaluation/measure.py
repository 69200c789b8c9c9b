"""The page Evaluation's third view: measure a detector on a data set of this server, from the page."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.evaluation import measure
from deepfake.evaluation.records import RUN_HERE, describe
from deepfake.plotting import file_stem
from ui import choose
from ui.page import ask_for_detector, plain

MAX_NAMED = 200  # unreadable pictures


def show_measuring(cards: Mapping[str, Card], first: str) -> None:
    """What is under way or came of the last one, then the form for the next."""
    job = measure.current()
    if job is not None and job.running:
        # Redrawn each second, and only this part of the page. A button in it could not turn the page.
        st.fragment(show_job, run_every=1.0)()
        return
    show_job()
    ask_and_start(cards, first)


def show_job() -> None:
    """The evaluation under way, or what came of the last one."""
    job = measure.current()
    if job is None:
        return
    request, progress = job.request, job.progress()
    title = describe(request.title, request.split or "all", request.perturbed, request.source or "")
    with st.container(border=True):
        st.markdown(f"**{plain(request.detector)} on {plain(title)}**")
        if progress.state == "running":
            st.session_state["watching"] = True
            share = progress.done / progress.total if progress.total else 0.0
            text = "Loading the network"
            if progress.done:
                text = f"{progress.done:,} of {progress.total:,} pictures, {progress.seconds:.0f} s"
            st.progress(min(share, 1.0), text)
            st.caption("It goes on when you leave or reload this page.")
            st.button("Cancel", icon=":material/close:", on_click=job.cancel)
            return
        if st.session_state.pop("watching", False):
            st.rerun()  # the whole page: the form comes back, and the redrawing stops
        show_outcome(job, progress, title)


def show_outcome(job: measure.EvaluationJob, progress: measure.Progress, title: str) -> None:
    """What came of it, and the scores."""
    if progress.state == "kept":
        st.success(
            f"Measured {progress.done:,} images in {progress.seconds:.0f} s. The result is kept on this "
            "server, apart from the detector's card.",
            icon=":material/check_circle:",
        )
        st.button(
            "Show it",
            type="primary",
            on_click=show_recorded,
            args=(job.request.detector, f"{title}, {RUN_HERE}"),
        )
    elif progress.state == "not_kept":
        st.warning(
            plain(f"Measured, but not kept. {progress.message} The scores are below."),
            icon=":material/warning:",
        )
    elif progress.state == "cancelled":
        st.info("Cancelled. Nothing was kept.", icon=":material/info:")
    else:
        st.error(plain(progress.message), icon=":material/error:")
    if progress.left_out:
        with st.expander(f"{len(progress.left_out):,} pictures could not be read and are in no number"):
            st.code("\n".join(progress.left_out[:MAX_NAMED]), language=None)
    with st.container(horizontal=True):
        scores = job.scores() if progress.state in ("kept", "not_kept") else None
        if scores is not None:
            st.download_button(
                "Scores as CSV",
                scores,
                f"scores-{file_stem(title)}.csv",
                "text/csv",
                on_click="ignore",
                icon=":material/download:",
            )
        st.button("Dismiss", on_click=measure.forget)


def show_recorded(detector: str, title: str) -> None:
    """Turns the page to the evaluation."""
    st.session_state.update({"view": "One detector", "detector": detector, "evaluation": title})


def ask_and_start(cards: Mapping[str, Card], first: str) -> None:
    """The form; the data set is read before it can be started."""
    left, right = st.columns(2, gap="medium")
    with left:
        name = ask_for_detector(list(cards), first)
    data = choose.ask_for_data(
        left, "data-folder", command='python -m deepfake evaluate DATA --record "Name of the data set"'
    )
    if data is None:
        return
    with right:
        split = choose.ask_for_split(data.table, "part-split", "Test")
        source = choose.ask_for_source(data.table, "part-source")
        perturbed = st.toggle(
            "Altered copies",
            key="altered",
            bind="query-params",
            help="Scores one altered copy of each picture instead: recompressed, blurred, recoloured and the "
            "like. The copy follows from the picture's content, so everyone measures the same ones.",
        )
        title = st.text_input("Evaluation name", data.root.name, max_chars=80, key=f"title-{data.root}")
    if choose.show_part(data, split, source) is None:
        return
    if st.button("Evaluate", type="primary", icon=":material/play_arrow:"):
        try:
            measure.start(
                measure.EvaluationRequest(name, data.root, (title or "").strip(), split, source, perturbed)
            )
        except UserError as error:
            st.error(plain(error.message), icon=":material/error:")
        else:
            st.rerun()
