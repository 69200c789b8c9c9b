"""What is in a data set: its index with the size, format and weight of every file, opened fast again.

The first opening reads the head of every file; what was found is kept in the cache folder. Later openings ask
only whether a folder has changed since, and read anew what has.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.cache_folder import DAMAGED, cache_folder, prune, write_whole
from deepfake.dataset import DatasetIndex, index_dataset
from deepfake.header_facts import HEAD_BYTES, LONG_HEAD_BYTES, HeaderFacts, header_facts
from deepfake.image_files import walk_images

MOST_CACHED_BYTES = 256_000_000
TEXTS = ("split", "source", "generator", "format")
NUMBERS: dict[str, Any] = {
    "label": np.int8,
    "n_bytes": np.int64,
    "modified": np.int64,
    "width": np.int32,
    "height": np.int32,
    "tables": np.uint32,
    "coarseness": np.float32,
}
COLUMNS = (
    *("path", "split", "label", "source", "generator"),
    *("n_bytes", "modified", "format", "width", "height", "tables", "coarseness"),
)
_VERSION = 1
_REPORT_EVERY = 2000

Stamps = dict[str, int]
"""Folder (relative, "" is the root) or ``manifest.csv`` -> when it last changed, in nanoseconds."""

_recent: dict[Path, tuple[Inventory, Stamps]] = {}
_recent_lock = threading.Lock()
_MOST_RECENT = 3


@dataclass(frozen=True)
class Inventory:
    """A data set's images and their files.

    Attributes:
        root: the folder.
        table: one row an image, ordered by path: the columns of ``DatasetIndex.table`` and ``n_bytes``
            (-1: the file is not there), ``modified`` (nanoseconds), and those of ``HeaderFacts``.
        notes: sentences for a person.
        fingerprint: changes when a file comes, goes or is renamed. A file overwritten in place leaves it as
            it is: ``take_inventory(refresh=True)`` looks at every file.
    """

    root: Path
    table: pd.DataFrame
    notes: tuple[str, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.table)

    def index(self) -> DatasetIndex:
        """The plain index of the same images."""
        table = self.table[list(COLUMNS[:5])]
        return DatasetIndex(self.root, table.astype({"label": int}), self.notes)


def take_inventory(
    root: Path, *, refresh: bool = False, on_progress: Callable[[int, int], None] | None = None
) -> Inventory:
    """Opens a data set. 200,000 files take some seconds the first time, under one second later.

    Args:
        root: the folder; layouts as in ``index_dataset``.
        refresh: look at every file again even where no folder has changed.
        on_progress: told how many files are read, of how many.

    Raises:
        DatasetError: as ``index_dataset``.
    """
    kept = _recent.get(root) or _load(root)
    if kept is not None and not refresh and _stamps_now(root, kept[1]) == kept[1]:
        return _remember(kept[0], kept[1])
    index = index_dataset(root)
    stamps = _stamps(root)
    facts = _file_facts(index, kept[0].table if kept else None, on_progress)
    table = index.table.assign(label=index.table["label"].astype(np.int8), **facts)
    table = table[list(COLUMNS)].astype(dict.fromkeys(TEXTS, "category"))
    inventory = Inventory(root, table, index.notes, _fingerprint(root, stamps))
    _save(inventory, stamps)
    return _remember(inventory, stamps)


def _remember(inventory: Inventory, stamps: Stamps) -> Inventory:
    """Keeps the last few in memory, shared by all visitors."""
    with _recent_lock:
        _recent.pop(inventory.root, None)
        _recent[inventory.root] = (inventory, stamps)
        while len(_recent) > _MOST_RECENT:
            del _recent[next(iter(_recent))]
    return inventory


def read_header(path: str) -> HeaderFacts:
    """The facts in a file's head; empty ones where it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - half the time of Path.open
            head = file.read(HEAD_BYTES)
            facts = header_facts(head)
            if facts.format and not facts.width and len(head) == HEAD_BYTES:
                facts = header_facts(head + file.read(LONG_HEAD_BYTES))
    except OSError:
        return HeaderFacts()
    return facts


