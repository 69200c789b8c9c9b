"""Which data set, and which part of it: one choice for every page, and what to do where there is none yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepfake.data.index import DatasetIndex, index_dataset, splits_in_order
from deepfake.data.sets import demo_set, fetch_kaggle, list_sets, make_demo
from deepfake.errors import UserError
from deepfake.settings import DATA_VARIABLE, DEMO_EXPLANATION, is_demo, operator_roots, resolve_in_roots
from deepfake.util.jobs import find_job, start_job
from ui.jobs import show_job
from ui.page import escape_markdown

ALL = "All"
DEMO = "demo"
"""Key of the job that draws the demo set."""
DEMO_WORDS = "480 cartoon faces (not photos)"


def ask_for_folder(
    container: DeltaGenerator,
    key: str,
    *,
    suits: Callable[[Path], bool] = lambda folder: True,
    on_change: Callable[[], None] | None = None,
    command: str = "",
    empty_state: Callable[[], None] | None = None,
) -> Path | None:
    """The folder of a data set; None where there is none yet, or the one typed is refused, which is said.

    Args:
        container: where the choice stands; what there is to say stands below.
        key: the widget's; in the address it holds a name of ``list_sets`` or a path.
        suits: which of the sets to begin with.
        on_change: called when another is chosen.
        command: the page's work on the command line, named where there is no data set.
        empty_state: drawn in place of ``show_empty_state`` where there is no data set.
    """
    sets = list_sets()
    if not sets and not st.session_state.get(key) and key not in st.query_params:
        if empty_state is None:
            show_empty_state(command)
        else:
            empty_state()
        return None
    first = next((n for n, folder in enumerate(sets.values()) if suits(folder)), 0)
    chosen = container.selectbox(
        "Dataset, or the path of a folder", list(sets), index=first if sets else None, key=key,
        bind="query-params", on_change=on_change, accept_new_options=True,
        help=f"Choose one, or type the path of a folder inside one that the operator opened "
        f"({DATA_VARIABLE}). Supported layouts: Train, Validation, Test with Fake and Real in each; Fake and "
        "Real alone; or a folder with a manifest.csv.",
    )  # fmt: skip
    try:
        return sets[chosen] if chosen in sets else resolve_in_roots(chosen or "")
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return None


def ask_for_data(
    container: DeltaGenerator,
    key: str,
    *,
    suits: Callable[[Path], bool] = lambda folder: True,
    command: str = "",
) -> DatasetIndex | None:
    """As ``ask_for_folder``, the data set's index. It is shared by all visitors and must not be changed."""
    folder = ask_for_folder(container, key, suits=suits, command=command)
    if folder is None:
        return None
    try:
        return _index(str(folder), folder.stat().st_mtime_ns)
    except (UserError, OSError) as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return None


@st.cache_resource(max_entries=8, ttl=600, show_spinner="Reading the dataset")
def _index(folder: str, modified: int) -> DatasetIndex:
    return index_dataset(folder)


def ask_for_one(
    label: str,
    values: list[str],
    key: str,
    first: str = ALL,
    on_change: Callable[[], None] | None = None,
) -> str | None:
    """One of the values; None for all of them, and where there is no choice."""
    if len(values) < 2:
        return None
    options = [ALL, *values]
    start = options.index(first) if first in options else 0
    chosen = st.selectbox(label, options, index=start, key=key, bind="query-params", on_change=on_change)
    return chosen if chosen in values else None


def ask_for_split(
    table: pd.DataFrame, key: str, first: str = ALL, on_change: Callable[[], None] | None = None
) -> str | None:
    """One of the splits; None for all of them."""
    return ask_for_one("Split", splits_in_order(table["split"].unique()), key, first, on_change)


def ask_for_source(table: pd.DataFrame, key: str, on_change: Callable[[], None] | None = None) -> str | None:
    """One of the sources; None for all of them."""
    return ask_for_one("Source", sorted(map(str, table["source"].unique())), key, on_change=on_change)


