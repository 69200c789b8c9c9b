"""What a frozen network made of images, kept on disk: made once, read by every head that is fitted.

A folder of shards, each written whole or not at all, so that an extraction that is killed goes on where it
was. Rows are known by the SHA-256 of the image's file and by the view of it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.errors import UserError
from deepfake.util.cache import DAMAGED
from deepfake.util.files import replacing, write_json

SHARD_ROWS = 256


class FeatureCacheError(UserError):
    """A folder of features cannot be used."""


class FeatureCache:
    """Features by image and view.

    Args:
        folder: made where missing.
        key: what the features follow from: network, hash of its weights, input. JSON values only.

    Raises:
        FeatureCacheError: code ``other_features``: the folder is of another key, or holds something else.
    """

    def __init__(self, folder: Path, key: Mapping[str, Any]) -> None:
        self.folder = folder
        self._rows: dict[tuple[str, str], tuple[Path, int]] = {}
        self._read: set[Path] = set()
        folder.mkdir(parents=True, exist_ok=True)
        description = folder / "features.json"
        wanted = json.loads(json.dumps(dict(key)))
        if not description.exists():
            if any(folder.iterdir()):
                raise FeatureCacheError(
                    "other_features",
                    f"{folder} holds files but no features.json, so it is no folder of features. Expected an "
                    "empty or a new folder.",
                )
            write_json(description, wanted)
        try:
            there = json.loads(description.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            there = None
        there = there if isinstance(there, dict) else {}
        if there != wanted:
            differing = sorted(name for name in {*wanted, *there} if there.get(name) != wanted.get(name))
            raise FeatureCacheError(
                "other_features",
                f"The features in {folder} were made by other weights or from another input (different: "
                f"{', '.join(differing)}). Give another folder, or delete this one to make them anew.",
            )
        self.refresh()

    def refresh(self) -> None:
        """Takes up the shards that other processes wrote; a damaged one is deleted, to be made again."""
        for path in sorted(self.folder.glob("shard-*.npz")):
            if path in self._read:
                continue
            try:
                with np.load(path, allow_pickle=False) as shard:
                    rows = list(zip(shard["sha256"].tolist(), shard["view"].tolist(), strict=True))
            except DAMAGED:
                path.unlink(missing_ok=True)
                continue
            self._read.add(path)
            for index, row in enumerate(rows):
                self._rows.setdefault(row, (path, index))

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> list[tuple[str, str]]:
        """The hash and view of each row."""
        return list(self._rows)

    def __contains__(self, row: tuple[str, str]) -> bool:
        return row in self._rows

    def add(self, sha256: list[str], view: list[str], columns: Mapping[str, NDArray[Any]]) -> None:
        """Writes a shard.

        Args:
            sha256: of each image's file, hexadecimal.
            view: of each image, ``clean`` or the name of a perturbed copy.
            columns: arrays with a row for each; ``features`` (N, D) among them.

        Raises:
            OSError: it cannot be written.
        """
        path = self.folder / f"shard-{uuid.uuid4().hex[:12]}.npz"
        with replacing(path) as partial:
            np.savez(partial, allow_pickle=False, sha256=np.array(sha256), view=np.array(view), **columns)
        self._read.add(path)
        for index, row in enumerate(zip(sha256, view, strict=True)):
            self._rows[row] = (path, index)

    def read(self, rows: Iterable[tuple[str, str]], columns: Iterable[str]) -> dict[str, NDArray[Any]]:
        """Columns of some rows, in the order asked for.

        Raises:
            KeyError: a row is not there.
        """
        wanted, names = list(rows), list(columns)
        by_shard: dict[Path, list[tuple[int, int]]] = {}
        for index, row in enumerate(wanted):
            path, inside = self._rows[row]
            by_shard.setdefault(path, []).append((index, inside))
        read: dict[str, NDArray[Any]] = {}
        for path, places in by_shard.items():
            to, inside = (np.array(part) for part in zip(*places, strict=True))
            with np.load(path, allow_pickle=False) as shard:
                for name in names:
                    values = shard[name]
                    if name not in read:
                        read[name] = np.empty((len(wanted), *values.shape[1:]), values.dtype)
                    read[name][to] = values[inside]
        return read
