"""Marks of generators, editors and cameras in a picture's file.

A mark is a claim: anybody can write one or strip it, and most messengers strip them all. So none changes a
score. Where texts may stand is settled in ``containers``, what they mean in ``front_ends`` and ``programs``.

Not read: marks in the pixels (NovelAI's in the alpha channel, watermarks such as SynthID), JPEG's extended
XMP, and signed records, which are ``credentials``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deepfake.forensics.containers import FileText, read_texts
from deepfake.forensics.front_ends import Record, read_record
from deepfake.forensics.programs import SOURCE_TYPES, Role, known_program, plain_words, source_term
from deepfake.util.text import printable

MAX_MARKS = 40
"""Of one file; programs write fewer than ten."""
MAX_VALUE = 300
"""Letters of a field that are shown."""
MEANING = (
    "Anyone can write such marks into a file or strip them from it, and most messengers strip them: to have "
    "none means nothing."
)


@dataclass(frozen=True)
class Mark:
    """One claim of a file.

    Attributes:
        role: of the program or camera that it names; None for a program that is not known here.
        who: its name as people know it, or the source in words; letters, digits and a few signs only.
        place: where it stands, in words.
        value: the field's text in one line, at most ``MAX_VALUE`` letters; never markup.
        prompt: what a generator was asked for, as text, never markup; empty where the file does not say.
        is_record: it is a front end's whole record of the picture, not a name alone.
        is_source: it is a term for the picture's source, and ``who`` says it in words.
    """

    role: Role | None
    who: str
    place: str
    value: str
    prompt: str = ""
    is_record: bool = False
    is_source: bool = False


@dataclass(frozen=True)
class Marks:
    """All claims of a file.

    Attributes:
        marks: generators first, then as they stand in the file.
        notes: what was ignored and why, in sentences.
    """

    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, *roles: Role | None) -> tuple[Mark, ...]:
        """Those with one of these roles."""
        return tuple(mark for mark in self.marks if mark.role in roles)

    @property
    def contradictory(self) -> bool:
        """Whether one says that a camera took the picture, and another that a generator made it."""
        return bool(self.of("generator") and self.of("camera"))


_NAME_FIELDS = frozenset(
    {
        ("PNG text", "software"),
        ("PNG text", "source"),
        ("PNG text", "author"),
        ("EXIF", "software"),
        ("EXIF", "artist"),
        ("XMP", "xmp:creatortool"),
        ("XMP", "stevt:softwareagent"),
        ("XMP", "tiff:software"),
        ("XMP", "photoshop:credit"),
        ("XMP", "iptc4xmpext:aisystemused"),
        ("IPTC", "program"),
        ("IPTC", "credit"),
        ("comment", ""),
    }
)
"""For the name of a program, though some hold a person's; lower-case."""
_PROGRAM_FIELDS = _NAME_FIELDS - {
    ("PNG text", "source"),
    ("PNG text", "author"),
    ("EXIF", "artist"),
    ("XMP", "photoshop:credit"),
    ("IPTC", "credit"),
    ("comment", ""),
}
"""For nothing but a program's name: one that is not known here is a mark, too."""
_ORDER: tuple[Role | None, ...] = ("generator", "ai_edit", "retouching", "editor", "camera", None)


def read_marks(content: bytes, format_name: str) -> Marks:
    """The marks in a picture's file; damaged or hostile metadata is left out, with a note. Never raises.

    Args:
        content: a file that ``load.load_image`` accepts.
        format_name: of ``ImageFacts``.
    """
    held = read_texts(content, format_name)
    found: dict[tuple[Role | None, str, str], Mark] = {}
    for mark in _marks(held.texts):
        found.setdefault((mark.role, mark.who, mark.place), mark)
    marks = sorted(found.values(), key=lambda mark: (_ORDER.index(mark.role), not mark.is_record))
    return Marks(tuple(marks[:MAX_MARKS]), held.notes)


def _marks(texts: Sequence[FileText]) -> Iterator[Mark]:
    for text in texts:
        record = read_record(text, texts)
        if record is not None:
            yield _of_record(text, record)
        elif text.key == "Iptc4xmpExt:DigitalSourceType":
            if term := source_term(text.text):
                source = SOURCE_TYPES[term]
                yield Mark(source.role, source.words, _place(text), _value(text), is_source=True)
        elif mark := _of_name(text):
            yield mark
    yield from _cameras(texts)


def _of_record(text: FileText, record: Record) -> Mark:
    return Mark(
        record.program.role, record.program.name, _place(text), _value(text), record.prompt, is_record=True
    )


def _of_name(text: FileText) -> Mark | None:
    """A program in a field that is there for names."""
    field = (text.place, text.key.lower())
    is_camera = field in (("EXIF", "make"), ("EXIF", "model"), ("XMP", "tiff:make"), ("XMP", "tiff:model"))
    if field not in _NAME_FIELDS and not is_camera:
        return None
    if program := known_program(text.text):
        return (
            _mark(text, program.role, program.name) if not is_camera or program.role == "generator" else None
        )
    name = plain_words(text.text)
    return _mark(text, None, name) if field in _PROGRAM_FIELDS and name else None


def _cameras(texts: Sequence[FileText]) -> Iterator[Mark]:
    """Maker and model, which name a camera unless they are a generator's."""
    for place, keys in (("EXIF", ("Make", "Model")), ("XMP", ("tiff:Make", "tiff:Model"))):
        fields = [text for key in keys for text in texts if (text.place, text.key) == (place, key)]
        if any(_is_generators(text, texts) for text in fields):
            continue
        names = [name for text in fields if (name := plain_words(text.text))]
        if len(names) > 1 and names[1].lower().startswith(names[0].split()[0].lower()):
            names = names[1:]  # the model begins with its maker
        if names:
            who = " ".join(names)[:60]
            value = printable(", ".join(text.text for text in fields), " ")[:MAX_VALUE]
            yield Mark("camera", who, f"{place} Make and Model", value)
            return


def _is_generators(text: FileText, texts: Sequence[FileText]) -> bool:
    program = known_program(text.text)
    return read_record(text, texts) is not None or (program is not None and program.role == "generator")


def _mark(text: FileText, role: Role | None, who: str) -> Mark:
    return Mark(role, who, _place(text), _value(text))


def _place(text: FileText) -> str:
    return f"{text.place} {plain_words(text.key.rpartition(':')[2])}".strip()


def _value(text: FileText) -> str:
    return printable(text.text[: 2 * MAX_VALUE], " ").strip()[:MAX_VALUE]
