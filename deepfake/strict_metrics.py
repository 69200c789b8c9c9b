"""How a detector does where false alarms must be rare, and the equal error rate, with intervals.

They complete a card's numbers: the share of fakes found at 0.1 % false alarms, and the interval of the
equal error rate. Neither depends on a threshold, so they are computed once for a set of scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake.bootstrap import BLOCK_CELLS, count_scores, resample
from deepfake.score_table import check_scores


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
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // counts.scores.size)
    parts = [
        _numbers(*resample(counts, min(block, n_bootstrap - start), rng))
        for start in range(0, n_bootstrap, block)
    ]
    values = np.concatenate(parts, axis=1)
    (low_tpr, low_eer), (high_tpr, high_eer) = np.quantile(values, [0.025, 0.975], axis=1)
    return StrictMetrics(
        tpr_at_fpr_0_1pct=float(observed[0, 0]),
        eer=float(observed[1, 0]),
        intervals={
            "tpr_at_fpr_0_1pct": (float(low_tpr), float(high_tpr)),
            "eer": (float(low_eer), float(high_eer)),
        },
        n_bootstrap=n_bootstrap,
    )


def _numbers(fake: NDArray[np.int64], real: NDArray[np.int64]) -> NDArray[np.float64]:
    """(2, B): share found at 0.1 % false alarms and equal error rate, from (B, U) counts at rising scores."""
    start = np.zeros((fake.shape[0], 1))
    n_fake, n_real = fake.sum(axis=1, keepdims=True), real.sum(axis=1, keepdims=True)
    # Before the first score everything is fake, after the last one nothing.
    missed = np.concatenate([start, np.cumsum(fake, axis=1)], axis=1) / n_fake
    alarms = 1 - np.concatenate([start, np.cumsum(real, axis=1)], axis=1) / n_real
    # Whole numbers: 1 - 999 / 1000 is a little above 0.001.
    allowed = n_real - np.concatenate([start, np.cumsum(real, axis=1)], axis=1) <= 0.001 * n_real + 1e-9
    found = np.where(allowed, 1 - missed, 0).max(axis=1)
    rows = np.arange(fake.shape[0])
    after = np.argmax(missed >= alarms, axis=1)
    gap_before = (alarms - missed)[rows, after - 1]
    gap_after = (missed - alarms)[rows, after]
    step = gap_before / (gap_before + gap_after)
    rate = missed[rows, after - 1] + step * (missed[rows, after] - missed[rows, after - 1])
    return np.stack([found, rate])
