"""What a threshold costs: every number and image that moves with it, from scores that are sorted once.

Of one threshold, of the two that verdicts use, and of 1,000 pictures with another share of fakes.

Fit for a slider: once scores are sorted, a threshold takes a few binary searches however many images there
are. The positive class is Fake; an image is called fake when p_fake >= threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deepfake.evaluation.scores import check_scores, check_share, wilson_interval
from deepfake.evaluation.statistics.calibration import threshold_at_fpr
from deepfake.evaluation.statistics.metrics import Confusion
from deepfake.types import CLASS_NAMES, OPERATING_POINTS, OperatingPoint, Thresholds
from deepfake.util.statistics import auc_and_variance, auc_interval


@dataclass(frozen=True)
class SortedScores:
    """p_fake of the Fake images, (n_fake,), and of the Real ones, (n_real,), rising; either may be empty."""

    fake: NDArray[np.float64]
    real: NDArray[np.float64]

    @property
    def n(self) -> int:
        """Images of both classes."""
        return self.fake.size + self.real.size


@dataclass(frozen=True)
class Rate:
    """A share k / n with its 95% Wilson interval (Wilson, 1927); all None where n is 0."""

    k: int
    n: int
    share: float | None
    low: float | None
    high: float | None

    @property
    def interval(self) -> tuple[float, float] | None:
        """(low, high), both in 0..1."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class ThresholdMetrics(Confusion):
    """The confusion matrix at a threshold, and everything that follows from it.

    Attributes:
        threshold: fake when p_fake >= threshold.
        accuracy: images called rightly, of all.
        recall: fakes found, of all Fake.
        false_alarm_rate: Real images called fake, of all Real.
        precision: Fake images, of all called fake.
        balanced_accuracy: mean of the shares of Fake and of Real called rightly; None with one class.
        f1: of Fake; None without Fake images.
    """

    threshold: float
    accuracy: Rate
    recall: Rate
    false_alarm_rate: Rate
    precision: Rate
    balanced_accuracy: float | None
    f1: float | None


def sort_scores(labels: ArrayLike, p_fake: ArrayLike) -> SortedScores:
    """Sorts the scores of each class; the only step that grows with the number of images.

    Args:
        labels: (N,) 1 = Fake, 0 = Real.
        p_fake: (N,) in [0, 1].

    Raises:
        EvaluationError: unsound labels or scores.
    """
    truth, p = check_scores(labels, p_fake)
    return SortedScores(np.sort(p[truth == 1]), np.sort(p[truth == 0]))


def rate(k: int, n: int) -> Rate:
    """k of n with its interval."""
    if n == 0:
        return Rate(k, 0, None, None, None)
    low, high = wilson_interval(k, n)
    return Rate(k, n, k / n, low, high)


def in_few_decimals(scores: SortedScores, threshold: float) -> float:
    """The threshold with the fewest decimals, three or more, that calls the same of these images fake."""
    wanted = _below(scores, threshold)
    rounded = (round(threshold, decimals) for decimals in range(3, 16))
    return next((each for each in rounded if _below(scores, each) == wanted), threshold)


def _below(scores: SortedScores, threshold: float) -> tuple[int, int]:
    """How many fake and real images score below it."""
    return int(np.searchsorted(scores.fake, threshold)), int(np.searchsorted(scores.real, threshold))


def at_threshold(scores: SortedScores, threshold: float) -> ThresholdMetrics:
    """The confusion matrix at a threshold, and what follows from it; equal to scikit-learn's numbers."""
    missed = int(np.searchsorted(scores.fake, threshold, side="left"))
    passed = int(np.searchsorted(scores.real, threshold, side="left"))
    found, false_alarms = scores.fake.size - missed, scores.real.size - passed
    recall, alarms = rate(found, scores.fake.size), rate(false_alarms, scores.real.size)
    balanced = None
    if recall.share is not None and alarms.share is not None:
        balanced = (recall.share + 1 - alarms.share) / 2
    return ThresholdMetrics(
        threshold=float(threshold),
        found=found,
        missed=missed,
        false_alarms=false_alarms,
        passed=passed,
        accuracy=rate(found + passed, scores.n),
        recall=recall,
        false_alarm_rate=alarms,
        precision=rate(found, found + false_alarms),
        balanced_accuracy=balanced,
        f1=2 * found / (2 * found + missed + false_alarms) if scores.fake.size else None,
    )


