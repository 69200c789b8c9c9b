"""A verdict as a document to hand on: what it says, and everything needed to check it.

``report_html`` and ``report_pdf`` write the same document as files that need nothing from elsewhere.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deepfake import __version__
from deepfake.detection.card import Card, detector_title
from deepfake.detection.figures import draw_heat, draw_verdict, strip_alt
from deepfake.detection.heatmaps import (
    MAP_NAMES,
    Explanation,
    Faithfulness,
    agreement_words,
    colours_mean,
    worth_words,
)
from deepfake.detection.text import (
    POINT_WORDS,
    PartRow,
    facts_line,
    headline,
    kind_line,
    left_out_line,
    number_line,
    overlay_line,
    part_rows,
    raw_line,
    scope_line,
    stress_line,
)
from deepfake.detection.verdict import Verdict
from deepfake.detection.words import UNCERTAIN
from deepfake.evaluation.records import validation_scores
from deepfake.forensics.claims import FileClaims
from deepfake.forensics.credentials import read_credentials
from deepfake.forensics.marks import read_marks
from deepfake.forensics.metadata import (
    Compression,
    Thumbnail,
    compare_thumbnail,
    hashes,
    read_compression,
    read_exif,
)
from deepfake.images.encode import jpeg_bytes
from deepfake.images.load import LoadedImage
from deepfake.report.chart import stress_chart, strip_chart
from deepfake.report.context import context_remark, context_sentence
from deepfake.report.evidence import RULE, contradiction, evidence_lines, weight_words
from deepfake.types import EvidenceLine, VerdictLabel
from deepfake.util.text import format_percent, printable


@dataclass(frozen=True)
class Heading:
    """The title of a part."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A few sentences; ``small`` for remarks."""

    text: str
    small: bool = False


@dataclass(frozen=True)
class Call:
    """The verdict, large and in its colour; ``words`` say it."""

    call: VerdictLabel
    words: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Rows:
    """A table of names and values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table with titles over its columns."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Folded:
    """A longer text under a title, to be opened where that is possible; line ends count."""

    title: str
    text: str


@dataclass(frozen=True)
class Picture:
    """A picture in the document.

    Attributes:
        file: the bytes of a JPEG or PNG file.
        kind: which of the two.
        alt: what it shows, for who cannot see it.
        caption: below it; may be empty.
    """

    file: bytes
    kind: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side; one alone takes the width it needs."""

    pictures: tuple[Picture, ...]


Block = Heading | Paragraph | Call | Bullets | Rows | Table | Folded | Pictures


@dataclass(frozen=True)
class Report:
    """A document, ready to be written as HTML or PDF.

    Attributes:
        title: in the window's title; may hold a file's name, so it is text, never markup.
        blocks: in their order.
        made: when and with what.
    """

    title: str
    blocks: tuple[Block, ...]
    made: str


def visible(text: str) -> str:
    """The text with a mark for whatever could steer the reader's eye: controls, direction switches."""
    return printable(text, "\N{REPLACEMENT CHARACTER}")


MAX_EXPLAINED = 3
"""Parts whose chart and maps stand in a report; a group photograph would fill a book."""
_OPACITY = 0.6
_LIMITS = (
    "This is a statistical hint from a program, not proof, and not a basis for accusing anyone.",
    "Detectors look at faces, some also at the whole image; other edits go unnoticed.",
    "The probability holds for images like those the detector was calibrated on, with the same share of "
    "fakes.",
)


def explained_parts(verdict: Verdict) -> tuple[int, ...]:
    """Which of ``Verdict.parts`` get charts and maps: the ``MAX_EXPLAINED`` most fake that count."""
    parts = verdict.parts
    counting = [index for index in range(len(parts)) if not left_out_line(verdict, index)]
    return tuple(sorted(sorted(counting, key=lambda index: -parts[index].p_fake)[:MAX_EXPLAINED]))


