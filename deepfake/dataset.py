"""A folder of labelled images -> an index, one row an image.

Folder order is alphabetical, so Keras' loaders call Fake class 0 and Real class 1, which inverts
naive scores. Here, and only here, a folder name becomes a label: 1 means Fake, 0 means Real.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake.errors import UserError
from deepfake.image_files import IMAGE_EXTENSIONS, walk_images

CLASS_NAMES = ("Fake", "Real")
"""Classes in folder order; the columns of a two-column softmax stand in this order."""

SPLITS = ("Train", "Validation", "Test")
_SPLIT_NAMES = {
    "train": "Train",
    "training": "Train",
    "val": "Validation",
    "valid": "Validation",
    "validation": "Validation",
    "dev": "Validation",
    "test": "Test",
    "testing": "Test",
    "all": "All",
}
_CLASS_LABELS = {"fake": 1, "real": 0}
_COLUMNS = ["path", "split", "label", "source", "generator"]


class DatasetError(UserError):
    """The folder cannot be read as a data set."""


@dataclass(frozen=True)
class DatasetIndex:
    """What a data set holds.

    Attributes:
        root: the folder.
        table: one row an image, ordered by path: ``path`` (relative to ``root``, forward slashes),
            ``split`` (Train, Validation, Test or the folder's own name), ``label`` (1 Fake, 0 Real),
            ``source`` and ``generator`` (from ``manifest.csv``, else the folder's name and "").
        notes: sentences for a person: a class is missing, a folder could not be read.
    """

    root: Path
    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.table)

    def select(self, *, split: str | None = None, source: str | None = None) -> DatasetIndex:
        """The rows of one split and/or source.

        Raises:
            DatasetError: code ``no_such_split`` or ``no_such_source``.
        """
        table = self.table
        for column, wanted in (("split", split), ("source", source)):
            if wanted is None:
                continue
            canonical = _SPLIT_NAMES.get(wanted.lower(), wanted) if column == "split" else wanted
            there = sorted(str(value) for value in table[column].unique())
            table = table.loc[table[column] == canonical]
            if table.empty:
                raise DatasetError(
                    f"no_such_{column}",
                    f"No image of {column} '{wanted}' in {self.root}. Found: {', '.join(there)}.",
                )
        return DatasetIndex(self.root, table.reset_index(drop=True))

    def paths(self) -> list[str]:
        """Absolute paths, in row order."""
        return [os.path.join(self.root, path) for path in self.table["path"]]  # noqa: PTH118 - 10x faster

    def hashes(self) -> list[str]:
        """SHA-256 of each file's bytes, hexadecimal, in row order.

        Raises:
            DatasetError: code ``missing_file``: the manifest names a file that is not there.
        """
        with ThreadPoolExecutor() as pool:
            return list(pool.map(_sha256, self.paths()))

    def without_duplicates(self) -> DatasetIndex:
        """Keeps one image of each content: Test before Validation before Train.

        What stands in two splits leaves the training side, so that no measured image was trained on.
        """
        rank = {split: place for place, split in enumerate(reversed(SPLITS))}
        table = self.table.assign(sha256=self.hashes(), rank=self.table["split"].map(rank).fillna(len(rank)))
        kept = table.sort_values(["rank", "path"]).drop_duplicates("sha256").sort_values("path")
        return DatasetIndex(self.root, kept[_COLUMNS].reset_index(drop=True))


def index_dataset(root: str | os.PathLike[str]) -> DatasetIndex:
    """Reads a data set's layout.

    Understood, first match wins: a ``manifest.csv`` with columns path, split and label (and, if there,
    source and generator); ``Train|Validation|Test / Fake|Real`` in the usual spellings; ``Fake|Real``
    alone (then the split is called "All"). Class folders may lie deeper, under folders of other names,
    which become the source.

    Raises:
        DatasetError: codes ``not_found``, ``not_a_folder``, ``no_images``, ``bad_manifest``,
            ``unreadable_folder``.
    """
    folder = Path(root)
    if not folder.exists():
        raise DatasetError(
            "not_found", f"There is no folder {folder}. Give the folder that holds the images."
        )
    if not folder.is_dir():
        raise DatasetError("not_a_folder", f"{folder} is a file; a data set is a folder of images.")
    manifest = folder / "manifest.csv"
    table, notes = _read_manifest(manifest) if manifest.is_file() else _read_folders(folder)
    return DatasetIndex(folder, table, notes)


def _read_manifest(manifest: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    try:
        table = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise DatasetError("bad_manifest", f"{manifest} cannot be read as CSV: {error}") from error
    missing = {"path", "split", "label"} - set(table.columns)
    if missing:
        raise DatasetError(
            "bad_manifest",
            f"{manifest} lacks the columns {sorted(missing)}. Received: {list(table.columns)}.",
        )
    if table.empty:
        raise DatasetError("no_images", f"{manifest} lists no images. Add a row for each image.")
    labels = table["label"].str.lower().map(_CLASS_LABELS)
    if labels.isna().any():
        odd = table.loc[labels.isna(), "label"].iloc[0]
        raise DatasetError("bad_manifest", f"{manifest}: label '{odd}' is neither Fake nor Real.")
    outside = table["path"].map(_leads_out)
    if outside.any():
        odd = table.loc[outside, "path"].iloc[0]
        raise DatasetError("bad_manifest", f"{manifest}: path '{odd}' leads out of the data set's folder.")
    split = table["split"].map(lambda name: _SPLIT_NAMES.get(str(name).lower(), name))
    table = table.assign(label=labels.astype(int), split=split)
    for column, usual in (("source", manifest.resolve().parent.name), ("generator", "")):
        if column not in table:
            table[column] = usual
    table = table[_COLUMNS].sort_values("path").reset_index(drop=True)
    return table, _notes(table, (), 0)


def splits_in_order(names: Iterable[object]) -> list[str]:
    """Each split once: Train, Validation, Test, then others by the alphabet.

    >>> splits_in_order(["Cross", "Test", "Train", "Test"])
    ['Train', 'Test', 'Cross']
    """
    there = {str(name) for name in names}
    return [split for split in SPLITS if split in there] + sorted(there.difference(SPLITS))


def _leads_out(path: object) -> bool:
    return Path(str(path)).is_absolute() or ".." in Path(str(path)).parts


def _read_folders(folder: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    looked_at, odd_names, unreadable = 0, 0, []
    for place, names in walk_images(str(folder), unreadable.append):
        looked_at += len(names)
        parts = Path(place).relative_to(folder).parts
        label, split, source = _meaning(parts, folder.name)
        if label is None:
            continue
        before = "".join(f"{part}/" for part in parts)
        paths = [path for name in names if _is_text(path := before + name)]
        odd_names += len(names) - len(paths)
        columns["path"] += paths
        for column, value in (("split", split), ("label", label), ("source", source), ("generator", "")):
            columns[column] += [value] * len(paths)
    if not columns["path"]:
        raise _no_images(folder, looked_at, unreadable)
    table = pd.DataFrame(columns, columns=_COLUMNS)
    order = np.argsort(np.array(columns["path"], object), kind="stable")
    return table.iloc[order].reset_index(drop=True), _notes(table, unreadable, odd_names)


def class_or_split(name: str) -> bool:
    """Whether a folder of this name is a class or a split."""
    return name.lower() in _CLASS_LABELS or name.lower() in _SPLIT_NAMES


def _meaning(parts: Sequence[str], root_name: str) -> tuple[int | None, str, str]:
    """Label, split and source of the files in a folder; no label where no folder names a class."""
    split, label, source = "All", None, root_name
    for part in parts:
        name = part.lower()
        if name in _CLASS_LABELS:
            label = _CLASS_LABELS[name]
        elif name in _SPLIT_NAMES:
            split = _SPLIT_NAMES[name]
        elif label is None:
            source = part
    return label, split, source


def _is_text(name: str) -> bool:
    """Whether a file's name is valid Unicode; others can be neither stored in a table nor shown."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_images(folder: Path, looked_at: int, unreadable: Sequence[str]) -> DatasetError:
    if str(folder) in unreadable:
        return DatasetError(
            "unreadable_folder",
            f"{folder} may not be read: permission was denied. Give the app the right to read it.",
        )
    try:
        there = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and _is_text(entry.name))
    except OSError:
        there = []
    found = f" Folders found: {', '.join(there[:12])}{', ...' if len(there) > 12 else ''}." if there else ""
    return DatasetError(
        "no_images",
        f"No labelled images in {folder}: {looked_at} image files were looked at "
        f"({', '.join(sorted(IMAGE_EXTENSIONS))}), none in a folder called Fake or Real.{found} "
        "Expected Train/Fake, Train/Real, Validation/Fake ... or Fake and Real alone, or a manifest.csv.",
    )


def _notes(table: pd.DataFrame, unreadable: Sequence[str], odd_names: int) -> tuple[str, ...]:
    """What a person should know before trusting the index."""
    notes = []
    if unreadable:
        more = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        notes.append(f"The folder {unreadable[0]}{more} may not be read and was left out.")
    if odd_names:
        notes.append(
            f"{odd_names:,} files have names that are not valid Unicode and were left out. Rename them."
        )
    for split, labels in table.groupby("split")["label"]:
        if labels.nunique() < 2:
            has, lacks = ("Fake", "Real") if labels.iloc[0] else ("Real", "Fake")
            notes.append(
                f"The split {split} has {has} images only: there is none in a folder {lacks}. "
                "Training and most measures need both."
            )
    return tuple(notes)


def _sha256(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise DatasetError(
            "missing_file",
            f"{path} belongs to the data set but cannot be read ({error.strerror}). "
            "Restore it, or take its row out of manifest.csv.",
        ) from error