def report_table(confusion: Confusion) -> pd.DataFrame:
    """scikit-learn's classification report as a table.

    Returns:
        a row each for Fake, Real and, where there are both, their plain and their weighted mean; columns
        class, precision, recall, f1, images. A share of nothing is 0, as in scikit-learn.
    """
    report = confusion.report()
    titles = {name: name for name in CLASS_NAMES}
    if all(report[name]["support"] for name in CLASS_NAMES):
        titles |= {"macro avg": "Macro average", "weighted avg": "Weighted average"}
    table = pd.DataFrame([{"class": title, **report[name]} for name, title in titles.items()])
    return table.rename(columns={"f1-score": "f1", "support": "images"})


ConfusionCell = Literal["missed", "false_alarms", "found", "passed"]
"""A field of ``Confusion``."""


@dataclass(frozen=True)
class SortedTable:
    """A score table split by class, each part in rising order of p_fake."""

    fake: pd.DataFrame
    real: pd.DataFrame


def sort_table(table: pd.DataFrame) -> SortedTable:
    """Splits and sorts a score table once; images of the same score in the order of their names."""
    ordered = table.sort_values(["p_fake", "image_id"], kind="stable")
    return SortedTable(ordered[ordered["label"] == 1], ordered[ordered["label"] == 0])


def cell_images(table: SortedTable, threshold: float, cell: ConfusionCell) -> pd.DataFrame:
    """The images of a cell of the confusion matrix: rows of the score table, surest first.

    Args:
        table: from ``sort_table``.
        threshold: fake when p_fake >= threshold.
        cell: see ``Confusion``.
    """
    rows = table.fake if cell in ("missed", "found") else table.real
    cut = int(np.searchsorted(rows["p_fake"].to_numpy(), threshold, side="left"))
    if cell in ("missed", "passed"):
        return rows.iloc[:cut]
    return rows.iloc[cut:][::-1]


def auc_with_interval(scores: SortedScores) -> tuple[float, float, float] | None:
    """ROC AUC and its 95% interval by DeLong's variance (DeLong et al., 1988), on the logit scale.

    Returns:
        (auc, low, high); None with one class. With a class of one image, or perfect separation, the variance
        says nothing, and (low, high) is (0, 1) or, for separation, the bound of 'no pair in n went wrong'.
    """
    if not (scores.fake.size and scores.real.size):
        return None
    auc, variance = auc_and_variance(scores.fake, scores.real)
    return auc, *auc_interval(auc, variance, min(scores.fake.size, scores.real.size))


PER = 1000
"""Pictures for which the outcomes are counted."""


