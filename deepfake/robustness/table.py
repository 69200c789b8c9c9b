"""Scores under each condition -> a row of numbers each, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from deepfake.evaluation.statistics.bootstrap import bootstrap_intervals, count_scores
from deepfake.evaluation.statistics.thresholds import (
    Rate,
    at_rule,
    at_threshold,
    auc_with_interval,
    rate,
    sort_scores,
)
from deepfake.types import Thresholds

RULE_MEASURES = ("decided", "correct", "false_positive_rate", "recall")
MEASURES = ("accuracy", "balanced_accuracy", "roc_auc", "mean_real", "mean_fake", "flipped", *RULE_MEASURES)
"""Each is a column, with ``_low`` and ``_high`` for its 95% interval; NaN where undefined.

accuracy: of a forced choice at the balanced threshold, share of pictures called rightly (interval: Wilson,
1927).
balanced_accuracy: of the same, mean of the shares of Fake and Real called rightly (stratified bootstrap).
roc_auc: chance that a Fake scores above a Real (DeLong et al., 1988).
mean_real, mean_fake: mean p_fake of the Real and of the Fake pictures (normal approximation).
flipped: share of pictures whose forced choice differs from that of the clean picture (Wilson).
decided, correct, false_positive_rate, recall: of the verdicts at the balanced operating point, see
``thresholds.RuleMetrics`` (Wilson).
"""
CONDITION_COLUMNS = (
    "perturbation",
    "level",
    "amount",
    "n",
    *(f"{name}{part}" for name in MEASURES for part in ("", "_low", "_high")),
)
"""``perturbation``: clean, a ``GradedPerturbation.name`` or an attack; ``level``: 0 for clean, then 1 and up,
the mildest first; ``amount``: in the kind's unit, NaN for clean; ``n``: pictures; then ``MEASURES``."""


@dataclass(frozen=True)
class Condition:
    """What was done to the pictures; see ``CONDITION_COLUMNS``."""

    perturbation: str
    level: int
    amount: float


def summarise(
    scores: NDArray[np.float64],
    labels: NDArray[np.int64],
    conditions: Sequence[Condition],
    thresholds: Thresholds,
    n_bootstrap: int = 1000,
) -> pd.DataFrame:
    """The numbers of every condition.

    Args:
        scores: (N, C) p_fake, clean in the first column; NaN where a picture was not measured. A column of
            nothing else gets no row.
        labels: (N,) 1 Fake, 0 Real.
        conditions: (C,) of the columns.
        thresholds: the detector's.
        n_bootstrap: resamples for the interval of the balanced accuracy.

    Returns:
        columns ``CONDITION_COLUMNS``.
    """
    threshold = thresholds.balanced
    clean = scores[:, 0] >= threshold
    rows = []
    for column, condition in enumerate(conditions):
        there = ~np.isnan(scores[:, column])
        if not there.any():
            continue
        p = scores[there, column]
        found = _measures(p, labels[there], thresholds, n_bootstrap)
        flips = rate(int(((p >= threshold) != clean[there]).sum()), p.size)
        found["flipped"] = (flips.share, flips.low, flips.high)
        row: dict[str, object] = {
            "perturbation": condition.perturbation,
            "level": condition.level,
            "amount": condition.amount,
            "n": p.size,
        }
        for name in MEASURES:
            parts = zip(("", "_low", "_high"), found[name], strict=True)
            row |= {name + part: np.nan if value is None else float(value) for part, value in parts}
        rows.append(row)
    return pd.DataFrame(rows, columns=list(CONDITION_COLUMNS))


_Triple = tuple[float | None, float | None, float | None]


def _measures(
    p: NDArray[np.float64], labels: NDArray[np.int64], thresholds: Thresholds, n_bootstrap: int
) -> dict[str, _Triple]:
    ordered, threshold = sort_scores(labels, p), thresholds.balanced
    rule = at_rule(ordered, thresholds)
    metrics = at_threshold(ordered, threshold)
    low = high = None
    if n_bootstrap and metrics.balanced_accuracy is not None:
        pairs = bootstrap_intervals(count_scores(labels, p), threshold, n_bootstrap, 0.95, seed=0)
        low, high = pairs["balanced_accuracy"] or (None, None)
    return {
        "accuracy": _triple(metrics.accuracy),
        "balanced_accuracy": (metrics.balanced_accuracy, low, high),
        "roc_auc": auc_with_interval(ordered) or (None, None, None),
        "mean_real": _mean(ordered.real),
        "mean_fake": _mean(ordered.fake),
        **{name: _triple(getattr(rule, name)) for name in RULE_MEASURES},
    }


def _triple(share: Rate) -> _Triple:
    return share.share, share.low, share.high


def _mean(values: NDArray[np.float64]) -> _Triple:
    if not values.size:
        return None, None, None
    mean = float(values.mean())
    if values.size == 1:
        return mean, None, None
    half = float(ndtri(0.975)) * float(values.std(ddof=1)) / values.size**0.5
    return mean, max(0.0, mean - half), min(1.0, mean + half)
