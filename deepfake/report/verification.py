"""Checks a receipt: scores its file again with the detector installed here, and says what agrees.

Scores hang on the processor in the third digit, as the second network's dense layers are int8; ``TOLERANCE``
allows for that. Date, file name and processor of a receipt are claims that nothing here can check.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from deepfake.detection.card import ModelError
from deepfake.detection.detector import Detector, get_detector
from deepfake.errors import UserError
from deepfake.faces.boxes import overlap
from deepfake.images.load import ImageRefused, LoadedImage, load_image
from deepfake.report.receipt import Receipt, make_receipt

TOLERANCE = 0.01
"""Of each score, in p_fake."""
OVERLAP = 0.9
"""Intersection over union of the same face or crop, found twice; on one processor it is 1."""
_EXACT = 1e-9
_NAMED = 3


@dataclass(frozen=True)
class PartCheck:
    """One part of a receipt, checked.

    Attributes:
        part: ``file``, ``detector``, ``version``, ``settings``, ``thresholds``, ``faces``, ``scores`` or
            ``verdict``.
        agrees: None where it could not be checked.
        finding: what was found, in a sentence; may hold texts of the receipt.
    """

    part: str
    agrees: bool | None
    finding: str


@dataclass(frozen=True)
class Verification:
    """What came of checking a receipt.

    Attributes:
        parts: in their order; after one that could not be checked there may be none.
        largest: the largest difference of two scores, 0..1; None where there was no score to compare.
        notes: what else is different and does not count: processor, libraries.
        error: why the file was not scored again; None where it was.
    """

    parts: tuple[PartCheck, ...]
    largest: float | None = None
    notes: tuple[str, ...] = ()
    error: UserError | None = None

    @property
    def agrees(self) -> bool | None:
        """False where a part differs, else None where one could not be checked."""
        answers = {part.agrees for part in self.parts}
        return False if False in answers else None if self.error or None in answers else True

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON, with ``tolerance``; ``error`` only where there is one."""
        error = {"error": {"code": self.error.code, "message": self.error.message}} if self.error else {}
        return {
            "agrees": self.agrees,
            "tolerance": TOLERANCE,
            "largest_difference": self.largest,
            "parts": [asdict(part) for part in self.parts],
            "notes": list(self.notes),
            **error,
        }


def verify(receipt: Receipt, content: bytes) -> Verification:
    """Scores a file again as a receipt says it was, and compares everything.

    Only the installed detector of the receipt's name is loaded, and only files that its card allows.

    Args:
        receipt: from ``receipt.read_receipt``.
        content: the file's bytes.

    Raises:
        Busy: too many images wait already.
    """
    file = _part("file", _content_faults(receipt, content), "the same bytes")
    try:
        detector = get_detector(receipt["detector"]["name"])
        image = load_image(content)
    except (ModelError, ImageRefused) as error:
        part = "detector" if isinstance(error, ModelError) else "scores"
        return Verification((file, PartCheck(part, None, error.message)), error=error)
    again = _receipt_again(receipt, detector, image)
    sizes = _changed(receipt["file"], again["file"], ["width", "height"])
    file = _part("file", [*_content_faults(receipt, content), *sizes], file.finding)
    differences = _score_differences(receipt["result"], again["result"])
    parts = (
        file,
        _part(
            "detector", _detector_faults(receipt["detector"], again["detector"]), "the same files and rules"
        ),
        _part(
            "version",
            _changed(receipt["versions"], again["versions"], ["deepfake"]),
            f"deepfake {again['versions']['deepfake']}",
        ),
        _part("settings", _changed(receipt["settings"], again["settings"]), "the same settings"),
        _part("thresholds", _threshold_faults(receipt, again), "the same thresholds"),
        _part("faces", _face_faults(receipt["result"], again["result"]), _faces_words(again)),
        _scores_part(differences),
        _verdict_part(receipt, again, differences),
    )
    known = [each for each in differences.values() if each is not None]
    return Verification(parts, max(known, default=None), tuple(_notes(receipt, again)))


def _receipt_again(receipt: Receipt, detector: Detector, image: LoadedImage) -> Receipt:
    """A receipt of the file as it is scored here and now."""
    verdict = detector.check(image, receipt["settings"]["operating_point"])
    if receipt["result"]["stress"] is not None:
        verdict = detector.stressed(image, verdict)
    return make_receipt(receipt["file"]["name"], verdict, detector.card, datetime.date.today())


def _part(name: str, faults: Sequence[str], good: str) -> PartCheck:
    """A part that agrees where there are no faults; the first few are named."""
    if not faults:
        return PartCheck(name, True, good)
    more = [f"and {len(faults) - _NAMED} more"] if len(faults) > _NAMED else []
    return PartCheck(name, False, "; ".join([*faults[:_NAMED], *more]))


def _content_faults(receipt: Receipt, content: bytes) -> list[str]:
    given, found = receipt["file"]["sha256"], hashlib.sha256(content).hexdigest()
    return [] if given == found else [f"SHA-256 in the receipt {given[:12]}..., of this file {found[:12]}..."]


