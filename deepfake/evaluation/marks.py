"""From a chart to its images: which rows of a score table are behind a bar, a dot or a point of a curve.

A mark has a word. A figure carries it as the last custom datum of each point, and an address can hold it, so
a click, a choice by keyboard and a link open the same images.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from deepfake.errors import EvaluationError
from deepfake.evaluation.curves import HISTOGRAM_BINS, decided_images, histogram_bin
from deepfake.evaluation.statistics.reliability import N_BINS, bin_index
from deepfake.types import class_name

ChartName = Literal["roc", "precision", "det", "histogram", "reliability", "abstaining"]
CURVES: tuple[ChartName, ...] = ("roc", "precision", "det")
_BINS: dict[ChartName, int] = {"histogram": HISTOGRAM_BINS, "reliability": N_BINS}
_OF: dict[ChartName, tuple[str, ...]] = {
    "histogram": ("Fake", "Real"),
    "reliability": ("before", "after"),
    "abstaining": ("",),
}
_BETWEEN = "~"


@dataclass(frozen=True)
class Mark:
    """A part of a chart that stands for images.

    Attributes:
        chart: whose part it is.
        at: where it stands. Of a curve the threshold: 0 to 1, or infinity where nothing is called fake. Of
            ``histogram`` and ``reliability`` the bin's number from 0. Of ``abstaining`` the share of images
            decided, above 0 up to 1.
        of: whose it is: a detector's name (curves), ``Fake`` or ``Real`` (histogram), ``before`` or
            ``after`` calibration (reliability), empty (abstaining).
    """

    chart: ChartName
    at: float
    of: str = ""

    @property
    def word(self) -> str:
        """What names it in an address; ``parse_mark`` reads it."""
        at = str(int(self.at)) if self.chart in _BINS else repr(float(self.at))
        return _BETWEEN.join([self.chart, at, self.of] if self.of else [self.chart, at])


def parse_mark(word: str) -> Mark:
    """The mark of a word, as it stands in an address.

    Raises:
        EvaluationError: ``unknown_mark``: it names no part of a chart.
    """
    chart, _, rest = word.partition(_BETWEEN)
    at, _, of = rest.partition(_BETWEEN)
    mark = None
    with contextlib.suppress(ValueError):
        mark = Mark(cast(ChartName, chart), float(at), of)
    if mark is None or not _is_sound(mark):
        raise EvaluationError(
            "unknown_mark",
            f"The link names no part of a chart. Received 'behind={word[:60]}', expected for example "
            "'behind=histogram~39~Fake'. Choose a bar or a point instead.",
        )
    return mark


def _is_sound(mark: Mark) -> bool:
    if mark.chart not in get_args(ChartName) or math.isnan(mark.at):
        return False
    if mark.chart in CURVES:
        return bool(mark.of) and (0 <= mark.at <= 1 or mark.at == math.inf)
    if mark.of not in _OF[mark.chart]:
        return False
    if mark.chart == "abstaining":
        return 0 < mark.at <= 1
    return mark.at in range(_BINS[mark.chart])


def mark_words(chart: ChartName, at: ArrayLike, of: str = "") -> list[str]:
    """The words of a chart's points.

    Args:
        chart: whose they are.
        at: (N,) as ``Mark.at``.
        of: as ``Mark.of``.
    """
    return [Mark(chart, value, of).word for value in np.asarray(at, np.float64)]


def images_behind(
    mark: Mark, table: pd.DataFrame, threshold: float = 0.5, before: ArrayLike | None = None
) -> pd.DataFrame:
    """The images that a mark stands for, most wrong first: those furthest from their true class.

    Behind a point of a curve stand the images called wrongly at its threshold; behind a bar or a dot all
    that score there; behind a share of decided images those decided wrongly.

    Args:
        mark: which.
        table: a score table (``scores.read_scores``), that of the detector the mark names.
        threshold: of the forced choice; for ``abstaining`` alone.
        before: (N,) scores without calibration (``calibration.uncalibrated``), for a dot of ``before``; the
            rows then hold them as p_before.

    Returns:
        rows of the table.
    """
    label, p_fake = table["label"].to_numpy(), table["p_fake"].to_numpy()
    if mark.chart in CURVES:
        chosen = (p_fake >= mark.at) != (label == 1)
    elif mark.chart == "histogram":
        chosen = (histogram_bin(p_fake) == mark.at) & (label == (mark.of == "Fake"))
    elif mark.chart == "reliability":
        if mark.of == "before":
            table = table.assign(p_before=p_fake if before is None else np.asarray(before, np.float64))
            p_fake = table["p_before"].to_numpy()
        chosen = bin_index(p_fake) == mark.at
    else:
        wrong = (p_fake >= threshold) != (label == 1)
        chosen = wrong & decided_images(p_fake, threshold, mark.at)
    return most_wrong_first(table[chosen])


def most_wrong_first(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of a score table by the distance of their score from their true class, the largest first; those
    equally far by their names."""
    distance = (rows["label"] - rows["p_fake"]).abs()
    order = np.lexsort((rows["image_id"].astype(str).to_numpy(str), -distance))
    return rows.iloc[order]


def bars_with_images(histogram: pd.DataFrame) -> list[Mark]:
    """A mark for each bar of ``curves.score_histogram`` that is not empty: those of Fake, then of Real; each
    begins with its wrong end."""
    bars = []
    for label, column in ((1, "fake"), (0, "real")):
        filled = np.flatnonzero(histogram[column])
        ordered = filled if label else filled[::-1]
        bars += [Mark("histogram", int(number), class_name(label)) for number in ordered]
    return bars


def dots_with_images(reliability: pd.DataFrame, of: str) -> list[Mark]:
    """A mark for each bin of ``reliability.reliability_table`` that is not empty.

    Args:
        reliability: the table.
        of: ``before`` or ``after`` calibration.
    """
    return [Mark("reliability", int(number), of) for number in np.flatnonzero(reliability["n"])]
