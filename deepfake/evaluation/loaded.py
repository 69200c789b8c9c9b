"""All that a view of a recorded evaluation draws from, prepared once for every threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from deepfake.detection.card import Card
from deepfake.evaluation.breakdown import Part, parts_of, sorted_scores
from deepfake.evaluation.calibration import (
    CalibrationQuality,
    before_and_after,
    threshold_at_fpr,
    threshold_balanced,
)
from deepfake.evaluation.compare import (
    ENSEMBLE,
    PreparedComparison,
    differing_images,
    ensemble_threshold,
    mean_of_logits,
    prepare,
)
from deepfake.evaluation.curves import det_points, operating_points, score_histogram, thin
from deepfake.evaluation.metrics import LowFprMetrics, low_fpr_metrics
from deepfake.evaluation.records import Recorded, read_recorded_scores
from deepfake.evaluation.thresholds import RuleMetrics, SortedScores, SortedTable, at_every_point, sort_table
from deepfake.types import OPERATING_POINTS, OperatingPoint

LARGE = 50_000
"""Above this many images 200 resamples are drawn rather than 1,000, lest a person wait."""


@dataclass(frozen=True)
class OpenedEvaluation:
    """A recorded evaluation with its scores.

    Attributes:
        recorded: what the card says.
        table: the score table (``score_table.read_scores``).
    """

    recorded: Recorded
    table: pd.DataFrame

    @cached_property
    def scores(self) -> SortedScores:
        """Sorted scores of each class."""
        return sorted_scores(self.table)

    @cached_property
    def by_class(self) -> SortedTable:
        """The rows sorted, for ``cells.cell_images``."""
        return sort_table(self.table)

    @cached_property
    def points(self) -> pd.DataFrame:
        """``curves.operating_points``; raises OneClassError where they are undefined."""
        return operating_points(self.scores)

    @cached_property
    def roc(self) -> pd.DataFrame:
        """The points of the ROC curve that are drawn."""
        return thin(self.points, "false_alarm_rate", "recall")

    @cached_property
    def precision_recall(self) -> pd.DataFrame:
        """The points of the precision-recall curve that are drawn."""
        return thin(self.points, "recall", "precision")

    @cached_property
    def det(self) -> pd.DataFrame:
        """The points of the DET curve that are drawn; none where no threshold makes both errors."""
        return thin(det_points(self.points), "x", "y")

    @cached_property
    def histogram(self) -> pd.DataFrame:
        """``curves.score_histogram``."""
        return score_histogram(self.scores)

    @cached_property
    def parts(self) -> list[Part]:
        """``breakdown.parts_of``."""
        return parts_of(self.recorded.title, self.table)

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
            found["1% false alarms here"] = min(threshold_at_fpr(labels, p_fake, 0.01), 1.0)
        return found

    def calibration(self, card: Card) -> tuple[CalibrationQuality, CalibrationQuality]:
        """``calibration_quality.before_and_after`` of these scores, computed once: no threshold is in it."""
        key = card.score_version
        if key not in self._calibrations:
            self._calibrations[key] = before_and_after(self.table, card)
        return self._calibrations[key]

    def strict(self) -> LowFprMetrics | None:
        """``low_fpr_metrics`` of these scores; takes a second or more."""
        resamples = 1000 if len(self.table) <= LARGE else 200
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


def open_evaluation(recorded: Recorded) -> OpenedEvaluation:
    """Reads the scores of a recorded evaluation.

    Raises:
        EvaluationError, RecordError: the score file is missing, unsound or another evaluation's.
    """
    return OpenedEvaluation(recorded, read_recorded_scores(recorded))


CardThreshold = OperatingPoint | Literal["forced_choice"]
SAME_RATE = 0.01
"""False-alarm rate of the thresholds at which all detectors raise equally many."""


def shared_evaluations(recorded: Mapping[str, Sequence[Recorded]]) -> dict[str, dict[str, Recorded]]:
    """The evaluations of the same pictures that two or more detectors have, by title and then by detector.

    The same: recorded under one title, or on the same split, source and form of one folder under whatever
    title, of which the first is taken. ``comparison.prepare`` matches the pictures themselves.

    Args:
        recorded: the evaluations of each detector, by its name.
    """
    found: dict[str, dict[str, Recorded]] = {}
    titles: dict[tuple[str, str, bool, str], str] = {}
    for name, evaluations in recorded.items():
        for each in evaluations:
            place = (each.folder, each.split, each.perturbed, each.source)
            known = titles.setdefault(place, each.title) if each.folder else each.title
            other = each.title not in found and name not in found.get(known, {})
            found.setdefault(known if other else each.title, {})[name] = each
    return {title: by_name for title, by_name in found.items() if len(by_name) > 1}


@dataclass(frozen=True)
class OpenedComparison:
    """Detectors, and perhaps an ensemble of some, on the images that all of them scored.

    Attributes:
        prepared: the matched scores and their resamples.
        card_thresholds: of every detector, in [0, 1]: of its forced choice, and from where its verdicts say
            fake at each operating point; the ensemble's are the means of its members' logits.
    """

    prepared: PreparedComparison
    card_thresholds: dict[CardThreshold, dict[str, float]]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the detectors; the ensemble comes last."""
        return self.prepared.names

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The score table of each on the common images."""
        common = self.prepared.common
        return {
            name: common.images.assign(p_fake=p) for name, p in zip(self.names, common.scores, strict=True)
        }

    @cached_property
    def scores(self) -> dict[str, SortedScores]:
        """Sorted scores of each."""
        return {name: sorted_scores(table) for name, table in self.tables.items()}

    @cached_property
    def _points(self) -> dict[str, pd.DataFrame]:
        return {name: operating_points(scores) for name, scores in self.scores.items()}

    @cached_property
    def roc(self) -> dict[str, pd.DataFrame]:
        """The points of each ROC curve that are drawn; raises OneClassError where they are undefined."""
        return {name: thin(points, "false_alarm_rate", "recall") for name, points in self._points.items()}

    @cached_property
    def precision_recall(self) -> dict[str, pd.DataFrame]:
        """The points of each precision-recall curve that are drawn; raises OneClassError."""
        return {name: thin(points, "recall", "precision") for name, points in self._points.items()}

    @cached_property
    def det(self) -> dict[str, pd.DataFrame]:
        """The points of each DET curve that are drawn, where there are two or more; raises OneClassError."""
        found = {name: thin(det_points(points), "x", "y") for name, points in self._points.items()}
        return {name: points for name, points in found.items() if len(points) > 1}

    def presets(self) -> dict[str, dict[str, float]]:
        """Thresholds to jump to, by what they are."""
        found = {
            "Forced choice of each card": self.card_thresholds["forced_choice"],
            "Verdicts: fake from": self.card_thresholds["balanced"],
            "Verdicts, few false alarms: fake from": self.card_thresholds["few_false_alarms"],
        }
        if all(scores.real.size for scores in self.scores.values()):
            found[f"{SAME_RATE:.0%} false alarms here"] = {
                name: min(threshold_at_fpr(table["label"], table["p_fake"], SAME_RATE), 1.0)
                for name, table in self.tables.items()
            }
        return found

    def differing(self, a: str, b: str, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """``comparison.differing_images`` of two of them."""
        return differing_images(self.tables[a], self.tables[b], (thresholds[a], thresholds[b]))


def open_comparison(
    tables: Mapping[str, pd.DataFrame], cards: Mapping[str, Card], members: Sequence[str] = ()
) -> OpenedComparison:
    """Matches score tables and resamples them; takes seconds for 10,000 images.

    Args:
        tables: score tables of two or more detectors, by name.
        cards: the card of each.
        members: two or more of them for an ensemble; none for no ensemble.

    Raises:
        ComparisonError: as ``comparison.compare``, and ``too_few`` for an ensemble of one.
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
    return OpenedComparison(prepare(compared, 1000 if largest <= LARGE else 200), thresholds)


