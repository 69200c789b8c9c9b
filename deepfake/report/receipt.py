"""The receipt of a verdict: JSON with all that is needed to check it again (``report.verification``).

A receipt proves nothing by itself: anyone can write one. It is worth what a second check of the same file
says of it.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import json
import platform
import re
import reprlib
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn, get_args

from deepfake import __version__
from deepfake.detection.card import KERAS, SECOND, SERVED, Card
from deepfake.detection.embedding.neighbours import INDEX_FILE
from deepfake.detection.stress import StressTest
from deepfake.detection.verdict import Basis, PartNotes, Scope, Verdict
from deepfake.errors import UserError
from deepfake.faces.finder import CROP_SCALE
from deepfake.types import OPERATING_POINTS, Reason, VerdictLabel
from deepfake.util.process import processor_flags

VERSION = 1
"""Of the form below; a receipt of another is refused."""
MAX_BYTES = 8 * 2**20
"""A receipt of an image with a thousand faces has 4 MB."""
Receipt = dict[str, Any]
"""What ``make_receipt`` gives and ``read_receipt`` lets through."""


class ReceiptError(UserError):
    """A file that is no receipt that can be checked.

    Codes: ``not_found``, ``unreadable``, ``too_many_bytes``, ``not_json``, ``not_a_receipt``,
    ``unknown_version``, ``missing_field``, ``unknown_field``, ``bad_field``.
    """


def make_receipt(name: str, verdict: Verdict, card: Card, date: datetime.date) -> Receipt:
    """The receipt of a verdict, with every score at full length.

    Args:
        name: the file's, without folders; as text, whatever it holds.
        verdict: with or without its stress test.
        card: of the detector that gave it.
        date: of the receipt.

    Raises:
        ValueError: verdict and card do not belong together.
        UserError: ``unreadable``, where the detector's index of training images cannot be read.
    """
    if verdict.model != card.name:
        raise ValueError("The verdict must be by the detector of this card.")
    return {
        "receipt": VERSION,
        "made": date.isoformat(),
        "file": {
            "name": name[:_LONGEST],
            "sha256": verdict.sha256,
            "width": verdict.width,
            "height": verdict.height,
        },
        "detector": {
            "name": card.name,
            "files": _files(card),
            "score_version": card.score_version,
            "rules": _sha256(json.dumps(card.rules.to_dict(), sort_keys=True).encode()),
        },
        "settings": {
            "operating_point": verdict.operating_point,
            "second_network": card.second is not None,
            "face_margin": CROP_SCALE,
        },
        "thresholds": {
            **asdict(card.thresholds),
            "fake_from": card.thresholds.fake_from(verdict.operating_point),
        },
        "versions": {"deepfake": __version__, **_libraries()},
        "processor": processor_features(),
        "result": _result(verdict),
    }


def receipt_json(receipt: Receipt) -> bytes:
    """The receipt as a file's bytes: ASCII, two spaces deep."""
    return (json.dumps(receipt, indent=2, allow_nan=False) + "\n").encode()


