"""What a threshold costs: every number that moves with it, from scores that are sorted once.

Fit for a slider: once scores are sorted, a threshold takes a few binary searches however many images there
are. The positive class is Fake; an image is called fake when p_fake >= threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtri

from deepfake.errors import UserError
from deepfake.evaluation.calibration import threshold_at_fpr
from deepfake.evaluation.scores import check_scores, check_share, wilson_interval
from deepfake.types import OPERATING_POINTS, OperatingPoint, Thresholds
from deepfake.util.text import shown


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


@dataclass(frozen=True)
class ThresholdMetrics:
    """Everything that depends on the threshold.

    Attributes:
        threshold: fake when p_fake >= threshold.
        found, missed: Fake images called fake, and called real (true positives, false negatives).
        false_alarms, passed: Real images called fake, and called real (false positives, true negatives).
        accuracy: images called rightly, of all.
        recall: fakes found, of all Fake.
        false_alarm_rate: Real images called fake, of all Real.
        precision: Fake images, of all called fake.
        balanced_accuracy: mean of the shares of Fake and of Real called rightly; None with one class.
        f1: of Fake; None without Fake images.
    """

    threshold: float
    found: int
    missed: int
    false_alarms: int
    passed: int
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


def report_table(metrics: ThresholdMetrics) -> pd.DataFrame:
    """scikit-learn's classification report.

    Returns:
        a row each for Fake, Real and, where there are both, their plain and their weighted mean; columns
        class, precision, recall, f1, images. A share of nothing is 0, as in scikit-learn.
    """
    rows = []
    for name, right, wrong, lost in (
        ("Fake", metrics.found, metrics.false_alarms, metrics.missed),
        ("Real", metrics.passed, metrics.missed, metrics.false_alarms),
    ):
        rows.append(
            {
                "class": name,
                "precision": _share(right, right + wrong),
                "recall": _share(right, right + lost),
                "f1": _share(2 * right, 2 * right + wrong + lost),
                "images": right + lost,
            }
        )
    fake, real = rows
    total = fake["images"] + real["images"]
    if fake["images"] and real["images"]:
        for name, weight in (("Mean of both", 0.5), ("Mean, by images", fake["images"] / total)):
            means = {
                key: weight * fake[key] + (1 - weight) * real[key] for key in ("precision", "recall", "f1")
            }
            rows.append({"class": name, **means, "images": total})
    return pd.DataFrame(rows)


def _share(k: int, n: int) -> float:
    return k / n if n else 0.0


def auc_with_interval(scores: SortedScores) -> tuple[float, float, float] | None:
    """ROC AUC and its 95% interval by DeLong's variance (DeLong et al., 1988), on the logit scale.

    Returns:
        (auc, low, high); None with one class. With a class of one image, or perfect separation, the variance
        says nothing, and (low, high) is (0, 1) or, for separation, the bound of 'no pair in n went wrong'.
    """
    if not (scores.fake.size and scores.real.size):
        return None
    of_fake = _share_below(scores.fake, scores.real)
    of_real = 1 - _share_below(scores.real, scores.fake)
    auc = float(of_fake.mean())
    if min(scores.fake.size, scores.real.size) < 2:
        return auc, 0.0, 1.0
    if auc in (0.0, 1.0):
        low, high = wilson_interval(round(auc) * (n := min(scores.fake.size, scores.real.size)), n)
        return auc, low, high
    variance = of_fake.var(ddof=1) / scores.fake.size + of_real.var(ddof=1) / scores.real.size
    half = float(ndtri(0.975)) * float(np.sqrt(variance)) / (auc * (1 - auc))
    centre = float(logit(auc))
    return auc, float(expit(centre - half)), float(expit(centre + half))


def _share_below(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each value, the share of `others` (rising) below it, ties counting half."""
    below = np.searchsorted(others, values, side="left")
    return (below + np.searchsorted(others, values, side="right")) / (2 * others.size)


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
            told = dict(contents[point])
            rates = ("decided", "correct", "false_positive_rate", "recall", "missed")
            found[point] = RuleMetrics(**{**told, **{name: Rate(**told[name]) for name in rates}})
    return found


