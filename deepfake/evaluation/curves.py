"""The points of ROC, precision-recall and DET curves, and fewer of them where a screen shows no more."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from deepfake.errors import UserError
from deepfake.evaluation.thresholds import SortedScores

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
        only = "Fake" if scores.fake.size else "Real"
        raise OneClassError(
            "one_class", f"All images are {only}: a curve of finds against false alarms needs both classes."
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


def score_histogram(scores: SortedScores, n_bins: int = 40) -> pd.DataFrame:
    """Images per class in equal-width bins of p_fake: columns low, high, fake, real."""
    edges = np.linspace(0, 1, n_bins + 1)
    fake, real = (np.histogram(values, edges)[0] for values in (scores.fake, scores.real))
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "fake": fake, "real": real})
