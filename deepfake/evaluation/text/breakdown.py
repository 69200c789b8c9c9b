"""One detector on many kinds of images, in words: gaps between evaluations, and abstaining."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from deepfake.evaluation.breakdown import ALARM_POINTS, Gap, GapKind
from deepfake.util.text import Unit, format_metric

SUBSET_METRICS = {
    "accuracy": "Forced-choice accuracy",
    "auc": "ROC AUC",
    "recall": "Recall",
    "false_alarm_rate": "False-positive rate",
}
"""The numbers of ``breakdown_table``, with their titles."""


def breakdown_texts(table: pd.DataFrame, first: str) -> pd.DataFrame:
    """A breakdown as it stands on the page.

    Args:
        table: of ``breakdown_table``.
        first: title of the subsets' names.

    Returns:
        texts, with the names as the index: images, and the numbers without their intervals; empty where a
        number needs a class that has no image.
    """
    shown = {first: table["part"], "Images": [f"{count:,}" for count in table["images"]]}
    for name, title in SUBSET_METRICS.items():
        unit: Unit = "number" if name == "auc" else "share"
        shown[title] = ["" if math.isnan(each) else format_metric(each, unit) for each in table[name]]
    return pd.DataFrame(shown).set_index(first)


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


ABSTAINING_BY_SET = (
    "The share of wrong calls if only the most certain images of each dataset were decided, as a forced "
    "choice at {threshold}. The last two columns: the verdicts at Balanced."
)
