"""What a threshold costs: every number that moves with it, from scores that are sorted once.

Fit for a slider: once scores are sorted, a threshold takes a few binary searches however many images there
are. The positive class is Fake; an image is called fake when p_fake >= threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtri

from deepfake.evaluation.scores import check_scores, wilson_interval


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
    """A share k / n with its 95 % Wilson interval (Wilson, 1927); all None where n is 0."""

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
    """ROC AUC and its 95 % interval by DeLong's variance (DeLong et al., 1988), on the logit scale.

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
