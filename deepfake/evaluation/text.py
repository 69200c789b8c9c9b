"""An evaluation in words and short tables for people who do not know the field.

What a score meant on known images, metrics with their meanings, verdicts at each operating point, the cells
of the confusion matrix, gaps between evaluations, detectors side by side, and what a threshold means where
another share of the pictures is fake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from deepfake.detection.card import detector_title
from deepfake.detection.text import KIND_WORDS, POINT_WORDS, bands_phrase
from deepfake.detection.words import UNCERTAIN
from deepfake.evaluation.breakdown import ALARM_POINTS, Gap, GapKind
from deepfake.evaluation.compare import Comparison, PairComparison
from deepfake.evaluation.curves import HISTOGRAM_BINS
from deepfake.evaluation.kinds import CALLED, CANNOT_TELL, NamedRightly
from deepfake.evaluation.marks import CURVES, Mark
from deepfake.evaluation.records import Baseline, Recorded
from deepfake.evaluation.statistics.bootstrap import PAIRED_METRICS
from deepfake.evaluation.statistics.metrics import Confusion, LowFprMetrics
from deepfake.evaluation.statistics.reliability import N_BINS
from deepfake.evaluation.statistics.thresholds import (
    PER,
    ConfusionCell,
    Expected,
    ExpectedOutcomes,
    Rate,
    RuleMetrics,
    ThresholdMetrics,
)
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
        "Found at 1% false alarms",
        "share",
        "TPR at 1% FPR: the share of fakes found by the best threshold that calls at most 1 in 100 real "
        "images fake.",
    ),
    MetricText(
        "tpr_at_fpr_0_1pct",
        "Found at 0.1% false alarms",
        "share",
        "TPR at 0.1% FPR: the same with at most 1 in 1,000 real images called fake.",
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
    "tpr_at_fpr_1pct": "Recall at 1% FPR",
    "tpr_at_fpr_0_1pct": "Recall at 0.1% FPR",
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
        f"images of the same kind, not with images of another kind."
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


CELLS: dict[ConfusionCell, str] = {
    "missed": "Fakes missed",
    "false_alarms": "Real called fake",
    "found": "Fakes found",
    "passed": "Real, not flagged",
}
CELL_MEANINGS: dict[ConfusionCell, str] = {
    "missed": "Fake images that score below the threshold (false negatives), most real-looking first.",
    "false_alarms": "Real images that score at or above it (false positives), most fake-looking first.",
    "found": "Fake images that score at or above the threshold (true positives), most confident first.",
    "passed": "Real images that score below the threshold (true negatives), most confident first.",
}


def mark_title(mark: Mark, detector: str = "") -> str:
    """What the images behind a part of a chart have in common.

    Args:
        mark: the part.
        detector: what to call a curve's detector; by its name where empty.
    """
    if mark.chart == "abstaining":
        return f"Wrong among the {100 * mark.at:.3g}% most certain"
    if mark.chart in CURVES:
        at = f"at {mark.at:.3f}" if mark.at <= 1 else "where nothing is called fake"
        return f"Called wrongly by {detector or mark.of} {at}"
    if mark.chart == "histogram":
        low, high = (n / HISTOGRAM_BINS for n in (mark.at, mark.at + 1))
        return f"{mark.of}, score {low:.3f} to {high:.3f}"
    low, high = (100 * n / N_BINS for n in (mark.at, mark.at + 1))
    return f"Score {low:.0f}% to {high:.0f}% {mark.of} calibration"


def behind_sentence(rows: pd.DataFrame) -> str:
    """How many images are behind a part of a chart, and in which order they stand."""
    n, n_fake = len(rows), int(rows["label"].sum())
    images = "1 image" if n == 1 else f"{n:,} images"
    order = " Furthest from its actual class first." if n > 1 else ""
    return f"{images}: {n_fake:,} fake, {n - n_fake:,} real.{order}"


def confusion_sentence(counts: Confusion) -> str:
    """The confusion matrix for those who cannot see it drawn."""
    return (
        f"{counts.found:,} fakes found, {counts.missed:,} missed, {counts.false_alarms:,} real images "
        f"called fake, {counts.passed:,} not flagged"
    )


GAP_TITLES: dict[GapKind, str] = {
    "altered": "From clean images to perturbed copies",
    "test": "From Validation to Test",
    "altered_to_test": "From perturbed copies of Validation to Test",
}

GAP_RULE = (
    f"A warning appears where balanced accuracy falls by more than {100 * ALARM_POINTS:.0f} points and the "
    "95% interval of the drop excludes 0. Both are measured at the same threshold."
)


def gap_sentence(gap: Gap, titles: Mapping[str, str] | None = None) -> str:
    """A gap with its interval, in points of balanced accuracy.

    Args:
        gap: between two evaluations.
        titles: what to call them, by their titles.
    """
    before, after = ((titles or {}).get(title, title) for title in (gap.before, gap.after))
    way = "falls" if gap.fall >= 0 else "rises"
    low, high = (gap.low, gap.high) if gap.fall >= 0 else (-gap.high, -gap.low)
    return (
        f"{GAP_TITLES[gap.kind]} ({before} to {after}): balanced accuracy {way} by "
        f"{100 * abs(gap.fall):.1f} points (95% interval {100 * low:.1f} to {100 * high:.1f}), from "
        f"{format_metric(gap.accuracy_before, 'share')} to {format_metric(gap.accuracy_after, 'share')}."
    )


def gaps_table(found: Sequence[Gap]) -> pd.DataFrame:
    """The gaps as a table, for CSV."""
    return pd.DataFrame(
        [
            {
                "from": gap.before,
                "to": gap.after,
                "balanced_accuracy_before": gap.accuracy_before,
                "balanced_accuracy_after": gap.accuracy_after,
                "fall": gap.fall,
                "fall_low": gap.low,
                "fall_high": gap.high,
                "alarm": gap.alarm,
            }
            for gap in found
        ]
    )


_TEXTS = {text.key: text for text in METRIC_TEXTS}
TITLES: dict[str, str] = {key: _TEXTS[key].title for key in PAIRED_METRICS}
"""Names of the compared metrics on the page."""


def pair_sentence(found: Comparison, pair: PairComparison) -> str:
    """Who calls more pictures rightly, by how much and how surely."""
    a, b = found.metrics[pair.a]["accuracy"], found.metrics[pair.b]["accuracy"]
    difference = pair.differences["accuracy"]
    if a is None or b is None or difference.value is None:
        return "Undefined for these images."
    sentence = (
        f"Of {found.n:,} images, {detector_title(pair.a)} calls {format_metric(a, 'share')} correctly and "
        f"{detector_title(pair.b)} {format_metric(b, 'share')}: a difference of "
        f"{100 * difference.value:+.1f} points"
    )
    if difference.interval is None:
        return f"{sentence}."
    low, high = difference.interval
    sentence += f" (95% interval {100 * low:+.1f} to {100 * high:+.1f})."
    if low <= 0 <= high:
        return f"{sentence} This may be chance."
    return sentence


def mcnemar_sentence(pair: PairComparison) -> str:
    """McNemar's test in words."""
    test, only = pair.mcnemar, pair.agreement
    if not test.discordant:
        return "McNemar's test: both call the same images correctly, so there is nothing to test."
    p = f"p = {test.p_value:.3f}" if test.p_value >= 0.001 else "p < 0.001"
    return (
        f"McNemar's test looks only at the {test.discordant:,} images that one detector alone calls "
        f"correctly ({detector_title(pair.a)} {only.only_a_right:,}, {detector_title(pair.b)} "
        f"{only.only_b_right:,}). If both were wrong equally often, a split at least this uneven would occur "
        f"with {p} ({test.method})."
    )