def show_part(data: DatasetIndex, split: str | None, source: str | None) -> DatasetIndex | None:
    """The pictures of a split and source, and how many of each class they are; None where there are none."""
    try:
        part = data.select(split=split, source=source)
    except UserError as error:
        st.warning(escape_markdown(error.message), icon=":material/info:")
        return None
    n, n_fake = len(part), int(part.table["label"].sum())
    words = f"{n:,} images: {n_fake:,} fake, {n - n_fake:,} real."
    if n_fake in (0, n):
        words += " With one class only, metrics that compare the two are undefined."
    if (part.table["split"] == "Train").any():
        words += " These include the Train split: results on a detector's own training images look too good."
    st.caption(words)
    return part


def show_empty_state(command: str = "") -> None:
    """Three ways to a first dataset."""
    if is_demo():
        st.info(escape_markdown(DEMO_EXPLANATION), icon=":material/info:")
        return
    with st.container(border=True):
        st.markdown("**No dataset yet.** Choose one of three ways to get one:")
        offer_demo()
        explain_folder()
        offer_kaggle()
        if command:
            st.markdown("With a folder of labeled face crops, you can also use the command line:")
            st.code(command, language="bash", wrap_lines=True)


def show_first_set() -> None:
    """Where there is no dataset: the demo set is drawn at once, the other ways to one stand below."""
    if is_demo():
        st.info(escape_markdown(DEMO_EXPLANATION), icon=":material/info:")
        return
    if find_job(DEMO) is None:
        draw_demo()
    with st.container(border=True):
        st.markdown(f"**A first dataset: {DEMO_WORDS}.** It opens here in a few seconds.")
        show_job(DEMO, "drawings", can_stop=False)
        job = find_job(DEMO)
        if job is not None and not job.running:
            st.button("Try again", icon=":material/refresh:", on_click=draw_demo)
    offer_others(expanded=True)


def offer_others(*, expanded: bool = False) -> None:
    """Behind an expander, the ways to another dataset; the drawn one is none of them where it is at work.

    Args:
        expanded: open at first, below the drawn one at work.
    """
    if is_demo():
        return
    with st.expander("Use another dataset", expanded=expanded, icon=":material/create_new_folder:"):
        explain_folder()
        offer_kaggle()
        if demo_set() is None and not expanded:
            offer_demo()


def explain_folder() -> None:
    """How to open a folder of one's own."""
    st.markdown(
        f"**Open a folder.** Set the environment variable `{DATA_VARIABLE}` to your dataset folder and "
        "start the app again (several folders: separated as in `PATH`). Supported layouts: `Train`, "
        "`Validation` and `Test` with `Fake` and `Real` in each; `Fake` and `Real` alone; or a "
        "`manifest.csv` with path, split and label."
    )
    if (roots := operator_roots()) and not list_sets():
        st.text(f"No such folder was found in {', '.join(map(str, roots))}.")


def draw_demo() -> None:
    """Begins to draw the demo set, unless it is being drawn."""
    start_job(DEMO, "Drawing", lambda report, stopped: make_demo(report))


def offer_demo() -> None:
    st.markdown(
        f"**Create the demo dataset.** {DEMO_WORDS.capitalize()}; a small network learns them in about a "
        "minute. On the command line:"
    )
    st.code("python -m deepfake demo DIR", language="bash")
    st.button("Create demo dataset", icon=":material/draw:", key="draw-demo", on_click=draw_demo)
    show_job(DEMO, "drawings", can_stop=False)


def offer_kaggle() -> None:
    st.markdown(
        "**Fetch a dataset from Kaggle** (manjilkarki/deepfake-and-real-images, close to 2 GB, research "
        "use). This needs an internet connection and the package `kagglehub`."
    )
    if st.button("Fetch from Kaggle", icon=":material/download:", key="fetch-kaggle"):
        start_job("kaggle", "Fetching from Kaggle", lambda report, stopped: fetch_kaggle())
    show_job("kaggle", "files", can_stop=False)
