"""From a raw score to a probability, from a probability to a decision, and how good the probabilities are.

Fit everything here on validation images, never on the images a result is reported for. The decision rule is
'fake when p_fake >= threshold' throughout.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from deepfake.detection.card import Card
from deepfake.errors import EvaluationError
from deepfake.evaluation.scores import check_labels, check_numbers, check_scores, check_share, wilson_bounds
from deepfake.evaluation.statistics.metrics import evaluate_scores
from deepfake.evaluation.statistics.reliability import reliability_table
from deepfake.types import class_name

TEMPERATURE_BOUNDS = (0.05, 20.0)


def fit_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """The temperature T for which sigmoid(logit / T) has the least log loss (Guo et al., 2017).

    T > 1 says the detector was too sure of itself. Order, and so ROC AUC, does not change. The result lies in
    `TEMPERATURE_BOUNDS`: the lower bound comes back when the logits separate the classes without an error
    (any lower T would do better still), the upper one when they say nothing or the opposite.

    Args:
        logits: (N,) finite, above 0 for Fake.
        labels: (N,) 1 = Fake, 0 = Real; both must occur.

    Raises:
        EvaluationError: unsound input; ``one_class`` when all labels are the same.
    """
    from scipy.optimize import minimize_scalar  # its import takes half a second

    z, truth = check_numbers(logits, "logits"), check_labels(labels)
    if z.size != truth.size:
        raise EvaluationError(
            "length_mismatch",
            f"There are {truth.size} labels and {z.size} logits. Give one logit for each label, in order.",
        )
    _need_both_classes(truth, "fit a temperature")
    signed = np.where(truth == 1, -z, z)

    def log_loss(log_temperature: float) -> float:
        # log(1 + exp(x)) without overflow; convex in 1 / T, so the one minimum is found.
        return float(np.logaddexp(0.0, signed * math.exp(-log_temperature)).mean())

    low, high = (math.log(bound) for bound in TEMPERATURE_BOUNDS)
    found = minimize_scalar(log_loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    # The bounded search never tries the bounds themselves.
    return math.exp(min((float(found.x), low, high), key=log_loss))


def fit_temperature_and_bias(logits: ArrayLike, labels: ArrayLike) -> tuple[float, float]:
    """T and b for which sigmoid(logit / T + b) has the least log loss (Platt scaling, Platt 1999).

    A temperature alone cannot mend scores that are all too high or all too low, as those of perturbed images
    are. T keeps to `TEMPERATURE_BOUNDS`, so that order, and so ROC AUC, does not change.

    Args, raises: as `fit_temperature`.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    z, truth = check_numbers(logits, "logits"), check_labels(labels)
    start = fit_temperature(z, truth)  # checks the input too
    sign = np.where(truth == 1, -1.0, 1.0)

    def log_loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scale, bias = values
        wrong_logits = sign * (z * scale + bias)
        slope = sign * expit(wrong_logits) / z.size
        return float(np.logaddexp(0.0, wrong_logits).mean()), np.array([(slope * z).sum(), slope.sum()])

    low, high = TEMPERATURE_BOUNDS
    bounds = [(1 / high, 1 / low), (-50.0, 50.0)]
    found = minimize(log_loss, [1 / start, 0.0], jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-12)
    return float(1 / found.x[0]), float(found.x[1])


def threshold_balanced(labels: ArrayLike, p_fake: ArrayLike) -> float:
    """The threshold with the highest balanced accuracy, which is where Youden's J (1950) is highest.

    Candidates lie midway between neighbouring scores (with 0 and 1 as outer neighbours); of equally good ones
    the nearest to 0.5 is taken. Above 1 only if calling everything real is best and a score is 1.

    Raises:
        EvaluationError: unsound input; ``one_class`` when all labels are the same.
    """
    truth, p = check_scores(labels, p_fake)
    _need_both_classes(truth, "choose a threshold")
    cuts, fake_below, real_below = _cuts(truth, p)
    n_fake, n_real = fake_below[-1], real_below[-1]
    # Balanced accuracy times 2 * n_fake * n_real, in whole numbers so that ties are exact.
    quality = (n_fake - fake_below) * n_real + real_below * n_fake
    best = cuts[quality == quality.max()]
    return float(best[np.argmin(np.abs(best - 0.5))])


def threshold_at_fpr(labels: ArrayLike, p_fake: ArrayLike, fpr: float = 0.01) -> float:
    """The lowest threshold at which at most a share `fpr` of the Real images is called fake.

    Candidates are the scores that occur, so the threshold is at the upper end of a gap between scores: the
    cautious end. Where even the highest score lets too many through, the next number above it: then nothing
    here is called fake (it exceeds 1 only if a Real image scored 1).

    Raises:
        EvaluationError: unsound input; ``one_class`` without a Real image; ``bad_setting`` for an fpr outside
            [0, 1].
    """
    truth, p = check_scores(labels, p_fake)
    real = np.sort(p[truth == 0])
    if not 0 <= fpr <= 1:
        raise EvaluationError("bad_setting", f"The false-positive rate must lie in 0 to 1. Received {fpr}.")
    if real.size == 0:
        raise EvaluationError(
            "one_class", "All images are Fake, so there is no false-positive rate. Add images labeled Real."
        )
    candidates = np.unique(p)
    rate = (real.size - np.searchsorted(real, candidates, side="left")) / real.size
    allowed = candidates[rate <= fpr]
    return float(allowed[0] if allowed.size else np.nextafter(candidates[-1], np.inf))


