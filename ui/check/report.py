"""A verdict as a file to hand on: a button that makes the report, then one to save it in each form."""

from __future__ import annotations

import datetime
import logging
from typing import TYPE_CHECKING

import streamlit as st

from deepfake.detection.card import Card
from deepfake.detection.feedback import Truth, feedback_folder, keep_feedback
from deepfake.errors import UserError
from ui.check.explanation import FAULT, ask_for_stress, called_fake, maps_of, put_to_stress
from ui.page import plain

if TYPE_CHECKING:
    from deepfake.detection.verdict import Verdict


logger = logging.getLogger("deepfake.pages.report")

REPORTED = "reported"
"""Key in the session's state: uploads of which there is a report, each with its detector and threshold."""


@st.cache_data(scope="session", max_entries=20, show_spinner=False)
def report_files(
    file_id: str, date: datetime.date, name: str, verdict: Verdict, _content: bytes, _card: Card
) -> tuple[bytes, bytes]:
    """The report as HTML and as PDF."""
    from deepfake.images.load import load_image
    from deepfake.report.document import explained_parts, make_report
    from deepfake.report.html import report_html
    from deepfake.report.pdf import report_pdf

    explanations = {
        place: maps_of(
            file_id, _card.version, place, called_fake(verdict, place, _card), _content, _card, verdict
        )
        for place in explained_parts(verdict)
    }
    report = make_report(
        name,
        _content,
        load_image(_content),
        verdict=verdict,
        card=_card,
        date=date,
        explanations=explanations,
    )
    return report_html(report).encode(errors="replace"), report_pdf(report, date)


def forget_reports() -> None:
    """Drops the reports of this visitor."""
    report_files.clear()
    st.session_state.pop(REPORTED, None)


@st.fragment  # the verdict above stays as it is while the report is made
def show_report(file_id: str, name: str, content: bytes, card: Card, verdict: Verdict) -> None:
    """A button that makes the report, or the buttons that save it once it is made.

    The report holds the stress test, so the verdict on the page is given after it too: once the report is
    made the page is drawn anew.
    """
    reported: set[tuple[str, str, str]] = st.session_state.setdefault(REPORTED, set())
    mark = (file_id, card.version, verdict.operating_point)
    if mark in reported and verdict.stress:
        show_files(file_id, verdict, files_of(file_id, name, content, card, verdict))
        return
    pressed = st.button(
        "Make a report",
        icon=":material/description:",
        key=f"make-report-{file_id}",
        help="One printable file with the picture, the verdict, why, the file's facts and the limits",
    )
    if not pressed:
        return
    tested = verdict if verdict.stress else put_to_stress(file_id, content, card, verdict)
    files = files_of(file_id, name, content, card, tested) if tested.stress else None
    if files is None:
        st.error(FAULT, icon=":material/error:")
        return
    ask_for_stress(file_id)
    reported.add(mark)
    st.rerun()


def files_of(
    file_id: str, name: str, content: bytes, card: Card, verdict: Verdict
) -> tuple[bytes, bytes] | None:
    """The report's files, with word of the work here; None where they could not be made."""
    today = datetime.datetime.now(datetime.UTC).date()
    try:
        with st.spinner("Making the report"):
            return report_files(file_id, today, name, verdict, content, card)
    except Exception as error:
        logger.error("A report could not be made.", exc_info=error)
        return None


def show_files(file_id: str, verdict: Verdict, files: tuple[bytes, bytes] | None) -> None:
    if files is None:
        st.error(FAULT, icon=":material/error:")
        return
    page, document = files
    with st.container(horizontal=True):
        for form, content, kind in (("PDF", document, "application/pdf"), ("HTML", page, "text/html")):
            st.download_button(
                f"Report as {form}",
                content,
                f"report-{verdict.sha256[:8]}.{form.lower()}",
                kind,
                on_click="ignore",
                icon=":material/download:",
                key=f"report-{form}-{file_id}",
            )


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
