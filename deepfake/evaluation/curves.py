"""Points of the curves over all thresholds: ROC, precision-recall, DET, and errors against images judged.

With the histogram of the scores; of more points than a screen shows, an even selection.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit, ndtri

from deepfake.errors import EvaluationError, UserError
from deepfake.evaluation.scores import check_scores
from deepfake.evaluation.statistics.thresholds import SortedScores
from deepfake.types import class_name

MAX_POINTS = 1000
"""Points to a curve on the screen; more would be drawn on the same pixels."""


class OneClassError(UserError):
    """A curve needs images of both classes; code ``one_class``."""


def operating_points(scores: SortedScores) -> pd.DataFrame:
    """What every threshold gives, from 'nothing is fake' to 'everything is'.

    Returns:
        columns threshold (falling; infinity first), found, false_alarms (counts), recall (of Fake),
        false_alarm_rate, precision (1 where nothing is called fake, as in scikit-learn).

    Raises:
        OneClassError: there are only Fake or only Real images.
    """
    if not (scores.fake.size and scores.real.size):
        only = class_name(scores.fake.size > 0)
        raise OneClassError(
            "one_class",
            f"All images are {only}: a curve of recall against the false-positive rate needs both classes.",
        )
    thresholds = np.unique(np.concatenate([scores.fake, scores.real]))[::-1]
    thresholds = np.concatenate([[np.inf], thresholds])
    found = scores.fake.size - np.searchsorted(scores.fake, thresholds, side="left")
    alarms = scores.real.size - np.searchsorted(scores.real, thresholds, side="left")
    called = found + alarms
    return pd.DataFrame(
        {
            "threshold": thresholds,
            "found": found,
            "false_alarms": alarms,
            "recall": found / scores.fake.size,
            "false_alarm_rate": alarms / scores.real.size,
            "precision": np.where(called > 0, found / np.maximum(called, 1), 1.0),
        }
    )


def det_points(points: pd.DataFrame) -> pd.DataFrame:
    """The points of a detection error trade-off curve (Martin et al., 1997): both errors above 0.

    Args:
        points: from ``operating_points``.

    Returns:
        its rows with 0 < false_alarm_rate < 1 and 0 < miss_rate < 1 (the normal deviate of 0 and 1 is
        infinite), with miss_rate and the deviates x (of false_alarm_rate) and y (of miss_rate) added.
    """
    miss_rate = 1 - points["recall"]
    drawable = (points["false_alarm_rate"].between(0, 1, "neither")) & miss_rate.between(0, 1, "neither")
    kept = points.assign(miss_rate=miss_rate)[drawable]
    return kept.assign(x=ndtri(kept["false_alarm_rate"]), y=ndtri(kept["miss_rate"]))


def thin(points: pd.DataFrame, x: str, y: str, at_most: int = MAX_POINTS) -> pd.DataFrame:
    """At most `at_most` of a curve's points, evenly spread along its length; both ends stay.

    Args:
        points: in the curve's order.
        x, y: the columns that are drawn.
        at_most: at least 2.
    """
    if len(points) <= at_most:
        return points
    across, up = (_steps(points[name]) for name in (x, y))
    length = np.concatenate([[0.0], np.cumsum(across + up)])
    wanted = np.linspace(0, length[-1], at_most - 1)
    rows = np.unique(np.concatenate([np.searchsorted(length, wanted), [len(points) - 1]]))
    return points.iloc[np.minimum(rows, len(points) - 1)]


def _steps(values: ArrayLike) -> NDArray[np.float64]:
    """Lengths between neighbours as shares of the whole range."""
    array = np.asarray(values, dtype=np.float64)
    extent = float(np.ptp(array))
    return np.abs(np.diff(array)) / extent if extent else np.zeros(array.size - 1)


HISTOGRAM_BINS = 40


def histogram_bin(p_fake: ArrayLike) -> NDArray[np.int64]:
    """The bin of ``score_histogram`` that each score is in, (N,): low <= p < high, the last one with 1.0."""
    inner = np.linspace(0, 1, HISTOGRAM_BINS + 1)[1:-1]
    return np.searchsorted(inner, np.asarray(p_fake, np.float64), side="right")


def score_histogram(scores: SortedScores, n_bins: int = HISTOGRAM_BINS) -> pd.DataFrame:
    """Images per class in equal-width bins of p_fake: columns low, high, fake, real."""
    edges = np.linspace(0, 1, n_bins + 1)
    fake, real = (np.histogram(values, edges)[0] for values in (scores.fake, scores.real))
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "fake": fake, "real": real})


MAX_ROWS = 1000
MAX_LOGIT = 27.6  # scores and thresholds within 1e-12 of 0 or 1 count as equally far out
DISTANCE_DECIMALS = 9  # 0.3 and 0.7 are equally far from 0.5, but their logits differ by rounding


def coverage_risk(labels: ArrayLike, p_fake: ArrayLike, threshold: float = 0.5) -> pd.DataFrame:
    """Risk at every coverage that abstaining on the least sure images can give.

    Images equally far from the threshold are decided on together, so a curve may have fewer points than
    images. Of more than 1,000 points, 1,000 are kept at even steps, the first and the last among them; each
    is exact.

    Args:
        labels: (N,) 1 = Fake, 0 = Real.
        p_fake: (N,) probabilities of Fake in [0, 1].
        threshold: fake when p_fake >= threshold; 0 to 1, or the next number above 1 (nothing is fake).

    Returns:
        at most 1,000 rows from the surest images to all: coverage (share decided on, above 0 up to 1), risk
        (share of those called wrongly, 0 to 1), n (images decided on).

    Raises:
        EvaluationError: unsound labels or scores, or a threshold out of range.
    """
    size, wrong = _groups(labels, p_fake, threshold)
    n = np.cumsum(size)
    risk = np.cumsum(wrong) / n
    # At most MAX_ROWS steps, so rounding never names a row twice.
    rows = np.linspace(0, n.size - 1, min(n.size, MAX_ROWS)).round().astype(np.int64)
    return pd.DataFrame({"coverage": n[rows] / n[-1], "risk": risk[rows], "n": n[rows]})


def risk_at(curve: pd.DataFrame, coverages: Sequence[float]) -> list[float]:
    """The risk where at least so large a share is decided on, for each of ``coverages``.

    Args:
        curve: of ``coverage_risk``.
        coverages: shares, above 0 up to 1.
    """
    places = np.searchsorted(curve["coverage"], np.asarray(coverages) - 1e-9)
    return curve["risk"].to_numpy()[np.minimum(places, len(curve) - 1)].tolist()


def _groups(
    labels: ArrayLike, p_fake: ArrayLike, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Images and wrong calls at each distance from the threshold, the furthest first: (G,) and (G,)."""
    truth, p = check_scores(labels, p_fake)
    _, group = np.unique(-_distance(p, threshold), return_inverse=True)
    errors = ((p >= threshold) != (truth == 1)).astype(np.int64)
    return np.bincount(group), np.bincount(group, weights=errors).astype(np.int64)


def _distance(p: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """How sure each call is: the distance of its logit from the threshold's, (N,)."""
    if not 0 <= threshold <= np.nextafter(1.0, 2.0):
        raise EvaluationError("bad_setting", f"The threshold must lie in 0 to 1. Received {threshold}.")
    # Both are clipped, so that a score on the threshold is never sure, not even where all is called one way.
    cut = np.clip(logit(min(threshold, 1.0)), -MAX_LOGIT, MAX_LOGIT)
    return np.abs(np.clip(logit(p), -MAX_LOGIT, MAX_LOGIT) - cut).round(DISTANCE_DECIMALS)


def decided_images(p_fake: ArrayLike, threshold: float, coverage: float) -> NDArray[np.bool_]:
    """Which images are decided on at a coverage of ``coverage_risk``: the surest, and those as sure as the
    last of them; (N,).

    Args:
        p_fake: (N,) probabilities of Fake in [0, 1], at least one.
        threshold: as for ``coverage_risk``.
        coverage: share decided on, above 0 up to 1.

    Raises:
        EvaluationError: a threshold out of range.
    """
    distance = _distance(np.asarray(p_fake, np.float64), threshold)
    n = max(1, round(coverage * distance.size))
    return distance >= np.sort(distance)[-n]