def uncertain_band(
    labels: ArrayLike, p_fake: ArrayLike, target: float = 0.95, *, confidence: float = 0.95
) -> tuple[float, float]:
    """The scores at which to say 'uncertain', so that what is said outside them can be relied upon.

    Call an image real when p_fake < low, fake when p_fake >= high, uncertain between. From the balanced
    threshold t outwards, `high` is the lowest cut >= t such that at least `target` of all images at or above
    it are fake, and `low` the highest cut <= t such that at least `target` of all images below it are real.
    'At least' is judged by the one-sided lower Wilson bound at `confidence`, not by the share seen: a handful
    of lucky images is no proof, and a small set gives a wider band. A higher target never gives a narrower
    band; low == high == t where the threshold alone suffices. The reliability is that of all images on one
    side, not of those at the edge, and holds for the mix of fake and real seen here. This is selective
    classification with a bound on the risk (Geifman and El-Yaniv, 2017), for each verdict by itself.

    Returns:
        (low, high) with low <= t <= high. low == 0: nothing can be called real at this target. high > 1 (the
        next number above 1): nothing can be called fake.

    Raises:
        EvaluationError: unsound input; ``one_class``; ``bad_setting``: target or confidence outside (0, 1).
    """
    from scipy.special import ndtri

    check_share(target, "The target")
    z = float(ndtri(check_share(confidence, "The confidence")))
    truth, p = check_scores(labels, p_fake)
    threshold = threshold_balanced(truth, p)
    cuts, fake_below, real_below = _cuts(truth, p)
    n_below = fake_below + real_below
    fake_above, n_above = fake_below[-1] - fake_below, truth.size - n_below

    def proven(k: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.bool_]:
        return (n > 0) & (wilson_bounds(k, np.maximum(n, 1), z)[0] >= target)

    highs = cuts[(cuts >= threshold) & proven(fake_above, n_above)]
    lows = cuts[(cuts <= threshold) & proven(real_below, n_below)]
    never_fake = float(np.nextafter(1.0, 2.0))
    return (float(lows[-1]) if lows.size else 0.0), (float(highs[0]) if highs.size else never_fake)


def _cuts(
    truth: NDArray[np.int64], p: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Every way to split the scores: (U + 1,) rising thresholds, and the Fake and Real counts below each."""
    unique, index = np.unique(p, return_inverse=True)
    fake = np.bincount(index, weights=truth, minlength=unique.size).astype(np.int64)
    real = np.bincount(index, minlength=unique.size) - fake
    below, above = np.concatenate([[0.0], unique]), np.concatenate([unique, [1.0]])
    cuts = (below + above) / 2
    # A cut must lie above the scores below it, even where neighbours are adjacent floats or the score is 1.
    cuts[1:] = np.maximum(cuts[1:], np.nextafter(unique, np.inf))
    return cuts, np.concatenate([[0], np.cumsum(fake)]), np.concatenate([[0], np.cumsum(real)])


def _need_both_classes(truth: NDArray[np.int64], purpose: str) -> None:
    if truth.min() == truth.max():
        only = class_name(truth[0])
        raise EvaluationError(
            "one_class",
            f"All {truth.size} images are {only}. To {purpose} takes images of both classes: add the other.",
        )


@dataclass(frozen=True)
class CalibrationQuality:
    """How far probabilities can be taken at their word.

    Attributes:
        ece: expected calibration error, 15 equal-width bins (Guo et al., 2017).
        brier: mean squared distance of the probability from the label.
        nll: mean negative log likelihood in nats (log loss).
        reliability: ``reliability.reliability_table``.
    """

    ece: float
    brier: float
    nll: float
    reliability: pd.DataFrame


def quality(labels: ArrayLike, p_fake: ArrayLike) -> CalibrationQuality:
    """All of it for (N,) labels (1 = Fake) and probabilities.

    Raises:
        EvaluationError: unsound labels or scores.
    """
    found = evaluate_scores(labels, p_fake, n_bootstrap=0)
    return CalibrationQuality(found.ece, found.brier, found.log_loss, reliability_table(labels, p_fake))


def uncalibrated(p_fake: ArrayLike, card: Card) -> NDArray[np.float64]:
    """The probabilities as they would be without temperature and bias: sigmoid of the raw logits, (N,).

    A probability of exactly 0 or 1 stays what it is.
    """
    from scipy.special import expit, logit

    # Calibration is a straight line from logit to logit: two points of it give its slope and its start.
    start, at_one = logit(card.probability([0.0, 1.0]))
    return expit((logit(np.asarray(p_fake, np.float64)) - start) / (at_one - start))


def before_and_after(table: pd.DataFrame, card: Card) -> tuple[CalibrationQuality, CalibrationQuality]:
    """The quality of a score table without and with the card's calibration.

    Raises:
        EvaluationError: an unsound table.
    """
    labels, p_fake = table["label"], table["p_fake"]
    return quality(labels, uncalibrated(p_fake, card)), quality(labels, p_fake)