def make_report(
    name: str,
    content: bytes,
    image: LoadedImage,
    *,
    verdict: Verdict,
    card: Card,
    date: datetime.date,
    explanations: Mapping[int, Explanation],
) -> Report:
    """The report on a picture.

    The same arguments give the same report. A place in the file's metadata is mentioned, not shown.

    Args:
        name: the file's name; shown as text, whatever it holds.
        content: the file's bytes.
        image: the same file, loaded.
        verdict: of it, by the detector of ``card``, after the stress test.
        card: the detector's.
        date: of the report.
        explanations: of parts by their number from 0, see ``explained_parts``; a part left out is said to
            have none.

    Raises:
        ValueError: picture, verdict and card do not belong together, or the stress test was not run.
    """
    if verdict.sha256 != image.facts.sha256 or verdict.model != card.name:
        raise ValueError("The verdict must be of this image and by this detector.")
    if not verdict.stress:
        raise ValueError("A report needs a verdict after the stress test; see Detector.stressed.")
    format_name = image.facts.format
    claims = FileClaims(read_credentials(content, format_name), read_marks(content, format_name))
    preview, compression = compare_thumbnail(content, image), read_compression(content)
    lines = evidence_lines(verdict, card, claims, (preview, compression))
    blocks = [
        Heading("Report on an image"),
        Paragraph(name),
        *_verdict_blocks(image, verdict, card),
        *_evidence_blocks(lines, verdict),
        *_stress_blocks(verdict, card),
        *_explanation_blocks(verdict, card, explanations),
        Heading("The file"),
        Rows(tuple(_file_rows(content, image, claims, preview, compression))),
        *(
            Folded(f"Prompt in the file, {mark.place}", mark.prompt)
            for mark in claims.marks.marks
            if mark.prompt
        ),
        Heading("The detector"),
        Rows(tuple(_detector_rows(verdict, card))),
        Heading("Limits"),
        Bullets((*_LIMITS, *([card.false_alarms] if card.false_alarms else []))),
        Paragraph("This detector can miss:"),
        Bullets(card.does_not_know),
    ]
    made = f"Made on {date.isoformat()} by deepfake {__version__}."
    return Report(f"Report on {name}", tuple(blocks), made)


def _verdict_blocks(image: LoadedImage, verdict: Verdict, card: Card) -> Iterator[Block]:
    picture = draw_verdict(image.pixels, verdict)
    yield Pictures((Picture(jpeg_bytes(picture), "jpeg", "The image with its faces marked"),))
    yield Call(verdict.verdict, headline(verdict))
    number = number_line(verdict).replace("**", "")
    score = f"{number} ({verdict.p_fake:.4f}). " if number else ""
    yield Paragraph(f"{score}{scope_line(verdict)}")
    if kind := kind_line(verdict):
        yield Paragraph(kind)
    known = validation_scores(card)
    if verdict.p_fake is not None:
        shown = None if verdict.basis == "whole" else known  # those images show one face each
        alt = strip_alt(shown, verdict, card.thresholds)
        yield Pictures((Picture(strip_chart(shown, verdict, card.thresholds), "png", alt),))
    meaning = (context_sentence(known, verdict, card.rules), context_remark(known, verdict))
    overlay = overlay_line(verdict, card.rules)
    texts = (stress_line(verdict), *meaning, overlay, *verdict.warnings, raw_line(verdict))
    yield from (Paragraph(text) for text in texts if text)
    if verdict.faces:
        yield Heading("Faces")
        boxes = (", ".join(map(str, face.box)) for face in verdict.faces)
        places = [*(f"; left, top, right, bottom: {box}" for box in boxes), ""]  # the whole picture has none
        yield Rows(
            tuple(
                (row.name, f"{row.words}{_score_words(row)}{place}")
                for row, place in zip(part_rows(verdict, card.thresholds), places, strict=False)
            )
        )


def _score_words(row: PartRow) -> str:
    return (
        "" if row.p_fake is None else f", probability of fake {format_percent(row.p_fake)} ({row.p_fake:.4f})"
    )


def _stress_blocks(verdict: Verdict, card: Card) -> Iterator[Block]:
    yield Heading("Stability")
    yield Paragraph(
        "Each part that was checked was scored again after edits that messengers and editors make. A verdict "
        f"that a mild edit reverses is called {UNCERTAIN}."
    )
    yield Rows(
        tuple(
            (_who(verdict, index), left_out_line(verdict, index) or test.sentence())
            for index, test in enumerate(verdict.stress)
        )
    )
    for index in explained_parts(verdict):
        test = verdict.stress[index]
        chart = stress_chart(test, card.thresholds, verdict.operating_point)
        alt = f"Probability of fake of {_who(verdict, index).lower()} after each change. {test.sentence()}"
        caption = _who(verdict, index) if len(verdict.stress) > 1 else ""
        yield Pictures((Picture(chart, "png", alt, caption),))
    yield from _left_out(verdict)


