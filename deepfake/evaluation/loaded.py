"""All that a view of a recorded evaluation draws from, prepared once for every threshold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from deepfake.detection.card import Card
from deepfake.evaluation.breakdown import Part, parts_of, sorted_scores
from deepfake.evaluation.calibration import threshold_at_fpr, threshold_balanced
from deepfake.evaluation.calibration_quality import CalibrationQuality, before_and_after
from deepfake.evaluation.cells import SortedTable, sort_table
from deepfake.evaluation.curves import det_points, operating_points, score_histogram, thin
from deepfake.evaluation.records import Recorded, read_recorded_scores
from deepfake.evaluation.strict_metrics import StrictMetrics, strict_metrics
from deepfake.evaluation.thresholds import SortedScores
from deepfake.evaluation.verdict_rule import RuleMetrics, at_every_point
from deepfake.types import OperatingPoint

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

    def strict(self) -> StrictMetrics | None:
        """``strict_metrics`` of these scores; takes a second or more."""
        resamples = 1000 if len(self.table) <= LARGE else 200
        return strict_metrics(self.table["label"], self.table["p_fake"], n_bootstrap=resamples)

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
