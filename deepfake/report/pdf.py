"""A report as a PDF: the same document as the HTML file, on A4 pages.

Set in Helvetica, which every reader brings along, so that no font need be shipped. It has the letters of
western Europe; any other, in a file's name say, is written as its code, and a note says so.
"""

from __future__ import annotations

import datetime
import io

from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace
from PIL import Image, ImageColor

from deepfake.plotting import CALL_COLOURS
from deepfake.report.document import (
    Block,
    Bullets,
    Call,
    Folded,
    Heading,
    Paragraph,
    Picture,
    Pictures,
    Report,
    Rows,
    Table,
    visible,
)

_MARGIN, _LINE = 18.0, 5.0  # mm
_GAP = 6.0
_MAX_FOLDED = 1_500  # letters
_TALLEST = 110.0  # of a picture
_INK, _PALE = (28, 37, 41), (86, 93, 105)
_CODES = (
    "Letters that this file cannot show are written as codes, such as \\u6587; the HTML report shows them."
)


def report_pdf(report: Report, date: datetime.date) -> bytes:
    """The report as the bytes of a PDF file; the same arguments give the same bytes.

    Args:
        report: from ``document.make_report``.
        date: written into the file as that of its making.
    """
    page = _Page()
    page.set_title(_shown(report.title))
    page.set_creation_date(datetime.datetime(date.year, date.month, date.day, tzinfo=datetime.UTC))
    page.add_page()
    for number, block in enumerate(report.blocks):
        _draw(page, block, first=number == 0)
    _paragraph(page, Paragraph(report.made))
    if page.coded:
        _paragraph(page, Paragraph(_CODES, small=True))
    return bytes(page.output())


class _Page(FPDF):
    """A4 with page numbers; notes whether any letter had to be coded."""

    def __init__(self) -> None:
        super().__init__(format="A4")
        self.coded = False
        self.set_margin(_MARGIN)
        self.c_margin = 0  # text begins where pictures do
        self.set_auto_page_break(True, _MARGIN + 4)
        self.set_lang("en")

    def footer(self) -> None:
        self.set_y(-_MARGIN)
        self.set_font("Helvetica", size=9)
        self.set_text_color(*_PALE)
        self.cell(0, _LINE, f"Page {self.page_no()} of {{nb}}", align="R")

    def letters(self, text: str) -> str:
        """The text as this font can show it."""
        shown = _shown(text)
        self.coded |= shown != visible(text)
        return shown


def _shown(text: str) -> str:
    return visible(text).encode("latin-1", "backslashreplace").decode("latin-1")


def _draw(page: _Page, block: Block, *, first: bool) -> None:
    if isinstance(block, Heading):
        _heading(page, block, first=first)
    elif isinstance(block, Paragraph):
        _paragraph(page, block)
    elif isinstance(block, Call):
        page.set_font("Helvetica", "B", 16)
        page.set_text_color(*ImageColor.getrgb(CALL_COLOURS[block.call])[:3])
        _words(page, block.words, 9)
    elif isinstance(block, Bullets):
        _bullets(page, block)
    elif isinstance(block, Rows):
        _rows(page, block)
    elif isinstance(block, Table):
        _table(page, block)
    elif isinstance(block, Folded):
        _paragraph(page, Paragraph(f"{block.title}:"))
        _paragraph(page, Paragraph(_shortened(block.text), small=True))
    else:
        _pictures(page, block)


def _words(page: _Page, text: str, line: float) -> None:
    page.multi_cell(0, line, page.letters(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _heading(page: _Page, block: Heading, *, first: bool) -> None:
    if not first:
        if page.will_page_break(45):  # a title stays with what follows it
            page.add_page()
        else:
            page.ln(4)
    page.set_font("Helvetica", "B", 17 if first else 13)
    page.set_text_color(*_INK)
    _words(page, block.text, 9 if first else 8)


def _paragraph(page: _Page, block: Paragraph) -> None:
    page.set_font("Helvetica", size=9 if block.small else 10.5)
    page.set_text_color(*(_PALE if block.small else _INK))
    _words(page, block.text, _LINE)
    page.ln(1.5)


def _bullets(page: _Page, block: Bullets) -> None:
    page.set_font("Helvetica", size=10.5)
    page.set_text_color(*_INK)
    for line in block.lines:
        if page.will_page_break(_LINE):
            page.add_page()
        page.set_x(_MARGIN + 1)
        page.cell(4, _LINE, "\N{MIDDLE DOT}")
        page.multi_cell(0, _LINE, page.letters(line), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    page.ln(1.5)


def _rows(page: _Page, block: Rows) -> None:
    page.set_font("Helvetica", size=10)
    page.set_text_color(*_INK)
    page.set_draw_color(213, 219, 222)
    with page.table(
        _cells(page, block),
        first_row_as_headings=False,
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        col_widths=(42, 132),
        line_height=_LINE,
        text_align="LEFT",
        v_align="T",
        padding=(1, 1, 1, 0),
    ):
        pass
    page.ln(1.5)


def _table(page: _Page, block: Table) -> None:
    page.set_font("Helvetica", size=8.5)
    page.set_text_color(*_INK)
    page.set_draw_color(213, 219, 222)
    cells = [[page.letters(cell) for cell in row] for row in (block.titles, *block.rows)]
    with page.table(
        cells,
        headings_style=FontFace(emphasis="BOLD"),
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        col_widths=(27, 66, 23, 58),
        line_height=4.2,
        text_align="LEFT",
        v_align="T",
        padding=(1, 2, 1, 0),
    ):
        pass
    page.ln(1.5)


def _shortened(text: str) -> str:
    """As much of a long text as a page should give room to; the HTML report has all of it."""
    text = " ".join(text.split())
    return text if len(text) <= _MAX_FOLDED else f"{text[:_MAX_FOLDED]} ... (the HTML report has the rest)"


def _cells(page: _Page, block: Rows) -> list[list[str]]:
    """A table's cells as the font can show them."""
    return [[page.letters(name), page.letters(value)] for name, value in block.rows]


def _pictures(page: _Page, block: Pictures) -> None:
    count = len(block.pictures)
    width = (page.epw - _GAP * (count - 1)) / count
    sizes = [_size(picture, width) for picture in block.pictures]
    captioned = any(picture.caption for picture in block.pictures)
    if page.will_page_break(max(height for _, height in sizes) + (14 if captioned else 2)):
        page.add_page()
    top, lowest = page.get_y() + 1, page.get_y()
    for index, (picture, (wide, high)) in enumerate(zip(block.pictures, sizes, strict=True)):
        left = _MARGIN + index * (width + _GAP)
        page.image(io.BytesIO(picture.file), left, top, wide, high, alt_text=page.letters(picture.alt))
        page.set_xy(left, top + high + 1)
        page.set_font("Helvetica", size=9)
        page.set_text_color(*_PALE)
        if picture.caption:
            page.multi_cell(width, 4.5, page.letters(picture.caption), align="L", new_y=YPos.NEXT)
        lowest = max(lowest, page.get_y())
    page.set_xy(_MARGIN, lowest + 2)


def _size(picture: Picture, width: float) -> tuple[float, float]:
    """Width and height in mm: as wide as there is room, not blown up beyond 96 dots an inch."""
    with Image.open(io.BytesIO(picture.file)) as image:
        pixels = image.size
    wide = min(width, pixels[0] * 25.4 / 96)
    wide = min(wide, _TALLEST * pixels[0] / pixels[1])
    return wide, wide * pixels[1] / pixels[0]
