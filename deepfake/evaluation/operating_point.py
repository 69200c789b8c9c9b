"""From the false alarms that one can live with to a threshold, and what it means day by day."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from deepfake.evaluation.calibration import threshold_at_fpr
from deepfake.evaluation.scores import check_share
from deepfake.evaluation.thresholds import Rate, SortedScores, ThresholdMetrics, at_threshold

PER = 1000
"""Pictures for which the outcomes are counted."""


@dataclass(frozen=True)
class Expected:
    """An expected number, and its bounds at the ends of 95 % intervals."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class OperatingPoint:
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


def expect(scores: SortedScores, threshold: float, base_rate: float) -> OperatingPoint:
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
    return OperatingPoint(
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