def read_receipt(content: bytes) -> Receipt:
    """The receipt in a file's bytes, every field of it checked; there is none beside those.

    Raises:
        ReceiptError: see there; its sentence names the field.
    """
    if len(content) > MAX_BYTES:
        raise _too_many_bytes(len(content))
    try:
        value = json.loads(content.decode("utf-8-sig"), parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ReceiptError(
            "not_json",
            "The receipt is not valid JSON. Expected the file that 'deepfake report' wrote, unchanged. "
            f"Received: {reprlib.repr(content[:40])} ({reprlib.repr(str(error))}).",
        ) from error
    if not isinstance(value, dict) or "receipt" not in value:
        raise ReceiptError(
            "not_a_receipt",
            "The JSON is no receipt: it has no field \"receipt\". Give what 'deepfake report' wrote.",
        )
    version = value["receipt"]
    if type(version) is not int or version != VERSION:
        raise ReceiptError(
            "unknown_version",
            f"The receipt is of version {reprlib.repr(version)}; this program reads version {VERSION}. Check "
            "it with the release of deepfake that made it.",
        )
    _check(value, _FORM, "")
    return value


def read_receipt_file(path: Path) -> Receipt:
    """The receipt in a file; one that is too large is refused before it is read.

    Raises:
        ReceiptError: see there.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ReceiptError(
                "not_found", "The receipt's path is not an ordinary file. Give the path of one receipt."
            )
        if status.st_size > MAX_BYTES:
            raise _too_many_bytes(status.st_size)
        with path.open("rb") as file:
            return read_receipt(file.read(MAX_BYTES + 1))  # it may have grown since
    except PermissionError as error:
        raise ReceiptError(
            "unreadable", "Permission to read the receipt was denied. Check the file's rights."
        ) from error
    except (OSError, ValueError) as error:  # missing, a name too long, a null byte in the name
        raise ReceiptError("not_found", "There is no such receipt. Check its path.") from error


def processor_features() -> dict[str, Any]:
    """What of this processor moves scores in the third digit; None where the system does not tell."""
    flags = processor_flags()

    def any_of(*names: str) -> bool | None:
        return bool(flags & set(names)) if flags else None

    return {
        "machine": platform.machine()[:_LONGEST],
        "avx2": any_of("avx2"),
        "avx512": any_of("avx512f"),
        "int8_dot_product": any_of("avx512_vnni", "avx_vnni", "asimddp", "i8mm"),
        "bfloat16": any_of("avx512_bf16", "amx_bf16", "bf16"),
    }


_LIBRARIES = ("ai-edge-litert", "numpy", "opencv-python-headless", "pillow", "mtcnn")


def _libraries() -> dict[str, str]:
    """Versions of the libraries that scores hang on, as far as they are installed under these names."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _files(card: Card) -> dict[str, str]:
    """SHA-256 of each file that a verdict comes from. Networks: as in the card, which loading checked."""
    first = card.network_folder.name
    files = (
        {f"{first}/{SERVED}": card.served_sha256} if card.served_sha256 else {f"{first}/{KERAS}": card.sha256}
    )
    if card.second:
        files[f"{card.name}/{SECOND}"] = card.second.served_sha256
    index = card.folder / INDEX_FILE
    try:
        if index.is_file():
            files[f"{card.name}/{INDEX_FILE}"] = _sha256(index.read_bytes())
    except OSError as error:
        raise UserError(
            "unreadable", f"{index} cannot be read: {error.strerror}. Check its rights."
        ) from error
    return files


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _result(verdict: Verdict) -> dict[str, Any]:
    faces, whole, notes = verdict.faces, verdict.whole, verdict.part_notes
    rows = [
        {
            "box": list(face.box),
            "crop": list(face.crop),
            "turn": face.turn,
            "p_fake": face.p_fake,
            "first_alone": _first_alone(notes, index),
            "fake_from": face.fake_from,
            "verdict": face.verdict,
            "reason": face.reason,
        }
        for index, face in enumerate(faces)
    ]
    return {
        "verdict": verdict.verdict,
        "p_fake": verdict.p_fake,
        "raw_p_fake": verdict.raw,
        "raw_first_alone": None if faces else _first_alone(notes, 0),
        "basis": verdict.basis,
        "scope": verdict.scope,
        "faces": rows,
        "whole": whole
        and {
            "square": list(whole.square),
            "p_fake": whole.p_fake,
            "first_alone": _first_alone(notes, len(faces)),
            "counts": whole.counts,
            "verdict": whole.verdict,
        },
        "stress": [
            _stress(part.name, test) for part, test in zip(verdict.parts, verdict.stress, strict=False)
        ]
        or None,
    }


def _first_alone(notes: Sequence[PartNotes], index: int) -> float | None:
    return notes[index].first_alone if index < len(notes) else None


def _stress(name: str, test: StressTest) -> dict[str, Any]:
    changes = [
        {"change": point.change.words, "p_fake": point.p_fake, "verdict": point.call} for point in test.points
    ]
    return {"part": name, "verdict": test.call, "stable": test.stable, "changes": changes}


def _too_many_bytes(n_bytes: int) -> ReceiptError:
    return ReceiptError(
        "too_many_bytes",
        f"The receipt has {n_bytes / 2**20:,.1f} MiB; at most {MAX_BYTES / 2**20:.0f} MiB are accepted. Give "
        "the file that 'deepfake report' wrote.",
    )


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are all different: else two readers may see two receipts."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a field stands twice in one object")
    return found


# The form: what each field must hold.


@dataclass(frozen=True)
class _Value:
    """One value; ``words`` complete "must be"."""

    words: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class _ListOf:
    item: Any
    least: int
    most: int


@dataclass(frozen=True)
class _Named:
    """An object whose names are free."""

    item: Any
    most: int


@dataclass(frozen=True)
class _OrNull:
    item: Any


_LONGEST = 255


def _one_of(*names: str) -> _Value:
    return _Value(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)


def _number(low: float, high: float) -> _Value:
    kinds = (int, float)
    return _Value(
        f"a number from {low:g} to {high:g}", lambda value: type(value) in kinds and low <= value <= high
    )


