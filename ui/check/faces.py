"""The faces of a verdict: their grid, and ways from a face in the picture or the strip to its place there."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepfake.detection import text
from deepfake.detection.outcome import suspicion
from deepfake.util.text import format_percent
from ui.check.checked import Checked
from ui.page import CALL_STYLES, escape_markdown

if TYPE_CHECKING:
    from deepfake.detection.text import PartRow
    from deepfake.detection.verdict import Verdict

OPEN_FACES = 6
"""Faces that are shown before the rest is asked for."""
CELL = 152
"""Width of a face in the grid, in pixels: two beside one another on a phone."""
_TARGET = '<span id="{place}" tabindex="-1" style="display:block;scroll-margin-top:7rem"></span>'


def place_of(number: int | None, name: str) -> str:
    """The id that a link to a face leads to.

    Args:
        number: of the image among several; None for one alone.
        name: as in ``text.part_rows``.
    """
    return f"image-{number or 1}-{name.lower().replace(' ', '-')}"


def show_face_grid(checked: Checked, thumbnails: list[bytes]) -> None:
    """Of an image with several faces, all of them, the most suspicious first and the first few open."""
    if len(checked.verdict.faces) < 2:
        return
    rows = text.part_rows(checked.verdict, checked.card.thresholds)
    pairs = list(zip(rows, thumbnails, strict=True))
    pairs.sort(key=lambda pair: suspicion(pair[0].call, pair[0].p_fake))
    show_cells(pairs[:OPEN_FACES], checked.number)
    if rest := pairs[OPEN_FACES:]:
        with st.expander(checked.named(f"{len(rest)} more, less suspicious")):  # which a link into it opens
            show_cells(rest, checked.number)


def show_cells(pairs: list[tuple[PartRow, bytes]], number: int | None = None, *, linked: bool = True) -> None:
    """Faces beside one another, each with its verdict.

    Args:
        pairs: a row and a small JPEG of each.
        number: of the image among several.
        linked: whether links to these faces lead here.
    """
    with st.container(horizontal=True, gap="small"):
        for row, thumbnail in pairs:
            with st.container(width=CELL, gap="xsmall", border=True):
                if linked:
                    st.html(_TARGET.format(place=place_of(number, row.name)))
                st.image(thumbnail, width="stretch", alt=row.name)
                st.markdown(row_words(row))


def row_words(row: PartRow) -> str:
    """A face's name, verdict and probability, as Markdown."""
    colour, icon = CALL_STYLES[row.call] if row.call else ("gray", "")
    number = f"Probability of fake {format_percent(row.p_fake)}" if row.p_fake is not None else ""
    return f"{row.name}: :{colour}[{icon} {escape_markdown(row.words)}]  \n{number}"


def show_links(container: DeltaGenerator, verdict: Verdict, width: int, number: int | None) -> None:
    """Lays a link over each face of the picture just drawn, which leads to its place in the grid.

    Nothing for a single face, which has no grid.

    Args:
        container: where the picture stands, without gaps.
        verdict: whose faces.
        width: of the picture in pixels; on a narrow page it is shown smaller.
        number: of the image among several.
    """
    if len(verdict.faces) < 2:
        return
    shown = f"min(100%,{width}px)"
    style = (
        f"position:relative;width:{shown};aspect-ratio:{verdict.width}/{verdict.height};pointer-events:none;"
        f"margin-top:calc({shown} * {-verdict.height / verdict.width:.6f})"
    )
    links = []
    for index, face in enumerate(verdict.faces, start=1):
        left, top, right, bottom = face.box
        edges = {
            "left": left / verdict.width,
            "top": top / verdict.height,
            "width": (right - left) / verdict.width,
            "height": (bottom - top) / verdict.height,
        }
        where = ";".join(f"{edge}:{100 * share:.3f}%" for edge, share in edges.items())
        words = html.escape(f"Face {index}: {text.CALL_WORDS[face.verdict]}", quote=True)
        links.append(
            f'<a href="#{place_of(number, f"Face {index}")}" aria-label="{words}" title="{words}" '
            f'style="position:absolute;pointer-events:auto;{where}"></a>'
        )
    container.html(
        f'<div role="group" aria-label="Faces in the image" style="{style}">{"".join(links)}</div>'
    )