def _file_facts(
    index: DatasetIndex, old: pd.DataFrame | None, on_progress: Callable[[int, int], None] | None
) -> dict[str, Any]:
    """The columns after the index's; heads of files that are as they were are not read again."""
    known = {path: row for row, path in enumerate(old["path"])} if old is not None else {}
    before = {name: old[name].to_numpy() for name in ("n_bytes", "modified")} if old is not None else {}
    total = len(index)
    sizes, modified = np.full(total, -1, np.int64), np.zeros(total, np.int64)
    same = np.full(total, -1, np.int64)
    read: dict[int, HeaderFacts] = {}
    for row, (name, path) in enumerate(zip(index.table["path"], index.paths(), strict=True)):
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:
            read[row] = HeaderFacts()
            continue
        sizes[row], modified[row] = status.st_size, status.st_mtime_ns
        place = known.get(name)
        if place is not None and (before["n_bytes"][place], before["modified"][place]) == (
            status.st_size,
            status.st_mtime_ns,
        ):
            same[row] = place
        else:
            read[row] = read_header(path)
        if on_progress is not None and row % _REPORT_EVERY == 0:
            on_progress(row, total)
    columns: dict[str, Any] = {"n_bytes": sizes, "modified": modified}
    rows = np.fromiter(read, np.int64, len(read))
    for name in ("format", "width", "height", "tables", "coarseness"):
        values: NDArray[Any] = np.empty(total, NUMBERS.get(name, object))
        if old is not None:
            kept = same >= 0
            values[kept] = old[name].to_numpy()[same[kept]]
        values[rows] = [getattr(facts, name) for facts in read.values()]
        columns[name] = values
    return columns


def _stamps(root: Path) -> Stamps:
    manifest = root / "manifest.csv"
    if manifest.is_file():
        return {"manifest.csv": manifest.stat().st_mtime_ns}
    folders = (Path(folder) for folder, _ in walk_images(str(root)))
    stamps = {"" if folder == root else folder.relative_to(root).as_posix(): 0 for folder in folders}
    return _stamps_now(root, stamps)


def _stamps_now(root: Path, names: Stamps) -> Stamps:
    """The same folders' times now; -1 for one that is gone."""
    now: Stamps = {}
    for name in names:
        try:
            now[name] = (root / name).stat().st_mtime_ns
        except OSError:
            now[name] = -1
    return now


def _fingerprint(root: Path, stamps: Stamps) -> str:
    return hashlib.sha256(json.dumps([str(root), stamps], sort_keys=True).encode()).hexdigest()[:24]


def cache_name(root: Path) -> str:
    """A file name for a data set in the cache folder."""
    return hashlib.sha256(str(root.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _save(inventory: Inventory, stamps: Stamps) -> None:
    """Keeps an inventory; where nothing can be written the next opening is slow again, nothing worse."""
    table = inventory.table
    arrays: dict[str, Any] = {name: table[name].to_numpy(kind) for name, kind in NUMBERS.items()}
    names: dict[str, list[str]] = {}
    for column in TEXTS:
        arrays[column] = table[column].cat.codes.to_numpy(np.int32)
        names[column] = [str(name) for name in table[column].cat.categories]
    arrays["path"] = np.frombuffer("\0".join(table["path"]).encode(), np.uint8)
    facts = {"version": _VERSION, "root": str(inventory.root), "stamps": stamps, "names": names}
    arrays["facts"] = np.array(json.dumps({**facts, "notes": inventory.notes}))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    try:
        folder = cache_folder("inventories")
        write_whole(folder / f"{cache_name(inventory.root)}.npz", buffer.getvalue())
        prune(folder, MOST_CACHED_BYTES)
    except OSError:
        return


def _load(root: Path) -> tuple[Inventory, Stamps] | None:
    """What ``_save`` kept; None where there is nothing sound."""
    try:
        with np.load(cache_folder("inventories") / f"{cache_name(root)}.npz") as kept:
            facts = json.loads(str(kept["facts"]))
            if facts["version"] != _VERSION or facts["root"] != str(root):
                return None
            columns: dict[str, Any] = {"path": kept["path"].tobytes().decode().split("\0")}
            columns |= {name: kept[name] for name in NUMBERS}
            for column in TEXTS:
                columns[column] = pd.Categorical.from_codes(kept[column], facts["names"][column])
        table = pd.DataFrame({name: columns[name] for name in COLUMNS})
        stamps: Stamps = facts["stamps"]
        return Inventory(root, table, tuple(facts["notes"]), _fingerprint(root, stamps)), stamps
    except DAMAGED:
        return None
