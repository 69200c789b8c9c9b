"""The evaluations that stand in a detector's card, and the scores behind them."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from deepfake.detection.card import Card, load_card
from deepfake.errors import UserError
from deepfake.evaluation.scores import read_scores, write_scores
from deepfake.evaluation.statistics.thresholds import RuleMetrics, rules_from_dict
from deepfake.settings import allowed_roots
from deepfake.types import OperatingPoint, class_name
from deepfake.util.files import write_json
from deepfake.util.text import slug

RUN_HERE = "run here"
CALIBRATION_SCORES = "scores-calibration.csv"
"""Beside ``model.keras``: the scores of the images that the detector was calibrated on."""


class RecordError(UserError):
    """A recorded evaluation that cannot be opened; code ``bad_record`` or ``other_scores``."""


@dataclass(frozen=True)
class Baseline:
    """What the project's first detector was reported to score on the whole official Test."""

    accuracy: float = 0.89
    roc_auc_hard_labels: float = 0.891
    average_precision_hard_labels: float = 0.860
    images: int = 10_905


@dataclass(frozen=True)
class Recorded:
    """One evaluation of a detector, as its card holds it.

    Attributes:
        data, split: the data set and its part; ``all`` for the whole.
        perturbed: altered copies were scored: recompressed, blurred, recoloured and the like.
        command: what makes it again.
        scores: the score table's file; it may be missing.
        n, n_fake, n_real: images.
        threshold: of the forced choice whose accuracy, balanced_accuracy and f1 these are.
        numbers: by the names of ``metrics.Evaluation``; None where undefined or not recorded.
        intervals: (low, high) by the same names, where there is one.
        seed_protocol: the numbers as the starting document computed them, by ``SeedProtocol``'s names.
        confidence: of the intervals.
        n_bootstrap: resamples behind them.
        notes: sentences for a person.
        source: the one source of the data set that was measured; empty for all.
        folder: the data set's folder below one of ``settings.allowed_roots``; empty where unknown.
        verdict_rule: what the verdicts were at each operating point; empty in older cards.
        here: it was run on this server and is in no card (``kept.kept_evaluations``).
    """

    data: str
    split: str
    perturbed: bool
    command: str
    scores: Path
    n: int
    n_fake: int
    n_real: int
    threshold: float
    numbers: dict[str, float | None]
    intervals: dict[str, tuple[float, float]]
    seed_protocol: dict[str, float | None]
    confidence: float
    n_bootstrap: int
    notes: tuple[str, ...]
    source: str = ""
    folder: str = ""
    verdict_rule: dict[OperatingPoint, RuleMetrics] = field(default_factory=dict)
    here: bool = False

    @property
    def title(self) -> str:
        """Data set, split, source and form in words; says so where it was run here."""
        words = describe(self.data, self.split, self.perturbed, self.source)
        return f"{words}, {RUN_HERE}" if self.here else words

    @property
    def one_class(self) -> str | None:
        """Fake or Real where all images are of that class."""
        if self.n_fake and self.n_real:
            return None
        return class_name(self.n_fake > 0)


def describe(data: str, split: str, perturbed: bool, source: str = "") -> str:
    """An evaluation's title; the source is named unless the data set's name begins with it.

    >>> describe("Faces", "Test", True), describe("Faces", "all", False)
    ('Faces, Test, perturbed copies', 'Faces')
    >>> describe("Faces", "Test", False, "web"), describe("Web faces", "Test", False, "web")
    ('Faces, Test, web', 'Web faces, Test')
    """
    named = f"{data} ".lower().startswith(f"{source} ".lower())
    words = [data, split if split != "all" else "", "" if named else source]
    return ", ".join(word for word in [*words, "perturbed copies" if perturbed else ""] if word)


def scores_name(title: str, taken: Collection[str]) -> str:
    """A plain name for the score file of an evaluation, none of those taken by others.

    >>> scores_name("Faces, Test", ()), scores_name("Faces; test", {"scores-faces-test.csv"})
    ('scores-faces-test.csv', 'scores-faces-test-2.csv')
    """
    stem = "scores-" + (slug(title)[:80] or "evaluation")
    name, number = f"{stem}.csv", 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}.csv"
    return name


def below_roots(path: Path) -> str:
    """The path of a folder relative to the root that holds it, '.' for a root itself; '' if none holds it."""
    folder = path.resolve()
    for root in allowed_roots():
        if folder.is_relative_to(root):
            return folder.relative_to(root).as_posix()
    return ""


def recorded_evaluations(card: Card) -> tuple[tuple[Recorded, ...], tuple[str, ...]]:
    """The evaluations of a card, in its order, and a sentence for each entry that cannot be understood."""
    good, bad = [], []
    for number, entry in enumerate(card.evaluations, start=1):
        try:
            good.append(read_entry(card.folder, entry))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            bad.append(
                f"Evaluation {number} in the card of '{card.name}' cannot be read ({error!r}). "
                "Run 'python -m deepfake evaluate' with --record again."
            )
    return tuple(good), tuple(bad)


def first_shown(evaluations: Sequence[Recorded]) -> Recorded:
    """The evaluation to show where none is asked for: of a Test as it is, else of both classes, else any.

    Args:
        evaluations: at least one.
    """
    both = [each for each in evaluations if not each.one_class]
    plain = [each for each in both if each.split == "Test" and not each.perturbed]
    return [*plain, *both, *evaluations][0]