def _detector_faults(given: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    faults = []
    for name in sorted(set(given["files"]) | set(here["files"])):
        hashes = given["files"].get(name, ""), here["files"].get(name, "")
        if hashes[0] != hashes[1]:
            shown = [f"{each[:12]}..." if each else "no such file" for each in hashes]
            faults.append(f"{name}: in the receipt {shown[0]}, here {shown[1]}")
    if given["score_version"] != here["score_version"]:
        faults.append("another network, input or calibration in its card")
    if given["rules"] != here["rules"]:
        faults.append("other rules for small faces, many faces or whole images in its card")
    return faults


def _changed(given: Mapping[str, Any], here: Mapping[str, Any], only: Sequence[str] = ()) -> list[str]:
    """What stands otherwise in an object of plain values."""
    names = only or sorted(set(given) | set(here))
    return [
        f"{name}: in the receipt {given.get(name, 'nothing')}, here {here.get(name, 'nothing')}"
        for name in names
        if given.get(name) != here.get(name)
    ]


def _threshold_faults(receipt: Receipt, again: Receipt) -> list[str]:
    given, here = receipt["thresholds"], again["thresholds"]
    return [
        f"{name}: in the receipt {given[name]:.6f}, here {value:.6f}"
        for name, value in here.items()
        if abs(given[name] - value) > _EXACT
    ]


def _face_faults(given: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    faults = []
    if len(given["faces"]) != len(here["faces"]):
        faults.append(f"in the receipt {len(given['faces'])}, found here {len(here['faces'])}")
    for number, (one, other) in enumerate(zip(given["faces"], here["faces"], strict=False), start=1):
        shares = [overlap(one[name], other[name]) for name in ("box", "crop")]
        if min(shares) < OVERLAP or one["turn"] != other["turn"]:
            faults.append(f"face {number} at {one['box']} in the receipt, at {other['box']} here")
    squares = [result["whole"]["square"] for result in (given, here) if result["whole"]]
    if len(squares) > 1 and overlap(squares[0], squares[1]) < OVERLAP:
        faults.append(f"whole image: square {squares[0]} in the receipt, {squares[1]} here")
    return faults


def _faces_words(again: Receipt) -> str:
    count = len(again["result"]["faces"])
    return "no face, as in the receipt" if not count else f"{count} face{'s' * (count > 1)} at the same place"


def _scores(result: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    """Every score by a name for a person."""
    yield "image", result["p_fake"]
    yield "highest score", result["raw_p_fake"]
    yield "whole image, first network alone", result["raw_first_alone"]
    whole = {"whole image beside its faces": result["whole"]} if result["whole"] else {}
    faces = {f"face {number}": face for number, face in enumerate(result["faces"], start=1)}
    for name, row in {**faces, **whole}.items():
        yield name, row["p_fake"]
        yield f"{name}, first network alone", row["first_alone"]
    for index, test in enumerate(result["stress"] or ()):
        for position, point in enumerate(test["changes"]):
            yield (
                f"stress test {index + 1}.{position + 1} ({test['part']}, {point['change']})",
                point["p_fake"],
            )


def _score_differences(given: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, float | None]:
    """How far apart each score is; None where only one of the two has it."""
    one, other = dict(_scores(given)), dict(_scores(here))
    found: dict[str, float | None] = {}
    for name in dict.fromkeys([*one, *other]):
        pair = one.get(name), other.get(name)
        if pair != (None, None) or (name in one) != (name in other):
            found[name] = abs(pair[0] - pair[1]) if pair[0] is not None and pair[1] is not None else None
    return found


def _scores_part(differences: Mapping[str, float | None]) -> PartCheck:
    faults = [
        f"{name}: " + ("only in one of the two" if apart is None else f"apart by {apart:.4f}")
        for name, apart in differences.items()
        if apart is None or apart > TOLERANCE
    ]
    known = [apart for apart in differences.values() if apart is not None]
    good = f"{len(known)} scores, apart by at most {max(known, default=0):.4f}"
    return _part("scores", faults, f"{good} (tolerance {TOLERANCE})")


def _calls(result: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every verdict, and what made it, by a name for a person."""
    yield "image", result["verdict"]
    yield "based on", result["basis"]
    yield "kind of image", result["scope"]
    for number, face in enumerate(result["faces"], start=1):
        yield f"face {number}", face["verdict"]
        yield f"face {number}, reason", face["reason"]
        yield f"face {number}, called fake from", round(face["fake_from"], 6)
    if result["whole"]:
        yield "whole image beside its faces", result["whole"]["verdict"]
        yield "whole image counts", result["whole"]["counts"]
    for index, test in enumerate(result["stress"] or ()):
        yield f"stress test {index + 1}", f"{test['verdict']}, {'stable' if test['stable'] else 'not stable'}"
        for position, point in enumerate(test["changes"]):
            yield f"stress test {index + 1}.{position + 1} ({point['change']})", point["verdict"]


def _verdict_part(receipt: Receipt, again: Receipt, differences: Mapping[str, float | None]) -> PartCheck:
    one, other = dict(_calls(receipt["result"])), dict(_calls(again["result"]))
    faults = [
        f"{name}: in the receipt {one.get(name, 'nothing')}, here {other.get(name, 'nothing')}"
        for name in dict.fromkeys([*one, *other])
        if one.get(name) != other.get(name)
    ]
    part = _part("verdict", faults, again["result"]["verdict"])
    if faults and all(apart is not None and apart <= TOLERANCE for apart in differences.values()):
        near = (
            "The scores agree, so a threshold may lie between two that are apart by less than the tolerance."
        )
        part = replace(part, finding=f"{part.finding}. {near}")
    return part


def _notes(receipt: Receipt, again: Receipt) -> Iterator[str]:
    names = sorted((set(receipt["versions"]) | set(again["versions"])) - {"deepfake"})
    if changed := _changed(receipt["versions"], again["versions"], names):
        yield f"Other versions of libraries, {'; '.join(changed)}."
    if changed := _changed(receipt["processor"], again["processor"]):
        yield f"Another processor, {'; '.join(changed)}."
