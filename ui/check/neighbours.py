"""What a face resembles: the training images most similar to the detector, and where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from deepfake.errors import UserError
from deepfake.types import class_name
from ui.check.checked import BY_KEY, Checked
from ui.page import escape_markdown

if TYPE_CHECKING:
    from deepfake.detection.embedding.neighbours import Neighbour, OutlierScore

THUMBNAIL = 112  # pixels


@st.cache_data(scope="session", max_entries=40, show_spinner=False, hash_funcs=BY_KEY)
def neighbours_of(checked: Checked, number: int) -> tuple[tuple[Neighbour, ...], OutlierScore]:
    """The look-alikes of one part of an upload, and how unlike all training pictures it is.

    Raises NeighbourError.
    """
    from deepfake.detection.embedding.neighbours import load_index

    index = load_index(checked.card)
    vector = checked.embedding(number)
    return index.nearest(vector), index.outlier_score(vector)


def show_neighbours(checked: Checked, number: int) -> None:
    """The look-alikes of one part with their labels, as pictures where the data set is on this machine."""
    from deepfake.detection.embedding.neighbours import (
        SIMILARITY_MEANS,
        load_index,
        outlier_sentence,
        share_words,
    )
    from deepfake.detection.figures import sources_figure, sources_table
    from deepfake.plotting import plot_config

    try:
        with st.spinner("Searching the training images"):
            found, outlier_score = neighbours_of(checked, number)
            index = load_index(checked.card)
    except UserError as error:
        st.info(escape_markdown(error.message), icon=":material/info:")
        return
    st.markdown(escape_markdown(share_words(found, index)))
    st.markdown(escape_markdown(outlier_sentence(outlier_score, index)))
    st.caption(SIMILARITY_MEANS)
    st.plotly_chart(
        sources_figure(found),
        width="stretch",
        theme="streamlit",
        key=f"sources-{checked.file_id}-{number}",
        config=plot_config("similar training images"),
        alt=f"Sources of the {len(found)} most similar training images",
    )
    show_pictures(found, index.folder)
    with st.expander(checked.named("Table of the sources")):
        st.dataframe(
            sources_table(found),
            hide_index=True,
            width="stretch",
            column_config={"Similarity": st.column_config.NumberColumn(format="%.3f")},
            alt="Sources of the most similar training images",
        )


def show_pictures(neighbours: tuple[Neighbour, ...], folder: str) -> None:
    """A thumbnail of each that lies in a folder that may be read."""
    from deepfake.data.sets import find_image
    from deepfake.images.encode import jpeg_bytes, shrink
    from deepfake.images.load import ImageRefused, load_image

    shown = []
    for each in neighbours:
        path = find_image(each.path, each.source, folder)
        try:
            if path is not None:
                shown.append((each, jpeg_bytes(shrink(load_image(path).pixels, 2 * THUMBNAIL))))
        except (ImageRefused, OSError):  # gone or damaged since: the table still names it
            continue
    if not shown:
        st.caption("Training images are not included in this installation.")
        return
    if len(shown) < len(neighbours):
        st.caption(
            f"{len(shown)} of the {len(neighbours)} images "
            f"{'is' if len(shown) == 1 else 'are'} on this server."
        )
    with st.container(horizontal=True, gap="small"):
        for each, picture in shown:
            label = class_name(each.label)
            with st.container(width=THUMBNAIL, gap=None):
                st.image(picture, width="stretch", alt=f"A training image, {label.lower()}")
                st.caption(f"{label}, {each.similarity:.2f}")