def entry_title(entry: Any) -> str:
    """The title of a card's entry; empty where it is none of ours."""
    try:
        return describe(entry["data"], entry["split"], bool(entry["perturbed"]), entry.get("source") or "")
    except (TypeError, KeyError, AttributeError):
        return ""


def read_entry(folder: Path, entry: dict[str, Any], *, here: bool = False) -> Recorded:
    """One entry as it stands in a card.

    Args:
        folder: beside whose files the scores lie.
        entry: as ``publish.evaluation_entry`` makes it.
        here: see ``Recorded``.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it cannot be understood.
    """
    name = str(entry["scores"])
    if Path(name).name != name or name in ("", ".", ".."):
        raise ValueError(f"scores: {name!r} is not a file's name")
    names = ("accuracy", "balanced_accuracy", "roc_auc", "average_precision", "f1", "tpr_at_fpr_1pct")
    return Recorded(
        data=str(entry["data"]),
        split=str(entry["split"]),
        source=str(entry.get("source") or ""),
        folder=str(entry.get("folder") or ""),
        perturbed=bool(entry["perturbed"]),
        command=str(entry.get("command", "")),
        scores=folder / name,
        n=int(entry["n"]),
        n_fake=int(entry["n_fake"]),
        n_real=int(entry["n_real"]),
        threshold=float(entry["threshold"]),
        numbers={key: _number(entry.get(key)) for key in (*names, "eer", "ece", "brier", "log_loss")},
        intervals={
            key: (float(pair[0]), float(pair[1]))
            for key, pair in entry["intervals"].items()
            if pair is not None
        },
        seed_protocol={key: _number(value) for key, value in entry["seed_protocol"].items()},
        confidence=float(entry.get("confidence", 0.95)),
        n_bootstrap=int(entry.get("n_bootstrap", 0)),
        notes=tuple(str(note) for note in entry.get("notes", ())),
        verdict_rule=rules_from_dict(entry.get("verdict_rule")),
        here=here,
    )


def _number(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def read_recorded_scores(recorded: Recorded) -> pd.DataFrame:
    """The score table behind a recorded evaluation.

    Raises:
        EvaluationError: the file is missing, unreadable or unsound.
        RecordError: ``other_scores``: it holds other images than the card's numbers were computed from.
    """
    table = _scores(recorded.scores)
    n_fake = int(table["label"].sum())
    found, expected = (len(table) - n_fake, n_fake), (recorded.n_real, recorded.n_fake)
    if found != expected:
        raise RecordError(
            "other_scores",
            f"{recorded.scores.name} does not belong to the card's numbers: it holds {found[1]:,} Fake and "
            f"{found[0]:,} Real images, expected {expected[1]:,} and {expected[0]:,}. Evaluate again.",
        )
    right = int(((table["p_fake"] >= recorded.threshold) == (table["label"] == 1)).sum())
    accuracy = recorded.numbers["accuracy"]
    if accuracy is not None and abs(right / len(table) - accuracy) > 0.5 / len(table):
        raise RecordError(
            "other_scores",
            f"{recorded.scores.name} does not belong to the card's numbers: its scores give an accuracy of "
            f"{right / len(table):.4f}, the card says {accuracy:.4f}. Evaluate again.",
        )
    return table


def _scores(path: Path) -> pd.DataFrame:
    """The table in a file, parsed once for as long as it stays as it is: every verdict asks for one.

    All get the same table; whoever changes it copies it first.
    """
    try:
        status = path.stat()
    except OSError:
        return read_scores(path)  # which says what is wrong
    return _parsed(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4)
def _parsed(path: Path, changed: int, size: int) -> pd.DataFrame:
    return read_scores(path)


def validation_scores(card: Card) -> pd.DataFrame | None:
    """The detector's own scores of images with known answers, as a score table.

    Those of the images it was calibrated on, chosen to be like what people upload (``training.publish``);
    of a detector without such a table, those of perturbed validation images. None where there is neither, or
    it cannot be read.
    """
    with contextlib.suppress(UserError):
        return _scores(card.folder / CALIBRATION_SCORES)
    for recorded in recorded_evaluations(card)[0]:
        if recorded.split == "Validation" and recorded.perturbed:
            try:
                return read_recorded_scores(recorded)
            except UserError:
                continue
    return None


def record_entry(card: Card, entry: dict[str, Any], table: pd.DataFrame) -> Path:
    """Writes an evaluation into a detector's card and its scores beside it.

    An earlier one of the same title (``describe``) is replaced.

    Args:
        card: the detector's.
        entry: from ``publish.evaluation_entry``.
        table: the scores.

    Returns:
        The score table's path.

    Raises:
        UserError: code ``not_written``: the models folder cannot be written.
    """
    contents = dict(load_card(card.name).contents)
    title = entry_title(entry)
    others = [known for known in contents["evaluations"] if entry_title(known) != title]
    taken = {known["scores"] for known in others if isinstance(known, dict) and "scores" in known}
    file_title = entry_title({**entry, "perturbed": False}) + " perturbed" * bool(entry["perturbed"])
    scores = card.folder / scores_name(file_title, taken)
    contents["evaluations"] = [*others, {**entry, "scores": scores.name}]
    try:
        write_scores(table, scores)
        write_json(card.folder / "card.json", contents)
    except OSError as error:
        raise UserError(
            "not_written",
            f"The evaluation cannot be recorded: {error.filename or card.folder} cannot be written "
            f"({error.strerror}). Make the folder writable, or keep the scores elsewhere with --scores.",
        ) from error
    return scores