def _explanation_blocks(
    verdict: Verdict, card: Card, explanations: Mapping[int, Explanation]
) -> Iterator[Block]:
    yield Heading("Heat maps")
    yield Paragraph(colours_mean(two_networks=card.second is not None))
    for line in filter(None, (left_out_line(verdict, index) for index in range(len(verdict.faces)))):
        yield Paragraph(line)
    for index in explained_parts(verdict):
        who = _who(verdict, index)
        found = explanations.get(index)
        if found is None:
            yield Paragraph(f"{who}: no heat map could be computed.")
            continue
        worth: Sequence[Faithfulness] = (found.grad_cam_worth, found.occlusion_worth)
        pictures = []
        for (title, meaning), heat in zip(MAP_NAMES, (found.grad_cam, found.occlusion), strict=True):
            drawn = jpeg_bytes(draw_heat(found.crop, heat, _OPACITY))
            pictures.append(Picture(drawn, "jpeg", f"{title} of {who.lower()}", f"{who}. {title}: {meaning}"))
        yield Pictures(tuple(pictures))
        titles = [title for title, _ in MAP_NAMES]
        yield Rows(
            (
                *(
                    (title, worth_words(value, fake=found.fake))
                    for title, value in zip(titles, worth, strict=True)
                ),
                ("Both", agreement_words(found.agreement)),
            )
        )


def _who(verdict: Verdict, index: int) -> str:
    return verdict.parts[index].name


def _left_out(verdict: Verdict) -> Iterator[Block]:
    if len(verdict.parts) > MAX_EXPLAINED:
        yield Paragraph(
            f"Charts and maps: the {MAX_EXPLAINED} of {len(verdict.parts)} parts that are most likely fake.",
            small=True,
        )


def _evidence_blocks(lines: Sequence[EvidenceLine], verdict: Verdict) -> Iterator[Block]:
    yield Heading("Evidence")
    if words := contradiction(lines, verdict):
        yield Paragraph(words)
    yield Table(
        ("Evidence", "What was found", "Strength", "What to ignore"),
        tuple((line.name, line.finding, weight_words(line), line.ignore) for line in lines),
    )
    yield Paragraph(RULE, small=True)


def _file_rows(
    content: bytes, image: LoadedImage, claims: FileClaims, preview: Thumbnail, compression: Compression
) -> list[tuple[str, str]]:
    prints, exif = hashes(image), read_exif(content)
    rows = [("Image", facts_line(image.facts))]
    rows += [("SHA-256", prints.sha256), ("Perceptual hash", prints.perceptual)]
    if compression.quality is not None:
        rows.append(
            ("JPEG quality", f"{'' if compression.standard else 'about '}{compression.quality} of 100")
        )
    if preview.agrees is not None:
        rows.append(("Preview in the file", "as the image" if preview.agrees else "shows another image"))
    rows += [(f"Credentials: {name}", value) for name, value in claims.credentials.rows]
    rows += [(f"Mark: {mark.place}", mark.who) for mark in claims.marks.marks]
    rows += [("Metadata", note) for note in claims.marks.notes]
    rows += list(exif.rows)
    if exif.has_place:
        rows.append(("Place", "in the file's metadata; left out here, as it is private"))
    return rows


def _detector_rows(verdict: Verdict, card: Card) -> list[tuple[str, str]]:
    cuts, point, title = card.thresholds, verdict.operating_point, detector_title(card.name)
    return [
        *([] if title == card.name else [("Title", title)]),
        ("Name", card.name),
        ("Description", card.description),
        ("SHA-256 of the model", card.sha256),
        ("Setting", POINT_WORDS[point]),
        ("Called fake", f"from a probability of {cuts.fake_from(point):.4f}"),
        ("Called real", f"below a probability of {cuts.uncertain_low:.4f}"),
        ("Knows", "; ".join(card.knows)),
    ]