_TEXT = _Value(
    f"a text of at most {_LONGEST} letters", lambda value: isinstance(value, str) and len(value) <= _LONGEST
)
_HASH = _Value(
    "a SHA-256: 64 digits 0-9 and a-f",
    lambda value: isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None,
)
_DATE = _Value(
    "a date such as 2026-01-31",
    lambda value: isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) is not None,
)
_YES_NO = _Value("true or false", lambda value: isinstance(value, bool))
_PIXELS = _Value("a whole number of pixels", lambda value: type(value) is int and abs(value) <= 10**6)
_TURN = _Value("0, 90, 180 or 270", lambda value: type(value) is int and value in (0, 90, 180, 270))
_SHARE, _BOX, _LABEL = _number(0, 1), _ListOf(_PIXELS, 4, 4), _one_of(*get_args(VerdictLabel))
_FORM: Mapping[str, Any] = {
    "receipt": _Value(str(VERSION), lambda value: value == VERSION),
    "made": _DATE,
    "file": {"name": _TEXT, "sha256": _HASH, "width": _PIXELS, "height": _PIXELS},
    "detector": {"name": _TEXT, "files": _Named(_HASH, 10), "score_version": _HASH, "rules": _HASH},
    "settings": {
        "operating_point": _one_of(*OPERATING_POINTS),
        "second_network": _YES_NO,
        "face_margin": _number(0, 100),
    },
    "thresholds": dict.fromkeys(
        ("balanced", "few_false_alarms", "uncertain_low", "uncertain_high", "fake_from"), _number(-1, 2)
    ),
    "versions": _Named(_TEXT, 20),
    "processor": {
        "machine": _TEXT,
        **dict.fromkeys(("avx2", "avx512", "int8_dot_product", "bfloat16"), _OrNull(_YES_NO)),
    },
    "result": {
        "verdict": _LABEL,
        "p_fake": _OrNull(_SHARE),
        "raw_p_fake": _SHARE,
        "raw_first_alone": _OrNull(_SHARE),
        "basis": _one_of(*get_args(Basis)),
        "scope": _one_of(*get_args(Scope)),
        "faces": _ListOf(
            {
                "box": _BOX,
                "crop": _BOX,
                "turn": _TURN,
                "p_fake": _SHARE,
                "first_alone": _OrNull(_SHARE),
                "fake_from": _SHARE,
                "verdict": _LABEL,
                "reason": _OrNull(_one_of(*get_args(Reason))),
            },
            0,
            2000,
        ),
        "whole": _OrNull(
            {
                "square": _BOX,
                "p_fake": _SHARE,
                "first_alone": _OrNull(_SHARE),
                "counts": _YES_NO,
                "verdict": _LABEL,
            }
        ),
        "stress": _OrNull(
            _ListOf(
                {
                    "part": _TEXT,
                    "verdict": _LABEL,
                    "stable": _YES_NO,
                    "changes": _ListOf({"change": _TEXT, "p_fake": _SHARE, "verdict": _LABEL}, 0, 100),
                },
                1,
                2001,
            )
        ),
    },
}


def _check(value: Any, form: Any, where: str) -> None:
    """Raises ReceiptError where the value is not of the form."""
    if isinstance(form, _OrNull):
        if value is not None:
            _check(value, form.item, where)
    elif isinstance(form, _Value):
        if not form.holds(value):
            raise _bad(where, form.words, value)
    elif isinstance(form, _ListOf):
        if not isinstance(value, list) or not form.least <= len(value) <= form.most:
            raise _bad(where, f"a list of {form.least} to {form.most} entries", value)
        for index, item in enumerate(value):
            _check(item, form.item, f"{where}[{index}]")
    elif not isinstance(value, dict):
        raise _bad(where, "an object", value)
    elif isinstance(form, _Named):
        if len(value) > form.most or any(len(name) > _LONGEST for name in value):
            raise _bad(where, f"an object of at most {form.most} short names", value)
        for name, item in value.items():
            _check(item, form.item, f"{where}.{name}")
    else:
        _check_fields(value, form, where)


def _check_fields(value: Mapping[str, Any], form: Mapping[str, Any], where: str) -> None:
    prefix = f"{where}." if where else ""
    for name in form:
        if name not in value:
            raise ReceiptError("missing_field", f"The receipt lacks the field {prefix}{name}. {_WHOLE}")
        _check(value[name], form[name], f"{prefix}{name}")
    if more := sorted(set(value) - set(form)):
        raise ReceiptError(
            "unknown_field",
            f"The receipt holds {prefix}{reprlib.repr(more[0])}, which no receipt has and nobody checks. "
            f"{_WHOLE}",
        )


_WHOLE = "Give the file as 'deepfake report' wrote it."


def _bad(where: str, words: str, value: Any) -> ReceiptError:
    received = reprlib.repr(value)
    return ReceiptError("bad_field", f"In the receipt {where} must be {words}. Received: {received}.")
