"""A report as one self-contained HTML file: nothing is fetched, nothing runs, and it prints."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

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

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2529; background: #fff; max-width: 46rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; print-color-adjust: exact; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
img { max-width: 100%; max-height: 44rem; display: block; }
figure { margin: .5rem 0; flex: 1 1 16rem; } figcaption, .small { color: #565d69; font-size: .875rem; }
.side { display: flex; flex-wrap: wrap; gap: 1rem; } .side img { width: 100%; max-width: 20rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top;
  border-bottom: 1px solid #d5dbde; padding: .3rem .8rem .3rem 0; font-weight: normal; }
th { color: #565d69; width: 12rem; } .call { font-size: 1.4rem; font-weight: 600; }
.titled { overflow-wrap: break-word; } .titled th { width: auto; }
.titled td:first-child { font-weight: 600; } .titled td { font-size: .875rem; }
.titled td:last-child { color: #565d69; } pre { white-space: pre-wrap; font-size: .875rem; }
@media (max-width: 30rem) { .titled thead { display: none; } .titled td:not(:last-child) { border: 0; }
  .titled td:not(:first-child)::before { content: attr(data-title) ": "; color: #555; }
  th, td { display: block; width: auto; padding: .3rem 0; }
  th { border: 0; padding-bottom: 0; } td { padding-top: 0; } }
@page { size: A4; margin: 16mm; }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 10.5pt; }
  h2 { break-after: avoid; } figure, tr, li { break-inside: avoid; } .main img { max-height: 110mm; } }
"""


def report_html(report: Report) -> str:
    """The report as a document of its own; the same report gives the same text."""
    # No script, nothing from elsewhere: what a file's name might smuggle in cannot act.
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    body: list[str] = []
    for block in report.blocks:
        body.append(_block(block, first=not body))
    body.append(f"<p>{_text(report.made)}</p>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(report.title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _text(text: str) -> str:
    return html.escape(visible(text))


def _block(block: Block, *, first: bool) -> str:
    if isinstance(block, Heading):
        return f"<h1>{_text(block.text)}</h1>" if first else f"<h2>{_text(block.text)}</h2>"
    if isinstance(block, Paragraph):
        kind = ' class="small"' if block.small else ""
        return f"<p{kind}>{_text(block.text)}</p>"
    if isinstance(block, Call):
        return f'<p class="call" style="color:{CALL_COLOURS[block.call]}">{_text(block.words)}</p>'
    if isinstance(block, Folded):
        return f"<details><summary>{_text(block.title)}</summary><pre>{_lines(block.text)}</pre></details>"
    return _pictures(block) if isinstance(block, Pictures) else _listed(block)


def _listed(block: Bullets | Rows | Table) -> str:
    if isinstance(block, Bullets):
        return "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in block.lines) + "</ul>"
    if isinstance(block, Table):
        return _table(block)
    rows = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in block.rows)
    return f"<table>{rows}</table>"


def _table(block: Table) -> str:
    titles = "".join(f'<th scope="col">{_text(title)}</th>' for title in block.titles)
    rows = "".join(f"<tr>{_cells(block.titles, row)}</tr>" for row in block.rows)
    return f'<table class="titled"><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table>'


def _cells(titles: Sequence[str], row: Sequence[str]) -> str:
    """Each with its column's title, which stands before it where a phone shows no heads."""
    pairs = zip(titles, row, strict=True)
    return "".join(f'<td data-title="{_text(title)}">{_text(cell)}</td>' for title, cell in pairs)


def _lines(text: str) -> str:
    """A text of several lines; each is shown as any other text."""
    return "\n".join(_text(line) for line in text.splitlines())


def _pictures(block: Pictures) -> str:
    figures = "".join(_figure(picture) for picture in block.pictures)
    return f'<div class="{"side" if len(block.pictures) > 1 else "main"}">{figures}</div>'


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.file).decode()
    caption = f"<figcaption>{_text(picture.caption)}</figcaption>" if picture.caption else ""
    image = f'<img alt="{_text(picture.alt)}" src="data:image/{picture.kind};base64,{data}">'
    return f"<figure>{image}{caption}</figure>"
