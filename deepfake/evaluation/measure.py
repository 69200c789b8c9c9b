"""A detector and a data set -> a long table of scores, here or in a process beside a page."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.index import DatasetError, DatasetIndex
from deepfake.data.inventory import Inventory
from deepfake.detection.card import Card
from deepfake.detection.detector import Detector
from deepfake.errors import EvaluationError, UserError
from deepfake.evaluation.kept import known_evaluations
from deepfake.evaluation.records import describe
from deepfake.evaluation.scores import read_scores
from deepfake.evaluation.statistics.metrics import Evaluation, evaluate_scores
from deepfake.evaluation.statistics.thresholds import RuleMetrics, at_every_point, rules_to_dict, sort_scores
from deepfake.networks.scoring import score_files
from deepfake.types import OperatingPoint, class_name
from deepfake.util.cache import DAMAGED, cache_folder, prune
from deepfake.util.files import write_whole
from deepfake.util.jobs import Job, ReportProgress, Stopped, follow_process, start_job


@dataclass(frozen=True)
class Measurement:
    """Scores of one detector on one data set.

    Attributes:
        table: ``image_id`` (path in the data set), ``split``, ``source``, ``label`` (Fake or Real),
            ``p_fake`` (calibrated, 0..1); one row an image that could be read.
        evaluation: the metrics; those that need a threshold are of a forced choice at ``balanced``.
        verdict_rule: what the verdicts are at each operating point.
        refused: (path, reason) of files that could not be read and are in no number.
    """

    table: pd.DataFrame
    evaluation: Evaluation
    verdict_rule: dict[OperatingPoint, RuleMetrics]
    refused: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """The numbers ready for JSON: those of ``Evaluation.to_dict``, and ``verdict_rule``."""
        return {**self.evaluation.to_dict(), "verdict_rule": rules_to_dict(self.verdict_rule)}


class Score(Protocol):
    """Gives logits of Fake (N,) of the images of a data set, NaN where one was refused."""

    def __call__(
        self,
        *,
        on_refused: Callable[[int, UserError], None],
        on_progress: Callable[[int], None] | None,
    ) -> NDArray[np.float32]:
        """Tells the row and the reason of each image that was refused, and how many are done."""
        ...


def measure(
    detector: Detector,
    data: DatasetIndex,
    *,
    perturbed: bool = False,
    n_bootstrap: int = 1000,
    on_progress: Callable[[int], None] | None = None,
    score: Score | None = None,
) -> Measurement:
    """Scores every image of a data set as a face crop (no face finding) and evaluates the scores.

    Args:
        detector: the detector.
        data: labelled face crops.
        perturbed: score the one perturbed copy of each image (``mix.perturbed_copy``).
        n_bootstrap: resamples for the intervals.
        on_progress: told after each batch how many images are done.
        score: gives the logits of ``data.paths()`` in place of ``score_files``, from rows kept earlier say.

    Raises:
        DatasetError: code ``no_images``: not one image could be read; ``missing_file``: some are not there.
    """
    data.check_files()
    refused: dict[int, str] = {}
    if score is None:
        score = partial(score_files, detector.scorer, detector.card.input, data.paths(), perturbed=perturbed)
    logits = score(
        on_refused=lambda row, reason: refused.update({row: reason.message}), on_progress=on_progress
    )
    good = ~np.isnan(logits)
    if not good.any():
        raise DatasetError(
            "no_images", f"None of the {len(data)} images in {data.root} could be read; first: {refused[0]}"
        )
    rows = data.table[good]
    labels = rows["label"].to_numpy()
    p_fake = detector.card.probability(logits[good])
    table = pd.DataFrame(
        {
            "image_id": rows["path"].to_numpy(),
            "split": rows["split"].to_numpy(),
            "source": rows["source"].to_numpy(),
            "label": [class_name(label) for label in labels],
            "p_fake": p_fake,
        }
    )
    evaluation = evaluate_scores(
        labels, p_fake, threshold=detector.card.thresholds.balanced, n_bootstrap=n_bootstrap
    )
    paths = data.table["path"]
    rules = at_every_point(sort_scores(labels, p_fake), detector.card.thresholds)
    return Measurement(
        table, evaluation, rules, tuple((paths[row], why) for row, why in sorted(refused.items()))
    )


MAX_CACHED_BYTES = 64_000_000
Scores = NDArray[np.float64]


def recorded_scores(inventory: Inventory, card: Card) -> Scores | None:
    """Scores of evaluations in the detector's card or run here, matched by the images' paths and labels.

    Of an evaluation of unaltered copies only. The table holds names, not contents, so two sets whose files
    have the same names cannot be told apart: at least half of an evaluation's images must be in the set.

    Returns:
        (N,) p_fake, NaN where there is none; None where no evaluation matches.
    """
    row_of = {path: row for row, path in enumerate(inventory.table["path"])}
    labels = inventory.table["label"].to_numpy()
    scores = np.full(len(inventory), np.nan)
    for recorded in known_evaluations(card)[0]:
        if recorded.perturbed:
            continue
        try:
            table = read_scores(recorded.scores)
        except EvaluationError:
            continue
        rows = np.array([row_of.get(str(name), -1) for name in table["image_id"]], np.int64)
        known = rows >= 0
        known[known] = labels[rows[known]] == table["label"].to_numpy()[known]
        if known.sum() * 2 >= len(table):
            scores[rows[known]] = table["p_fake"].to_numpy(float)[known]
    return None if np.isnan(scores).all() else scores


def kept_scores(inventory: Inventory, card: Card) -> Scores | None:
    """The scores that ``compute_scores`` kept, if the files are still the same."""
    try:
        with np.load(cache_folder("scores") / _name(inventory, card)) as kept:
            return kept["p_fake"]
    except DAMAGED:
        return None


def known_scores(inventory: Inventory, card: Card) -> Scores | None:
    """The scores kept, else those recorded, else None."""
    kept = kept_scores(inventory, card)
    return recorded_scores(inventory, card) if kept is None else kept


def compute_scores(
    inventory: Inventory,
    card: Card,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Scores:
    """Scores every image as a face crop, as ``evaluate`` does; tens to hundreds of images a second.

    Returns:
        (N,) p_fake, NaN where an image cannot be read.

    Raises:
        Stopped: ``stopped`` said so.
        ModelError: the detector is missing or damaged.
    """
    from deepfake.detection.detector import get_detector
    from deepfake.networks.scoring import score_files

    detector = get_detector(card.name)
    total = len(inventory)

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(done, total)
        if stopped():
            raise Stopped

    logits = score_files(
        detector.scorer,
        detector.card.input,
        inventory.index().paths(),
        on_refused=lambda row, refusal: None,
        on_progress=report,
    )
    scores = detector.card.probability(logits)
    buffer = io.BytesIO()
    np.savez(buffer, p_fake=scores)
    try:
        folder = cache_folder("scores")
        write_whole(folder / _name(inventory, card), buffer.getvalue())
        prune(folder, MAX_CACHED_BYTES)
    except OSError:  # computed again next time
        pass
    return scores


def _name(inventory: Inventory, card: Card) -> str:
    key = f"{inventory.fingerprint}|{card.score_version}"
    return f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"


JOB = "evaluation"
"""The key of the one evaluation at a time, see ``util.jobs``."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate on what.

    Attributes:
        detector: its name.
        data: the data set's folder, from ``settings.resolve_in_roots``.
        title: under which it is kept.
        split, source: the part to measure; None for all.
        perturbed: score the one perturbed copy of each image.
    """

    detector: str
    data: Path
    title: str
    split: str | None = None
    source: str | None = None
    perturbed: bool = False

    @property
    def name(self) -> str:
        """Its title with the part measured, as the page Evaluation lists it."""
        return describe(self.title, self.split or "all", self.perturbed, self.source or "")

    def arguments(self, folder: Path) -> list[str]:
        """Of ``python -m deepfake``; values are joined to their names, so that none is taken for
        an option."""
        words = [
            "evaluate",
            str(self.data),
            f"--model={self.detector}",
            f"--keep={self.title}",
            f"--scores={folder / 'scores.csv'}",
            f"--json={folder / 'numbers.json'}",
        ]
        words += [f"--split={self.split}"] if self.split else []
        words += [f"--source={self.source}"] if self.source else []
        return words + (["--perturbed"] if self.perturbed else [])


@dataclass(frozen=True)
class Evaluated:
    """What came of an evaluation.

    Attributes:
        scores: the score table as CSV.
        left_out: images that could not be read, as ``path: why``.
        not_kept: why the cache folder could not be written; empty where it is kept, see ``kept_evaluations``.
    """

    scores: bytes
    left_out: tuple[str, ...]
    not_kept: str = ""


def start(request: EvaluationRequest) -> Job:
    """Starts an evaluation in a process of its own; its result is an ``Evaluated``, ``about`` the request.

    Raises:
        EvaluationError: ``no_title``; ``bad_title``: a title with characters that cannot be shown, or of
            more than 80.
        UserError: ``busy``: another one is under way.
    """
    title = request.title.strip()
    if not title:
        raise EvaluationError("no_title", "Give the evaluation a title, such as the name of the dataset.")
    if not title.isprintable() or len(title) > 80:
        raise EvaluationError("bad_title", f"A title has up to 80 letters in a line. Received {len(title)}.")

    def work(report: ReportProgress, stopped: Callable[[], bool]) -> Evaluated:
        with tempfile.TemporaryDirectory(prefix="deepfake-evaluation-") as name:
            folder = Path(name)
            ended = follow_process(request.arguments(folder), folder, report, stopped)
            scores = folder / "scores.csv"
            if ended.status and not (ended.refusal and scores.is_file()):
                lost = "" if ended.refusal else " Nothing was kept."
                raise EvaluationError("failed", ended.failure("evaluation") + lost)
            left_out = tuple(line[9:] for line in ended.errors if line.startswith("left out "))
            return Evaluated(scores.read_bytes(), left_out, ended.refusal if ended.status else "")

    return start_job(
        JOB, f"Evaluating {request.detector} on {request.name}", work,
        opening="loading the network", about=request, alone=True,
    )  # fmt: skip
