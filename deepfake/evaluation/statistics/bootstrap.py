"""Metrics of many resamples at once and the intervals they give, of one detector and of several paired.

A resample is a weight for each distinct score, so the scores are sorted once and every metric is a few
cumulative sums over a (resamples, scores) block: a thousand resamples of 11,000 images take about a second.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepfake.evaluation.statistics.reliability import bin_index

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "roc_auc",
    "average_precision",
    "f1",
    "tpr_at_fpr_1pct",
    "ece",
    "brier",
)
MAX_FPR = 0.01
BLOCK_CELLS = 500_000  # 4 MB an array: stays near the cache whatever the number of images


@dataclass(frozen=True)
class ScoreCounts:
    """Distinct scores in rising order, (U,), and how many Fake and Real images have each."""

    scores: NDArray[np.float64]
    fake: NDArray[np.int64]
    real: NDArray[np.int64]


def count_scores(labels: NDArray[np.int64], p_fake: NDArray[np.float64]) -> ScoreCounts:
    """Count sound labels and scores (see `deepfake.evaluation.scores.check_scores`)."""
    scores, index = np.unique(p_fake, return_inverse=True)
    fake = np.bincount(index[labels == 1], minlength=scores.size)
    return ScoreCounts(scores, fake, np.bincount(index[labels == 0], minlength=scores.size))


def weighted_metrics(
    scores: NDArray[np.float64], fake: NDArray[np.int64], real: NDArray[np.int64], threshold: float
) -> dict[str, NDArray[np.float64]]:
    """Every metric of `METRICS` for B weightings of the same scores; equal to scikit-learn's on each.

    Args:
        scores: (U,) distinct, rising, in [0, 1].
        fake, real: (B, U) how often each score counts as a Fake and as a Real image.
        threshold: fake when score >= threshold.

    Returns:
        (B,) for each metric; NaN where a class it needs has no image. What each one is: see
        `deepfake.evaluation.statistics.metrics.Evaluation`.
    """
    # Counts at or above each score: the true and the false positives of a threshold there.
    tp = np.cumsum(fake[:, ::-1], axis=1)[:, ::-1]
    fp = np.cumsum(real[:, ::-1], axis=1)[:, ::-1]
    n_fake, n_real = tp[:, 0], fp[:, 0]
    n = n_fake + n_real
    cut = int(np.searchsorted(scores, threshold, side="left"))
    nothing = np.zeros_like(n_fake)
    hits = tp[:, cut] if cut < scores.size else nothing
    alarms = fp[:, cut] if cut < scores.size else nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        # A pair of a Fake and a Real counts 1 if the Fake scores higher and 1/2 if they tie (Mann-Whitney).
        lower_reals = 2 * (n_real[:, None] - fp) + real
        precision = tp / (tp + fp)
        allowed = np.where(fp / n_real[:, None] <= MAX_FPR, tp, 0).max(axis=1)
        both = np.where((n_fake > 0) & (n_real > 0), 1.0, np.nan)
        return {
            "accuracy": (hits + n_real - alarms) / n,
            "balanced_accuracy": (hits / n_fake + (n_real - alarms) / n_real) / 2,
            "roc_auc": np.einsum("bu,bu->b", fake, lower_reals) / (2.0 * n_fake * n_real),
            "average_precision": np.where(fake > 0, fake * precision, 0.0).sum(axis=1) / n_fake * both,
            "f1": np.where(n_fake > 0, 2 * hits / (hits + alarms + n_fake), np.nan),
            "tpr_at_fpr_1pct": allowed / n_fake * both,
            "ece": _calibration_error(scores, fake, real) / n,
            "brier": (fake @ (1 - scores) ** 2 + real @ scores**2) / n,
        }


def _calibration_error(
    scores: NDArray[np.float64], fake: NDArray[np.int64], real: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(B,) sum over bins of |sum of scores - number of fakes|."""
    index = bin_index(scores)
    # Scores rise, so a bin is a run of columns: one addition for each instead of a wide product.
    starts = np.flatnonzero(np.diff(index, prepend=-1))
    surplus = real * scores - fake * (1 - scores)
    return np.abs(np.add.reduceat(surplus, starts, axis=1)).sum(axis=1)


