"""A folder of labelled images -> an index, one row an image.

Folder order is alphabetical, so Keras' loaders call Fake class 0 and Real class 1, which inverts
naive scores. Here, and only here, a folder name becomes a label: 1 means Fake, 0 means Real.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

from deepfake.errors import UserError
from deepfake.images.formats import IMAGE_EXTENSIONS
from deepfake.images.walk import walk_images
from deepfake.types import class_name

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
_MAX_NAMED = 8
"""Rows or folders that one sentence names; of the others it tells how many there are."""


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
            canonical = split_name(wanted) if column == "split" else wanted
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

    def check_files(self) -> None:
        """Refuses images that are not there, before any work is spent on the others.

        Raises:
            DatasetError: code ``missing_file``; names each with its row of ``manifest.csv``.
        """
        missing = [
            name
            for name, path in zip(self.table["path"], self.paths(), strict=True)
            if not os.path.isfile(path)  # noqa: PTH113
        ]
        if missing:
            raise DatasetError("missing_file", _missing_sentence(self.root, missing))

    def hashes(self) -> list[str]:
        """SHA-256 of each file's bytes, hexadecimal, in row order.

        Raises:
            DatasetError: code ``missing_file``: as ``check_files``, or a file cannot be read.
        """
        self.check_files()
        with ThreadPoolExecutor() as pool:
            return list(pool.map(_sha256, self.paths()))

    def without_duplicates(self) -> DatasetIndex:
        """Keeps one image of each content: Test before Validation before Train.

        What stands in two splits leaves the training side, so that no measured image was trained on.
        """
        rank = {split: index for index, split in enumerate(reversed(SPLITS))}
        table = self.table.assign(sha256=self.hashes(), rank=self.table["split"].map(rank).fillna(len(rank)))
        kept = table.sort_values(["rank", "path"]).drop_duplicates("sha256").sort_values("path")
        return DatasetIndex(self.root, kept[_COLUMNS].reset_index(drop=True))


def index_dataset(root: str | os.PathLike[str]) -> DatasetIndex:
    """Reads a data set's layout.

    Understood, first match wins: a ``manifest.csv`` with columns path, split and label (and, if there,
    source and generator); ``Train|Validation|Test / Fake|Real`` in the usual spellings; ``Fake|Real``
    alone (then the split is called "All"). Class folders may lie deeper, under folders of other names,
    which become the source. The outermost folder that names a class decides the label, and so does the
    outermost split above it: whatever the folders below a class are called changes neither.

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
        raise DatasetError("not_a_folder", f"{folder} is a file; a dataset is a folder of images.")
    manifest = folder / "manifest.csv"
    table, notes = _read_manifest(manifest) if manifest.is_file() else _read_folders(folder)
    return DatasetIndex(folder, table, notes)


