"""Under a verdict, on demand: each face, the whole image, what else is known, limits and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from deepfake.detection import text
from deepfake.detection.outcome import suspicion
from deepfake.util.text import format_percent
from ui.check.checked import Checked
from ui.check.strip import comparable_scores, show_strip_numbers
from ui.page import CALL_STYLES, escape_markdown

if TYPE_CHECKING:
    from deepfake.detection.text import PartRow

OPEN_FACES = 6
"""Faces that are shown before the rest is asked for."""
CELL = 152
"""Width of a face in the grid, in pixels: two beside one another on a phone."""


def show_face_grid(checked: Checked, thumbnails: list[bytes]) -> None:
    """Of an image with several faces, all of them, the most suspicious first and the first few open."""
    if len(checked.verdict.faces) < 2:
        return
    rows = text.part_rows(checked.verdict, checked.card.thresholds)
    pairs = list(zip(rows, thumbnails, strict=True))
    pairs.sort(key=lambda pair: suspicion(pair[0].call, pair[0].p_fake))
    show_cells(pairs[:OPEN_FACES])
    if rest := pairs[OPEN_FACES:]:
        with st.expander(checked.named(f"{len(rest)} more, less suspicious")):
            show_cells(rest)


def show_cells(pairs: list[tuple[PartRow, bytes]]) -> None:
    """Faces beside one another, each with its verdict."""
    with st.container(horizontal=True, gap="small"):
        for row, thumbnail in pairs:
            with st.container(width=CELL, gap="xsmall", border=True):
                st.image(thumbnail, width=CELL - 34, alt=row.name)
                st.markdown(row_words(row))


def row_words(row: PartRow) -> str:
    """A face's name, verdict and probability, as Markdown."""
    colour, icon = CALL_STYLES[row.call] if row.call else ("gray", "")
    number = f"Probability of fake {format_percent(row.p_fake)}" if row.p_fake is not None else ""
    return f"{row.name}: :{colour}[{icon} {escape_markdown(row.words)}]  \n{number}"


def show_details(checked: Checked, thumbnails: list[bytes], lead: str) -> None:
    """Behind an expander, everything that is known of a verdict beside its one sentence."""
    from deepfake.report.context import context_remark

    verdict, card = checked.verdict, checked.card
    with st.expander(checked.named("Details"), icon=":material/list:"):
        if verdict.faces and len(verdict.faces) < 2:
            show_cells(list(zip(text.part_rows(verdict, card.thresholds), thumbnails, strict=True)))
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
