"""How good is a detector: from labels and scores to numbers with their uncertainty.

Everything is computed from scores that are already there; no network runs. The positive class is Fake.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake.errors import EvaluationError
from deepfake.evaluation.scores import check_scores, check_share, wilson_interval
from deepfake.evaluation.statistics.bootstrap import (
    bootstrap_intervals,
    count_scores,
    equal_error_rates,
    error_curves,
    resampled_metrics,
    weighted_metrics,
)
from deepfake.types import CLASS_NAMES, class_name


@dataclass(frozen=True)
class Confusion:
    """The confusion matrix of images called fake or real at one threshold, as counts.

    Attributes:
        found, missed: Fake images called fake, and called real (true positives, false negatives).
        false_alarms, passed: Real images called fake, and called real (false positives, true negatives).
    """

    found: int
    missed: int
    false_alarms: int
    passed: int

    def report(self) -> dict[str, Any]:
        """scikit-learn's classification report as a dict, number for number.

        Returns:
            'Fake', 'Real', 'macro avg' and 'weighted avg', each with precision, recall, f1-score and support
            (images); and 'accuracy'. A share of nothing is 0.
        """
        fake = _class_report(self.found, self.false_alarms, self.missed)
        real = _class_report(self.passed, self.missed, self.false_alarms)
        n = fake["support"] + real["support"]
        rows: dict[str, Any] = {
            "Fake": fake,
            "Real": real,
            "accuracy": (self.found + self.passed) / max(1, n),
        }
        for name, (of_fake, of_real) in (
            ("macro avg", (1, 1)),
            ("weighted avg", (fake["support"], real["support"])),
        ):
            means = {
                key: (of_fake * fake[key] + of_real * real[key]) / max(1, of_fake + of_real)
                for key in ("precision", "recall", "f1-score")
            }
            rows[name] = {**means, "support": n}
        return rows


def _class_report(right: int, wrong: int, lost: int) -> dict[str, float]:
    """Of images called so: `right` and `wrong` ones; `lost`, those of the class called otherwise."""

    def share(k: int, n: int) -> float:
        return k / n if n else 0.0

    return {
        "precision": share(right, right + wrong),
        "recall": share(right, right + lost),
        "f1-score": share(2 * right, 2 * right + wrong + lost),
        "support": right + lost,
    }


@dataclass(frozen=True)
class SeedProtocol:
    """The numbers as the project's starting document computed them, for comparison with it only.

    It took the class with the higher probability (so the threshold is 0.5 whatever the evaluation uses),
    numbered the classes Fake = 0 and Real = 1, and gave these hard labels to the score functions. Real is
    positive, and there is no ranking: this ROC AUC is the balanced accuracy at 0.5. None where a class has
    no image.
    """

    accuracy: float
    roc_auc_hard_labels_real_positive: float | None
    average_precision_hard_labels_real_positive: float | None


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one set of scores; Fake is positive. None: undefined for these images, see `notes`.

    Attributes:
        n, n_fake, n_real: images.
        threshold: fake when p_fake >= threshold; accuracy, balanced_accuracy, f1, confusion_matrix and
            report depend on it, the others do not.
        accuracy: share of images called rightly.
        balanced_accuracy: mean of the shares of Fake and of Real called rightly.
        roc_auc: chance that a Fake scores above a Real, ties counting half.
        average_precision: sum of precision times step in recall, without interpolation, as in scikit-learn.
        f1: of Fake.
        tpr_at_fpr_1pct: highest share of Fake found at a threshold that calls at most 1% of Real fake; no
            interpolation.
        eer: equal error rate, where the share of Real called fake equals the share of Fake missed, on the
            straight line between the two neighbouring thresholds.
        ece: expected calibration error (Guo et al., 2017) in its binary form: 15 equal-width bins of p_fake
            over 0 to 1, mean p_fake against the share of Fake, absolute gaps weighted by images. (The
            original bins the confidence of the class called, from 0.5 up, against accuracy.) Chance alone
            makes gaps: it is biased upwards, and even its interval seldom reaches 0 for perfect calibration.
        brier: mean squared distance of p_fake from the label.
        log_loss: mean negative log likelihood in nats; scores of exactly 0 and 1 are moved inwards by
            2.2e-16, as in scikit-learn.
        confusion_matrix: counts; rows are the true class, columns the predicted class, both in the order
            Fake, Real: ((fakes called fake, fakes called real), (reals called fake, reals called real)).
        report: scikit-learn's classification report, see `Confusion.report`.
        seed_protocol: see `SeedProtocol`.
        intervals: (low, high) by stratified bootstrap for each of `bootstrap.METRICS`, None
            where it is undefined; empty when n_bootstrap was 0. They show how much the numbers would move
            with other images of the same kind, not with images of another kind.
        confidence, n_bootstrap: of the intervals.
        notes: sentences for a person: what is undefined and why, which intervals mislead.
    """

    n: int
    n_fake: int
    n_real: int
    threshold: float
    accuracy: float
    balanced_accuracy: float | None
    roc_auc: float | None
    average_precision: float | None
    f1: float | None
    tpr_at_fpr_1pct: float | None
    eer: float | None
    ece: float
    brier: float
    log_loss: float
    confusion_matrix: tuple[tuple[int, int], tuple[int, int]]
    report: dict[str, Any]
    seed_protocol: SeedProtocol
    intervals: dict[str, tuple[float, float] | None]
    confidence: float
    n_bootstrap: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON: attribute names as keys.

        confusion_matrix becomes {'labels': ['Fake', 'Real'], 'rows': 'true class', 'columns': 'predicted
        class', 'counts': [[...], [...]]}; intervals become [low, high].
        """
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["seed_protocol"] = asdict(self.seed_protocol)
        plain["confusion_matrix"] = {
            "labels": list(CLASS_NAMES),
            "rows": "true class",
            "columns": "predicted class",
            "counts": [list(row) for row in self.confusion_matrix],
        }
        plain["intervals"] = {
            name: None if pair is None else list(pair) for name, pair in self.intervals.items()
        }
        plain["notes"] = list(self.notes)
        return plain


def evaluate_scores(
    labels: ArrayLike,
    p_fake: ArrayLike,
    *,
    threshold: float = 0.5,
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Evaluation:
    """Every metric of a set of scores, with bootstrap intervals.

    Args:
        labels: (N,) 1 = Fake, 0 = Real. One class alone and a single image are allowed.
        p_fake: (N,) probabilities of Fake in [0, 1].
        threshold: fake when p_fake >= threshold; 0 to 1, or the next number above 1 (nothing is fake).
        n_bootstrap: resamples; 0 for no intervals.
        confidence: of the intervals, between 0 and 1.
        seed: of the resampling; the same seed gives the same intervals.

    Raises:
        EvaluationError: unsound labels or scores (see `check_scores`), or a setting out of range.
    """
    from sklearn.metrics import log_loss  # its import takes as long as a page's first paint

    truth, p = check_scores(labels, p_fake)
    check_share(confidence, "The confidence")
    if not 0 <= threshold <= np.nextafter(1.0, 2.0):
        raise EvaluationError("bad_setting", f"The threshold must lie in 0 to 1. Received {threshold}.")
    if n_bootstrap < 0:
        raise EvaluationError(
            "bad_setting", f"The number of resamples must be 0 or more. Received {n_bootstrap}."
        )
    counts = count_scores(truth, p)
    metrics = weighted_metrics(counts.scores, counts.fake[None], counts.real[None], threshold)
    values = {name: None if np.isnan(value[0]) else float(value[0]) for name, value in metrics.items()}
    called, n_fake, n_real = p >= threshold, int(counts.fake.sum()), int(counts.real.sum())
    found, alarms = int(called[truth == 1].sum()), int(called[truth == 0].sum())
    confusion = Confusion(found, n_fake - found, alarms, n_real - alarms)
    intervals = bootstrap_intervals(counts, threshold, n_bootstrap, confidence, seed) if n_bootstrap else {}
    return Evaluation(
        **values,  # pyright: ignore[reportArgumentType]  # accuracy, ece and brier are never undefined
        n=truth.size,
        n_fake=n_fake,
        n_real=n_real,
        threshold=float(threshold),
        eer=_low_fpr(counts.fake[None], counts.real[None])["eer"].item() if n_fake and n_real else None,
        log_loss=float(log_loss(truth, p, labels=[0, 1])),
        confusion_matrix=((confusion.found, confusion.missed), (confusion.false_alarms, confusion.passed)),
        report=confusion.report(),
        seed_protocol=_seed_protocol(truth, p),
        intervals=intervals,
        confidence=float(confidence),
        n_bootstrap=int(n_bootstrap),
        notes=_notes(n_fake, n_real, values["accuracy"], intervals, confidence),
    )


def _seed_protocol(truth: NDArray[np.int64], p: NDArray[np.float64]) -> SeedProtocol:
    from sklearn.metrics import average_precision_score, roc_auc_score

    real = 1 - truth
    called_real = (p < 0.5).astype(np.int64)  # argmax takes the first class, Fake, at a tie
    accuracy = float((real == called_real).mean())
    if truth.min() == truth.max():
        return SeedProtocol(accuracy, None, None)
    return SeedProtocol(
        accuracy, float(roc_auc_score(real, called_real)), float(average_precision_score(real, called_real))
    )


def _notes(
    n_fake: int,
    n_real: int,
    accuracy: float | None,
    intervals: dict[str, tuple[float, float] | None],
    confidence: float,
) -> tuple[str, ...]:
    notes, n = [], n_fake + n_real
    if n_fake == 0 or n_real == 0:
        only, other = class_name(n_real == 0), class_name(n_real > 0)
        undefined = "Balanced accuracy, ROC AUC, average precision, recall at a false-positive rate of 1%"
        undefined += " and the equal error rate" if n_fake else ", the equal error rate and F1"
        notes.append(f"All images are {only}: {undefined} are undefined without images labeled {other}.")
    elif n_real < 100:
        notes.append(
            f"With {n_real} Real images, a false-positive rate of 1% means none at all: recall there "
            "rests on the highest-scoring Real image."
        )
    still = [name for name, pair in intervals.items() if pair is not None and pair[0] == pair[1]]
    if still:
        notes.append(
            f"Resampling these {n} images never changes {', '.join(still)}: an interval without width is no "
            "proof of certainty."
        )
    if "accuracy" in still and accuracy is not None:
        low, high = wilson_interval(round(accuracy * n), n, confidence)
        notes.append(f"The Wilson interval of the accuracy is {low:.3f} to {high:.3f}.")
    return tuple(notes)


LOW_FPR = 0.001


@dataclass(frozen=True)
class LowFprMetrics:
    """What `Evaluation` lacks where false alarms must be few, with 95% bootstrap intervals.

    Attributes:
        tpr_at_fpr_0_1pct: highest share of Fake found at a threshold that calls at most 0.1% of Real fake.
        eer: equal error rate, as in `Evaluation`.
        intervals: (low, high) of both by name, by stratified percentile bootstrap.
        n_bootstrap: resamples used.
    """

    tpr_at_fpr_0_1pct: float
    eer: float
    intervals: dict[str, tuple[float, float]]
    n_bootstrap: int


def low_fpr_metrics(
    labels: ArrayLike, p_fake: ArrayLike, *, n_bootstrap: int = 1000, seed: int = 0
) -> LowFprMetrics | None:
    """Recall at 0.1% false alarms and equal error rate with their intervals; None with one class.

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
    observed = _low_fpr(counts.fake[None], counts.real[None])
    resampled = resampled_metrics(counts, _low_fpr, n_bootstrap, seed)
    bounds = {name: np.quantile(values, [0.025, 0.975]) for name, values in resampled.items()}
    return LowFprMetrics(
        **{name: value.item() for name, value in observed.items()},
        intervals={name: (float(low), float(high)) for name, (low, high) in bounds.items()},
        n_bootstrap=n_bootstrap,
    )


def _low_fpr(fake: NDArray[np.int64], real: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    """(B,) of each, from (B, U) counts at rising scores of both classes."""
    missed, alarms = error_curves(fake, real)
    return {
        "tpr_at_fpr_0_1pct": np.where(alarms <= LOW_FPR, 1 - missed, 0).max(axis=1),
        "eer": equal_error_rates(missed, alarms),
    }
