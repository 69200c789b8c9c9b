"""Metrics and what they mean, the headline numbers, verdicts by operating point, a threshold in counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from deepfake.detection.text import POINT_WORDS, bands_phrase
from deepfake.detection.words import UNCERTAIN
from deepfake.evaluation.records import Baseline, Recorded
from deepfake.evaluation.statistics.metrics import LowFprMetrics
from deepfake.evaluation.statistics.thresholds import Rate, RuleMetrics, ThresholdMetrics
from deepfake.evaluation.titles import readable_title
from deepfake.types import OperatingPoint
from deepfake.util.text import Unit, format_interval, format_metric, format_with_interval


@dataclass(frozen=True)
class MetricText:
    """A metric's key in ``Recorded.numbers``, its name on the page, its unit and what it means."""

    key: str
    title: str
    unit: Unit
    meaning: str


METRIC_TEXTS = (
    MetricText(
        "accuracy",
        "Forced-choice accuracy",
        "share",
        "Images called correctly, of all images, where each is called fake or real at one threshold. "
        f"Verdicts may also be {UNCERTAIN}; see their numbers above.",
    ),
    MetricText(
        "balanced_accuracy",
        "Balanced accuracy, forced choice",
        "share",
        "Mean of two shares: fakes called fake, and real images called real. Unlike accuracy, it is not "
        "inflated when one class is more common. 50% is guessing.",
    ),
    MetricText(
        "roc_auc",
        "ROC AUC",
        "number",
        "The chance that a fake image scores higher than a real one. 0.5 is guessing, 1 is perfect. It "
        "needs no threshold.",
    ),
    MetricText(
        "average_precision",
        "Average precision",
        "number",
        "Share of images called fake that are fake, averaged over all thresholds. 1 is perfect; guessing "
        "gives the share of fakes.",
    ),
    MetricText(
        "f1",
        "F1 of Fake, forced choice",
        "number",
        "Harmonic mean of precision and recall for the class Fake. 1 is perfect.",
    ),
    MetricText(
        "tpr_at_fpr_1pct",
        "Recall at 1% FPR",
        "share",
        "Share of fakes called fake by the best threshold that calls at most 1 in 100 real images fake. The "
        "interval allows for that choice of threshold, so it is wider than for one that is fixed.",
    ),
    MetricText(
        "tpr_at_fpr_0_1pct",
        "Recall at 0.1% FPR",
        "share",
        "The same with at most 1 in 1,000 real images called fake.",
    ),
    MetricText(
        "eer",
        "Equal error rate, EER",
        "share",
        "Where the share of fakes missed equals the share of real images called fake. 0% is perfect.",
    ),
    MetricText(
        "ece",
        "Calibration error, ECE",
        "number",
        "Average gap between scores and reality: 0.05 means that of images scored 80%, about 75% or 85% are "
        "fake. 0 is perfect; chance alone adds a little.",
    ),
    MetricText(
        "brier",
        "Brier score",
        "number",
        "Mean squared error of the score. 0 is perfect, 0.25 is always saying 50%.",
    ),
)

CARD_TITLES = {
    "accuracy": "Accuracy *",
    "balanced_accuracy": "Balanced acc. *",
    "f1": "F1 of Fake *",
    "eer": "Equal error rate",
    "ece": "Calibration error",
}
"""On cards of which two stand side by side on a phone, where a metric's title is too long; a star: forced
choice."""

RULE_TITLES = {
    "decided": "Decided",
    "correct": "Correct of those decided",
    "false_positive_rate": "False-positive rate",
    "recall": "Recall",
    "missed": "Fakes called real",
}
RULE_MEANING = (
    f"Verdicts use two thresholds: {bands_phrase('one', 'the other')}. Decided: images "
    "called fake or real. False-positive rate: real images called fake, of all real ones. Recall: fakes "
    "called fake, of all fakes. These counts go by the score alone; in the app, faces unlike the training "
    f"images and verdicts that flip in the stress test become {UNCERTAIN} too."
)
"""What ``rule_table`` shows."""


def format_rate(rate: Rate) -> str:
    """A share with its interval in one line."""
    interval = format_interval(rate.interval, "share")
    return format_metric(rate.share, "share") + (f" (95% interval {interval})" if interval else "")


def rule_table(rules: Mapping[OperatingPoint, RuleMetrics]) -> pd.DataFrame:
    """What the verdicts are at each operating point.

    Returns:
        a row an operating point: Verdicts at (text with its thresholds), Decided, Correct of those decided,
        False-positive rate, Recall, Fakes called real, each with its 95% interval as text.
    """
    return pd.DataFrame(
        [
            {
                "Verdicts at": f"{POINT_WORDS[point]}: fake from {rule.fake_from:.3f}, real below "
                f"{rule.real_below:.3f}",
                **{title: format_rate_cell(getattr(rule, name)) for name, title in RULE_TITLES.items()},
            }
            for point, rule in rules.items()
        ]
    )


