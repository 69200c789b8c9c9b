"""A verdict in words and tables for a person; every view takes its wording from here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from deepfake.errors import UserError
from deepfake.registry import CallName, OperatingPoint, Thresholds

if TYPE_CHECKING:  # their imports take seconds; a page is drawn before it needs them
    import pandas as pd

    from deepfake.images import ImageFacts
    from deepfake.verdict import Verdict

CALL_WORDS: Mapping[CallName, str] = {
    "fake": "Likely fake",
    "real": "Likely real",
    "uncertain": "Uncertain",
}

POINT_WORDS: Mapping[OperatingPoint, str] = {"balanced": "Balanced", "few_false_alarms": "Few false alarms"}

POINT_MEANINGS: Mapping[OperatingPoint, str] = {
    "balanced": "Missed fakes and false alarms weigh the same.",
    "few_false_alarms": "Says fake only where at most 1 in 100 real pictures kept out of training would be. "
    "More fakes stay uncertain.",
}

PICTURE_FAULT = (
    "This picture could not be judged because of a fault in the program; the server's log says which. "
    "Other pictures are not affected."
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
    """

    file: str
    verdict: Verdict | None = None
    error: UserError | None = None

    def to_dict(self) -> dict[str, Any]:
        """``file``, and the fields of ``Verdict`` or ``error`` with ``code`` and ``message``."""
        if self.verdict is not None:
            return {"file": self.file, **self.verdict.to_dict()}
        error = self.error or UserError("fault", PICTURE_FAULT)
        return {"file": self.file, "error": {"code": error.code, "message": error.message}}


def percent(share: float) -> str:
    """A probability or share in 0..1 in whole percent; never a 0 or 100 that it is not.

    >>> percent(0.934), percent(0.003), percent(0.998), percent(0.0), percent(1.0)
    ('93 %', 'under 1 %', 'over 99 %', '0 %', '100 %')
    """
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{share:.0%}".replace("%", " %")


def file_size(n_bytes: int) -> str:
    """Bytes in the unit a person expects.

    >>> file_size(900), file_size(182_000), file_size(3_400_000)
    ('900 bytes', '182 kB', '3.4 MB')
    """
    if n_bytes < 1000:
        return f"{n_bytes} bytes"
    return f"{n_bytes / 1e3:.0f} kB" if n_bytes < 999_500 else f"{n_bytes / 1e6:.1f} MB"


def facts_line(facts: ImageFacts) -> str:
    """Size, format and weight of a picture's file."""
    return f"{facts.width} x {facts.height} pixels, {facts.format}, {file_size(facts.n_bytes)}"


def judged_by_line(verdict: Verdict, thresholds: Thresholds) -> str:
    """Which detector gave the verdict, and by which thresholds."""
    point = verdict.operating_point
    return (
        f"Detector {verdict.model}, {POINT_WORDS[point].lower()}: fake from "
        f"{percent(thresholds.fake_from(point))}, real below {percent(thresholds.uncertain_low)}."
    ).replace(" %", "%")


def scope_line(verdict: Verdict) -> str:
    """What was judged."""
    return _faces_line(verdict) + _whole_line(verdict)


def _whole_line(verdict: Verdict) -> str:
    if verdict.whole is None:
        return ""
    scored = f" The whole picture was judged as well: probability of fake {percent(verdict.whole.p_fake)}"
    if not verdict.whole.counts:
        return f"{scored}, which says nothing against it."
    return f"{scored}. It counts like another face: what a generator made whole shows it outside the faces."


def _faces_line(verdict: Verdict) -> str:
    n = len(verdict.faces)
    if verdict.scope == "no_face":
        return "No face found; the whole picture was scored."
    if verdict.scope == "face_crop":
        return "The picture is a close-up of one face; it was judged as it is."
    if n == 1:
        return "1 face found and judged."
    if verdict.stress:
        return f"{n} faces found and judged. One fake face makes the picture fake; it is real if all are."
    return f"{n} faces found and judged. The verdict is that of the face most likely fake."


def stress_line(verdict: Verdict) -> str:
    """Why the stress test made parts uncertain; empty where it was not run or left them as they were."""
    lines = []
    for part, test in zip(verdict.parts, verdict.stress, strict=False):  # none where it was not run
        if not test.stable:
            who = part.name if len(verdict.stress) > 1 else "The face"
            alone = CALL_WORDS[test.call].lower()
            lines.append(f"{who} would be called {alone} by its score alone. {test.sentence()}")
    if not lines:
        return ""
    whole = verdict.verdict == "uncertain"
    return " ".join([f"{'Uncertain' if whole else 'Part of it is uncertain'} after the stress test.", *lines])


def context_sentence(scores: pd.DataFrame | None, verdict: Verdict) -> str:
    """What the probability meant on images with known answers; empty without a table.

    They are not called test images: the thresholds were chosen on them.

    Args:
        scores: from ``recorded.validation_scores``.
        verdict: any; where no face was found the table does not apply, and the sentence says so.
    """
    from deepfake.score_table import verdict_context

    if verdict.scope == "no_face":
        return "How other images with such a score turned out is not shown: all of them showed a face."
    if scores is None:
        return ""
    context = verdict_context(scores, verdict.p_fake)
    low, high = (round(100 * bound) for bound in context.interval)
    were = "was" if context.n_fake == 1 else "were"
    return (
        f"Of {context.n:,} images kept out of training that scored like this, {context.n_fake:,} {were} fake "
        f"({context.confidence:.0%} interval: {low} to {high} %). "
        f"Of all {len(scores):,} such images {percent(scores['label'].to_numpy().mean())} were fake; "
        "where fakes are rarer or more common, the count would differ."
    ).replace("95%", "95 %")


def context_example(scores: pd.DataFrame | None, p_fake: float = 0.8) -> str:
    """How images that scored about this turned out; empty without a table."""
    from deepfake.score_table import verdict_context

    if scores is None:
        return ""
    context = verdict_context(scores, p_fake)
    return (
        f"Of the {context.n:,} images kept out of training that scored nearest to {percent(p_fake)} "
        f"({percent(context.low)} to {percent(context.high)}), {context.n_fake:,} were fake, "
        f"that is {percent(context.share_fake)}."
    )


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
    names += ("model", "width", "height", "sha256", "warnings", "refusal", "stress")
    writer: csv.DictWriter[str] = csv.DictWriter(
        file, [*names, *MORE_COLUMNS], restval="", extrasaction="ignore", lineterminator="\n"
    )
    writer.writeheader()
    for outcome in outcomes:
        row = {**_row(outcome), **_cells(outcome)}
        row["faces"] = len(row["faces"]) if "faces" in row else ""
        row["warnings"] = " ".join(row.get("warnings", ()))
        row["stress"] = _stability(outcome.verdict)
        row["p_fake"] = f"{row['p_fake']:.4f}" if "p_fake" in row else ""
        writer.writerow({key: _cell(value) for key, value in row.items()})


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


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
