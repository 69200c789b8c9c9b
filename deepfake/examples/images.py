"""The example images: what each shows, where it comes from, and what the default detector says of it.

``images.toml`` describes the images, ``verdicts.csv`` holds the verdicts; ``examples.make`` made the images,
``examples.verdicts`` measures the verdicts.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deepfake.errors import UserError
from deepfake.images.encode import jpeg_bytes, shrink
from deepfake.images.load import load_image
from deepfake.types import VerdictLabel

FOLDER = Path(__file__).parent / "images"
FACTS, VERDICTS = "images.toml", "verdicts.csv"
THUMBNAIL_SIDE = 212
"""At most, in pixels."""


@dataclass(frozen=True)
class KnownVerdict:
    """What one detector said of an example.

    Attributes:
        detector: its name.
        verdict: at the balanced threshold.
        p_fake: the score, 0..1.
        why: where the verdict is not the truth, what a person should know about it; else empty.
    """

    detector: str
    verdict: VerdictLabel
    p_fake: float
    why: str = ""


@dataclass(frozen=True)
class Example:
    """One image to try.

    Attributes:
        name: of the file, without extension.
        title: one to three words, unlike those of the others.
        kind: how the image was made.
        truth: what a verdict should say.
        about: one sentence on what is to be seen.
        source, licence: where it comes from.
        content: the file's bytes, known to be readable.
        thumbnail: a small JPEG of the image, or of its ``focus``.
        known: what the default detector said; None where the table has no row.
        focus: what the thumbnail shows: left, top, right and bottom in pixels; None for the whole image.
    """

    name: str
    title: str
    kind: str
    truth: Literal["real", "fake"]
    about: str
    source: str
    licence: str
    content: bytes
    thumbnail: bytes
    known: KnownVerdict | None = None
    focus: tuple[int, int, int, int] | None = None

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.name}.jpg"


@dataclass(frozen=True)
class Examples:
    """The examples that can be shown.

    Attributes:
        images: in their order.
        faults: a sentence on each that is missing or damaged.
    """

    images: tuple[Example, ...]
    faults: tuple[str, ...] = ()


def read_examples(folder: Path = FOLDER) -> Examples:
    """Reads and decodes every example; one that cannot be read is left out with a sentence. Raises nothing.

    Args:
        folder: with ``images.toml``, ``verdicts.csv`` and the JPEG files.
    """
    try:
        entries = tomllib.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Examples((), (f"The list of example images cannot be read ({type(error).__name__}).",))
    known = read_verdicts(folder)
    images, faults = [], []
    for name, facts in entries.items():
        try:
            content = (folder / f"{name}.jpg").read_bytes()
            small = _thumbnail(content, facts.get("focus"))
            images.append(
                Example(name=name, content=content, thumbnail=small, known=known.get(name), **facts)
            )
        except (OSError, UserError, TypeError, ValueError):
            faults.append(f"The example image {name}.jpg is missing or damaged, so it is left out.")
    return Examples(tuple(images), tuple(faults))


def _thumbnail(content: bytes, focus: Sequence[int] | None) -> bytes:
    """Made where the file is decoded to see that it can be: a page's first paint waits for both."""
    pixels = load_image(content).pixels
    if focus is not None:
        left, top, right, bottom = focus
        pixels = pixels[top:bottom, left:right]
    return jpeg_bytes(shrink(pixels, THUMBNAIL_SIDE))


def read_verdicts(folder: Path = FOLDER) -> dict[str, KnownVerdict]:
    """The table of verdicts by example; empty where it cannot be read."""
    try:
        with (folder / VERDICTS).open(encoding="utf-8", newline="") as file:
            return {
                row["example"]: KnownVerdict(
                    row["detector"], _call(row["verdict"]), float(row["p_fake"]), row["why"]
                )
                for row in csv.DictReader(file)
            }
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _call(word: str) -> VerdictLabel:
    for call in ("real", "fake", "uncertain"):
        if word == call:
            return call
    raise ValueError(word)
