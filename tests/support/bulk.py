"""A task that needs no detector, folders of images, and what a folder of results holds."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deepfake.bulk.items import Item
from deepfake.bulk.results import Judged, RunSpec
from deepfake.bulk.tasks import ERROR, Work, refused_row
from deepfake.errors import UserError
from tests.support.images import encoded, noise_image

SCHEMA = pa.schema(
    [("file", pa.string()), ("sha256", pa.string()), ("verdict", pa.string()), ("error", ERROR)]
)


@dataclass(frozen=True)
class Lengths:
    """Calls a file of an even number of bytes real; what starts with ``bad`` is refused.

    Attributes:
        setting: a setting of the run.
        once: a file that is made by the first worker that sees ``kill``, which then kills itself.
        batch: items at a time.
        pause: seconds that each item takes.
        refuses: the code with which it does not start.
    """

    setting: str = "a"
    once: str = ""
    batch: int = 2
    pause: float = 0.0
    refuses: str = ""

    @property
    def spec(self) -> RunSpec:
        return RunSpec("lengths", {"setting": self.setting}, SCHEMA)

    def ready(self) -> Work:
        if self.refuses:
            raise UserError(self.refuses, "It does not start.")
        return lambda items: [self._judged(item) for item in items]

    def _judged(self, item: Item) -> Judged:
        time.sleep(self.pause)
        try:
            content = item.read()
        except UserError as refusal:
            return refused_row(item, refusal)
        if content.startswith(b"kill") and self.once and not Path(self.once).exists():
            Path(self.once).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if content.startswith(b"poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        sha256 = hashlib.sha256(content).hexdigest()
        if item.known == sha256:
            return Judged(item.name, None)
        if content.startswith(b"bad"):
            return refused_row(item, UserError("bad", "It is bad."), sha256)
        verdict = "fake" if len(content) % 2 else "real"
        row = {"file": item.name, "sha256": sha256, "verdict": verdict, "error": None}
        return Judged(item.name, row, item.has_row)


def contents(count: int) -> list[Item]:
    """Items of their own bytes, no two alike."""
    return [Item(f"{number:03}", content=b"x" * (number + 1)) for number in range(count)]


def image_folder(folder: Path, count: int, side: int = 40) -> Path:
    """A folder of small images, no two alike."""
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:04}.png").write_bytes(encoded(noise_image(number, side, side)))
    return folder


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """All rows of a folder of results as any reader of Parquet sees them, by name."""
    files = sorted(folder.glob("part-*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    return sorted(rows, key=lambda row: row["file"])


def brief(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Name and verdict, or the code of the refusal."""
    return [(row["file"], row["error"]["code"] if row["error"] else row["verdict"]) for row in rows]
