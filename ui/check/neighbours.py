"""What a face resembles: the training pictures that the detector takes for most alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from deepfake.errors import UserError
from deepfake.types import class_name
from ui.check.checked import BY_KEY, Checked
from ui.page import escape_markdown

if TYPE_CHECKING:
    from deepfake.detection.neighbours import Lookalike, Unlikeness

THUMBNAIL = 112  # pixels


@st.cache_data(scope="session", max_entries=40, show_spinner=False, hash_funcs=BY_KEY)
def lookalikes_of(checked: Checked, number: int) -> tuple[tuple[Lookalike, ...], Unlikeness]:
    """The look-alikes of one part of an upload, and how unlike all training pictures it is.

    Raises LookalikeError.
    """
    from deepfake.detection.detector import get_detector
    from deepfake.detection.neighbours import load_index

    index = load_index(checked.card)
    _, (vector,) = get_detector(checked.card.name).read([checked.part(number)])
    return index.nearest(vector), index.unlikeness(vector)


def show_lookalikes(checked: Checked, number: int) -> None:
    """The look-alikes of one part with their labels, as pictures where the data set is on this machine."""
    from deepfake.detection.neighbours import SIMILARITY_MEANS, load_index, share_words, unlikeness_words

    try:
        with st.spinner("Looking through the training pictures"):
            found, unlikeness = lookalikes_of(checked, number)
            index = load_index(checked.card)
    except UserError as error:
        st.info(escape_markdown(error.message), icon=":material/info:")
        return
    st.markdown(escape_markdown(share_words(found, index)))
    st.markdown(escape_markdown(unlikeness_words(unlikeness, index)))
    st.caption(SIMILARITY_MEANS)
    show_pictures(found, index.folder)
    table = pd.DataFrame(
        {
            "Label": [class_name(each.label) for each in found],
            "Source": [each.source for each in found],
            "Similarity": [each.similarity for each in found],
            "Picture": [each.path for each in found],
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        column_config={"Similarity": st.column_config.NumberColumn(format="%.3f")},
        alt="The training pictures that resemble it most",
    )


def show_pictures(found: tuple[Lookalike, ...], folder: str) -> None:
    """A thumbnail of each that lies in a folder that may be read."""
    from deepfake.data.sets import find_image
    from deepfake.images.encode import jpeg_bytes, shrink
    from deepfake.images.load import ImageRefused, load_image

    shown = []
    for each in found:
        path = find_image(each.path, each.source, folder)
        try:
            if path is not None:
                shown.append((each, jpeg_bytes(shrink(load_image(path).pixels, 2 * THUMBNAIL))))
        except (ImageRefused, OSError):  # gone or damaged since: the table still names it
            continue
    if not shown:
        st.caption("The pictures themselves are not on this server; their names and labels are.")
        return
    if len(shown) < len(found):
        st.caption(
            f"{len(shown)} of the {len(found)} pictures {'is' if len(shown) == 1 else 'are'} on this server."
        )
    with st.container(horizontal=True, gap="small"):
        for each, picture in shown:
            label = class_name(each.label)
            with st.container(width=THUMBNAIL, gap=None):
                st.image(picture, width=THUMBNAIL, alt=f"A training picture, {label.lower()}")
                st.caption(f"{label}, {each.similarity:.2f}")
