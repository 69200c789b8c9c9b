"""One file and what came of it: the record behind JSON, CSV and the HTTP answer."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO

from deepfake.detection.text import video_headline
from deepfake.errors import UserError
from deepfake.types import EvidenceLine, OperatingPoint, Thresholds, VerdictLabel
from deepfake.util.text import csv_cell

if TYPE_CHECKING:  # their imports take seconds; a page is drawn before it needs them
    from deepfake.detection.verdict import Verdict
    from deepfake.detection.video import VideoVerdict
    from deepfake.images.hashing import ImagePrint


IMAGE_FAULT = (
    "This image could not be checked because of a fault in the program; the server's log says which. "
    "Other images are not affected."
)
"""In place of a verdict that failed through no fault of the file."""


@dataclass(frozen=True)
class Outcome:
    """One file and what came of it: a verdict, or why there is none.

    The one record behind the page's JSON and CSV, ``predict --json`` and ``--csv``, and the HTTP answer.

    Attributes:
        file: the name as given; not to be trusted as markup or as a path.
        verdict: None where the file was refused.
        error: None where there is a verdict.
        thumbnail: a small JPEG; None unless asked for.
        content: the file's bytes, where they are kept to be looked at again.
        evidence: of ``report.evidence``, as far as it was asked for.
        image_print: what the image is known again by, where it was asked for; in no file.
    """

    file: str
    verdict: Verdict | None = None
    error: UserError | None = None
    thumbnail: bytes | None = None
    content: bytes | None = None
    evidence: tuple[EvidenceLine, ...] = ()
    image_print: ImagePrint | None = None

    def at(self, point: OperatingPoint, thresholds: Thresholds) -> Outcome:
        """The same scores called at an operating point."""
        return replace(self, verdict=self.verdict.at(point, thresholds)) if self.verdict else self

    def to_dict(self) -> dict[str, Any]:
        """``file``, and the fields of ``Verdict`` or ``error`` with ``code`` and ``message``.

        With a verdict, ``evidence`` too, where it was asked for.
        """
        if self.verdict is not None:
            evidence = {"evidence": [asdict(line) for line in self.evidence]} if self.evidence else {}
            return {"file": self.file, **self.verdict.to_dict(), **evidence}
        error = self.error or UserError("fault", IMAGE_FAULT)
        return {"file": self.file, "error": {"code": error.code, "message": error.message}}


_SUSPICIOUS: tuple[VerdictLabel | None, ...] = ("fake", "uncertain", "real", None)


def suspicion(call: VerdictLabel | None, p_fake: float | None) -> tuple[int, float]:
    """A key that sorts the most suspicious first: by verdict, then by score.

    Args:
        call: the verdict; None where there is none.
        p_fake: 0..1; None where there is none, which comes last among its like.
    """
    return _SUSPICIOUS.index(call), 1.0 if p_fake is None else 1.0 - p_fake


def by_suspicion(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The most suspicious first, files without a verdict last; images without a score at the end of their
    verdict."""

    def key(outcome: Outcome) -> tuple[int, float]:
        if outcome.verdict is None:
            return suspicion(None, None)
        return suspicion(outcome.verdict.verdict, outcome.verdict.p_fake)

    return sorted(outcomes, key=key)


def outcome_line(outcome: Outcome) -> str:
    """A line of JSON: ``Outcome.to_dict``, and ``path``, the same as ``file``, as it once was called."""
    return json.dumps({"path": outcome.file, **outcome.to_dict()})


def outcomes_json(outcomes: Sequence[Outcome]) -> str:
    """A JSON list with ``Outcome.to_dict`` of each, and the message as ``refusal`` too, as it once was."""
    return json.dumps([_row(outcome) for outcome in outcomes], indent=2, ensure_ascii=False)


def outcomes_csv(outcomes: Sequence[Outcome]) -> str:
    """The table of ``write_outcomes_csv`` as text."""
    text = io.StringIO()
    write_outcomes_csv(outcomes, text)
    return text.getvalue()


def write_outcomes_csv(outcomes: Iterable[Outcome], file: TextIO) -> None:
    """A CSV table with a row per file, each written as it comes; faces as a count, warnings in one cell,
    ``stress`` as stable, not stable, or empty where the test was not run; ``MORE_COLUMNS`` last.

    A cell that a spreadsheet would take for a formula is led by an apostrophe.
    """
    names: tuple[str, ...] = ("file", "verdict", "p_fake", "faces", "scope", "operating_point")
    names += ("model", "width", "height", "sha256", "warnings", "refusal", "stress", "raw_p_fake", "basis")
    writer: csv.DictWriter[str] = csv.DictWriter(
        file, [*names, *MORE_COLUMNS], restval="", extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    for outcome in outcomes:
        row = {**_row(outcome), **_cells(outcome)}
        row["faces"] = len(row["faces"]) if "faces" in row else ""
        row["warnings"] = " ".join(row.get("warnings", ()))
        row["stress"] = _stability(outcome.verdict)
        for score in ("p_fake", "raw_p_fake"):
            row[score] = f"{row[score]:.4f}" if row.get(score) is not None else ""
        writer.writerow({key: csv_cell(value) for key, value in row.items()})


MORE_COLUMNS = ("whole_p_fake", "whole_counts", "error_code", "error_message")
"""Of the CSV: the whole image's score and whether it takes part in the verdict (true, false), both empty
where it was not scored beside its faces; the parts of ``error``, of which ``refusal`` is the message."""


def _row(outcome: Outcome) -> dict[str, Any]:
    row = outcome.to_dict()
    return row if outcome.verdict else {**row, "refusal": row["error"]["message"]}


def _cells(outcome: Outcome) -> dict[str, str]:
    if outcome.verdict is None:
        error = outcome.to_dict()["error"]
        return {"error_code": error["code"], "error_message": error["message"]}
    whole = outcome.verdict.whole
    if whole is None:
        return {}
    return {"whole_p_fake": f"{whole.p_fake:.4f}", "whole_counts": str(whole.counts).lower()}


def _stability(verdict: Verdict | None) -> str:
    if verdict is None or not verdict.stress:
        return ""
    return "stable" if all(test.stable for test in verdict.stress) else "not stable"


def video_fields(result: VideoVerdict) -> dict[str, Any]:
    """``VideoVerdict.to_dict`` and ``headline``, the verdict in words."""
    return {**result.to_dict(), "headline": video_headline(result)}
