"""Below a verdict: the report as a file to hand on, and the answer of somebody who knows better."""

from __future__ import annotations

import datetime
import logging
from dataclasses import dataclass

import streamlit as st

from deepfake.detection.feedback import Truth, feedback_folder, keep_feedback
from deepfake.errors import UserError
from deepfake.types import OperatingPoint
from ui.check.checked import BY_KEY, FAULT, Checked
from ui.check.explanation import ask_for_stress, maps_of, put_to_stress
from ui.page import escape_markdown

logger = logging.getLogger(__name__)

REPORTED = "reported"
"""Key in the session's state: uploads of which there is a report, each with its detector and threshold."""
RECEIPT_HELP = (
    "Every score, setting and hash. With it and the image anyone can check this verdict again: "
    "`python -m deepfake verify RECEIPT FILE`"
)


@dataclass(frozen=True)
class ReportFiles:
    """A report, and the receipt that ``deepfake verify`` takes, each as a file's bytes."""

    pdf: bytes
    html: bytes
    receipt: bytes


@st.cache_data(scope="session", max_entries=20, show_spinner=False, hash_funcs=BY_KEY)
def report_files(checked: Checked, date: datetime.date, point: OperatingPoint) -> ReportFiles:
    """The report on a verdict after its stress test, at an operating point."""
    from deepfake.report.document import explained_parts, make_report
    from deepfake.report.html import report_html
    from deepfake.report.pdf import report_pdf
    from deepfake.report.receipt import make_receipt, receipt_json

    report = make_report(
        checked.upload.name,
        checked.upload.getvalue(),
        checked.image(),
        verdict=checked.verdict,
        card=checked.card,
        date=date,
        explanations={place: maps_of(checked, place) for place in explained_parts(checked.verdict)},
    )
    receipt = make_receipt(checked.upload.name, checked.verdict, checked.card, date)
    return ReportFiles(
        report_pdf(report, date), report_html(report).encode(errors="replace"), receipt_json(receipt)
    )


def forget_reports() -> None:
    """Drops the reports of this visitor."""
    report_files.clear()
    st.session_state.pop(REPORTED, None)


@st.fragment  # the verdict above stays as it is while the report is made
def show_report(checked: Checked) -> None:
    """A button that makes the report, or the buttons that save it once it is made.

    The report holds the stress test, so the verdict on the page is given after it too: once the report is
    made the page is drawn anew.
    """
    file_id, verdict = checked.file_id, checked.verdict
    reported: set[tuple[str, str, str]] = st.session_state.setdefault(REPORTED, set())
    mark = (*checked.key(), verdict.operating_point)
    if mark in reported and verdict.stress:
        show_files(checked, files_of(checked))
        return
    pressed = st.button(
        checked.named("Make a report"),
        icon=":material/description:",
        key=f"make-report-{file_id}",
        help="One printable file with the image, the verdict, why, the file's facts and the limits",
    )
    if not pressed:
        return
    tested = checked if verdict.stress else put_to_stress(checked)
    files = files_of(tested) if tested.verdict.stress else None
    if files is None:
        st.error(FAULT, icon=":material/error:")
        return
    ask_for_stress(file_id)
    reported.add(mark)
    st.rerun()


def files_of(checked: Checked) -> ReportFiles | None:
    """The report's files, with word of the work here; None where they could not be made."""
    today = datetime.datetime.now(datetime.UTC).date()
    try:
        with st.spinner("Making the report"):
            return report_files(checked, today, checked.verdict.operating_point)
    except Exception as error:
        logger.error("A report could not be made.", exc_info=error)
        return None


def show_files(checked: Checked, files: ReportFiles | None) -> None:
    if files is None:
        st.error(FAULT, icon=":material/error:")
        return
    with st.container(horizontal=True):
        for what, form, content, kind, help_ in (
            ("Report", "PDF", files.pdf, "application/pdf", None),
            ("Report", "HTML", files.html, "text/html", None),
            ("Receipt", "JSON", files.receipt, "application/json", RECEIPT_HELP),
        ):
            st.download_button(
                checked.named(f"{what} as {form}"),
                content,
                f"{what.lower()}-{checked.verdict.sha256[:8]}.{form.lower()}",
                kind,
                on_click="ignore",
                icon=":material/download:",
                help=help_,
                key=f"report-{form}-{checked.file_id}",
            )


THANKED = "feedback-given"
"""Key in the session's state: hashes of the pictures that were answered for."""
TRUTHS: dict[str, Truth] = {"It is real": "real", "It is fake": "fake", "I do not know": "unknown"}


def show_feedback(checked: Checked) -> None:
    """The control and its form; nothing where the operator keeps no answers."""
    if feedback_folder() is None:
        return
    file_id, verdict, card = checked.file_id, checked.verdict, checked.card
    given = st.session_state.setdefault(THANKED, {})
    mark = f"{verdict.sha256}-{card.sha256}"
    if mark in given:
        st.caption(given[mark])
        return
    with (
        st.popover(checked.named("This verdict is wrong"), icon=":material/flag:"),
        st.form(f"feedback-{file_id}", border=False),
    ):
        truth = st.radio("What is the image actually?", list(TRUTHS), key=f"truth-{file_id}")
        st.caption(
            "Sent to whoever runs this service: a fingerprint of the file (its SHA-256, from which the "
            "image cannot be restored), the detector's name, its scores and verdict, your answer and the "
            "time. Not the image, not its name, nothing about you."
        )
        leave = st.checkbox(
            "Leave the image as well, stored on this server until its operator deletes it",
            key=f"leave-{file_id}",
        )
        sent = st.form_submit_button("Send", icon=":material/send:")
    if not sent:
        return
    try:
        keep_feedback(verdict, card, TRUTHS[truth], checked.upload.getvalue() if leave else None)
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    with_picture = " with the image" if leave else ", without the image"
    given[mark] = f"Thank you. Your answer was kept{with_picture}."
    st.rerun()
