"""Below a verdict, the evidence table; and behind an expander, what the file says of itself, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.check.checked import Checked
from ui.check.forensics import EXAMINED, examined, show_signed_record, signed_record
from ui.page import escape_markdown
from ui.uploads import Upload

if TYPE_CHECKING:
    import pandas as pd

    from deepfake.forensics.claims import FileClaims
    from deepfake.forensics.marks import Marks
    from deepfake.forensics.metadata import Compression, Thumbnail
    from deepfake.types import Direction, EvidenceLine

BADGES: dict[Direction, str] = {"fake": "orange", "real": "blue", "neither": "gray"}
"""Colours of the ways that a line may point."""


@st.cache_data(scope="session", max_entries=40, show_spinner=False)
def claims_of(file_id: str, image_format: str, _upload: Upload) -> FileClaims | None:
    """What an upload says of itself; None of one that was let go before."""
    from deepfake.forensics.claims import FileClaims
    from deepfake.forensics.marks import read_marks

    if _upload.content is None:
        return None
    content = _upload.getvalue()
    return FileClaims(signed_record(file_id, content, image_format), read_marks(content, image_format))


def show_evidence(container: DeltaGenerator, checked: Checked, image_format: str) -> tuple[EvidenceLine, ...]:
    """Draws the table and gives its lines. Comes after all verdicts, none of which waits for it.

    Args:
        container: a container below the verdict.
        checked: the upload with its verdict, after a stress test where one was run.
        image_format: of ``ImageFacts``.
    """
    from deepfake.report.evidence import RULE, contradiction, evidence_lines

    claims = claims_of(checked.file_id, image_format, checked.upload)
    lines = evidence_lines(checked.verdict, checked.card, claims, examination(checked))
    with container:
        signed = checked.upload.content is not None and show_signed_record(checked.upload, image_format)
        if not signed and (words := contradiction(lines, checked.verdict)):
            st.warning(escape_markdown(words), icon=":material/sell:")
        st.markdown("**Evidence**")
        st.table(line_table(lines), border="horizontal", hide_index=True, width="content")
        st.caption(escape_markdown(RULE))
        if claims and (claims.marks.marks or claims.marks.notes):
            show_marks(claims.marks, checked)
    return lines


def examination(checked: Checked) -> tuple[Thumbnail, Compression] | None:
    """What the forensics of an upload found, where somebody opened them."""
    file_id, upload = checked.file_id, checked.upload
    if file_id not in st.session_state.get(EXAMINED, ()) or upload.content is None:
        return None
    found = examined(file_id, upload.getvalue(), with_place=False)
    return found.thumbnail, found.compression


def line_table(lines: tuple[EvidenceLine, ...]) -> pd.DataFrame:
    """A row for each line, in two columns so that a phone can show it; Markdown, with its texts escaped."""
    import pandas as pd

    from deepfake.report.evidence import weight_words

    return pd.DataFrame(
        {
            "Evidence": [
                f"{line.name} :{BADGES[line.points_to]}-badge[{weight_words(line)}]" for line in lines
            ],
            "What was found, and what to ignore": [
                f"{escape_markdown(line.finding)} :small[:gray[Ignore: {_lowered(line.ignore)}]]"
                for line in lines
            ],
        }
    )


def _lowered(sentence: str) -> str:
    return escape_markdown(sentence[:1].lower() + sentence[1:])


def show_marks(marks: Marks, checked: Checked) -> None:
    """Every mark with its place, and prompts, all as text: whatever they hold is no markup."""
    from deepfake.forensics.marks import MEANING

    title = f"Marks in the file ({len(marks.marks)})"
    with st.expander(checked.named(title), icon=":material/sell:"):
        for mark in marks.marks:
            st.markdown(escape_markdown(f"{mark.place}: {mark.who}"))
            if mark.prompt:
                st.caption("The prompt")
                st.code(mark.prompt, language=None, wrap_lines=True)
            elif not mark.is_record and mark.value != mark.who:
                st.code(mark.value, language=None, wrap_lines=True)
        for note in marks.notes:
            st.markdown(escape_markdown(note))
        st.caption(escape_markdown(MEANING))