def agreement_table(differing: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """How many images both, only one, or neither called rightly.

    Args:
        differing: from ``comparison.differing_images``.
        a, b: names of the two.

    Returns:
        four rows; columns outcome, images, fake, real.
    """
    rows = []
    for title, right_a, right_b in outcomes(a, b):
        of_outcome = differing[(differing["right_a"] == right_a) & (differing["right_b"] == right_b)]
        fake = int(of_outcome["label"].sum())
        rows.append(
            {"outcome": title, "images": len(of_outcome), "fake": fake, "real": len(of_outcome) - fake}
        )
    return pd.DataFrame(rows)


def outcomes(a: str, b: str) -> list[tuple[str, bool, bool]]:
    """What can become of an image: a title, whether A is right, whether B is right."""
    return [
        ("Both right", True, True),
        (f"Only {a} right", True, False),
        (f"Only {b} right", False, True),
        ("Both wrong", False, False),
    ]


def outcome_images(differing: pd.DataFrame, right_a: bool, right_b: bool) -> pd.DataFrame:
    """The images of an outcome, those on which the scores differ most first; where both are wrong, those
    most wrong first."""
    rows = differing[(differing["right_a"] == right_a) & (differing["right_b"] == right_b)]
    if right_a or right_b:
        return rows
    error = np.abs(rows["p_fake_a"] + rows["p_fake_b"] - 2 * rows["label"])
    return rows.loc[error.sort_values(ascending=False, kind="stable").index]
