"""A verdict as a file to hand on: a button that makes the report, then one to save it in each form."""

from __future__ import annotations

import datetime
import logging
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from deepfake.registry import Card
from ui_explanation import FAULT, ask_for_stress, called_fake, maps_of
from ui_linked import LinkedPicture

if TYPE_CHECKING:
    from deepfake.verdict import Verdict

logger = logging.getLogger("deepfake.pages.report")

REPORTED = "reported"
"""Key in the session's state: uploads of which a report was asked for."""


@st.cache_data(scope="session", max_entries=20, show_spinner=False)
def report_files(
    file_id: str, date: datetime.date, name: str, verdict: Verdict, _content: bytes, _card: Card
) -> tuple[bytes, bytes]:
    """The report as HTML and as PDF."""
    from deepfake.images import load_image
    from deepfake.report import explained_parts, make_report
    from deepfake.report_html import report_html
    from deepfake.report_pdf import report_pdf

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


def ask_for_report(file_id: str) -> None:
    """The report holds the stress test, so the verdict on the page is given after it too."""
    ask_for_stress(file_id)
    st.session_state.setdefault(REPORTED, set()).add(file_id)


def forget_reports() -> None:
    """Drops the reports of this visitor."""
    report_files.clear()
    st.session_state.pop(REPORTED, None)


def show_report(upload: UploadedFile | LinkedPicture, card: Card, verdict: Verdict) -> None:
    """A button that makes the report, or the buttons that save it once it is made."""
    if upload.file_id not in st.session_state.get(REPORTED, ()):
        st.button(
            "Make a report",
            on_click=ask_for_report,
            args=(upload.file_id,),
            icon=":material/description:",
            key=f"make-report-{upload.file_id}",
            help="One printable file with the picture, the verdict, why, the file's facts and the limits",
        )
        return
    if not verdict.stress:
        st.error(FAULT, icon=":material/error:")
        return
    today = datetime.datetime.now(datetime.UTC).date()
    try:
        with st.spinner("Making the report"):
            page, document = report_files(
                upload.file_id, today, upload.name, verdict, upload.getvalue(), card
            )
    except Exception as error:
        logger.error("A report could not be made.", exc_info=error)
        st.error(FAULT, icon=":material/error:")
        return
    files = (("PDF", document, "application/pdf"), ("HTML", page, "text/html"))
    with st.container(horizontal=True):
        for form, content, kind in files:
            st.download_button(
                f"Report as {form}",
                content,
                f"report-{verdict.sha256[:8]}.{form.lower()}",
                kind,
                on_click="ignore",
                icon=":material/download:",
                key=f"report-{form}-{upload.file_id}",
            )
