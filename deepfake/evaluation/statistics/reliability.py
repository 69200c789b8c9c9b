"""Predicted probability against how often images are fake, bin by bin."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deepfake.errors import EvaluationError
from deepfake.evaluation.scores import check_scores, wilson_bounds

N_BINS = 15


def bin_edges(n_bins: int = N_BINS) -> NDArray[np.float64]:
    """(n_bins + 1,) edges of equal-width bins of [0, 1]."""
    if n_bins < 1:
        raise EvaluationError("bad_setting", f"There must be at least 1 bin. Received {n_bins}.")
    return np.linspace(0.0, 1.0, n_bins + 1)


def bin_index(p_fake: NDArray[np.float64], n_bins: int = N_BINS) -> NDArray[np.int64]:
    """The bin of each score: low <= p < high, and the last bin holds 1.0 too."""
    return np.searchsorted(bin_edges(n_bins)[1:-1], p_fake, side="right")


def reliability_table(labels: ArrayLike, p_fake: ArrayLike, n_bins: int = N_BINS) -> pd.DataFrame:
    """Predicted probability against frequency of Fake, bin by bin.

    Args:
        labels: (N,) 1 = Fake, 0 = Real.
        p_fake: (N,) in [0, 1].
        n_bins: equal-width bins of p_fake.

    Returns:
        a row per bin, empty ones too: low, high, n, n_fake, mean_p_fake, share_fake, share_low, share_high
        (95% Wilson interval of share_fake), gap (mean_p_fake - share_fake: above 0 where scores are higher
        than they should be). Means, shares and gap are NaN in empty bins. The sum of n / N * |gap| is the
        expected calibration error.

    Raises:
        EvaluationError: unsound labels, scores or number of bins.
    """
    from scipy.special import ndtri

    truth, p = check_scores(labels, p_fake)
    edges, index = bin_edges(n_bins), bin_index(p, n_bins)
    n = np.bincount(index, minlength=n_bins)
    n_fake = np.bincount(index, weights=truth, minlength=n_bins).astype(np.int64)
    total = np.bincount(index, weights=p, minlength=n_bins)
    filled = np.where(n == 0, np.nan, n)
    low, high = wilson_bounds(n_fake, filled, float(ndtri(0.975)))
    empty = n == 0
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "n": n,
            "n_fake": n_fake,
            "mean_p_fake": total / filled,
            "share_fake": n_fake / filled,
            "share_low": np.where(empty, np.nan, low),
            "share_high": np.where(empty, np.nan, high),
            "gap": (total - n_fake) / filled,
        }
    )
