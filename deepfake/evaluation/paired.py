"""Statistics of detectors that scored the same images: paired bootstrap and McNemar's test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, chdtrc

from deepfake.evaluation.bootstrap import BLOCK_CELLS, ScoreCounts, resample, weighted_metrics

THRESHOLD_METRICS = ("accuracy", "balanced_accuracy")
FREE_METRICS = ("roc_auc", "average_precision", "tpr_at_fpr_1pct", "brier")
"""Those that no threshold moves."""
PAIRED_METRICS = (*THRESHOLD_METRICS, *FREE_METRICS)
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


@dataclass(frozen=True)
class PairedResamples:
    """Resamples of N images that K detectors scored; a threshold is a product with them, not a new draw.

    Attributes:
        labels: (N,) 1 = Fake, 0 = Real.
        scores: (K, N) p_fake of each detector in [0, 1].
        weights: (B, N) uint8, how often each resample holds each image.
        observed: (K, F) `FREE_METRICS` on the images themselves; NaN for one class alone.
        resampled: (K, F, B) the same on each resample.
    """

    labels: NDArray[np.int64]
    scores: NDArray[np.float64]
    weights: NDArray[np.uint8]
    observed: NDArray[np.float64]
    resampled: NDArray[np.float64]

    def at(self, thresholds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """All of `PAIRED_METRICS` at (K,) thresholds (fake when p_fake >= threshold).

        Returns:
            (K, M) observed and (K, M, B) resampled; NaN for one class alone.
        """
        right = (self.scores >= thresholds[:, None]) == (self.labels == 1)
        seen = _shares_right(right, self.labels, np.ones((1, self.labels.size), np.uint8))
        drawn = _shares_right(right, self.labels, self.weights)
        return (
            np.concatenate([seen[..., 0], self.observed], axis=1),
            np.concatenate([drawn, self.resampled], axis=1),
        )


def _shares_right(
    right: NDArray[np.bool_], labels: NDArray[np.int64], weights: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """(K, 2, B) accuracy and balanced accuracy from (K, N) right calls and (B, N) weights."""
    sizes, hits = [], []
    for label in (1, 0):
        of_class = labels == label
        sizes.append(int(of_class.sum()))
        hits.append(np.einsum("kn,bn->kb", right[:, of_class].astype(np.int64), weights[:, of_class]))
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample has as many of each class as there are
        balanced = (
            (hits[0] / sizes[0] + hits[1] / sizes[1]) / 2 if all(sizes) else np.full(hits[0].shape, np.nan)
        )
    return np.stack([(hits[0] + hits[1]) / sum(sizes), balanced], axis=1)


def _free_metrics(
    p_fake: NDArray[np.float64], fake: NDArray[np.int64], real: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(F, B) from one detector's (N,) scores and (B, N) weights of the images; NaN where undefined."""
    order = np.argsort(p_fake, kind="stable")
    scores, starts = np.unique(p_fake[order], return_index=True)
    fakes, reals = (np.add.reduceat(weights[:, order], starts, axis=1) for weights in (fake, real))
    found = weighted_metrics(scores, fakes, reals, 0.5)
    return np.stack([found[name] for name in FREE_METRICS])


def draw_resamples(
    labels: NDArray[np.int64], scores: NDArray[np.float64], n_bootstrap: int, seed: int
) -> PairedResamples:
    """Draws resamples of the images and measures on each what needs no threshold.

    Each resample draws as many Fake and as many Real images as there are, with replacement (stratified), and
    gives every detector the same images: what makes an image hard for all cancels in a difference (Efron and
    Tibshirani, 1993, chapters 8 and 13). Images are taken as independent of each other.

    Args:
        labels: (N,) 1 = Fake, 0 = Real.
        scores: (K, N) p_fake of each detector in [0, 1].
        n_bootstrap: resamples, 0 or more.
        seed: of the resampling.
    """
    # Every image is a 'score' of its own here: a resample weighs images, not one detector's scores.
    images = ScoreCounts(np.arange(labels.size, dtype=np.float64), labels, 1 - labels)
    observed = np.stack([_free_metrics(p, images.fake[None], images.real[None])[:, 0] for p in scores])
    resampled = np.empty((len(scores), len(FREE_METRICS), n_bootstrap))
    # An image is drawn at most n times of n; 255 of that many is never met above n = 255.
    weights = np.empty((n_bootstrap, labels.size), np.uint8)
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // labels.size)
    for start in range(0, n_bootstrap, block):
        stop = min(start + block, n_bootstrap)
        fake, real = resample(images, stop - start, rng)
        weights[start:stop] = fake + real
        for k, p_fake in enumerate(scores):
            resampled[k, :, start:stop] = _free_metrics(p_fake, fake, real)
    return PairedResamples(labels, scores, weights, observed, resampled)
