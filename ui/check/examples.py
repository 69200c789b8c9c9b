"""Example images below the uploader: one click checks one, another all; what they are and where from."""

from __future__ import annotations

import streamlit as st

from deepfake.examples.images import THUMBNAIL_SIDE, Example, Examples, read_examples
from deepfake.types import OperatingPoint
from ui.page import escape_markdown
from ui.uploads import IMAGES, Upload, shelf_of

EXAMPLE = "example-"
"""Begins the ``file_id`` of an upload that is an example."""
WIDTH = THUMBNAIL_SIDE // 2
"""Of an example on the page, in pixels: nine beside one another, three on a phone."""


@st.cache_resource(show_spinner=False)
def opened() -> Examples:
    """The examples, read once for all visitors."""
    return read_examples()


def show_examples(*, folded: bool) -> None:
    """The row of examples.

    Args:
        folded: behind an expander, where verdicts are the first thing to see; while that is closed, no
            verdict waits until some fifty elements are drawn.
    """
    if not folded:
        show_row(opened())
        return
    box = st.expander("Examples", icon=":material/image_search:", key="examples", on_change="rerun")
    if box.open:
        with box:
            show_row(opened())


def show_row(examples: Examples) -> None:
    """A thumbnail with its button for each, 'Try all', and a table of what they are."""
    if examples.images:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Try an example.** Choose one, or check them all.", width="content")
            st.button("Try all", icon=":material/select_all:", on_click=check_all)
        with st.container(horizontal=True, gap="small"):
            for example in examples.images:
                show_one(example)
    for fault in examples.faults:
        st.caption(escape_markdown(fault))
    if examples.images:
        show_about(examples)


def show_one(example: Example) -> None:
    with st.container(width=WIDTH, gap="xsmall"):
        st.image(example.thumbnail, width="stretch", alt=example.about)
        st.caption(f"Actually {example.truth}")
        st.button(
            example.title, key=f"try-{example.name}", width="stretch", help=example.about,
            on_click=check_one, args=(example,),
        )  # fmt: skip


@st.fragment  # opening it draws this part anew, not the page; closed, it does not need pandas
def show_about(examples: Examples) -> None:
    """An expander with a row for each example: what it is, and where it comes from."""
    box = st.expander(
        "What the examples show, and where they come from", key="about-examples", on_change="rerun"
    )
    if not box.open:
        return
    rows = [
        {
            "Example": example.title,
            "Actually": example.truth.capitalize(),
            "What it shows": example.about,
            "Made as": example.kind,
            "Source": example.source,
            "License": example.licence,
        }
        for example in examples.images
    ]
    box.table(rows, hide_index=True, border="horizontal", alt="The examples")


def note_on(upload_id: str, detector: str, point: OperatingPoint) -> str:
    """The truth on an upload that is an example, and why the detector's verdict is what it is; else empty.

    Args:
        upload_id: ``Upload.file_id``.
        detector: the one chosen.
        point: the sensitivity chosen; what is known of verdicts was measured at the balanced one.
    """
    example = next((each for each in opened().images if file_id(each) == upload_id), None)
    if example is None:
        return ""
    known = example.known
    why = known.why if known and known.detector == detector and point == "balanced" else ""
    truth = f"Example **{escape_markdown(example.title)}**, actually {example.truth}. "
    return truth + escape_markdown(f"{example.about} {why}".strip())


def file_id(example: Example) -> str:
    return f"{EXAMPLE}{example.name}"


def check_one(example: Example) -> None:
    """Callback: lays the example beside the visitor's own uploads, in place of other examples."""
    shelf = shelf_of(IMAGES)
    for upload in shelf.uploads:
        if upload.file_id.startswith(EXAMPLE):
            shelf.remove(upload.file_id)
    shelf.put(Upload(file_id(example), example.file, example.content))


def check_all() -> None:
    """Callback: lays all examples beside the visitor's own uploads."""
    for example in opened().images:
        shelf_of(IMAGES).put(Upload(file_id(example), example.file, example.content))
