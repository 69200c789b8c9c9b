"""What a report is made of, whatever file it becomes: plain texts, tables and pictures in their order."""

from __future__ import annotations

from dataclasses import dataclass

from deepfake.types import CallName


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

    call: CallName
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


Block = Heading | Paragraph | Call | Bullets | Rows | Pictures


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
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