@dataclass(frozen=True)
class Expected:
    """An expected number, and its bounds at the ends of 95% intervals."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ExpectedOutcomes:
    """A threshold, and what to expect of 1,000 pictures.

    Attributes:
        metrics: at the threshold, on the images it was chosen on.
        base_rate: share of fakes among the pictures that will come, between 0 and 1.
        found, missed: fakes called fake, and called real, of 1,000 pictures; None without Fake images.
        false_alarms, passed: real ones called fake, and called real, of 1,000; None without Real images.
        precision: share of fakes among those called fake, its bounds from the worst and the best ends of both
            intervals; None where nothing is called fake or a class is missing.
    """

    metrics: ThresholdMetrics
    base_rate: float
    found: Expected | None
    missed: Expected | None
    false_alarms: Expected | None
    passed: Expected | None
    precision: Expected | None


def threshold_for(table: pd.DataFrame, false_alarm_rate: float) -> float:
    """The lowest threshold that calls at most this share of a score table's Real images fake, at most 1.

    Raises:
        EvaluationError: ``one_class`` without a Real image; ``bad_setting``: a rate outside 0 to 1.
    """
    return min(threshold_at_fpr(table["label"], table["p_fake"], false_alarm_rate), 1.0)


def expect(scores: SortedScores, threshold: float, base_rate: float) -> ExpectedOutcomes:
    """What a threshold means where a share `base_rate` of the pictures is fake.

    The shares found and falsely called are those of the images at hand, with Wilson intervals; only the
    mix of Fake and Real changes.

    Raises:
        EvaluationError: ``bad_setting``: the base rate is not between 0 and 1.
    """
    check_share(base_rate, "The share of fakes")
    metrics = at_threshold(scores, threshold)
    fakes, reals = PER * base_rate, PER * (1 - base_rate)
    recall, alarms = _bounds(metrics.recall), _bounds(metrics.false_alarm_rate)
    found, false_alarms = _times(recall, fakes), _times(alarms, reals)
    return ExpectedOutcomes(
        metrics,
        base_rate,
        found,
        _times(_rest(recall), fakes),
        false_alarms,
        _times(_rest(alarms), reals),
        _precision(found, false_alarms),
    )


def _bounds(rate: Rate) -> Expected | None:
    if rate.share is None or rate.low is None or rate.high is None:
        return None
    return Expected(rate.share, rate.low, rate.high)


def _rest(share: Expected | None) -> Expected | None:
    return Expected(1 - share.value, 1 - share.high, 1 - share.low) if share else None


def _times(share: Expected | None, factor: float) -> Expected | None:
    return Expected(factor * share.value, factor * share.low, factor * share.high) if share else None


def _precision(found: Expected | None, alarms: Expected | None) -> Expected | None:
    if found is None or alarms is None or found.value + alarms.value == 0:
        return None

    def share(right: float, wrong: float) -> float:
        return right / (right + wrong) if right + wrong else 0.0

    return Expected(
        share(found.value, alarms.value), share(found.low, alarms.high), share(found.high, alarms.low)
    )


@dataclass(frozen=True)
class RuleMetrics:
    """The verdicts that scores get at an operating point, counted.

    By the score alone: the scope check and the stress test, which turn further verdicts into *uncertain*, and
    the search for faces are not in it.

    Attributes:
        operating_point: which thresholds decide.
        fake_from: called fake when p_fake >= fake_from.
        real_below: called real when p_fake < real_below; uncertain between the two.
        decided: images called fake or real, of all.
        correct: images called what they are, of those decided.
        false_positive_rate: Real images called fake, of all Real, undecided ones too.
        recall: Fake images called fake, of all Fake, undecided ones too.
        missed: Fake images called real, of all Fake.
    """

    operating_point: OperatingPoint
    fake_from: float
    real_below: float
    decided: Rate
    correct: Rate
    false_positive_rate: Rate
    recall: Rate
    missed: Rate

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON; of a rate its ``k``, ``n``, ``share``, ``low`` and ``high``."""
        return asdict(self)


def at_rule(scores: SortedScores, thresholds: Thresholds, point: OperatingPoint = "balanced") -> RuleMetrics:
    """The verdicts of scores; the same calls as ``Thresholds.call``."""
    fake_from, real_below = thresholds.fake_from(point), thresholds.uncertain_low
    found, alarms = (int((side >= fake_from).sum()) for side in (scores.fake, scores.real))
    missed, passed = (
        int(np.searchsorted(side, min(real_below, fake_from), side="left"))
        for side in (scores.fake, scores.real)
    )
    decided = found + alarms + missed + passed
    return RuleMetrics(
        operating_point=point,
        fake_from=fake_from,
        real_below=real_below,
        decided=rate(decided, scores.n),
        correct=rate(found + passed, decided),
        false_positive_rate=rate(alarms, scores.real.size),
        recall=rate(found, scores.fake.size),
        missed=rate(missed, scores.fake.size),
    )


def at_every_point(scores: SortedScores, thresholds: Thresholds) -> dict[OperatingPoint, RuleMetrics]:
    """The verdicts of scores at each operating point."""
    return {point: at_rule(scores, thresholds, point) for point in OPERATING_POINTS}


def rules_to_dict(rules: Mapping[OperatingPoint, RuleMetrics]) -> dict[str, Any]:
    """What a card and ``evaluate --json`` hold under ``verdict_rule``."""
    return {point: metrics.to_dict() for point, metrics in rules.items()}


def rules_from_dict(contents: Any) -> dict[OperatingPoint, RuleMetrics]:
    """What ``rules_to_dict`` gave; empty where a card says nothing of it.

    Raises:
        KeyError, TypeError: it says something else.
    """
    found: dict[OperatingPoint, RuleMetrics] = {}
    for point in OPERATING_POINTS:
        if contents and point in contents:
            fields = dict(contents[point])
            rates = ("decided", "correct", "false_positive_rate", "recall", "missed")
            found[point] = RuleMetrics(**{**fields, **{name: Rate(**fields[name]) for name in rates}})
    return found
