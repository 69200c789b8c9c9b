"""Two or more detectors on the same images: which is better, how surely, where they differ; and an ensemble.

Everything rests on score tables (`evaluation.scores`); no network runs. Fake is the positive class,
and every difference is A minus B.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from deepfake.evaluation.scores import CommonImages, ComparisonError, common_images
from deepfake.evaluation.statistics.bootstrap import (
    PAIRED_METRICS,
    McNemar,
    PairedResamples,
    draw_resamples,
    mcnemar,
)
from deepfake.types import class_name

CONFIDENCE = 0.95


@dataclass(frozen=True)
class MetricEstimate:
    """A metric, or a metric of A minus that of B; None where it is undefined.

    Attributes:
        value: on these images.
        interval: 95% (low, high) by paired stratified bootstrap, percentiles; None also without resamples.
    """

    value: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Agreement:
    """How many images both detectors, only one, or neither called rightly; they sum to all images."""

    both_right: int
    only_a_right: int
    only_b_right: int
    both_wrong: int


@dataclass(frozen=True)
class PairComparison:
    """Detector `a` against detector `b`; `differences` has the names of `PAIRED_METRICS`."""

    a: str
    b: str
    differences: dict[str, MetricEstimate]
    agreement: Agreement
    mcnemar: McNemar


@dataclass(frozen=True)
class Comparison:
    """Detectors on the images that all of them scored.

    Attributes:
        names: of the detectors, in the order given.
        thresholds: of each detector; accuracy, agreement and McNemar's test depend on them.
        n, n_fake, n_real: common images.
        left_out: for each detector, its images that are not in all tables.
        metrics: for each detector, the metrics of `PAIRED_METRICS` on the common images; None: undefined.
        intervals: of these, 95% (low, high) by the same resamples; None: undefined, or no resamples.
        pairs: every two detectors once, the earlier one as A.
        confidence, n_bootstrap: of the intervals.
        notes: sentences for a person: what was left out, what is undefined, what misleads.
    """

    names: tuple[str, ...]
    thresholds: dict[str, float]
    n: int
    n_fake: int
    n_real: int
    left_out: dict[str, int]
    metrics: dict[str, dict[str, float | None]]
    intervals: dict[str, dict[str, tuple[float, float] | None]]
    pairs: tuple[PairComparison, ...]
    confidence: float
    n_bootstrap: int
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same, ready for JSON: attribute names as keys, intervals as [low, high]."""

        def plain(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: plain(item) for key, item in value.items()}
            return [plain(item) for item in value] if isinstance(value, tuple) else value

        return plain(asdict(self))


@dataclass(frozen=True)
class PreparedComparison:
    """Detectors on common images, resampled once: `compare` at any thresholds takes milliseconds.

    Attributes:
        names: of the detectors.
        common: the images that all of them scored.
        resamples: drawn with the seed given.
    """

    names: tuple[str, ...]
    common: CommonImages
    resamples: PairedResamples

    def at(self, thresholds: Mapping[str, float]) -> Comparison:
        """The comparison at one threshold for each detector; raises as `compare`."""
        cuts = np.array([_threshold(name, thresholds) for name in self.names])
        labels = self.resamples.labels
        observed, resampled = self.resamples.at(cuts)
        right = (self.common.scores >= cuts[:, None]) == (labels == 1)
        pairs = []
        for a, b in combinations(range(len(self.names)), 2):
            only_a, only_b = int((right[a] & ~right[b]).sum()), int((right[b] & ~right[a]).sum())
            both = int((right[a] & right[b]).sum())
            agreement = Agreement(both, only_a, only_b, labels.size - both - only_a - only_b)
            differences = _estimates(observed[a] - observed[b], resampled[a] - resampled[b])
            test = mcnemar(only_a, only_b)
            pairs.append(PairComparison(self.names[a], self.names[b], differences, agreement, test))
        n_fake = int(labels.sum())
        found = {
            name: _estimates(values, draws)
            for name, values, draws in zip(self.names, observed, resampled, strict=True)
        }
        return Comparison(
            self.names,
            dict(zip(self.names, cuts.tolist(), strict=True)),
            labels.size,
            n_fake,
            labels.size - n_fake,
            self.common.left_out,
            {name: {key: one.value for key, one in row.items()} for name, row in found.items()},
            {name: {key: one.interval for key, one in row.items()} for name, row in found.items()},
            tuple(pairs),
            CONFIDENCE,
            len(self.resamples.weights),
            (*self.common.notes, *_notes(labels, pairs)),
        )

    def differing(self, a: str, b: str, thresholds: Mapping[str, float]) -> pd.DataFrame:
        """The images with the scores of two detectors, those on which they differ most first.

        Returns:
            image_id, split, source, label (1 = Fake), p_fake_a, p_fake_b, difference (p_fake_a - p_fake_b,
            -1 to 1), right_a, right_b (called rightly at their thresholds); sorted by the size of the
            difference, equal ones in the order of the first table.
        """
        fake = self.common.images["label"].to_numpy() == 1
        p_a, p_b = (self.common.scores[self.names.index(name)] for name in (a, b))
        table = self.common.images.assign(
            p_fake_a=p_a,
            p_fake_b=p_b,
            difference=p_a - p_b,
            right_a=(p_a >= _threshold(a, thresholds)) == fake,
            right_b=(p_b >= _threshold(b, thresholds)) == fake,
        )
        return table.iloc[np.argsort(-np.abs(p_a - p_b), kind="stable")].reset_index(drop=True)


