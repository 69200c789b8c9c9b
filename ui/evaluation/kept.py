"""An evaluation run on this server: where it is kept, and the two things to do with it."""

from __future__ import annotations

import streamlit as st

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.evaluation.kept import add_to_card, remove
from deepfake.evaluation.records import Recorded
from deepfake.settings import is_demo
from ui.page import escape_markdown

FAULT = "kept-fault"
"""Key in the session's state: why the last step was not possible."""


def show_kept(card: Card, recorded: Recorded) -> None:
    """Says that the evaluation is in no card, and offers to add it to the card or to remove it."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown("**Run here:** saved on this server, not in the detector's card.")
        if not is_demo():
            st.button(
                "Add to the card",
                icon=":material/add_notes:",
                on_click=added,
                args=(card, recorded),
                help="Writes the numbers into the detector's card.json and the scores beside it.",
            )
        st.button("Remove", icon=":material/delete:", on_click=removed, args=(recorded,))
    if fault := st.session_state.pop(FAULT, None):
        st.error(escape_markdown(fault), icon=":material/error:")


def added(card: Card, recorded: Recorded) -> None:
    """Adds it to the card, and goes on showing it."""
    try:
        st.session_state["evaluation"] = add_to_card(card, recorded)
    except UserError as error:
        st.session_state[FAULT] = error.message


def removed(recorded: Recorded) -> None:
    """Removes it; the page then shows the first of the others."""
    try:
        remove(recorded)
    except UserError as error:
        st.session_state[FAULT] = error.message
        return
    st.session_state.pop("evaluation", None)