@dataclass(frozen=True)
class CallWorth:
    """Of pictures called fake, how many are.

    Attributes:
        share_fake: of all pictures, 0..1.
        called: of all pictures, the share called fake.
        precision: of those called fake, the share that is; None where none is called fake.
        low, high: of precision, when catch rate and false alarms lie at the bad and at the good ends of
            their 95% intervals: wider than a 95% interval of precision itself.
    """

    share_fake: float
    called: float
    precision: float | None
    low: float | None
    high: float | None


def call_worth(recall: Rate, false_alarms: Rate, share_fake: float) -> CallWorth:
    """Bayes' rule.

    Args:
        recall: fakes called fake, of all fakes.
        false_alarms: real pictures called fake, of all real ones.
        share_fake: of all pictures, 0..1.

    Raises:
        UserError: ``one_class``: a rate is of nothing; ``bad_share``.
    """
    if not 0 <= share_fake <= 1:
        raise UserError("bad_share", f"The share of fakes must lie in 0 to 1. Received {share_fake}.")
    if None in (recall.share, false_alarms.share):
        raise UserError("one_class", "Fake and real pictures are both needed. Choose another evaluation.")

    def precision(caught: float, alarms: float) -> float | None:
        called = share_fake * caught + (1 - share_fake) * alarms
        return share_fake * caught / called if called else None

    caught, alarms = float(recall.share or 0), float(false_alarms.share or 0)
    return CallWorth(
        share_fake,
        share_fake * caught + (1 - share_fake) * alarms,
        precision(caught, alarms),
        precision(float(recall.low or 0), float(false_alarms.high or 0)),
        precision(float(recall.high or 0), float(false_alarms.low or 0)),
    )


def rates_sentence(metrics: ThresholdMetrics) -> str:
    """Catch rate and false-alarm rate at a threshold, in counts."""
    recall, alarms = metrics.recall, metrics.false_alarm_rate
    return (
        f"Of {recall.n:,} fakes {metrics.found:,} were called fake: a catch rate of "
        f"{shown(recall.share, 'share')}. Of {alarms.n:,} real pictures {metrics.false_alarms:,} were: a "
        f"false-alarm rate of {shown(alarms.share, 'share')}."
    )


def worth_sentence(worth: CallWorth) -> str:
    """The answer as counts of 100 and of 10,000 pictures.

    >>> print(worth_sentence(CallWorth(0.01, 0.0148, 0.338, 0.3, 0.4)))
    If 1% of pictures are fake, 34 of 100 pictures called fake are fake and 66 are real (30 to 40 fake, \
as far as the measurement goes). Of 10,000 pictures 148 would be called fake.
    """
    head = f"If {100 * worth.share_fake:g}% of pictures are fake, "
    if worth.precision is None:
        return f"{head}none would be called fake."
    of_100 = round(100 * worth.precision)
    are, others = ("is" if of_100 == 1 else "are"), ("is" if of_100 == 99 else "are")
    interval = ""
    if worth.low is not None and worth.high is not None:
        interval = (
            f" ({round(100 * worth.low)} to {round(100 * worth.high)} fake, as far as the measurement goes)"
        )
    return (
        f"{head}{of_100} of 100 pictures called fake {are} fake and {100 - of_100} {others} real{interval}. "
        f"Of 10,000 pictures {round(10_000 * worth.called):,} would be called fake."
    )


def meaning_sentence(worth: CallWorth) -> str:
    """What to make of it; empty where nothing is called fake."""
    if worth.precision is None:
        return ""
    if worth.precision < 0.5:
        return "A picture called fake is then more likely real: most alarms are false."
    if worth.precision - worth.share_fake < 0.05:
        return "Being called fake then says next to nothing: the share is about that of all pictures."
    before, after = shown(worth.share_fake, "share"), shown(worth.precision, "share")
    return f"Being called fake then raises the share of fakes from {before} to {after}."
