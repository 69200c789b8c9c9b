"""What abstaining buys: the error rate among the images a detector is sure enough about.

Selective classification (El-Yaniv and Wiener, 2010; Geifman and El-Yaniv, 2017): a detector decides on its
surest images only; coverage is the share it decides on, risk the share of wrong calls among those. An image
is the surer the further its score lies from the threshold on the logit scale.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from deepfake.errors import EvaluationError
from deepfake.evaluation.scores import check_scores

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


def _groups(
    labels: ArrayLike, p_fake: ArrayLike, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Images and wrong calls at each distance from the threshold, the furthest first: (G,) and (G,)."""
    truth, p = check_scores(labels, p_fake)
    if not 0 <= threshold <= np.nextafter(1.0, 2.0):
        raise EvaluationError("bad_setting", f"The threshold must lie in 0 to 1. Received {threshold}.")
    # Both are clipped, so that a score on the threshold is never sure, not even where all is called one way.
    cut = np.clip(logit(min(threshold, 1.0)), -MAX_LOGIT, MAX_LOGIT)
    distance = np.abs(np.clip(logit(p), -MAX_LOGIT, MAX_LOGIT) - cut)
    _, group = np.unique(-distance.round(DISTANCE_DECIMALS), return_inverse=True)
    errors = ((p >= threshold) != (truth == 1)).astype(np.int64)
    return np.bincount(group), np.bincount(group, weights=errors).astype(np.int64)
