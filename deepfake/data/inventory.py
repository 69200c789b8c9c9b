"""What is in a data set: its index with the size, format and weight of every file, opened fast again.

The first opening reads the head of every file; what was found is kept in the cache folder. Later openings ask
whether a folder, or the size or time of a file, has changed since, and read anew what has.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.index import DatasetIndex, index_dataset
from deepfake.images.headers import HEAD_BYTES, LONG_HEAD_BYTES, HeaderFacts, header_facts
from deepfake.images.walk import walk_images
from deepfake.util.cache import DAMAGED, cache_folder, prune
from deepfake.util.files import write_whole

MAX_CACHED_BYTES = 256_000_000
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
INVENTORY_COLUMNS = (
    *("path", "split", "label", "source", "generator"),
    *("n_bytes", "modified", "format", "width", "height", "tables", "coarseness"),
)
_VERSION = 2
_REPORT_EVERY = 2000

Stamps = dict[str, int]
"""Folder (relative, "" is the root) or ``manifest.csv`` -> when it last changed, in nanoseconds."""

_recent: dict[Path, _Recent] = {}
_recent_lock = threading.Lock()
_MAX_RECENT = 3
_CHECKING_SHARE = 0.05
"""Of the time, the most that goes into looking at the files of a data set that is in memory already."""


@dataclass(frozen=True)
class Inventory:
    """A data set's images and their files.

    Attributes:
        root: the folder.
        table: one row an image, ordered by path: the columns of ``DatasetIndex.table`` and ``n_bytes``
            (-1: the file is not there), ``modified`` (nanoseconds), and those of ``HeaderFacts``.
        notes: sentences for a person.
        fingerprint: changes when a file comes, goes, is renamed or has another size or time of change.
    """

    root: Path
    table: pd.DataFrame
    notes: tuple[str, ...]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.table)

    def index(self) -> DatasetIndex:
        """The plain index of the same images."""
        table = self.table[list(INVENTORY_COLUMNS[:5])]
        return DatasetIndex(self.root, table.astype({"label": int}), self.notes)


@dataclass(frozen=True)
class _Recent:
    """An inventory in memory.

    Attributes:
        inventory, stamps: as they were kept.
        checked: when every file was last looked at, on the monotonic clock; minus infinity for never.
        seconds: how long that took.
    """

    inventory: Inventory
    stamps: Stamps
    checked: float = float("-inf")
    seconds: float = 0.0


def take_inventory(
    root: Path, *, refresh: bool = False, on_progress: Callable[[int, int], None] | None = None
) -> Inventory:
    """Opens a data set. 200,000 files take some seconds the first time, about one second later.

    Every file's size and time of change is looked at. Of a set that this process has opened already that is
    left out for a while: twenty times as long as it took.

    Args:
        root: the folder; layouts as in ``index_dataset``.
        refresh: read every file's head again, whatever is kept.
        on_progress: told how many files are read, of how many.

    Raises:
        DatasetError: as ``index_dataset``.
    """
    start = time.monotonic()
    kept = None if refresh else _recent.get(root) or _load(root)
    if kept is not None and _stamps_now(root, kept.stamps) == kept.stamps:
        if (start - kept.checked) * _CHECKING_SHARE < kept.seconds:
            return kept.inventory
        if not _changed_files(kept.inventory).any():
            return _remember(replace(kept, checked=start, seconds=time.monotonic() - start))
    index = index_dataset(root)
    stamps = _stamps(root)
    facts = _file_facts(index, kept.inventory.table if kept else None, on_progress)
    table = index.table.assign(label=index.table["label"].astype(np.int8), **facts)
    table = table[list(INVENTORY_COLUMNS)].astype(dict.fromkeys(TEXTS, "category"))
    inventory = Inventory(root, table, index.notes, _fingerprint(root, stamps, table))
    _save(inventory, stamps)
    return _remember(_Recent(inventory, stamps))


def _changed_files(inventory: Inventory) -> NDArray[np.bool_]:
    """(N,) which files have another size or time of change by now."""
    sizes, modified = file_states(inventory.index().paths())
    table = inventory.table
    return (sizes != table["n_bytes"].to_numpy()) | (modified != table["modified"].to_numpy())


def _remember(opened: _Recent) -> Inventory:
    """Keeps the last few in memory, shared by all visitors."""
    with _recent_lock:
        _recent.pop(opened.inventory.root, None)
        _recent[opened.inventory.root] = opened
        while len(_recent) > _MAX_RECENT:
            del _recent[next(iter(_recent))]
    return opened.inventory


def file_states(paths: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Size in bytes (-1: the file is not there) and time of change in nanoseconds (0 then) of each file.

    The time is the later of that of the content, which copying tools set back, and that of the file's entry,
    which changes with it, and with its rights too.
    """
    sizes, modified = np.full(len(paths), -1, np.int64), np.zeros(len(paths), np.int64)
    for row, path in enumerate(paths):
        try:
            status = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):
            continue
        sizes[row], modified[row] = status.st_size, _touched(status)
    return sizes, modified


def _touched(status: os.stat_result) -> int:
    return max(status.st_mtime_ns, status.st_ctime_ns)


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
    paths = index.paths()
    sizes, modified = file_states(paths)
    same = np.full(total, -1, np.int64)
    read: dict[int, HeaderFacts] = {}
    for row, (name, path) in enumerate(zip(index.table["path"], paths, strict=True)):
        old_row = known.get(name)
        if old_row is not None and (before["n_bytes"][old_row], before["modified"][old_row]) == (
            sizes[row],
            modified[row],
        ):
            same[row] = old_row
        else:
            read[row] = read_header(path) if sizes[row] >= 0 else HeaderFacts()
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
        return {"manifest.csv": _touched(manifest.stat())}
    folders = (Path(folder) for folder, _ in walk_images(str(root)))
    stamps = {"" if folder == root else folder.relative_to(root).as_posix(): 0 for folder in folders}
    return _stamps_now(root, stamps)


def _stamps_now(root: Path, names: Stamps) -> Stamps:
    """The same folders' times now; -1 for one that is gone."""
    now: Stamps = {}
    for name in names:
        try:
            now[name] = _touched((root / name).stat())
        except OSError:
            now[name] = -1
    return now


def _fingerprint(root: Path, stamps: Stamps, table: pd.DataFrame) -> str:
    digest = hashlib.sha256(json.dumps([str(root), stamps], sort_keys=True).encode())
    for name in ("n_bytes", "modified"):
        digest.update(table[name].to_numpy(np.int64).tobytes())
    return digest.hexdigest()[:24]


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
        prune(folder, MAX_CACHED_BYTES)
    except OSError:
        return


def _load(root: Path) -> _Recent | None:
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
        table = pd.DataFrame({name: columns[name] for name in INVENTORY_COLUMNS})
        stamps: Stamps = facts["stamps"]
        inventory = Inventory(root, table, tuple(facts["notes"]), _fingerprint(root, stamps, table))
        return _Recent(inventory, stamps)
    except DAMAGED:
        return None
