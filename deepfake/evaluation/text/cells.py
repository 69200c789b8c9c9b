"""The cells of the confusion matrix, and the images behind a part of a chart, in words."""

from __future__ import annotations

import pandas as pd

from deepfake.evaluation.curves import HISTOGRAM_BINS
from deepfake.evaluation.marks import CURVES, Mark
from deepfake.evaluation.statistics.metrics import Confusion
from deepfake.evaluation.statistics.reliability import N_BINS
from deepfake.evaluation.statistics.thresholds import ConfusionCell, ThresholdMetrics, report_table

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


REPORT_TITLES = {
    "class": "Class",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "images": "Images",
}


def report_texts(counts: Confusion | ThresholdMetrics) -> pd.DataFrame:
    """The classification report as it stands on a page: texts, with the classes as the index."""
    report = report_table(counts)
    texts = {name: report[name].map("{:.3f}".format) for name in ("precision", "recall", "f1")}
    shown = report.assign(**texts, images=report["images"].map("{:,}".format))
    return shown.rename(columns=REPORT_TITLES).set_index("Class")
