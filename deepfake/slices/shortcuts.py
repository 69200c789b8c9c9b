"""What framing, sharpness, size and compression alone would say of an image: a small logistic regression.

It sees no pixel of the face. What it can tell, a detector may have read too, and then its verdict is worth
less than its score says. Fitted on held-out images (``python -m deepfake facts``), kept as JSON beside the
card, and asked with NumPy alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.audit import FOLDS, bin_edges, folds_by_class, mean_fold_auc
from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.slices.facts import SquareFacts
from deepfake.slices.held_out import varies_within_sets
from deepfake.util.files import write_json
from deepfake.util.statistics import auc_and_variance, auc_interval

SHORTCUTS_FILE = "shortcuts.json"
"""Beside ``card.json``."""
CLUES = {"framing": "framing", "sharpness": "sharpness", "side": "size", "quality": "compression"}
"""What it sees, by the column of facts, in words. Size is that of the scored square."""
MIN_CLASS_IMAGES = 50
"""Images of each class in sets of both, below which nothing is fitted."""


class ShortcutsError(UserError):
    """There are none to ask; code ``too_few`` or ``bad_shortcuts``."""


@dataclass(frozen=True)
class Clue:
    """One fact's part in the regression.

    Attributes:
        name: of ``CLUES``.
        edges: between its ranges, rising.
        weights: log odds of Fake of each range, 0 for the average image; one more than edges.
        missing: the same where the fact is not known.
    """

    name: str
    edges: tuple[float, ...]
    weights: tuple[float, ...]
    missing: float = 0.0

    def weight(self, value: float) -> float:
        """Log odds of Fake that a value adds."""
        if math.isnan(value):
            return self.missing
        return self.weights[int(np.searchsorted(self.edges, value, side="right"))]

    @property
    def tells(self) -> bool:
        """Whether it differed within a set that it was fitted on."""
        return bool(self.edges)


@dataclass(frozen=True)
class SourceAuc:
    """How well the clues tell one set's fakes from its real images.

    Attributes:
        n_fake, n_real: images.
        auc: ROC AUC by regressions that did not see the image.
        left_out: ROC AUC by a regression that saw nothing of the set.
    """

    n_fake: int
    n_real: int
    auc: float
    left_out: float


@dataclass(frozen=True)
class Shortcuts:
    """The regression and what it is worth.

    Attributes:
        clues: of ``CLUES``.
        intercept: log odds of Fake of the average image.
        n_fake, n_real: images that it was fitted on.
        auc: ROC AUC on images that it was not fitted to, of sets that it was (five folds); 0.5 is chance.
        interval: 95% interval of it (DeLong et al., 1988).
        left_out: mean ROC AUC on sets that it was not fitted to.
        sources: by set.
    """

    clues: tuple[Clue, ...]
    intercept: float
    n_fake: int
    n_real: int
    auc: float
    interval: tuple[float, float]
    left_out: float
    sources: Mapping[str, SourceAuc]

    def p_fake(self, facts: SquareFacts) -> float:
        """What the clues alone would say, 0..1."""
        odds = self.intercept + sum(clue.weight(getattr(facts, clue.name)) for clue in self.clues)
        return 1 / (1 + math.exp(-odds))

    def follows(self, table: pd.DataFrame) -> float:
        """How far a detector's scores of real images go with what the clues say: rank correlation, -1 to 1.

        Args:
            table: ``HeldOut.table``.
        """
        real = table[(table["label"] == 0) & table["face"].notna()]
        says = sum(
            (real[clue.name].map(clue.weight) for clue in self.clues), pd.Series(0.0, index=real.index)
        )
        ranks = says.rank(), real["p_fake"].rank()
        if len(real) < 2 or min(rank.std() for rank in ranks) == 0:
            return 0.0
        return float(ranks[0].corr(ranks[1]))

    def strongest(self, facts: SquareFacts) -> str:
        """The name of the clue that says most of it."""
        return max(self.clues, key=lambda clue: abs(clue.weight(getattr(facts, clue.name)))).name

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def fit_shortcuts(table: pd.DataFrame, seed: int = 0) -> Shortcuts:
    """Fits the regression on the images of every set that holds both classes.

    Within a set fakes and real images weigh the same, so that only what differs between the two counts, and
    not which set an image looks to be from. A fact that is the same for all images of each set, such as the
    JPEG quality of sets that were brought to one form, would tell the sets apart and nothing else: it is
    left out.

    Args:
        table: ``HeldOut.table``.
        seed: of the folds.

    Raises:
        ShortcutsError: ``too_few``: fewer than ``MIN_CLASS_IMAGES`` of a class in sets of both.
    """
    known = table[table["face"].notna()] if len(table) else table
    if len(known):
        known = known.sort_values(["source", "image_id"])  # whatever the order of the evaluations
        known = known[known.groupby("source")["label"].transform("nunique") == 2].reset_index(drop=True)
    labels = known["label"].to_numpy(np.int64) if len(known) else np.empty(0, np.int64)
    n_fake, n_real = int(labels.sum()), int((labels == 0).sum())
    if min(n_fake, n_real) < MIN_CLASS_IMAGES:
        raise ShortcutsError(
            "too_few",
            f"Shortcuts need {MIN_CLASS_IMAGES} fake and {MIN_CLASS_IMAGES} real images of sets with both "
            f"classes. Received {n_fake} and {n_real}. Record more evaluations, or measure more facts.",
        )
    columns = {
        name: _Column.of(known[name].to_numpy(float), used=varies_within_sets(known, name)) for name in CLUES
    }
    inputs = np.hstack([column.one_hot for column in columns.values()])
    sources = known["source"].to_numpy(str)
    weights = _balanced(sources, labels)
    folds = folds_by_class(labels, seed)
    by_fold, by_source = np.empty(len(labels)), np.empty(len(labels))
    for fold in range(FOLDS):
        mine = folds == fold
        by_fold[mine] = _fit(inputs[~mine], labels[~mine], weights[~mine]).of(inputs[mine])
    names = sorted(set(sources.tolist()))
    for name in names:
        mine = sources == name
        others = ~mine if len(names) > 1 else mine
        by_source[mine] = _fit(inputs[others], labels[others], weights[others]).of(inputs[mine])
    auc, variance = mean_fold_auc(labels, by_fold, folds)
    each = {
        name: _source_auc(labels, by_fold, by_source, sources == name, alone=len(names) == 1)
        for name in names
    }
    whole = _fit(inputs, labels, weights)
    clues, intercept = _centred(columns, whole, weights)
    return Shortcuts(
        clues=clues,
        intercept=intercept,
        n_fake=n_fake,
        n_real=n_real,
        auc=auc,
        interval=auc_interval(auc, variance, min(n_fake, n_real)),
        left_out=float(np.mean([one.left_out for one in each.values()])),
        sources=each,
    )


@dataclass(frozen=True)
class _Column:
    """A fact in ranges: (N, R) one-hot, the last column where it is not known for some."""

    edges: NDArray[np.float64]
    one_hot: NDArray[np.float64]
    has_missing: bool

    @classmethod
    def of(cls, values: NDArray[np.float64], *, used: bool) -> _Column:
        if not used:
            return cls(np.empty(0), np.ones((len(values), 1)), False)
        missing = np.isnan(values)
        known = values[~missing]
        edges = bin_edges(known) if known.size else np.empty(0)
        number = np.where(missing, len(edges) + 1, np.searchsorted(edges, values, side="right"))
        return cls(edges, np.eye(len(edges) + 1 + bool(missing.any()))[number], bool(missing.any()))


@dataclass(frozen=True)
class _Fitted:
    weights: NDArray[np.float64]
    intercept: float

    def of(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        return inputs @ self.weights + self.intercept


def _balanced(sources: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) weights: both classes of a set count for half of its images."""
    weights = np.empty(len(labels))
    for name in set(sources.tolist()):
        mine = sources == name
        for label in (0, 1):
            both = mine & (labels == label)
            weights[both] = mine.sum() / (2 * both.sum())
    return weights


