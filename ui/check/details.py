"""Under a verdict, on demand: a single face, the whole image, what else is known, limits and numbers."""

from __future__ import annotations

import streamlit as st

from deepfake.detection import text
from ui.check.checked import Checked
from ui.check.faces import show_cells
from ui.check.strip import comparable_scores, show_strip_numbers
from ui.page import escape_markdown


def show_details(checked: Checked, thumbnails: list[bytes], lead: str) -> None:
    """Behind an expander, everything that is known of a verdict beside its one sentence."""
    from deepfake.report.context import context_remark

    verdict, card = checked.verdict, checked.card
    with st.expander(checked.named("Details"), icon=":material/list:"):
        if verdict.faces and len(verdict.faces) < 2:
            show_cells(
                list(zip(text.part_rows(verdict, card.thresholds), thumbnails, strict=True)), linked=False
            )
        lines = text.remark_lines(verdict, lead)
        lines.append(context_remark(comparable_scores(checked), verdict))
        lines += caution_lines(checked)
        lines.append(text.judged_by_line(verdict, card.thresholds))
        st.markdown("\n".join(f"- {escape_markdown(line)}" for line in lines if line))
        show_strip_numbers(checked)


def caution_lines(checked: Checked) -> list[str]:
    """What such a verdict of this detector is known to miss or to be brought about by."""
    verdict, card = checked.verdict, checked.card
    lines = [text.overlay_line(verdict, card.rules)]
    if verdict.verdict == "fake":
        lines.append(card.false_alarms)
    if verdict.verdict == "real":
        unknown = "; ".join(card.does_not_know)
        lines.append(f"This does not rule out what the detector does not know: {unknown}.")
    return lines