def prepare(tables: Mapping[str, pd.DataFrame], n_bootstrap: int = 1000, seed: int = 0) -> PreparedComparison:
    """Matches score tables by image and draws the resamples; the slow part of `compare`.

    Args, raises: as `compare`.
    """
    if n_bootstrap < 0:
        raise ComparisonError(
            "bad_setting", f"The number of resamples must be 0 or more. Received {n_bootstrap}."
        )
    common = common_images(tables)
    labels = common.images["label"].to_numpy(np.int64)
    return PreparedComparison(tuple(tables), common, draw_resamples(labels, common.scores, n_bootstrap, seed))


def compare(
    tables: Mapping[str, pd.DataFrame],
    thresholds: Mapping[str, float],
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare detectors on the images that all of them scored.

    Args:
        tables: two or more score tables by the detector's name; rows are matched by image_id.
        thresholds: for each name, fake when p_fake >= threshold; 0 to 1, or the next number above 1.
        n_bootstrap: resamples; 0 for no intervals.
        seed: of the resampling; the same seed gives the same intervals.

    Raises:
        ComparisonError: fewer than two tables, an unsound table, no common image, a label that differs
            between tables, a missing threshold, or a setting out of range.
    """
    return prepare(tables, n_bootstrap, seed).at(thresholds)


def agreement_table(differing: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """How many images both, only one, or neither called rightly.

    Args:
        differing: from ``PreparedComparison.differing``.
        a, b: names of the two.

    Returns:
        four rows; columns outcome, images, fake, real.
    """
    rows = []
    for title, outcome in outcomes(a, b).items():
        labels = differing.loc[_of_outcome(differing, outcome), "label"]
        fake = int(labels.sum())
        rows.append({"outcome": title, "images": len(labels), "fake": fake, "real": len(labels) - fake})
    return pd.DataFrame(rows)


def outcomes(a: str, b: str) -> dict[str, tuple[bool, bool]]:
    """What can become of an image: whether A and whether B is right, by a title."""
    return {
        "Both right": (True, True),
        f"Only {a} right": (True, False),
        f"Only {b} right": (False, True),
        "Both wrong": (False, False),
    }


def outcome_images(differing: pd.DataFrame, outcome: tuple[bool, bool]) -> pd.DataFrame:
    """The images of an outcome, those on which the scores differ most first; where both are wrong, those
    most wrong first."""
    rows = differing[_of_outcome(differing, outcome)]
    if any(outcome):
        return rows
    error = np.abs(rows["p_fake_a"] + rows["p_fake_b"] - 2 * rows["label"])
    return rows.loc[error.sort_values(ascending=False, kind="stable").index]


def _of_outcome(differing: pd.DataFrame, outcome: tuple[bool, bool]) -> pd.Series:
    return (differing["right_a"] == outcome[0]) & (differing["right_b"] == outcome[1])


def _threshold(name: str, thresholds: Mapping[str, float]) -> float:
    value = thresholds.get(name)
    if value is None or not 0 <= value <= np.nextafter(1.0, 2.0):
        raise ComparisonError(
            "bad_setting", f"The threshold of {name} must lie in 0 to 1. Received {value}. Give one for each."
        )
    return float(value)


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _estimates(observed: NDArray[np.float64], resampled: NDArray[np.float64]) -> dict[str, MetricEstimate]:
    """From (M,) and (M, B) metrics or differences of metrics."""
    found = {}
    for name, value, values in zip(PAIRED_METRICS, observed, resampled, strict=True):
        interval = None
        if values.size and not np.isnan(value):
            low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
            interval = (float(low), float(high))
        found[name] = MetricEstimate(_defined(value), interval)
    return found


def _notes(labels: NDArray[np.int64], pairs: list[PairComparison]) -> list[str]:
    notes = []
    if labels.min() == labels.max():
        only, other = class_name(labels[0]), class_name(1 - labels[0])
        notes.append(
            f"All {labels.size} common images are {only}: ROC AUC and average precision, and their "
            f"differences, are undefined without images labeled {other}."
        )
    for pair in pairs:
        still = [
            name.replace("_", " ")
            for name, found in pair.differences.items()
            if found.interval and found.interval[0] == found.interval[1]
        ]
        if still:
            notes.append(
                f"{pair.a} and {pair.b}: resampling never changes the difference in {', '.join(still)}; an "
                "interval without width is no proof of certainty."
            )
    if len(pairs) > 1:
        notes.append(
            f"{len(pairs)} pairs were tested: p-values and intervals are for each pair by itself, not "
            "corrected for their number."
        )
    return notes


ENSEMBLE = "ensemble"
"""The name under which it stands beside its members."""
LOGIT_LIMIT = 1e-6
"""Scores are moved this far from 0 and 1 before their logits are averaged."""


def mean_of_logits(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """An ensemble: sigmoid of the mean of the detectors' logits, on the images that all of them scored.

    Args:
        tables: two or more score tables by name, calibrated. Scores are moved 1e-6 inwards from 0 and 1, so
            that no detector outvotes all others by being certain.

    Returns:
        a score table: image_id, split, source, label (1 = Fake), p_fake, in the order of the first table.

    Raises:
        ComparisonError: as `compare.compare`.
    """
    common = common_images(tables)
    return common.images.assign(p_fake=expit(_clipped_logits(common.scores).mean(axis=0)))


def ensemble_threshold(thresholds: Sequence[float]) -> float:
    """The members' thresholds put through the same mean, so that no image is needed to choose one.

    A picture that every member scores exactly at its own threshold lies exactly at this one.

    Args:
        thresholds: of each member, 0 to 1 or the next number above 1; at least one.
    """
    return float(expit(_clipped_logits(thresholds).mean()))


def _clipped_logits(p: ArrayLike) -> NDArray[np.float64]:
    return logit(np.clip(np.asarray(p, np.float64), LOGIT_LIMIT, 1 - LOGIT_LIMIT))