def _read_manifest(manifest: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    table = _manifest_rows(manifest)
    labels = table["label"].str.lower().map(_CLASS_LABELS)
    if labels.isna().any():
        odd = table.loc[labels.isna(), "label"]
        raise DatasetError(
            "bad_manifest", f"{manifest}: the label is neither Fake nor Real in {_in_rows(odd)}."
        )
    _check_paths(manifest, table["path"])
    split = table["split"].map(split_name)
    table = table.assign(label=labels.astype(int), split=split)
    for column, usual in (("source", manifest.resolve().parent.name), ("generator", "")):
        if column not in table:
            table[column] = usual
    index = DatasetIndex(manifest.parent, table[_COLUMNS].sort_values("path").reset_index(drop=True))
    notes = list(_notes(index.table, (), 0))
    try:
        index.check_files()
    except DatasetError as error:
        notes.insert(0, error.message)
    return index.table, tuple(notes)


def _manifest_rows(manifest: Path) -> pd.DataFrame:
    """The table as text, indexed by the row that a spreadsheet shows: the first below the header is 2.

    Paths are written with forward slashes and without detours (``./``, ``//``).

    Raises:
        DatasetError: codes ``bad_manifest``, ``no_images``.
    """
    try:
        table = pd.read_csv(manifest, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (ValueError, OSError) as error:
        raise DatasetError("bad_manifest", f"{manifest} cannot be read as CSV: {error}") from error
    missing = {"path", "split", "label"} - set(table.columns)
    if missing:
        raise DatasetError(
            "bad_manifest",
            f"{manifest} lacks the columns {sorted(missing)}. Received: {list(table.columns)}.",
        )
    if not isinstance(table.index, pd.RangeIndex):
        raise DatasetError("bad_manifest", f"{manifest} has rows of more cells than its header.")
    table.index = pd.RangeIndex(2, len(table) + 2)
    table = table[(table != "").any(axis=1)]  # blank lines
    if table.empty:
        raise DatasetError("no_images", f"{manifest} lists no images. Add a row for each image.")
    return table.assign(path=[_plain_path(manifest.parent, path) for path in table["path"]])


def _plain_path(root: Path, path: str) -> str:
    if "\0" in path or not path:
        return path
    if "\\" in path and not os.path.lexists(root / path):  # written on Windows
        path = path.replace("\\", "/")
    return posixpath.normpath(path)


def _check_paths(manifest: Path, paths: pd.Series[str]) -> None:
    """Refuses rows whose path is no path, leads out of the folder, or stands in another row too."""
    wrong = (
        ("the path is empty", paths.isin(["", "."])),
        ("the path holds a null character", paths.str.contains("\0", regex=False)),
        ("the path leads out of the dataset's folder", paths.map(_leads_out)),
    )
    for what, rows in wrong:
        if rows.any():
            raise DatasetError("bad_manifest", f"{manifest}: {what} in {_in_rows(paths[rows])}.")
    repeated = paths[paths.duplicated(keep=False)]
    if not repeated.empty:
        raise DatasetError(
            "bad_manifest",
            f"{manifest}: an image may stand in one row only, but {_in_rows(repeated.sort_values())} name "
            "the same files. Keep one row for each image.",
        )


def _in_rows(values: pd.Series[str]) -> str:
    """The first rows and what they hold: ``row 2 ('a.jpg'), row 5 ('b.jpg') and 3 more``."""
    named = [f"row {row} ({value!r})" for row, value in list(values.items())[:_MAX_NAMED]]
    more = len(values) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def _missing_sentence(root: Path, missing: Sequence[str]) -> str:
    """Which images are not there, by their rows where a manifest lists them."""
    manifest = root / "manifest.csv"
    count = _images(len(missing))
    if not manifest.is_file():
        named = _named({str(root / name): 0 for name in missing})
        return f"{count} cannot be found any more: {named}. Restore the files, or open the dataset again."
    paths = _manifest_rows(manifest)["path"]
    return (
        f"{count} of {manifest} cannot be found: {_in_rows(paths[paths.isin(missing)])}. "
        "Restore the files, or take their rows out of manifest.csv."
    )


def _images(number: int) -> str:
    return f"{number:,} image{'' if number == 1 else 's'}"


def _named(counts: Mapping[str, int]) -> str:
    """The names with the largest counts: ``cats (12), dogs (3) and 2 more``."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{name} ({count:,})" if count else name for name, count in ordered[:_MAX_NAMED]]
    more = len(ordered) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def splits_in_order(names: Iterable[object]) -> list[str]:
    """Each split once: Train, Validation, Test, then others by the alphabet.

    >>> splits_in_order(["Cross", "Test", "Train", "Test"])
    ['Train', 'Test', 'Cross']
    """
    there = {str(name) for name in names}
    return [split for split in SPLITS if split in there] + sorted(there.difference(SPLITS))


def _leads_out(path: str) -> bool:
    windows = PureWindowsPath(path)
    return path.startswith("/") or bool(windows.drive) or ".." in path.split("/")


def _read_folders(folder: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    odd_names, unreadable = 0, []
    no_class: dict[str, int] = {}
    overruled: dict[str, int] = {}
    for walked, names in walk_images(str(folder), unreadable.append):
        parts = Path(walked).relative_to(folder).parts
        label, split, source = _meaning(parts, folder.name)
        if label is None:
            if names:
                no_class["/".join(parts) or "the folder itself"] = len(names)
            continue
        before = "".join(f"{part}/" for part in parts)
        paths = [path for name in names if _is_text(path := before + name)]
        odd_names += len(names) - len(paths)
        if paths and _says_otherwise(parts, label, split):
            overruled["/".join(parts)] = len(paths)
        columns["path"] += paths
        for column, value in (("split", split), ("label", label), ("source", source), ("generator", "")):
            columns[column] += [value] * len(paths)
    no_class = {name: count for name, count in no_class.items() if _is_text(name)}
    if not columns["path"]:
        raise _no_images(folder, no_class, unreadable)
    table = pd.DataFrame(columns, columns=_COLUMNS)
    order = np.argsort(np.array(columns["path"], object), kind="stable")
    notes = _notes(table, unreadable, odd_names)
    return table.iloc[order].reset_index(drop=True), (*notes, *_folder_notes(no_class, overruled))


def _folder_notes(no_class: Mapping[str, int], overruled: Mapping[str, int]) -> list[str]:
    """Folders whose images were left out, and folders whose names do not count."""
    notes = []
    if no_class:
        notes.append(
            f"{_images(sum(no_class.values()))} in no folder called Fake or Real, left out: "
            f"{_named(no_class)}. Rename the folders, or list the images in a manifest.csv."
        )
    if overruled:
        notes.append(
            f"{_images(sum(overruled.values()))} below another class or split than counts: "
            f"{_named(overruled)}. The outermost class and split decide. A split stands above the classes: "
            "Test/Fake, not Fake/Test."
        )
    return notes


def is_class(name: str) -> bool:
    """Whether a folder of this name is a class."""
    return name.lower() in _CLASS_LABELS


def class_or_split(name: str) -> bool:
    """Whether a folder of this name is a class or a split."""
    return is_class(name) or name.lower() in _SPLIT_NAMES


def split_name(name: str) -> str:
    """The one spelling of a split; another folder's name stays as it is."""
    return _SPLIT_NAMES.get(name.lower(), name)


def _meaning(parts: Sequence[str], root_name: str) -> tuple[int | None, str, str]:
    """Label, split and source of the files in a folder; no label where no folder names a class."""
    split, source = "All", root_name
    for part in parts:
        name = part.lower()
        if name in _CLASS_LABELS:
            return _CLASS_LABELS[name], split, source
        if name not in _SPLIT_NAMES:
            source = part
        elif split == "All":
            split = _SPLIT_NAMES[name]
    return None, split, source


def _says_otherwise(parts: Sequence[str], label: int, split: str) -> bool:
    """Whether some folder on the way names another class or split than the one that counts."""
    names = [part.lower() for part in parts]
    return any(
        _CLASS_LABELS.get(name, label) != label or _SPLIT_NAMES.get(name, split) not in (split, "All")
        for name in names
    )


def _is_text(name: str) -> bool:
    """Whether a file's name is valid Unicode; others can be neither stored in a table nor shown."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_images(folder: Path, no_class: Mapping[str, int], unreadable: Sequence[str]) -> DatasetError:
    if str(folder) in unreadable:
        return DatasetError(
            "unreadable_folder",
            f"{folder} may not be read: permission was denied. Give the app the right to read it.",
        )
    there = dict.fromkeys(_folders_in(folder), 0)
    for name, count in no_class.items():
        top = name.partition("/")[0]
        there[top] = there.get(top, 0) + count
    found = f" Folders found: {_named(there)}." if there else ""
    return DatasetError(
        "no_images",
        f"No labeled images in {folder}: {sum(no_class.values()):,} image files were looked at "
        f"({', '.join(sorted(IMAGE_EXTENSIONS))}), none in a folder called Fake or Real.{found} "
        "Expected Train/Fake, Train/Real, Validation/Fake ... or Fake and Real alone, or a manifest.csv.",
    )


def _folders_in(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir() if entry.is_dir() and _is_text(entry.name)]
    except OSError:
        return []


def _notes(table: pd.DataFrame, unreadable: Sequence[str], odd_names: int) -> tuple[str, ...]:
    """What a person should know before trusting the index."""
    notes = []
    if unreadable:
        more = f" and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        notes.append(f"The folder {unreadable[0]}{more} may not be read and was left out.")
    if odd_names:
        have = "1 file has a name that is" if odd_names == 1 else f"{odd_names:,} files have names that are"
        notes.append(f"{have} not valid Unicode and left out. Rename {'it' if odd_names == 1 else 'them'}.")
    for split, labels in table.groupby("split")["label"]:
        if labels.nunique() < 2:
            has, lacks = class_name(labels.iloc[0]), class_name(1 - labels.iloc[0])
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
            f"{path} belongs to the dataset but cannot be read ({error.strerror}). Restore it, or take its "
            "row out of manifest.csv.",
        ) from error
