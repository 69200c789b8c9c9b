"""Numbers of an evaluation as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deepfake.detection.text import bands_phrase
from deepfake.evaluation.statistics.metrics import Evaluation
from deepfake.evaluation.statistics.thresholds import Rate, RuleMetrics
from deepfake.util.text import counted

if TYPE_CHECKING:
    from deepfake.evaluation.measure import Measurement


_FREE = (
    ("ROC AUC", "roc_auc"),
    ("average precision", "average_precision"),
    ("fakes caught at 1% false alarms", "tpr_at_fpr_1pct"),
    ("ECE", "ece"),
    ("Brier score", "brier"),
)
_FORCED = (
    ("accuracy", "accuracy"),
    ("balanced accuracy", "balanced_accuracy"),
    ("F1 of Fake", "f1"),
)
_RULE = (
    ("decided, of all", "decided"),
    ("correct, of those decided", "correct"),
    ("false-positive rate", "false_positive_rate"),
    ("recall (fakes called fake)", "recall"),
    ("fakes called real", "missed"),
)


def measurement_lines(measurement: Measurement) -> str:
    """``evaluation_lines`` with the verdicts at each operating point after the first."""
    counts, *others = evaluation_lines(measurement.evaluation).splitlines()
    verdicts = [line for rule in measurement.verdict_rule.values() for line in rule_lines(rule)]
    return "\n".join([counts, *verdicts, *others])


def rule_lines(rule: RuleMetrics) -> list[str]:
    """The verdicts at an operating point with their 95% intervals."""
    lines = [
        f"verdict rule {rule.operating_point}: "
        + bands_phrase(f"{rule.fake_from:.3f}", f"{rule.real_below:.3f}")
    ]
    for title, name in _RULE:
        found: Rate = getattr(rule, name)
        if found.share is None:
            lines.append(f"{title:33} undefined")
        else:
            lines.append(
                f"{title:33} {found.share:.4f}  [{found.low:.4f}, {found.high:.4f}]  ({found.k} of {found.n})"
            )
    return lines


def evaluation_lines(evaluation: Evaluation) -> str:
    """All metrics with their 95% intervals, each group under what it is, the confusion matrix, and the
    starting document's numbers."""
    lines = [
        f"{counted(evaluation.n, 'image')} ({evaluation.n_fake} fake, {evaluation.n_real} real)",
        "without a threshold",
        *_metric_lines(evaluation, _FREE),
        f"forced choice: fake at p_fake >= {evaluation.threshold:.3f}, else real (verdicts do not use this "
        f"rule)",
        *_metric_lines(evaluation, _FORCED),
    ]
    (fake_fake, fake_real), (real_fake, real_real) = evaluation.confusion_matrix
    lines += [
        "confusion matrix     called Fake  called Real",
        f"  true Fake          {fake_fake:11}  {fake_real:11}",
        f"  true Real          {real_fake:11}  {real_real:11}",
    ]
    for label in ("Fake", "Real"):
        row = evaluation.report[label]
        lines.append(
            f"{label}: precision {row['precision']:.4f}, recall {row['recall']:.4f}, "
            f"F1 {row['f1-score']:.4f}, {row['support']:.0f} images"
        )
    seed = evaluation.seed_protocol
    parts = [
        f"accuracy {seed.accuracy:.4f}",
        *(
            f"{title} {value:.4f}"
            for title, value in (
                ("AUC", seed.roc_auc_hard_labels_real_positive),
                ("AP", seed.average_precision_hard_labels_real_positive),
            )
            if value is not None
        ),
    ]
    lines.append("as computed in the baseline (hard labels, Real as class 1): " + ", ".join(parts))
    return "\n".join([*lines, *evaluation.notes])


def _metric_lines(evaluation: Evaluation, rows: tuple[tuple[str, str], ...]) -> list[str]:
    lines = []
    for title, name in rows:
        value = getattr(evaluation, name)
        interval = evaluation.intervals.get(name)
        shown = "undefined" if value is None else f"{value:.4f}"
        lines.append(
            f"{title:33} {shown}" + (f"  [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else "")
        )
    return lines
