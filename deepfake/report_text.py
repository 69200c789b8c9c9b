"""Numbers of an evaluation as lines for a terminal."""

from __future__ import annotations

from deepfake.evaluation import Evaluation

_ROWS = (
    ("accuracy", "accuracy"),
    ("balanced accuracy", "balanced_accuracy"),
    ("ROC AUC", "roc_auc"),
    ("average precision", "average_precision"),
    ("F1 of Fake", "f1"),
    ("fakes caught at 1 % false alarms", "tpr_at_fpr_1pct"),
    ("ECE", "ece"),
    ("Brier score", "brier"),
)


def evaluation_lines(evaluation: Evaluation) -> str:
    """All metrics with their 95 % intervals, the confusion matrix, and the starting document's numbers."""
    lines = [
        f"{evaluation.n} images ({evaluation.n_fake} fake, {evaluation.n_real} real), "
        f"fake at p_fake >= {evaluation.threshold:.3f}"
    ]
    for title, name in _ROWS:
        value = getattr(evaluation, name)
        interval = evaluation.intervals.get(name)
        shown = "undefined" if value is None else f"{value:.4f}"
        lines.append(
            f"{title:33} {shown}" + (f"  [{interval[0]:.4f}, {interval[1]:.4f}]" if interval else "")
        )
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
    lines.append("as the starting document computed them (hard labels, Real as class 1): " + ", ".join(parts))
    return "\n".join([*lines, *evaluation.notes])
