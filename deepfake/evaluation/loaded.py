"""All that a view of evaluations draws from, computed once for every threshold: the scores of one detector,
and of several on the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pandas as pd

from deepfake.detection.card import Card
from deepfake.evaluation.breakdown import Subset, subsets_of
from deepfake.evaluation.compare import (
    ENSEMBLE,
    PreparedComparison,
    ensemble_threshold,
    mean_of_logits,
    prepare,
)
from deepfake.evaluation.curves import det_points, operating_points, score_histogram, thin
from deepfake.evaluation.records import Recorded, read_recorded_scores
from deepfake.evaluation.statistics.calibration import (
    CalibrationQuality,
    before_and_after,
    threshold_balanced,
)
from deepfake.evaluation.statistics.metrics import LowFprMetrics, low_fpr_metrics
from deepfake.evaluation.statistics.thresholds import (
    RuleMetrics,
    SortedScores,
    SortedTable,
    at_every_point,
    sort_scores,
    sort_table,
    threshold_for,
)
from deepfake.types import OPERATING_POINTS, OperatingPoint

MAX_FULLY_RESAMPLED = 50_000
"""Images; of more, 200 resamples are drawn rather than 1,000, so that nobody waits."""
SAME_RATE = "1% false-positive rate here"
"""Name of the threshold at which any detector raises equally many false alarms on these images."""


def resamples_for(n_images: int) -> int:
    """How many bootstrap resamples a person waits for."""
    return 1000 if n_images <= MAX_FULLY_RESAMPLED else 200


@dataclass(frozen=True)
class LoadedEvaluation:
    """The scores of one detector, and all that is computed of them once for every threshold.

    Attributes:
        title: of the images scored.
        table: the score table (``scores.read_scores``).
    """

    title: str
    table: pd.DataFrame

    @cached_property
    def scores(self) -> SortedScores:
        """Sorted scores of each class."""
        return sort_scores(self.table["label"], self.table["p_fake"])

    @cached_property
    def by_class(self) -> SortedTable:
        """The rows sorted, for ``thresholds.cell_images``."""
        return sort_table(self.table)

    @cached_property
    def _points(self) -> pd.DataFrame:
        return operating_points(self.scores)

    @cached_property
    def roc(self) -> pd.DataFrame:
        """The points of ``curves.operating_points`` that are drawn as ROC curve; raises OneClassError."""
        return thin(self._points, "false_alarm_rate", "recall")

    @cached_property
    def precision_recall(self) -> pd.DataFrame:
        """Those that are drawn as precision-recall curve; raises OneClassError."""
        return thin(self._points, "recall", "precision")

    @cached_property
    def det(self) -> pd.DataFrame:
        """Those of ``curves.det_points`` that are drawn, none where no threshold makes both errors; raises
        OneClassError."""
        return thin(det_points(self._points), "x", "y")

    @cached_property
    def histogram(self) -> pd.DataFrame:
        """``curves.score_histogram``."""
        return score_histogram(self.scores)

    @cached_property
    def subsets(self) -> list[Subset]:
        """``breakdown.subsets_of``."""
        return subsets_of(self.title, self.table)

    @cached_property
    def _calibrations(self) -> dict[object, tuple[CalibrationQuality, CalibrationQuality]]:
        return {}

    @cached_property
    def own_thresholds(self) -> dict[str, float]:
        """Thresholds chosen on these very images: names to values in [0, 1]; those that they define."""
        labels, p_fake = self.table["label"], self.table["p_fake"]
        found: dict[str, float] = {}
        if self.scores.fake.size and self.scores.real.size:
            found["Best balance here"] = min(threshold_balanced(labels, p_fake), 1.0)
        if self.scores.real.size:
            found[SAME_RATE] = threshold_for(self.table, 0.01)
        return found

    def calibration(self, card: Card) -> tuple[CalibrationQuality, CalibrationQuality]:
        """``calibration.before_and_after`` of these scores, computed once: no threshold is in it."""
        key = card.score_version
        if key not in self._calibrations:
            self._calibrations[key] = before_and_after(self.table, card)
        return self._calibrations[key]

    @cached_property
    def low_fpr(self) -> LowFprMetrics | None:
        """``metrics.low_fpr_metrics`` of these scores; takes a second or more, once."""
        resamples = resamples_for(len(self.table))
        return low_fpr_metrics(self.table["label"], self.table["p_fake"], n_bootstrap=resamples)

    def thresholds(self, card: Card) -> dict[str, float]:
        """The thresholds to jump to, by what each is: of the verdicts, of the card's forced choice, and those
        chosen on these images."""
        cuts = card.thresholds
        return {
            "Verdict: fake from": min(cuts.fake_from(), 1.0),
            "Verdict, few false alarms: fake from": min(cuts.fake_from("few_false_alarms"), 1.0),
            "Verdict: real below": cuts.uncertain_low,
            "Forced choice:": min(cuts.balanced, 1.0),
            **{f"{title}:": value for title, value in self.own_thresholds.items()},
        }

    def verdict_rule(self, card: Card) -> dict[OperatingPoint, RuleMetrics]:
        """What the verdicts of these scores are at each operating point of the card."""
        return at_every_point(self.scores, card.thresholds)


def load_evaluation(recorded: Recorded) -> LoadedEvaluation:
    """Reads the scores of a recorded evaluation.

    Raises:
        EvaluationError, RecordError: the score file is missing, unsound or another evaluation's.
    """
    return LoadedEvaluation(recorded.title, read_recorded_scores(recorded))


CardThreshold = OperatingPoint | Literal["forced_choice"]


def shared_evaluations(recorded: Mapping[str, Sequence[Recorded]]) -> dict[str, dict[str, Recorded]]:
    """The evaluations of the same pictures that two or more detectors have, by title and then by detector.

    The same: recorded under one title, or on the same split, source and form of one folder under whatever
    title, of which the first is taken. ``compare.prepare`` matches the pictures themselves.

    Args:
        recorded: the evaluations of each detector, by its name.
    """
    found: dict[str, dict[str, Recorded]] = {}
    titles: dict[tuple[str, str, bool, str], str] = {}
    for name, evaluations in recorded.items():
        for each in evaluations:
            key = (each.folder, each.split, each.perturbed, each.source)
            known = titles.setdefault(key, each.title) if each.folder else each.title
            other = each.title not in found and name not in found.get(known, {})
            found.setdefault(known if other else each.title, {})[name] = each
    return {title: by_name for title, by_name in found.items() if len(by_name) > 1}


@dataclass(frozen=True)
class LoadedComparison:
    """Detectors, and perhaps an ensemble of some, on the images that all of them scored.

    Attributes:
        prepared: the matched scores and their resamples.
        evaluations: of each detector on the common images, by name; an ensemble comes last.
        card_thresholds: of every detector, in [0, 1]: of its forced choice, and from where its verdicts say
            fake at each operating point; the ensemble's are the means of its members' logits.
    """

    prepared: PreparedComparison
    evaluations: dict[str, LoadedEvaluation]
    card_thresholds: dict[CardThreshold, dict[str, float]]

    @cached_property
    def presets(self) -> dict[str, dict[str, float]]:
        """Thresholds to jump to, by what they are and by detector."""
        found = {
            "Forced choice of each card": self.card_thresholds["forced_choice"],
            "Verdicts: fake from": self.card_thresholds["balanced"],
            "Verdicts, few false alarms: fake from": self.card_thresholds["few_false_alarms"],
        }
        own = {name: each.own_thresholds for name, each in self.evaluations.items()}
        if all(SAME_RATE in each for each in own.values()):
            found[SAME_RATE] = {name: each[SAME_RATE] for name, each in own.items()}
        return found


def load_comparison(
    tables: Mapping[str, pd.DataFrame], cards: Mapping[str, Card], members: Sequence[str] = ()
) -> LoadedComparison:
    """Matches score tables and resamples them; takes seconds for 10,000 images.

    Args:
        tables: score tables of two or more detectors, by name.
        cards: the card of each.
        members: two or more of them for an ensemble; none for no ensemble.

    Raises:
        ComparisonError: as ``compare.compare``, and ``too_few`` for an ensemble of one.
    """
    thresholds: dict[CardThreshold, dict[str, float]] = {
        "forced_choice": {name: min(cards[name].thresholds.balanced, 1.0) for name in tables},
        **{
            point: {name: min(cards[name].thresholds.fake_from(point), 1.0) for name in tables}
            for point in OPERATING_POINTS
        },
    }
    compared = dict(tables)
    if members:
        compared[ENSEMBLE] = mean_of_logits({name: tables[name] for name in members})
        for by_name in thresholds.values():
            by_name[ENSEMBLE] = ensemble_threshold([by_name[name] for name in members])
    largest = max((len(table) for table in compared.values()), default=0)
    prepared = prepare(compared, resamples_for(largest))
    images = prepared.common.images
    evaluations = {
        name: LoadedEvaluation(name, images.assign(p_fake=p_fake))
        for name, p_fake in zip(prepared.names, prepared.common.scores, strict=True)
    }
    return LoadedComparison(prepared, evaluations, thresholds)
