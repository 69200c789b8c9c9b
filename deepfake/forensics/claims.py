"""What a file says of itself, as lines of the evidence table: its signed record, its marks, its preview.

All of it are claims: whoever writes a file can write or strip them. Each is graded by how it is made: a
signed record by its signature, a front end's whole record above a name alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deepfake.forensics.credentials import Credentials, State, read_credentials
from deepfake.forensics.marks import Mark, Marks, read_marks
from deepfake.forensics.metadata import Compression, Thumbnail
from deepfake.forensics.programs import SOURCE_TYPES, plain_words
from deepfake.types import Direction, EvidenceLine, Strength

CREDENTIALS, MARKS, FORENSICS = "Content credentials", "Marks in the file", "Forensics"
"""Names of the lines."""
LOW_QUALITY = 50
"""A JPEG below this quality has lost most traces of a forgery."""
Finding = tuple[str, Strength, Direction]


@dataclass(frozen=True)
class FileClaims:
    """What a file says of itself.

    Attributes:
        credentials: its signed record.
        marks: its other marks.
    """

    credentials: Credentials
    marks: Marks


def read_claims(content: bytes, format_name: str) -> FileClaims:
    """Reads both; some ten milliseconds, but for the first time in a process.

    Args:
        content: a file that ``load.load_image`` accepts.
        format_name: of ``ImageFacts``.
    """
    return FileClaims(read_credentials(content, format_name), read_marks(content, format_name))


def credentials_line(credentials: Credentials) -> EvidenceLine:
    """What a signed record says; one that does not hold is not believed."""
    return EvidenceLine(
        CREDENTIALS,
        *_credentials_finding(credentials),
        ignore=(
            "A missing record: messengers strip it. A record vouches for the file's history, not for the "
            "scene."
        ),
    )


_NOT_FOUND: dict[State, str] = {
    "none": "The file carries no signed record.",
    "elsewhere": "The file names an address where its record is kept. Nothing was fetched from there.",
    "unreadable": "The file carries a signed record that is damaged or cut off.",
    "no_reader": "Not looked for: no reader is installed on this server.",
}


def _credentials_finding(credentials: Credentials) -> Finding:
    if credentials.state != "found":
        return _NOT_FOUND[credentials.state], "none", "neither"
    if credentials.integrity == "broken":
        why = dict(credentials.rows).get("Signature", "").removeprefix("broken: ")
        return f"The signed record does not hold: {why}. What it says is not believed.", "none", "neither"
    trusted = credentials.integrity == "trusted"
    who = plain_words(credentials.signer) or "a signer without a name"
    said = "; ".join(SOURCE_TYPES[source].words for source in credentials.sources) or "it names no source"
    finding = f"Signed by {who}{'' if trusted else ', whom no list vouches for'}: {said}."
    roles = {SOURCE_TYPES[source].role for source in credentials.sources}
    if "generator" in roles:
        return finding, "strong" if trusted else "moderate", "fake"
    if "ai_edit" in roles or roles == {"camera"}:
        return finding, "moderate" if trusted else "weak", "fake" if "ai_edit" in roles else "real"
    return finding, "weak", "neither"


def marks_line(marks: Marks) -> EvidenceLine:
    """The weightiest mark of a file; a camera and a generator in one file cannot both be right."""
    finding, strength, points_to = _marks_finding(marks)
    return EvidenceLine(
        MARKS,
        " ".join([finding, *marks.notes[:1]]),
        strength,
        points_to,
        ignore="Missing marks: anyone can write or strip them. An editor's name alone: it may only crop.",
    )


def _marks_finding(marks: Marks) -> Finding:
    generators, altered = marks.of("generator"), marks.of("ai_edit", "retouching")
    cameras, editors = marks.of("camera"), marks.of("editor")
    if generators and cameras:
        both = f"a camera ({cameras[0].who}) and a generator ({generators[0].who})"
        return f"The file names both {both}: at least one of the two is wrong.", "weak", "neither"
    if generators and generators[0].is_record:
        asked = " with its prompt" if generators[0].prompt else ""
        return f"The file holds a generator's record{asked}: {generators[0].who}.", "strong", "fake"
    if generators:
        return f"{_named(generators[0])}.", "moderate", "fake"
    if altered:
        about = ", which alters faces" if altered[0].role == "retouching" else ""
        return f"{_named(altered[0])}{about}.", "weak", "fake"
    return _harmless(cameras, editors, marks.of(None))


def _harmless(cameras: tuple[Mark, ...], editors: tuple[Mark, ...], others: tuple[Mark, ...]) -> Finding:
    """Of a file that names nothing which makes or alters faces."""
    if cameras and editors:
        return (
            f"The file names a camera ({cameras[0].who}) and an editor ({editors[0].who}).",
            "weak",
            "neither",
        )
    if cameras:
        return f"{_named(cameras[0])}, and the file names no editor or generator.", "weak", "real"
    if editors:
        return f"{_named(editors[0])}{'' if editors[0].is_source else ', an editor'}.", "weak", "neither"
    if others:
        return f"{_named(others[0])}, which says nothing here.", "none", "neither"
    return "The file names no generator, editor or camera.", "none", "neither"


def _named(mark: Mark) -> str:
    return f"{mark.place} says: {mark.who}" if mark.is_source else f"{mark.place} names {mark.who}"


def forensics_line(preview: Thumbnail, compression: Compression) -> EvidenceLine:
    """What a program can say of what ``metadata`` found; the maps of pixels are for the eye."""
    differs = preview.agrees is False
    return EvidenceLine(
        FORENSICS,
        " ".join(_forensic_findings(preview, compression)),
        "weak" if differs else "none",
        "fake" if differs else "neither",
        ignore="An old preview of an image that was cropped. The pixel maps are for visual inspection.",
    )


def _forensic_findings(preview: Thumbnail, compression: Compression) -> Iterator[str]:
    if preview.agrees is None:
        yield "The file holds no preview to compare with."
    elif preview.agrees:
        yield "The preview in the file shows the same image."
    else:
        yield "The preview in the file shows another image: this one was changed after the camera saved it."
    if compression.quality is not None and compression.quality < LOW_QUALITY:
        yield f"Its JPEG quality of {compression.quality} wipes out most traces of a forgery."
