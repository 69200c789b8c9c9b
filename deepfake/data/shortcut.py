"""Can the label be told without looking at the picture? What gives it away is learnt in place of fakes.

A classifier sees only size, weight, JPEG tables, brightness, contrast and sharpness of each image. Where it
beats chance by much, a detector's success on the same data says little about fakes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FEATURES: dict[str, str] = {
    "width": "width",
    "height": "height",
    "n_bytes": "size of the file",
    "bytes_per_pixel": "bytes per pixel",
    "coarseness": "JPEG compression",
    "tables": "JPEG encoder",
    "brightness": "brightness",
    "contrast": "contrast",
    "sharpness": "sharpness",
}
"""What the classifier sees, in words: of JPEG, how coarse its quantisation tables are, and which they are."""
FROM_FILE = ("width", "height", "n_bytes", "bytes_per_pixel", "coarseness", "tables")
"""Those that are facts of the file; the others are taken from its pixels as a whole."""
FEWEST = 20
"""Images of each class that a split needs for a check."""
MOST = 10_000
"""Images of a split that are used; more change nothing."""
FOLDS = 5
BINS = 12
NOTABLE_AUC, STRONG_AUC = 0.60, 0.75
"""From here on a shortcut is worth a warning, and a strong one; chance is 0.5."""


@dataclass(frozen=True)
class Shortcut:
    """How well the label of one split can be told without its pixels.

    Attributes:
        split: the split.
        n_fake, n_real: images used.
        auc: ROC AUC of the classifier on images that it was not fitted to, the mean of the folds; 0.5 is
            chance, 1 is certainty.
        interval: 95 % interval of ``auc``.
        file_auc: the same from facts of the file alone (``FROM_FILE``).
        single: AUC of each feature alone, found in the same way, strongest first.
    """

    split: str
    n_fake: int
    n_real: int
    auc: float
    interval: tuple[float, float]
    file_auc: float
    single: dict[str, float]

    @property
    def level(self) -> str:
        """``strong``, ``notable`` or ``none``: judged by the lower end of the interval."""
        low = self.interval[0]
        return "strong" if low >= STRONG_AUC else "notable" if low >= NOTABLE_AUC else "none"

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Shortcut:
        """The inverse of ``to_dict``."""
        return cls(**{**values, "interval": tuple(values["interval"])})


def check_shortcut(split: str, facts: pd.DataFrame, contents: NDArray[Any], seed: int = 0) -> Shortcut | None:
    """Fits a logistic regression on binned facts in five folds and measures it on the fold left out.

    One image of each content is used, so that no copy of a fitted image is measured.

    Args:
        split: its name, for the result.
        facts: a row an image: ``label`` (1 Fake, 0 Real) and the columns of ``FEATURES``.
        contents: (N,) equal for equal files.
        seed: of the sample and the folds.

    Returns:
        The result; None where a class has fewer than ``FEWEST`` contents.
    """
    facts = _sample(facts.iloc[np.sort(np.unique(contents, return_index=True)[1])], seed)
    labels = facts["label"].to_numpy(np.int64)
    n_fake, n_real = int(labels.sum()), int((labels == 0).sum())
    if min(n_fake, n_real) < FEWEST:
        return None
    folds = _folds(labels, seed)
    bins = {name: _bins(name, facts[name].to_numpy()) for name in FEATURES}
    auc = _auc(labels, _held_out(list(bins.values()), labels, folds), folds)
    of_file = _held_out([bins[name] for name in FROM_FILE], labels, folds)
    single = {
        name: _auc(labels, _held_out_share(column, labels, folds), folds) for name, column in bins.items()
    }
    return Shortcut(
        split=split,
        n_fake=n_fake,
        n_real=n_real,
        auc=auc,
        interval=auc_interval(auc, n_fake, n_real),
        file_auc=_auc(labels, of_file, folds),
        single=dict(sorted(single.items(), key=lambda item: -item[1])),
    )


def auc_interval(auc: float, n_fake: int, n_real: int) -> tuple[float, float]:
    """95 % interval of a ROC AUC (Hanley and McNeil, 1982), inside 0 to 1."""
    twice = auc / (2 - auc) - auc**2
    square = 2 * auc**2 / (1 + auc) - auc**2
    variance = (auc * (1 - auc) + (n_fake - 1) * twice + (n_real - 1) * square) / (n_fake * n_real)
    half = 1.96 * float(np.sqrt(max(variance, 0.0)))
    return max(0.0, auc - half), min(1.0, auc + half)


def _sample(facts: pd.DataFrame, seed: int) -> pd.DataFrame:
    if len(facts) <= MOST:
        return facts
    return facts.iloc[np.sort(np.random.default_rng(seed).choice(len(facts), MOST, replace=False))]


def _auc(labels: NDArray[np.int64], scores: NDArray[np.float64], folds: NDArray[np.int64]) -> float:
    """The mean of the folds' ROC AUC: scores of different folds come from different fits and do not compare.

    Pooled, a clue that is the same for all images would come out below 0.5.
    """
    from sklearn.metrics import roc_auc_score

    each = [roc_auc_score(labels[folds == fold], scores[folds == fold]) for fold in range(FOLDS)]
    return float(np.mean(each))


def _held_out(
    columns: list[NDArray[np.int64]], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(N,) scores of each image by the classifier that did not see it."""
    from sklearn.linear_model import LogisticRegression

    inputs = np.hstack([np.eye(int(bins.max()) + 1)[bins] for bins in columns])
    scores = np.empty(len(labels))
    for fold in range(FOLDS):
        fitted = folds != fold
        model = LogisticRegression(C=1.0, solver="newton-cholesky").fit(inputs[fitted], labels[fitted])
        scores[~fitted] = model.decision_function(inputs[~fitted])
    return scores


def _held_out_share(
    bins: NDArray[np.int64], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(N,) share of fakes among the images of other folds in the same bin."""
    shares = np.empty(len(labels))
    for fold in range(FOLDS):
        fitted = folds != fold
        size = int(bins.max()) + 1
        fakes = np.bincount(bins[fitted], labels[fitted], size)
        base = labels[fitted].mean()
        shares[~fitted] = ((fakes + base) / (np.bincount(bins[fitted], minlength=size) + 1))[bins[~fitted]]
    return shares


def _folds(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """(N,) fold of each image, by lot within each class, so that every fold has both."""
    rng, folds = np.random.default_rng(seed), np.empty(len(labels), np.int64)
    for label in (0, 1):
        mine = np.flatnonzero(labels == label)
        folds[mine] = rng.permutation(mine.size) % FOLDS
    return folds


def _bins(name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    """(N,) which of at most ``BINS`` equally full ranges a value is in; of tables, which of the commonest."""
    if name == "tables":
        distinct, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
        rank = np.empty(distinct.size, np.int64)
        rank[np.argsort(-counts, kind="stable")] = np.arange(distinct.size)
        return np.minimum(rank[codes], BINS - 1)
    edges = np.unique(np.quantile(values.astype(float), np.linspace(0, 1, BINS + 1)[1:-1]))
    return np.searchsorted(edges, values.astype(float), side="right")
