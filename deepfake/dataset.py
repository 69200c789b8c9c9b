"""A folder of labelled images -> an index, one row an image.

Folder order is alphabetical, so Keras' loaders call Fake class 0 and Real class 1, which inverts
naive scores. Here, and only here, a folder name becomes a label: 1 means Fake, 0 means Real.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from deepfake.errors import UserError
from deepfake.images import IMAGE_EXTENSIONS, list_image_files

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
    """

    root: Path
    table: pd.DataFrame

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
        DatasetError: codes ``not_found``, ``not_a_folder``, ``no_images``, ``bad_manifest``.
    """
    folder = Path(root)
    if not folder.exists():
        raise DatasetError(
            "not_found", f"There is no folder {folder}. Give the folder that holds the images."
        )
    if not folder.is_dir():
        raise DatasetError("not_a_folder", f"{folder} is a file; a data set is a folder of images.")
    manifest = folder / "manifest.csv"
    table = _read_manifest(manifest) if manifest.is_file() else _read_folders(folder)
    return DatasetIndex(folder, table)


def _read_manifest(manifest: Path) -> pd.DataFrame:
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
    return table[_COLUMNS].sort_values("path").reset_index(drop=True)


def _leads_out(path: object) -> bool:
    return Path(str(path)).is_absolute() or ".." in Path(str(path)).parts


def _read_folders(folder: Path) -> pd.DataFrame:
    files = list_image_files(folder)
    rows = [row for file in files if (row := _row(file.relative_to(folder), folder.name)) is not None]
    if not rows:
        raise DatasetError(
            "no_images",
            f"No labelled images in {folder}: {len(files)} image files were looked at "
            f"({', '.join(sorted(IMAGE_EXTENSIONS))}), none in a folder called Fake or Real. "
            "Expected Train/Fake, Train/Real, Validation/Fake ... or Fake and Real alone.",
        )
    return pd.DataFrame(rows, columns=_COLUMNS).sort_values("path").reset_index(drop=True)


def _row(path: Path, root_name: str) -> tuple[str, str, int, str, str] | None:
    """A file's row, or None where no folder above it names a class."""
    split, label, source = "All", None, root_name
    for part in path.parts[:-1]:
        name = part.lower()
        if name in _CLASS_LABELS:
            label = _CLASS_LABELS[name]
        elif name in _SPLIT_NAMES:
            split = _SPLIT_NAMES[name]
        elif label is None:
            source = part
    return None if label is None else (path.as_posix(), split, label, source, "")


def _sha256(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise DatasetError(
            "missing_file",
            f"{path} belongs to the data set but cannot be read ({error.strerror}). "
            "Restore it, or take its row out of manifest.csv.",
        ) from error
