"""'This verdict is wrong', under a verdict: what a person agrees to leave with the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from deepfake.detection.feedback import Truth, feedback_folder, keep_feedback
from deepfake.errors import UserError
from ui.page import plain

if TYPE_CHECKING:
    from deepfake.detection.card import Card
    from deepfake.detection.verdict import Verdict

THANKED = "feedback-given"
"""Key in the session's state: hashes of the pictures that were answered for."""
TRUTHS: dict[str, Truth] = {"It is real": "real", "It is fake": "fake", "I do not know": "unknown"}


def show_feedback(file_id: str, content: bytes, card: Card, verdict: Verdict) -> None:
    """The control and its form; nothing where the operator keeps no answers.

    Args:
        file_id: of the upload; widgets are named by it.
        content: the file's bytes, left with the operator only where the person ticks the box.
        card: of the detector.
        verdict: the one shown.
    """
    if feedback_folder() is None:
        return
    given = st.session_state.setdefault(THANKED, {})
    mark = f"{verdict.sha256}-{card.sha256}"
    if mark in given:
        st.caption(given[mark])
        return
    with (
        st.popover("This verdict is wrong", icon=":material/flag:"),
        st.form(f"feedback-{file_id}", border=False),
    ):
        truth = st.radio("What is the picture in truth?", list(TRUTHS), key=f"truth-{file_id}")
        st.caption(
            "Sent to whoever runs this service: a fingerprint of the file (its SHA-256, from which the "
            "picture cannot be restored), the detector's name, its scores and verdict, your answer and the "
            "time. Not the picture, not its name, nothing about you."
        )
        leave = st.checkbox(
            "Leave the picture as well, stored on this server until its operator deletes it",
            key=f"leave-{file_id}",
        )
        sent = st.form_submit_button("Send", icon=":material/send:")
    if not sent:
        return
    try:
        keep_feedback(verdict, card, TRUTHS[truth], content if leave else None)
    except UserError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    with_picture = " with the picture" if leave else ", without the picture"
    given[mark] = f"Thank you. Your answer was kept{with_picture}."
    st.rerun()
