"""What is wrong with a data set: unreadable files, copies, leaks between splits, odd ones, shortcuts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.image_stats import Measures, measure_images
from deepfake.data.index import splits_in_order
from deepfake.data.inventory import Inventory, cache_name
from deepfake.images.hashing import near_pairs
from deepfake.types import class_name
from deepfake.util.cache import DAMAGED, cache_folder, changed, prune
from deepfake.util.files import write_whole
from deepfake.util.statistics import auc_and_variance, auc_interval

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
MIN_CLASS_IMAGES = 20
"""Images of each class that a split needs for a check."""
MAX_SPLIT_IMAGES = 10_000
"""Images of a split that are used; more change nothing."""
FOLDS = 5
BINS = 12
NOTABLE_AUC, STRONG_AUC = 0.60, 0.75
"""From here on a shortcut is worth a warning, and a strong one; chance is 0.5. See ``Shortcut.level``."""


@dataclass(frozen=True)
class Shortcut:
    """How well the label of one split can be told without its pixels.

    Attributes:
        split: the split.
        n_fake, n_real: images used.
        auc: ROC AUC of the classifier on images that it was not fitted to, the mean of the folds; 0.5 is
            chance, 1 is certainty.
        interval: 95% interval of ``auc``.
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
    def level(self) -> Literal["strong", "notable", "possible", "none"]:
        """How sure a warning is: ``strong`` and ``notable`` by the lower end of the interval, ``possible``
        where only the number itself reaches ``NOTABLE_AUC``, that of all clues or of any."""
        low = self.interval[0]
        if low >= NOTABLE_AUC:
            return "strong" if low >= STRONG_AUC else "notable"
        return "possible" if max(self.auc, self.file_auc, *self.single.values()) >= NOTABLE_AUC else "none"

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
        The result; None where a class has fewer than ``MIN_CLASS_IMAGES`` contents.
    """
    facts = _sample(facts.iloc[np.sort(np.unique(contents, return_index=True)[1])], seed)
    labels = facts["label"].to_numpy(np.int64)
    n_fake, n_real = int(labels.sum()), int((labels == 0).sum())
    if min(n_fake, n_real) < MIN_CLASS_IMAGES:
        return None
    folds = folds_by_class(labels, seed)
    bins = {name: _bins(name, facts[name].to_numpy()) for name in FEATURES}
    auc, variance = mean_fold_auc(labels, _held_out(list(bins.values()), labels, folds), folds)
    of_file = _held_out([bins[name] for name in FROM_FILE], labels, folds)
    single = {
        name: mean_fold_auc(labels, _held_out_share(column, labels, folds), folds)[0]
        for name, column in bins.items()
    }
    return Shortcut(
        split=split,
        n_fake=n_fake,
        n_real=n_real,
        auc=auc,
        interval=auc_interval(auc, variance, min(n_fake, n_real)),
        file_auc=mean_fold_auc(labels, of_file, folds)[0],
        single=dict(sorted(single.items(), key=lambda item: -item[1])),
    )


def _sample(facts: pd.DataFrame, seed: int) -> pd.DataFrame:
    if len(facts) <= MAX_SPLIT_IMAGES:
        return facts
    return facts.iloc[
        np.sort(np.random.default_rng(seed).choice(len(facts), MAX_SPLIT_IMAGES, replace=False))
    ]


def mean_fold_auc(
    labels: NDArray[np.int64], scores: NDArray[np.float64], folds: NDArray[np.int64]
) -> tuple[float, float]:
    """The mean of the folds' ROC AUC, and its variance.

    Scores of different folds come from different fits and do not compare: pooled, a clue that is the same for
    all images would come out below 0.5.
    """
    each = []
    for fold in range(FOLDS):
        mine, truth = scores[folds == fold], labels[folds == fold]
        each.append(auc_and_variance(np.sort(mine[truth == 1]), np.sort(mine[truth == 0])))
    aucs, variances = np.array(each).T
    return float(aucs.mean()), float(variances.sum()) / FOLDS**2


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


def folds_by_class(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
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
    return np.searchsorted(bin_edges(values), values.astype(float), side="right")


def bin_edges(values: NDArray[Any]) -> NDArray[np.float64]:
    """Rising edges between at most ``BINS`` equally full ranges; of equal values none."""
    edges = np.unique(np.quantile(values.astype(float), np.linspace(0, 1, BINS + 1)[1:-1]))
    return edges if np.ptp(values) else edges[:0]


NEARLY_BLACK, NEARLY_WHITE = 12.0, 243.0
"""Mean grey below and above which a picture is called so."""
FLAT = 4.0
"""Contrast (standard deviation of grey) below which a picture shows next to nothing."""
TINY = 64
"""A shorter side, in pixels, below which a face holds too little to judge."""
USUAL_SIZE_SHARE = 0.9
"""Where this part of the images has one size, the others are called odd."""
MAX_PAIRS = 20_000
"""Near-duplicate pairs that are kept, the nearest."""
MAX_CACHED_BYTES = 128_000_000
_VERSION = 2
_TABLES = ("unreadable", "duplicates", "near", "out_of_line")


@dataclass(frozen=True)
class Audit:
    """The findings.

    Attributes:
        images: how many images were looked at.
        fingerprint: of the inventory.
        unreadable: ``path``, ``reason``.
        duplicates: files whose bytes equal another's: ``group`` (from 1), ``path``, ``split``, ``label``.
        near: pairs of different files that look alike: ``first``, ``second`` (paths), ``bits`` (by how many
            of 64 their perceptual hashes differ), ``first_split``, ``second_split``, ``first_label``,
            ``second_label``; the nearest first.
        near_found: how many such pairs there are; ``near`` holds at most ``MAX_PAIRS``.
        out_of_line: ``path``, ``reason``, ``value``.
        shortcuts: one for each split that has enough of both classes.
    """

    images: int
    fingerprint: str
    unreadable: pd.DataFrame
    duplicates: pd.DataFrame
    near: pd.DataFrame
    near_found: int
    out_of_line: pd.DataFrame
    shortcuts: tuple[Shortcut, ...]

    def surplus(self) -> pd.DataFrame:
        """Copies beyond the first, within each ``split`` and ``label``: columns these and ``surplus``."""
        groups = self.duplicates.groupby(["split", "label", "group"], observed=True).size() - 1
        counts = groups.groupby(level=["split", "label"]).sum().rename("surplus").reset_index()
        return counts[counts["surplus"] > 0].reset_index(drop=True)

    def leaks(self) -> pd.DataFrame:
        """The duplicates whose content stands in more than one split."""
        splits = self.duplicates.groupby("group")["split"].transform("nunique")
        return self.duplicates[splits > 1].reset_index(drop=True)

    def conflicts(self) -> pd.DataFrame:
        """The duplicates whose content is called Fake in one place and Real in another."""
        labels = self.duplicates.groupby("group")["label"].transform("nunique")
        return self.duplicates[labels > 1].reset_index(drop=True)

    def near_leaks(self) -> pd.DataFrame:
        """The near-duplicates across splits."""
        return self.near[self.near["first_split"] != self.near["second_split"]].reset_index(drop=True)

    def near_conflicts(self) -> pd.DataFrame:
        """The near-duplicates of which one is labelled Fake and the other Real, the nearest first."""
        return self.near[self.near["first_label"] != self.near["second_label"]].reset_index(drop=True)

    def summary(self) -> dict[str, Any]:
        """The counts, ready for JSON."""
        return {
            "images": self.images,
            "unreadable": len(self.unreadable),
            "surplus_copies": int(len(self.duplicates) - self.duplicates["group"].nunique()),
            "surplus_by_part": [
                {"split": row.split, "label": class_name(row.label), "surplus": int(row.surplus)}  # pyright: ignore
                for row in self.surplus().itertuples()
            ],
            "contents_in_several_splits": int(self.leaks()["group"].nunique()),
            "contents_with_both_labels": int(self.conflicts()["group"].nunique()),
            "near_pairs": self.near_found,
            "near_pairs_across_splits": len(self.near_leaks()),
            "near_pairs_with_both_labels": len(self.near_conflicts()),
            "out_of_line": self.out_of_line["reason"].value_counts().to_dict(),
            "shortcuts": [{**shortcut.to_dict(), "level": shortcut.level} for shortcut in self.shortcuts],
        }


def audit(
    inventory: Inventory,
    *,
    refresh: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Audit:
    """Looks for everything; what was found is kept in the cache (``kept_audit``).

    Args:
        inventory: the data set.
        refresh: measure every image again, whatever is kept.
        on_progress: told how many images are measured, of how many.
        stopped: asked now and then whether to stop.

    Raises:
        Stopped: ``stopped`` said so; what was measured so far is kept.
    """
    measures = measure_images(inventory, refresh=refresh, on_progress=on_progress, stopped=stopped)
    result = findings(inventory, measures)
    _save(inventory, result)
    return result


def findings(inventory: Inventory, measures: Measures) -> Audit:
    """The audit of images that are measured; seconds for 200,000."""
    table = inventory.table
    contents = np.ascontiguousarray(measures.sha256).view("V32").ravel()
    near, near_found = _near(table, measures, contents)
    return Audit(
        images=len(table),
        fingerprint=inventory.fingerprint,
        unreadable=_unreadable(table, measures),
        duplicates=_duplicates(table, measures, contents),
        near=near,
        near_found=near_found,
        out_of_line=_out_of_line(table, measures),
        shortcuts=_shortcuts(table, measures, contents),
    )


def _unreadable(table: pd.DataFrame, measures: Measures) -> pd.DataFrame:
    rows = sorted(measures.refusals)
    paths = table["path"].to_numpy()
    return pd.DataFrame(
        {"path": [paths[row] for row in rows], "reason": [measures.refusals[row] for row in rows]}
    )


def _duplicates(table: pd.DataFrame, measures: Measures, contents: NDArray[Any]) -> pd.DataFrame:
    rows = np.flatnonzero(measures.good)
    _, codes, counts = np.unique(contents[rows], return_inverse=True, return_counts=True)
    several = counts[codes] > 1
    rows, codes = rows[several], codes[several]
    order = np.lexsort((rows, codes))
    chosen = table.iloc[rows[order]]
    numbers = pd.factorize(codes[order])[0] + 1
    return pd.DataFrame(
        {
            "group": numbers,
            "path": chosen["path"].to_numpy(),
            "split": chosen["split"].astype(str).to_numpy(),
            "label": chosen["label"].to_numpy(int),
        }
    )


def _near(table: pd.DataFrame, measures: Measures, contents: NDArray[Any]) -> tuple[pd.DataFrame, int]:
    """Pairs of different contents; a picture of one colour has no perceptual hash worth the name."""
    good = np.flatnonzero(measures.good & (measures.contrast >= FLAT))
    rows = good[np.unique(contents[good], return_index=True)[1]]
    rows.sort()
    first, second, bits = near_pairs(measures.perceptual[rows])
    found = first.size
    first, second, bits = rows[first[:MAX_PAIRS]], rows[second[:MAX_PAIRS]], bits[:MAX_PAIRS]
    columns: dict[str, Any] = {}
    for name, column in (("", "path"), ("_split", "split"), ("_label", "label")):
        values = table[column].astype(str).to_numpy() if column == "split" else table[column].to_numpy()
        columns[f"first{name}"], columns[f"second{name}"] = values[first], values[second]
    columns["bits"] = bits.astype(int)
    names = ["first", "second", "bits", "first_split", "second_split", "first_label", "second_label"]
    return pd.DataFrame(columns)[names], found


def _out_of_line(table: pd.DataFrame, measures: Measures) -> pd.DataFrame:
    good = measures.good
    sizes = measures.width.astype(np.int64) << 32 | measures.height
    distinct, counts = np.unique(sizes[good], return_counts=True)
    odd, paths = np.zeros(len(table), bool), table["path"].to_numpy()
    if counts.size and counts.max() >= USUAL_SIZE_SHARE * good.sum():
        odd = good & (sizes != distinct[counts.argmax()])
    side = np.minimum(measures.width, measures.height)
    grey, contrast = measures.brightness, measures.contrast
    shape = [
        f"{width} x {height} pixels" for width, height in zip(measures.width, measures.height, strict=True)
    ]
    kinds = (
        ("nearly black", good & (grey < NEARLY_BLACK), lambda row: f"mean gray {grey[row]:.0f} of 255"),
        ("nearly white", good & (grey > NEARLY_WHITE), lambda row: f"mean gray {grey[row]:.0f} of 255"),
        ("next to no contrast", good & (contrast < FLAT), lambda row: f"contrast {contrast[row]:.1f}"),
        ("tiny", good & (side < TINY), lambda row: shape[row]),
        ("unusual size", odd, lambda row: shape[row]),
    )
    found = [
        (paths[row], reason, value(row)) for reason, mask, value in kinds for row in np.flatnonzero(mask)
    ]
    return pd.DataFrame(found, columns=["path", "reason", "value"])


def shortcut_facts(table: pd.DataFrame, measures: Measures) -> pd.DataFrame:
    """What ``check_shortcut`` sees of every image: see ``FEATURES``."""
    facts = table[["label", "n_bytes", "coarseness", "tables"]].copy()
    facts["width"], facts["height"] = measures.width, measures.height
    area = np.maximum(measures.width.astype(float) * measures.height, 1)
    facts["bytes_per_pixel"] = table["n_bytes"].to_numpy() / area
    return facts.assign(
        brightness=measures.brightness, contrast=measures.contrast, sharpness=measures.sharpness
    )


def _shortcuts(table: pd.DataFrame, measures: Measures, contents: NDArray[Any]) -> tuple[Shortcut, ...]:
    facts, good = shortcut_facts(table, measures), measures.good
    checked = []
    for split in splits_in_order(table["split"].unique()):
        mine = good & (table["split"] == split).to_numpy()
        checked.append(check_shortcut(split, facts[mine], contents[mine]))
    return tuple(one for one in checked if one is not None)


def audit_version(inventory: Inventory) -> int:
    """Changes whenever an audit of this data set is kept; 0 where there is none."""
    return changed("audits", f"{cache_name(inventory.root)}.json")


def kept_audit(inventory: Inventory) -> Audit | None:
    """The last audit, where no file has come, gone or changed since; None where there is none."""
    try:
        text = (cache_folder("audits") / f"{cache_name(inventory.root)}.json").read_text(encoding="utf-8")
        kept = json.loads(text)
        if kept["version"] != _VERSION or kept["fingerprint"] != inventory.fingerprint:
            return None
        values: dict[str, Any] = {name: pd.DataFrame(**kept[name]) for name in _TABLES}
        shortcuts = tuple(Shortcut.from_dict(values) for values in kept["shortcuts"])
        values |= {name: kept[name] for name in ("images", "fingerprint", "near_found")}
        return Audit(**values, shortcuts=shortcuts)
    except DAMAGED:
        return None


def _save(inventory: Inventory, result: Audit) -> None:
    kept: dict[str, Any] = {
        "version": _VERSION,
        "images": result.images,
        "fingerprint": result.fingerprint,
        "near_found": result.near_found,
        "shortcuts": [shortcut.to_dict() for shortcut in result.shortcuts],
    }
    for name in _TABLES:
        kept[name] = json.loads(getattr(result, name).to_json(orient="split", index=False))
    try:
        folder = cache_folder("audits")
        write_whole(folder / f"{cache_name(inventory.root)}.json", json.dumps(kept).encode())
        prune(folder, MAX_CACHED_BYTES)
    except OSError:  # the next opening audits again
        return
