"""A verdict in words and tables for a person; every view takes its wording from here."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deepfake.registry import CallName, Card, OperatingPoint

if TYPE_CHECKING:  # their imports take seconds; a page is drawn before it needs them
    import pandas as pd

    from deepfake.detector import Verdict
    from deepfake.images import ImageFacts

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


@dataclass(frozen=True)
class Outcome:
    """One file and what came of it: a verdict, or the sentence that says why there is none.

    Attributes:
        file: the name as uploaded; not to be trusted as markup or as a path.
        verdict: None where the file was refused.
        refusal: None where there is a verdict.
    """

    file: str
    verdict: Verdict | None = None
    refusal: str | None = None


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


def scope_line(verdict: Verdict) -> str:
    """What was judged."""
    n = len(verdict.faces)
    if verdict.scope == "no_face":
        return "No face found; the whole picture was scored."
    if verdict.scope == "face_crop":
        return "The picture is a close-up of one face; it was judged as it is."
    if n == 1:
        return "1 face found and judged."
    return f"{n} faces found and judged. The verdict is that of the face most likely fake."


def validation_scores(card: Card) -> pd.DataFrame | None:
    """The detector's own scores of images with known answers, as a score table.

    Those of perturbed validation images, which are nearest to what people upload: resized, recompressed
    and edited. None where the card names no such table, or it cannot be read.
    """
    from deepfake.score_table import EvaluationError, read_scores

    for entry in card.evaluations:
        if entry.get("split") == "Validation" and entry.get("perturbed") and entry.get("scores"):
            try:
                return read_scores(card.folder / str(entry["scores"]))
            except EvaluationError:
                continue
    return None


def context_sentence(scores: pd.DataFrame | None, verdict: Verdict) -> str:
    """What the probability meant on images with known answers; empty without a table.

    They are not called test images: the thresholds were chosen on them.

    Args:
        scores: from ``validation_scores``.
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


def outcomes_json(outcomes: Sequence[Outcome]) -> str:
    """A JSON list with an object per file: ``file``, and the fields of ``Verdict`` or ``refusal``."""
    return json.dumps([_row(outcome) for outcome in outcomes], indent=2, ensure_ascii=False)


def outcomes_csv(outcomes: Sequence[Outcome]) -> str:
    """A CSV table with a row per file; faces as a count, warnings in one cell.

    A cell that a spreadsheet would take for a formula is led by an apostrophe.
    """
    names = ("file", "verdict", "p_fake", "faces", "scope", "operating_point", "model", "width", "height")
    text = io.StringIO()
    writer = csv.DictWriter(text, [*names, "sha256", "warnings", "refusal"], restval="", lineterminator="\n")
    writer.writeheader()
    for outcome in outcomes:
        row = _row(outcome)
        row["faces"] = len(row["faces"]) if "faces" in row else ""
        row["warnings"] = " ".join(row.get("warnings", ()))
        row["p_fake"] = f"{row['p_fake']:.4f}" if "p_fake" in row else ""
        writer.writerow({key: _cell(value) for key, value in row.items()})
    return text.getvalue()


def _row(outcome: Outcome) -> dict[str, Any]:
    if outcome.verdict is None:
        return {"file": outcome.file, "refusal": outcome.refusal}
    return {"file": outcome.file, **outcome.verdict.to_dict()}


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
