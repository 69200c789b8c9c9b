"""The page Evaluation's third view: measure a detector on a data set of this server, from the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from deepfake.data.index import DatasetIndex, index_dataset, splits_in_order
from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.evaluation import measure
from deepfake.evaluation.records import RUN_HERE
from deepfake.plotting import file_stem
from deepfake.settings import allowed_roots, resolve_in_roots
from deepfake.util.jobs import Job, find_job, forget_job
from ui.jobs import LEAVE, follow_job
from ui.page import ask_for_detector, plain

ALL = "All"
SHOWN_FOLDERS = 200


def show_measuring(cards: Mapping[str, Card], first: str) -> None:
    """What is under way or came of the last one, then the form for the next."""
    job = find_job(measure.JOB)
    if job is not None:
        with st.container(border=True):
            st.markdown(f"**{plain(job.about.detector)} on {plain(job.about.name)}**")
            if job.running:
                follow_job(measure.JOB, "pictures", note=LEAVE)
                return
            show_outcome(job)
    ask_and_start(cards, first)


def show_outcome(job: Job) -> None:
    """What came of it, and the scores."""
    request, result = job.about, job.result
    if job.state == "stopped":
        st.info("Cancelled. Nothing was kept.", icon=":material/info:")
    elif job.state == "failed":
        st.error(plain(job.message), icon=":material/error:")
    elif result.not_kept:
        st.warning(
            plain(f"Measured, but not kept. {result.not_kept} The scores are below."),
            icon=":material/warning:",
        )
    else:
        st.success(
            f"Measured {job.done:,} images in {job.seconds:.0f} s. The result is kept on this "
            "server, apart from the detector's card.",
            icon=":material/check_circle:",
        )
        st.button(
            "Show it",
            type="primary",
            on_click=show_recorded,
            args=(request.detector, f"{request.name}, {RUN_HERE}"),
        )
    if result is not None and result.left_out:
        with st.expander(f"{len(result.left_out):,} pictures could not be read and are in no number"):
            st.code("\n".join(result.left_out[:SHOWN_FOLDERS]), language=None)
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
    roots = allowed_roots()
    if not roots:
        with st.container(border=True):
            st.markdown(
                "**No folder of pictures is open to this page.** Whoever runs the server names one or "
                "several:"
            )
            st.code("DEEPFAKE_DATA=FOLDER streamlit run streamlit_app.py", language="bash")
            st.markdown("Or measure on the command line:")
            st.code('python -m deepfake evaluate DATA --record "Name of the data set"', language="bash")
        return
    left, right = st.columns(2, gap="medium")
    with left:
        name = ask_for_detector(list(cards), first)
        folder = st.selectbox(
            "Folder of labelled face crops",
            folders_offered(roots),
            key="data-folder",
            bind="query-params",
            accept_new_options=True,
            help="Choose one, or type a path inside the folders that the operator opened (DEEPFAKE_DATA). "
            "Understood: Train, Validation, Test with Fake and Real in each; Fake and Real alone; or a "
            "folder with a manifest.csv.",
        )
    try:
        path = resolve_in_roots(folder or ".")
        data = indexed(str(path), path.stat().st_mtime_ns)
    except (UserError, OSError) as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    with right:
        split, source = ask_for_part(data)
        perturbed = st.toggle(
            "Altered copies",
            key="altered",
            bind="query-params",
            help="Scores one altered copy of each picture instead: recompressed, blurred, recoloured and the "
            "like. The copy follows from the picture's content, so everyone measures the same ones.",
        )
        title = st.text_input("Evaluation name", path.name, max_chars=80, key=f"title-{path}")
    show_selection(data, split, source)
    if st.button("Evaluate", type="primary", icon=":material/play_arrow:"):
        try:
            measure.start(
                measure.EvaluationRequest(name, path, (title or "").strip(), split, source, perturbed)
            )
        except UserError as error:
            st.error(plain(error.message), icon=":material/error:")
        else:
            st.rerun()


def folders_offered(roots: list[Path]) -> list[str]:
    """The roots and their direct folders, as a person may type them."""
    found = []
    for root in roots:
        found.append(str(root))
        found += sorted(
            str(each) for each in root.iterdir() if each.is_dir() and not each.name.startswith(".")
        )
    return found[:SHOWN_FOLDERS]


@st.cache_data(max_entries=8, ttl=600, show_spinner="Reading the folder")
def indexed(path: str, modified: int) -> DatasetIndex:
    """The data set's index. Raises UserError."""
    return index_dataset(path)


def ask_for_part(data: DatasetIndex) -> tuple[str | None, str | None]:
    """Which split (Test to begin with) and source; only what there is a choice of is asked."""
    splits = splits_in_order(data.table["split"].unique())
    sources = sorted(str(source) for source in data.table["source"].unique())
    return ask_for_one("Split", splits, "part-split", "Test"), ask_for_one("Source", sources, "part-source")


def ask_for_one(label: str, values: list[str], key: str, first: str = ALL) -> str | None:
    """One of the values; None for all of them, and where there is but one."""
    if len(values) < 2:
        return None
    options = [ALL, *values]
    start = options.index(first) if first in options else 0
    chosen = st.selectbox(label, options, index=start, key=key, bind="query-params")
    return chosen if chosen in values else None


def show_selection(data: DatasetIndex, split: str | None, source: str | None) -> None:
    """How many pictures of each class that is."""
    try:
        table = data.select(split=split, source=source).table
    except UserError as error:
        st.warning(plain(error.message), icon=":material/info:")
        return
    n_fake = int(table["label"].sum())
    words = f"{len(table):,} pictures: {n_fake:,} fake, {len(table) - n_fake:,} real."
    if n_fake in (0, len(table)):
        words += " With one class only, what compares the two is undefined."
    if (table["split"] == "Train").any():
        words += " Train is among them: pictures that a detector has learnt from flatter it."
    st.caption(plain(words))
