"""The area under a ROC curve with its interval, by ranks alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def auc_and_variance(fake: NDArray[np.float64], real: NDArray[np.float64]) -> tuple[float, float]:
    """ROC AUC and its variance (DeLong et al., 1988).

    Args:
        fake, real: (N,) and (M,) scores in rising order, at least one of each.

    Returns:
        (auc, variance); the variance is infinite with a class of one image, and 0 with perfect separation:
        it says nothing there.
    """
    of_fake, of_real = _share_below(fake, real), 1 - _share_below(real, fake)
    auc = float(of_fake.mean())
    if min(fake.size, real.size) < 2:
        return auc, math.inf
    return auc, float(of_fake.var(ddof=1) / fake.size + of_real.var(ddof=1) / real.size)


def auc_interval(auc: float, variance: float, n: int) -> tuple[float, float]:
    """95% interval on the logit scale.

    Args:
        auc: the area, 0..1.
        variance: from ``auc_and_variance``.
        n: images of the smaller class; perfect separation gives Wilson's bound of 'none in n went wrong'.
    """
    from scipy.special import expit, logit, ndtri  # its import takes a fifth of a second

    if not math.isfinite(variance):
        return 0.0, 1.0
    z = float(ndtri(0.975))
    if auc in (0.0, 1.0):
        bound = n / (n + z**2)
        return (bound, 1.0) if auc else (0.0, 1 - bound)
    half = z * math.sqrt(variance) / (auc * (1 - auc))
    centre = float(logit(auc))
    return float(expit(centre - half)), float(expit(centre + half))


def _share_below(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each value, the share of `others` (rising) below it, ties counting half."""
    below = np.searchsorted(others, values, side="left")
    return (below + np.searchsorted(others, values, side="right")) / (2 * others.size)
