"""Statistics of detectors that scored the same images: paired bootstrap and McNemar's test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, chdtrc

from deepfake.bootstrap import BLOCK_CELLS, ScoreCounts, resample, weighted_metrics

PAIRED_METRICS = ("accuracy", "roc_auc", "average_precision")
EXACT_BELOW = 25  # images that only one of the two got right
EXACT, CHI_SQUARE = "exact binomial", "chi-square with continuity correction"


@dataclass(frozen=True)
class McNemar:
    """Do two detectors err equally often (McNemar, 1947)? Only images that one of them got right count.

    Attributes:
        discordant: images that exactly one of the two called rightly.
        statistic: chi-square with one degree of freedom; None for the exact test.
        p_value: two-sided chance of a difference at least this large if both err equally often.
        method: 'exact binomial' with fewer than 25 discordant images, else 'chi-square with continuity
            correction' (Edwards, 1948).
    """

    discordant: int
    statistic: float | None
    p_value: float
    method: str


def mcnemar(only_a: int, only_b: int) -> McNemar:
    """McNemar's test from the counts of images that only A and only B called rightly (both >= 0)."""
    n = only_a + only_b
    if n < EXACT_BELOW:
        # Twice the smaller tail; it exceeds 1 when the middle of the distribution is in both tails.
        p = min(1.0, 2 * float(bdtr(min(only_a, only_b), n, 0.5))) if n else 1.0
        return McNemar(n, None, p, EXACT)
    # The correction never turns equal counts into a difference.
    statistic = max(abs(only_a - only_b) - 1, 0) ** 2 / n
    return McNemar(n, float(statistic), float(chdtrc(1, statistic)), CHI_SQUARE)


class _Ranked:
    """One detector's scores, prepared for many weightings of the images."""

    def __init__(self, p_fake: NDArray[np.float64], threshold: float) -> None:
        self.order = np.argsort(p_fake, kind="stable")
        self.scores, self.starts = np.unique(p_fake[self.order], return_index=True)
        self.threshold = threshold

    def metrics(self, fake: NDArray[np.int64], real: NDArray[np.int64]) -> NDArray[np.float64]:
        """(len(PAIRED_METRICS), B) from (B, N) weights of the images; NaN where undefined."""
        fakes, reals = (
            np.add.reduceat(weights[:, self.order], self.starts, axis=1) for weights in (fake, real)
        )
        found = weighted_metrics(self.scores, fakes, reals, self.threshold)
        return np.stack([found[name] for name in PAIRED_METRICS])


def paired_metrics(
    labels: NDArray[np.int64],
    scores: NDArray[np.float64],
    thresholds: NDArray[np.float64],
    n_bootstrap: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Metrics of K detectors on the same images, and on the same resamples of these images.

    Each resample draws as many Fake and as many Real images as there are, with replacement (stratified), and
    gives every detector the same images: what makes an image hard for all cancels in a difference (Efron and
    Tibshirani, 1993, chapters 8 and 13). Images are taken as independent of each other.

    Args:
        labels: (N,) 1 = Fake, 0 = Real.
        scores: (K, N) p_fake of each detector in [0, 1].
        thresholds: (K,) fake when p_fake >= threshold.
        n_bootstrap: resamples, 0 or more.
        seed: of the resampling.

    Returns:
        (K, M) observed and (K, M, n_bootstrap) resampled, M as `PAIRED_METRICS`; NaN for one class alone.
    """
    ranked = [_Ranked(p, float(threshold)) for p, threshold in zip(scores, thresholds, strict=True)]
    # Every image is a 'score' of its own here: a resample weighs images, not one detector's scores.
    images = ScoreCounts(np.arange(labels.size, dtype=np.float64), labels, 1 - labels)
    observed = np.stack([one.metrics(images.fake[None], images.real[None])[:, 0] for one in ranked])
    resampled = np.empty((len(ranked), len(PAIRED_METRICS), n_bootstrap))
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // labels.size)
    for start in range(0, n_bootstrap, block):
        stop = min(start + block, n_bootstrap)
        fake, real = resample(images, stop - start, rng)
        for k, one in enumerate(ranked):
            resampled[k, :, start:stop] = one.metrics(fake, real)
    return observed, resampled