def _fit(inputs: NDArray[np.float64], labels: NDArray[np.int64], weights: NDArray[np.float64]) -> _Fitted:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, solver="newton-cholesky").fit(inputs, labels, weights)
    return _Fitted(model.coef_[0].astype(float), float(model.intercept_[0]))


def _source_auc(
    labels: NDArray[np.int64],
    by_fold: NDArray[np.float64],
    by_source: NDArray[np.float64],
    mask: NDArray[np.bool_],
    *,
    alone: bool,
) -> SourceAuc:
    fake, real = mask & (labels == 1), mask & (labels == 0)
    auc, left_out = (
        auc_and_variance(np.sort(scores[fake]), np.sort(scores[real]))[0] for scores in (by_fold, by_source)
    )
    return SourceAuc(int(fake.sum()), int(real.sum()), auc, 0.5 if alone else left_out)


def _centred(
    columns: Mapping[str, _Column], fitted: _Fitted, weights: NDArray[np.float64]
) -> tuple[tuple[Clue, ...], float]:
    """The clues with 0 for the average image, so that a fact that was never seen adds nothing."""
    clues, intercept, start = [], fitted.intercept, 0
    for name, column in columns.items():
        width = column.one_hot.shape[1]
        mine = fitted.weights[start : start + width]
        middle = float(np.average(column.one_hot @ mine, weights=weights))
        start, intercept = start + width, intercept + middle
        ranges = [round(weight, 4) + 0.0 for weight in (mine - middle).tolist()]
        missing = ranges.pop() if column.has_missing else 0.0
        clues.append(Clue(name, tuple(column.edges.tolist()), tuple(ranges), missing))
    return tuple(clues), round(intercept, 4)


def write_shortcuts(shortcuts: Shortcuts, card: Card) -> Path:
    """Writes them beside a detector's card.

    Raises:
        OSError: it cannot be written.
    """
    path = card.folder / SHORTCUTS_FILE
    write_json(path, shortcuts.to_dict())
    return path


def read_shortcuts(card: Card) -> Shortcuts | None:
    """Those of a detector; None where it has none.

    Raises:
        ShortcutsError: ``bad_shortcuts``: they cannot be read.
    """
    path = card.folder / SHORTCUTS_FILE
    if not path.is_file():
        return None
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
        clues = tuple(
            Clue(
                str(clue["name"]),
                tuple(map(float, clue["edges"])),
                tuple(map(float, clue["weights"])),
                float(clue["missing"]),
            )
            for clue in given["clues"]
        )
        if any(len(clue.weights) != len(clue.edges) + 1 or clue.name not in CLUES for clue in clues):
            raise ValueError("a clue with other ranges or of another name")
        return Shortcuts(
            **{
                **given,
                "clues": clues,
                "interval": tuple(map(float, given["interval"])),
                "sources": {str(name): SourceAuc(**one) for name, one in given["sources"].items()},
            }
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ShortcutsError(
            "bad_shortcuts",
            f"{SHORTCUTS_FILE} of '{card.name}' cannot be read ({error!r}). "
            f"Make it again with 'python -m deepfake facts DATA --model {card.name}'.",
        ) from error
