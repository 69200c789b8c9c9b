"""How a detector does where false alarms must be rare, and the equal error rate, with intervals.

They complete a card's numbers: the share of fakes found at 0.1 % false alarms, and the interval of the
equal error rate. Neither depends on a threshold, so they are computed once for a set of scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake.evaluation.bootstrap import count_scores, equal_error_rates, error_curves, resampled_metrics
from deepfake.evaluation.scores import check_scores

MAX_FPR = 0.001


@dataclass(frozen=True)
class StrictMetrics:
    """Numbers with (low, high) 95 % intervals by stratified percentile bootstrap.

    Attributes:
        tpr_at_fpr_0_1pct: highest share of Fake found at a threshold that calls at most 0.1 % of Real fake.
        eer: equal error rate, as in ``evaluation.Evaluation``.
        intervals: of both, by name.
        n_bootstrap: resamples used.
    """

    tpr_at_fpr_0_1pct: float
    eer: float
    intervals: dict[str, tuple[float, float]]
    n_bootstrap: int


def strict_metrics(
    labels: ArrayLike, p_fake: ArrayLike, *, n_bootstrap: int = 1000, seed: int = 0
) -> StrictMetrics | None:
    """Both numbers with their intervals; None with one class.

    Args:
        labels: (N,) 1 = Fake, 0 = Real.
        p_fake: (N,) in [0, 1].
        n_bootstrap: resamples, at least 1.
        seed: of the resampling.

    Raises:
        EvaluationError: unsound labels or scores.
    """
    truth, p = check_scores(labels, p_fake)
    if truth.min() == truth.max():
        return None
    counts = count_scores(truth, p)
    observed = _numbers(counts.fake[None], counts.real[None])
    resampled = resampled_metrics(counts, _numbers, n_bootstrap, seed)
    bounds = {name: np.quantile(values, [0.025, 0.975]) for name, values in resampled.items()}
    return StrictMetrics(
        tpr_at_fpr_0_1pct=float(observed["tpr_at_fpr_0_1pct"][0]),
        eer=float(observed["eer"][0]),
        intervals={name: (float(low), float(high)) for name, (low, high) in bounds.items()},
        n_bootstrap=n_bootstrap,
    )


def _numbers(fake: NDArray[np.int64], real: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """(B,) of each, from (B, U) counts at rising scores."""
    missed, alarms = error_curves(fake, real)
    return {
        "tpr_at_fpr_0_1pct": np.where(alarms <= MAX_FPR, 1 - missed, 0).max(axis=1),
        "eer": equal_error_rates(missed, alarms),
    }
