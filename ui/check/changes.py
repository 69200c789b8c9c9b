"""Below a verdict, on demand: what would change it, and the nearest training images of the other class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from deepfake.detection.text import changed_lines, left_out_line, point_line
from deepfake.detection.words import UNCERTAIN
from deepfake.types import class_name
from ui.check.checked import BY_KEY, Checked, show_once_open
from ui.check.explanation import ask_for_stress, put_to_stress
from ui.check.neighbours import show_pictures
from ui.page import escape_markdown

if TYPE_CHECKING:
    from deepfake.detection.embedding.neighbours import Neighbour

SHOWN = 4
"""Training images of the other class."""


@st.cache_data(scope="session", max_entries=40, show_spinner=False, hash_funcs=BY_KEY)
def others_of(checked: Checked, number: int, label: int) -> tuple[tuple[Neighbour, ...], float]:
    """The nearest training images of one class, and the similarity of the nearest of the other.

    Raises UserError.
    """
    from deepfake.detection.embedding.neighbours import load_index

    index = load_index(checked.card)
    vector = checked.embedding(number)
    own = index.nearest_of(vector, 1 - label, 1)
    return index.nearest_of(vector, label, SHOWN), own[0].similarity if own else 0.0


@st.fragment  # opening it draws this part anew, not the page
def show_changes(checked: Checked) -> None:
    """An expander with the mildest change that turns the verdict; worked out once it is opened."""
    show_once_open(
        checked,
        "What would change it",
        icon=":material/swap_horiz:",
        key="changes",
        show=show_flips,
        fault="What would change a verdict could not be worked out.",
    )


def show_flips(checked: Checked) -> None:
    """The other sensitivity, the stress test's mildest change, and the nearest of the other class."""
    verdict = checked.verdict
    number = verdict.most_suspicious
    if number is None:
        st.info("Nothing was analyzed, so no edit could change the verdict.", icon=":material/info:")
        return
    if line := point_line(verdict, checked.card.thresholds):
        st.markdown(escape_markdown(line))
    if why := left_out_line(verdict, number):
        st.info(escape_markdown(why), icon=":material/info:")
        return
    show_mildest(checked, number)
    show_others(checked, number)


def show_mildest(checked: Checked, number: int) -> None:
    """From the stress test; a button that runs it where it was not run yet."""
    verdict = checked.verdict
    if verdict.stress:
        lines = changed_lines(verdict.stress[number])
        st.markdown("\n".join(f"- {escape_markdown(line)}" for line in lines))
        return
    st.markdown("It is not known yet which edits would change the verdict.")
    pressed = st.button(
        checked.named("Test small changes"),
        icon=":material/experiment:",
        key=f"test-changes-{checked.file_id}",
        help="Scores 30 changed copies: compressed, resized, cropped, turned. A verdict that does not "
        f"survive mild ones becomes {UNCERTAIN}",
    )
    if pressed and put_to_stress(checked).verdict.stress:
        ask_for_stress(checked.file_id)
        st.rerun()


def show_others(checked: Checked, number: int) -> None:
    """The nearest training images of the class that the score does not point to, and their facts."""
    from deepfake.detection.embedding.neighbours import load_index, others_sentence

    p_fake = checked.verdict.parts[number].p_fake
    label = 0 if p_fake >= checked.card.thresholds.balanced else 1
    with st.spinner("Searching the training images"):
        found, own = others_of(checked, number, label)
        index = load_index(checked.card)
    if not found:
        return
    st.markdown(f"**The nearest training images that are {class_name(label).lower()}**")
    st.markdown(escape_markdown(others_sentence(found, own)))
    show_pictures(found, index.folder)
    with st.expander(checked.named("Table of these images")):
        st.dataframe(
            [
                {"Class": class_name(each.label), "Source": each.source, "Similarity": each.similarity,
                 "Name": each.path.rpartition("/")[2]}
                for each in found
            ],
            hide_index=True,
            width="stretch",
            column_config={"Similarity": st.column_config.NumberColumn(format="%.3f")},
            alt=checked.named("The nearest training images of the other class"),
        )  # fmt: skip