def side_by_side(found: Comparison) -> pd.DataFrame:
    """A row a metric and a column a detector, as text; the first row holds the thresholds."""
    rows = [
        {
            "Metric": "Threshold",
            **{detector_title(name): f"{cut:.3f}" for name, cut in found.thresholds.items()},
        }
    ]
    for key, title in TITLES.items():
        unit: Unit = _TEXTS[key].unit
        cells = {}
        for name in found.names:
            interval = format_interval(found.intervals[name][key], unit)
            cells[detector_title(name)] = format_metric(found.metrics[name][key], unit) + (
                f" ({interval})" if interval else ""
            )
        rows.append({"Metric": title, **cells})
    return pd.DataFrame(rows)


def metrics_table(found: Comparison) -> pd.DataFrame:
    """The same as numbers: columns detector, threshold, metric, value, low, high."""
    rows = []
    for name in found.names:
        for key in TITLES:
            low, high = found.intervals[name][key] or (None, None)
            value = found.metrics[name][key]
            row = {"detector": name, "threshold": found.thresholds[name], "metric": key}
            rows.append({**row, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def differences_table(pair: PairComparison) -> pd.DataFrame:
    """Differences as numbers: columns a, b, metric, difference, low, high."""
    rows = []
    for key, one in pair.differences.items():
        low, high = one.interval or (None, None)
        row = {"a": pair.a, "b": pair.b, "metric": key}
        rows.append({**row, "difference": one.value, "low": low, "high": high})
    return pd.DataFrame(rows)


def outcome_order(outcome: str) -> str:
    """In which order the pictures of an outcome stand."""
    if outcome == "Both wrong":
        return "Those that both got most wrong first."
    return "Those on which the scores differ most first."


def rate_sentence(point: ExpectedOutcomes, wanted: float) -> str:
    """What the threshold catches, and how sure the rate of false alarms is.

    Args:
        point: the threshold chosen.
        wanted: the false-alarm rate asked for, 0..1.
    """
    metrics = point.metrics
    sentence = (
        f"At this threshold, {format_rate(metrics.false_alarm_rate)} of the real images are called fake, "
        f"and recall is {format_rate(metrics.recall)}."
    )
    high = metrics.false_alarm_rate.high
    if high is not None and high > wanted:
        sentence += (
            f" With {metrics.false_alarm_rate.n:,} real images as evidence, the rate on other images may be "
            f"up to {100 * high:.2f}% rather than the {100 * wanted:.2f}% asked for."
        )
    return sentence


def outcome_rows(point: ExpectedOutcomes) -> pd.DataFrame:
    """What becomes of 1,000 pictures.

    Returns:
        columns Outcome, Expected, 95 % interval (text; spelled so since the first CSV), value, low,
        high (numbers; None where undefined).
    """
    fakes = PER * point.base_rate
    rows = [
        _outcome_row(f"Fakes found, of {fakes:g}", point.found),
        _outcome_row(f"Fakes missed, of {fakes:g}", point.missed),
        _outcome_row(f"Real images called fake, of {PER - fakes:g}", point.false_alarms),
        _outcome_row(f"Real images not flagged, of {PER - fakes:g}", point.passed),
        _outcome_row("Precision: actually fake, of those called fake", point.precision, 100.0, "%"),
    ]
    return pd.DataFrame(rows).astype({"value": object, "low": object, "high": object})


def _outcome_row(
    title: str, expected: Expected | None, unit: float = 1.0, suffix: str = ""
) -> dict[str, object]:
    if expected is None:
        empty = dict.fromkeys(("value", "low", "high"))
        return {"Outcome": title, "Expected": "undefined", "95 % interval": "", **empty}
    value, low, high = (unit * part for part in (expected.value, expected.low, expected.high))
    return {
        "Outcome": title,
        "Expected": f"{value:.1f}{suffix}",
        "95 % interval": f"{low:.1f} to {high:.1f}{suffix}",
        "value": expected.value,
        "low": expected.low,
        "high": expected.high,
    }


def rates_sentence(metrics: ThresholdMetrics) -> str:
    """Catch rate and false-alarm rate at a threshold, in counts."""
    recall, alarms = metrics.recall, metrics.false_alarm_rate
    return (
        f"Of {recall.n:,} fakes {metrics.found:,} were called fake: a recall of "
        f"{format_metric(recall.share, 'share')}. Of {alarms.n:,} real images {metrics.false_alarms:,} "
        f"were: a false-positive rate of {format_metric(alarms.share, 'share')}."
    )


def worth_sentence(point: ExpectedOutcomes) -> str:
    """Of 100 pictures called fake, how many are; and how many of 10,000 are called so."""
    head = f"If {100 * point.base_rate:g}% of images are fake, "
    if point.precision is None or point.found is None or point.false_alarms is None:
        return f"{head}none would be called fake."
    of_100, low, high = (
        round(100 * share) for share in (point.precision.value, point.precision.low, point.precision.high)
    )
    are, others = ("is" if of_100 == 1 else "are"), ("is" if of_100 == 99 else "are")
    called = round(10_000 * (point.found.value + point.false_alarms.value) / PER)
    return (
        f"{head}{of_100} of 100 images called fake {are} fake and {100 - of_100} {others} real (95% interval "
        f"{low} to {high} fake). Of 10,000 images {called:,} would be called fake."
    )


def meaning_sentence(point: ExpectedOutcomes) -> str:
    """What to make of being called fake; empty where nothing is."""
    if point.precision is None:
        return ""
    if point.precision.value < 0.5:
        return "An image called fake is then still more likely real: most alarms are false."
    if point.precision.value - point.base_rate < 0.05:
        return "Being called fake then says almost nothing: fakes are hardly more common here than overall."
    before, after = format_metric(point.base_rate, "share"), format_metric(point.precision.value, "share")
    return f"Being called fake then raises the share of fakes from {before} to {after}."


KINDS_VIEWS: Mapping[str, str] = {
    "clean": "Held-out images",
    "mixed": "The same, perturbed",
    "left_out": "Left-out generators",
}
"""The tables of ``kinds.KindsMeasured`` in words."""
ABSTAINING_BY_SET = (
    "The share of wrong calls if only the most certain images of each dataset were decided, as a forced "
    "choice at {threshold}. The last two columns: the verdicts at Balanced."
)
KINDS_CAUTION = (
    "Counts, and shares of the actual kind; at most 40 images of each generator. A kind is shown only beside "
    f"a verdict of fake or {UNCERTAIN}, and never changes it."
)


def kinds_sentence(counts: NamedRightly, view: str) -> str:
    """How often a kind is named of fakes, and rightly.

    Args:
        counts: over the fakes of a table.
        view: its name.
    """
    of = f"by generators that it was {'not ' if view == 'left_out' else ''}trained on"
    if not counts.named:
        return f"No kind is named for any of {counts.fakes:,} fakes {of}."
    return (
        f"A kind is named for {counts.named / counts.fakes:.0%} of {counts.fakes:,} fakes {of}; "
        f"{counts.right / counts.named:.0%} of these names are correct."
    )


def named_sentence(named_from: Mapping[str, float]) -> str:
    """From which probability which kind is named."""
    words = {str(kind): word for kind, word in KIND_WORDS.items()}
    named = ", ".join(f"{words[name]} {value:.0%}" for name, value in named_from.items())
    return f"Named from a probability of: {named}. No other kind is named: too few such answers were correct."


def families_sentence(families: pd.DataFrame) -> str:
    """What the fakes of left-out generators are mostly called, kind by kind.

    Args:
        families: of ``kinds.KindsMeasured``.
    """
    parts = []
    for kind, rows in families.groupby("kind", sort=False):
        called = rows[list(CALLED)].sum()
        shares = (called / called.sum()).sort_values(ascending=False).head(3)
        words: Mapping[str, str] = {**KIND_WORDS, CANNOT_TELL: CANNOT_TELL}
        most = ", ".join(f"{words[str(name)]} {share:.0%}" for name, share in shares.items())
        title = words[str(kind)]
        parts.append(f"{title[0].upper()}{title[1:]}: {most}.")
    return f"What fakes by generators that it was not trained on are called. {' '.join(parts)}"