def resample(
    counts: ScoreCounts, n_resamples: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw images with replacement within each class: (n_resamples, U) counts for Fake and for Real."""
    return _draw(counts.fake, n_resamples, rng), _draw(counts.real, n_resamples, rng)


def _draw(observed: NDArray[np.int64], n_resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    width, n = observed.size, int(observed.sum())
    if n == 0:
        return np.zeros((n_resamples, width), np.int64)
    positions = np.repeat(np.arange(width), observed)
    drawn = positions[rng.integers(0, n, size=(n_resamples, n))] + width * np.arange(n_resamples)[:, None]
    return np.bincount(drawn.ravel(), minlength=n_resamples * width).reshape(n_resamples, width)


def resampled_metrics(
    counts: ScoreCounts,
    metrics: Callable[[NDArray[np.int64], NDArray[np.int64]], dict[str, NDArray[np.float64]]],
    n_bootstrap: int,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Metrics of stratified resamples: as many Fake and as many Real images as there are, with replacement.

    Args:
        counts: the scores.
        metrics: from (B, U) counts for Fake and for Real to (B,) for each metric.
        n_bootstrap: resamples, at least 1.
        seed: the same seed draws the same images.

    Returns:
        (n_bootstrap,) for each metric.
    """
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK_CELLS // counts.scores.size)
    parts = [
        metrics(*resample(counts, min(block, n_bootstrap - start), rng))
        for start in range(0, n_bootstrap, block)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def error_curves(
    fake: NDArray[np.int64], real: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both errors as the threshold rises past each score: (B, U + 1) missed 0 to 1 and alarms 1 to 0.

    Args:
        fake, real: (B, U) counts at rising scores, some in both.
    """
    start = np.zeros((fake.shape[0], 1), np.int64)  # before the first score everything is called fake
    n_fake, n_real = fake.sum(axis=1, keepdims=True), real.sum(axis=1, keepdims=True)
    passed = np.concatenate([start, np.cumsum(real, axis=1)], axis=1)
    missed = np.concatenate([start, np.cumsum(fake, axis=1)], axis=1) / n_fake
    # Whole numbers first: 1 - 999 / 1000 is a little above 0.001.
    return missed, (n_real - passed) / n_real


def equal_error_rates(missed: NDArray[np.float64], alarms: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B,) where the curves of `error_curves` cross, on the straight line between neighbouring thresholds."""
    rows = np.arange(missed.shape[0])
    after = np.argmax(missed >= alarms, axis=1)
    gap_before = (alarms - missed)[rows, after - 1]
    gap_after = (missed - alarms)[rows, after]
    step = gap_before / (gap_before + gap_after)
    return missed[rows, after - 1] + step * (missed[rows, after] - missed[rows, after - 1])


def bootstrap_intervals(
    counts: ScoreCounts, threshold: float, n_bootstrap: int, confidence: float, seed: int
) -> dict[str, tuple[float, float] | None]:
    """Stratified percentile bootstrap (Efron and Tibshirani, 1993, chapter 13) of every metric of `METRICS`.

    The interval of ece is mended for bias: chance gaps raise the value reported, and resampling raises it
    again by about as much (the mean excess of the resamples). The upper end is freed of the second bias, the
    lower end of both, and cut off at 0; the plain percentiles often miss even the value reported.

    Returns:
        (low, high) for each metric; None where the metric is undefined.
    """
    observed = weighted_metrics(counts.scores, counts.fake[None], counts.real[None], threshold)
    resampled = resampled_metrics(
        counts, lambda fake, real: weighted_metrics(counts.scores, fake, real, threshold), n_bootstrap, seed
    )
    tail = (1 - confidence) / 2
    intervals: dict[str, tuple[float, float] | None] = {}
    for name in METRICS:
        if np.isnan(observed[name][0]):
            intervals[name] = None
            continue
        values = resampled[name]
        low, high = np.quantile(values, [tail, 1 - tail])
        if name == "ece":
            excess = values.mean() - observed[name][0]
            low, high = max(0.0, low - 2 * excess), high - excess
        intervals[name] = (float(low), float(high))
    return intervals


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
    from scipy.special import bdtr, chdtrc

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