def rule_numbers(rules: Mapping[OperatingPoint, RuleMetrics]) -> pd.DataFrame:
    """The same as numbers, for CSV."""
    rows = []
    for point, rule in rules.items():
        row: dict[str, object] = {"operating_point": point}
        row |= {"fake_from": rule.fake_from, "real_below": rule.real_below}
        for name in RULE_TITLES:
            found: Rate = getattr(rule, name)
            row |= {name: found.share, f"{name}_low": found.low, f"{name}_high": found.high}
            row |= {f"{name}_images": found.k, f"{name}_of": found.n}
        rows.append(row)
    return pd.DataFrame(rows)


def format_rate_cell(found: Rate) -> str:
    """A share with its 95% interval in one cell of a table."""
    return format_with_interval(found.share, found.low, found.high, "share")


def headline_table(recorded: Recorded, strict: LowFprMetrics | None) -> pd.DataFrame:
    """Every headline metric of an evaluation.

    Args:
        recorded: the evaluation as the card holds it.
        strict: what the card does not hold, from the same scores; None with one class or without scores.

    Returns:
        columns key, metric, value, low, high (numbers; None where there is none), shown, interval (text).
    """
    values, intervals = dict(recorded.numbers), dict(recorded.intervals)
    if strict is not None:
        values |= {"tpr_at_fpr_0_1pct": strict.tpr_at_fpr_0_1pct, "eer": strict.eer}
        intervals |= strict.intervals
    rows = []
    for text in METRIC_TEXTS:
        value, pair = values.get(text.key), intervals.get(text.key)
        rows.append(
            {
                "key": text.key,
                "metric": text.title,
                "value": value,
                "low": pair[0] if pair else None,
                "high": pair[1] if pair else None,
                "shown": format_metric(value, text.unit),
                "interval": format_interval(pair, text.unit),
            }
        )
    return pd.DataFrame(rows).astype({"value": object, "low": object, "high": object})


def interval_sentence(recorded: Recorded, strict: LowFprMetrics | None) -> str:
    """How the intervals were made, and what they do not cover."""
    if not recorded.intervals and strict is None:
        return "No intervals were recorded."
    resamples = f"{recorded.n_bootstrap:,}"
    if strict is not None and strict.n_bootstrap != recorded.n_bootstrap:
        resamples += f" (EER and 0.1%: {strict.n_bootstrap:,})"
    return (
        f"Intervals: {recorded.confidence:.0%}, by stratified bootstrap with {resamples} resamples of "
        f"the {recorded.n:,} images, stratified by class. They show how the numbers would vary with other "
        f"images of the same kind, not with images of another kind. Elsewhere on this page, shares at "
        "one fixed threshold have Wilson intervals, which differ a little."
    )


def headline_caption(recorded: Recorded, slider: float | None = None) -> str:
    """What the headline numbers go by; where the slider stands elsewhere, that it does not change them.

    Args:
        recorded: the evaluation.
        slider: the threshold chosen on the page; None where there is none.
    """
    own = f"{recorded.threshold:.3f}"
    rest = "The other numbers need no threshold. FPR: false-positive rate. The question marks explain each."
    if slider is None or f"{slider:.3f}" == own:
        return (
            f"* Forced choice: every image called fake or real at {own}, a threshold that verdicts do not "
            f"use. {rest}"
        )
    return (
        f"* Forced choice at {own}, the detector's own threshold. The slider, now at {slider:.3f}, does not "
        f"change these numbers; what it changes stands above and in the other tabs. {rest}"
    )


def starting_table(recorded: Recorded, start: Baseline | None = None) -> pd.DataFrame:
    """The starting document's numbers beside those here, computed in its way, as text."""
    start = start or Baseline()
    rows = [
        (title, format_metric(recorded.seed_protocol.get(key), "number"), theirs)
        for title, key, theirs in (
            ("Accuracy at 0.5", "accuracy", f"{start.accuracy:.2f}"),
            (
                "ROC AUC of hard labels",
                "roc_auc_hard_labels_real_positive",
                f"{start.roc_auc_hard_labels:.3f}",
            ),
            (
                "Average precision of hard labels",
                "average_precision_hard_labels_real_positive",
                f"{start.average_precision_hard_labels:.3f}",
            ),
        )
    ]
    rows.append(("Images", f"{recorded.n:,}", f"{start.images:,}"))
    return pd.DataFrame(rows, columns=["Computed as in the baseline", "This evaluation", "Baseline"])


def difference_sentence(recorded: Recorded, start: Baseline | None = None) -> str:
    """What differs between the two columns of ``starting_table``."""
    start = start or Baseline()
    return (
        f"The baseline was measured on the whole official test set of its dataset ({start.images:,} "
        f"images), which is perturbed more than its training images; the first column is "
        f"{readable_title(recorded, count=False)} ({recorded.n:,} images), so the two compare only on the "
        "same images. The baseline computed AUC and average precision from hard labels rather than scores, "
        "with Real as the positive class; the headline numbers do neither."
    )


def threshold_sentence(metrics: ThresholdMetrics) -> str:
    """What a threshold does, in counts."""
    parts = []
    if metrics.recall.n:
        parts.append(f"finds {metrics.found:,} of {metrics.recall.n:,} fakes (misses {metrics.missed:,})")
    if metrics.false_alarm_rate.n:
        parts.append(f"calls {metrics.false_alarms:,} of {metrics.false_alarm_rate.n:,} real images fake")
    return f"A forced choice at {metrics.threshold:.3f} {' and '.join(parts)}."
