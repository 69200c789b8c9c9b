"""The folder that a run fills: parts in Parquet, and a manifest that says what made them.

Nothing here is ever half there. A part is written whole, under a name that ends in its own hash; so one that
was cut short is found, and there is no second file that could disagree with it. A row that is not in a part
is not done. Whoever is killed loses what was not yet written, and it is checked again.

    manifest.json                           what made the parts: the same for all shards
    part-0001-of-0001-000001-0-HASH.parquet shard, number, revision, first digits of its SHA-256
    finished-0001-of-0001.json              there once the shard has come to its end: its parts and counts
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from deepfake import __version__
from deepfake.bulk.items import Item, Shard, name_key
from deepfake.bulk.locations import Folder, LocalFolder, LocationError, not_written
from deepfake.errors import UserError
from deepfake.util.files import acquire_lock, remove_partials

FORMAT = 1
"""Of the folder; a change that older readers would misread raises it."""
MANIFEST = "manifest.json"
PART_ROWS = 2_000
"""Rows of a part, unless it was written because ``PART_SECONDS`` had passed."""
PART_SECONDS = 60.0
"""After so long a part is written whatever its size, so that a kill costs a minute."""
WRITE_PAUSES = (1.0, 5.0, 15.0)
"""Seconds to wait before a part that could not be written is tried again."""
RETRIED = frozenset({"fault", "busy", "worker_died"})
"""Codes of refusals that are no fault of the file; such files are checked again, as are those not read."""
_PART = re.compile(r"part-(\d{4}-of-\d{4})-(\d{6})-(\d+)-([0-9a-f]{16})\.parquet")
_RUN = b"deepfake_run"
_NEW = b"new"  # no SHA-256


class ResultsError(UserError):
    """A folder of results that a run may not go on with.

    Codes: ``output_taken``: it holds results, and --resume was not given; ``other_run``: they are those of
    another detector, setting or version; ``bad_manifest``; ``busy``: another process writes this shard.
    """


@dataclass(frozen=True)
class Judged:
    """What came of one item.

    Attributes:
        name: the item's.
        row: of the table; None where the row that is there already stands.
        replaces: there was a row under this name.
    """

    name: str
    row: dict[str, Any] | None
    replaces: bool = False


@dataclass(frozen=True)
class Part:
    """One file of rows, by what its name says."""

    label: str
    number: int
    revision: int
    digits: str

    @classmethod
    def parse(cls, name: str) -> Part | None:
        """Of a file's name; None where it is no part."""
        found = _PART.fullmatch(name)
        return cls(found[1], int(found[2]), int(found[3]), found[4]) if found else None

    @property
    def file(self) -> str:
        """Its name."""
        return f"part-{self.label}-{self.number:06}-{self.revision}-{self.digits}.parquet"


@dataclass(frozen=True)
class RunSpec:
    """What sort of rows a folder holds, and what they follow from.

    Attributes:
        task: ``predict`` or ``evaluate``.
        settings: all that a row follows from beside its image; ready for JSON.
        schema: of a part. It has the columns ``file``, ``sha256`` and ``error`` (``code``, ``message``).
    """

    task: str
    settings: Mapping[str, Any]
    schema: pa.Schema

    def manifest(self, shards: int) -> dict[str, Any]:
        """What ``manifest.json`` holds: the same for every shard, so that whoever comes first writes it."""
        about = {
            "format": FORMAT,
            "version": __version__,
            "task": self.task,
            "shards": shards,
            "settings": dict(self.settings),
        }
        run = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        return {"run": run, **about, "columns": {field.name: str(field.type) for field in self.schema}}


@dataclass
class Counts:
    """How a shard's rows stand.

    Attributes:
        rows: by what came of them: a verdict, ``scored`` or ``refused``.
        skipped: images whose row was there already.
        named_twice: items whose name had come before.
        damaged: parts that were cut short or altered; their images are checked again.
    """

    rows: Counter[str] = field(default_factory=Counter)
    skipped: int = 0
    named_twice: int = 0
    damaged: int = 0


class Results:
    """The part of the folder that belongs to one shard; ``open_results`` makes it.

    Attributes:
        folder: where it lies.
        counts: how it stands.
    """

    def __init__(
        self, folder: Folder, shard: Shard, manifest: Mapping[str, Any], spec: RunSpec, rows_a_part: int
    ) -> None:
        self.folder, self.counts = folder, Counts()
        self._label, self._run = shard.label, str(manifest["run"])
        self._schema = spec.schema.with_metadata({_RUN: self._run.encode()})
        self._rows_a_part = rows_a_part
        self._waiting: list[dict[str, Any]] = []
        self._since = time.monotonic()
        # Key of the name -> SHA-256; empty where it is to be checked again, None once it was handed out.
        self._done: dict[bytes, bytes | None] = {}
        self._replaced: set[str] = set()
        self._parts: list[Part] = []
        self._last = 0

    def claim(self, items: Iterator[Item]) -> Iterator[Item]:
        """Items with what is known of them; one whose name came before in this run is left out."""
        for item in items:
            key = name_key(item.name)
            known = self._done.get(key, _NEW)
            self._done[key] = None
            if known is None:
                self.counts.named_twice += 1
            elif known is _NEW:
                yield item
            else:
                yield replace(item, known=known.hex(), has_row=True)

    def add(self, judged: Sequence[Judged]) -> None:
        """Takes rows, and writes a part where enough of them or enough time came together.

        Raises:
            LocationError: ``not_written``, after several tries.
        """
        for each in judged:
            if each.row is None:
                self.counts.skipped += 1
                continue
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting.append(each.row)
            if each.replaces:
                self._replaced.add(each.row["file"])
        if len(self._waiting) >= self._rows_a_part or time.monotonic() - self._since >= PART_SECONDS:
            self.write()

    def write(self) -> None:
        """Writes the rows that wait as a part; nothing where there are none.

        Raises:
            LocationError: ``not_written``, after several tries.
        """
        if self._waiting:
            self._write(self._last + 1, 0, pa.Table.from_pylist(self._waiting, self._schema))
            self.counts.rows.update(map(_outcome, self._waiting))
            self._waiting = []

    def finish(self) -> dict[str, Any]:
        """Writes what waits, drops rows that newer ones replaced, and says that the shard is at its end.

        Returns:
            What ``finished-....json`` holds.
        """
        self.write()
        self._drop_replaced()
        summary = {
            "run": self._run,
            "images": self.counts.rows.total(),
            "rows": dict(sorted(self.counts.rows.items())),
            "parts": [part.file for part in self._parts],
        }
        self.folder.write(self._finished, (json.dumps(summary, indent=2) + "\n").encode())
        return summary

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """These columns of every part of this shard."""
        for part in self._parts:
            yield pq.read_table(io.BytesIO(self.folder.read(part.file)), columns=list(columns))

    @property
    def _noted(self) -> list[str]:
        """The columns that tell what is done."""
        return [name for name in ("file", "sha256", "error", "verdict") if name in self._schema.names]

    @property
    def _finished(self) -> str:
        return f"finished-{self._label}.json"

    def _write(self, number: int, revision: int, table: pa.Table) -> None:
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        content = buffer.getvalue()
        part = Part(self._label, number, revision, _digits(content))
        for pause in (*WRITE_PAUSES, None):
            try:
                self.folder.write(part.file, content)
                break
            except LocationError as error:
                if pause is None:
                    safe = "1 part is safe" if len(self._parts) == 1 else f"{len(self._parts)} parts are safe"
                    again = "Once it can be written, run the command again with --resume."
                    raise LocationError(error.code, f"{error.message} {safe}. {again}") from error
                time.sleep(pause)
        self._parts.append(part)
        self._last = max(self._last, number)

    def load(self) -> None:
        """Reads what earlier runs left: whole parts are taken, damaged ones removed.

        Raises:
            ResultsError: ``other_run``: a part is of another run.
        """
        self.folder.remove(self._finished)
        found = [part for name in self.folder.names() if (part := Part.parse(name))]
        for part in sorted(found, key=lambda each: (each.number, -each.revision)):
            if part.label == self._label:
                self._load_part(part)

    def _load_part(self, part: Part) -> None:
        self._last = max(self._last, part.number)
        content = self.folder.read(part.file)
        if _digits(content) != part.digits:
            self.counts.damaged += 1
            self.folder.remove(part.file)
            return
        read = pq.ParquetFile(io.BytesIO(content))
        if (read.schema_arrow.metadata or {}).get(_RUN) != self._run.encode():
            raise ResultsError(
                "other_run",
                f"{part.file} in {self.folder.name} is of another run than its manifest. Remove it, or give "
                "another folder.",
            )
        if any(part.number == newer.number and part.revision < newer.revision for newer in self._parts):
            self.folder.remove(part.file)  # a kill came between a new revision and the end of the old one
            return
        self._parts.append(part)
        for row in read.read(columns=self._noted).to_pylist():
            self._note(row)

    def _note(self, row: dict[str, Any]) -> None:
        key = name_key(row["file"])
        if key in self._done:
            self._replaced.add(row["file"])
        self.counts.rows[_outcome(row)] += 1
        sure = row["sha256"] and (row["error"] or {}).get("code") not in RETRIED
        self._done[key] = bytes.fromhex(row["sha256"]) if sure else b""

    def _drop_replaced(self) -> None:
        """Of the names that were checked again only the newest row stays."""
        seen: set[str] = set()
        for part in [*reversed(self._parts)] if self._replaced else ():
            table = pq.read_table(io.BytesIO(self.folder.read(part.file)))
            names = table["file"].to_pylist()
            old = [name in seen for name in names]
            seen |= self._replaced.intersection(names)
            if not any(old):
                continue
            gone = table.filter(pa.array(old)).select(self._noted).to_pylist()
            self.counts.rows.subtract(map(_outcome, gone))
            if not all(old):
                kept = table.filter(pa.array([not each for each in old]))
                self._write(part.number, part.revision + 1, kept.cast(self._schema))
            self._parts.remove(part)
            self.folder.remove(part.file)
        self._parts.sort(key=lambda part: part.number)
        self._replaced = set()
        self.counts.rows = +self.counts.rows


def _digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _outcome(row: Mapping[str, Any]) -> str:
    """What came of a row, for the counts."""
    return "refused" if row.get("error") else row.get("verdict") or "scored"


@contextlib.contextmanager
def open_results(
    folder: Folder, spec: RunSpec, *, shard: Shard, resume: bool, rows_a_part: int = PART_ROWS
) -> Iterator[Results]:
    """A folder of results to fill, begun or gone on with; left early, it writes what waits.

    Args:
        folder: where.
        spec: what is written.
        shard: the part that this process writes.
        resume: go on where results of the same run lie.
        rows_a_part: images of one part file.

    Raises:
        ResultsError: it may not be gone on with; see there.
        LocationError: it cannot be read or written.
    """
    manifest = spec.manifest(shard.count)
    names = folder.names()
    _check_manifest(folder, names, manifest)
    own = [name for name in names if (part := Part.parse(name)) and part.label == shard.label]
    if own and not resume:
        raise ResultsError(
            "output_taken",
            f"{folder.name} already holds results of this run. Give --resume to go on, or another folder.",
        )
    folder.write(MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
    with _alone(folder, shard):
        results = Results(folder, shard, manifest, spec, rows_a_part)
        results.load()
        try:
            yield results
        except LocationError:  # it was tried long enough
            raise
        except BaseException:
            results.write()
            raise


def _differences(name: str, there: Any, here: Any) -> list[str]:
    """Of two values of a manifest; of objects, only their fields that differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = dict.fromkeys([*here, *there])
        return [each for key in keys for each in _differences(f"{name}.{key}", there.get(key), here.get(key))]
    return [] if there == here else [f"{name} {_short(there)} there, {_short(here)} here"]


def _check_manifest(folder: Folder, names: Sequence[str], manifest: Mapping[str, Any]) -> None:
    if MANIFEST not in names:
        return
    try:
        there = json.loads(folder.read(MANIFEST))
        flat = {**there, **there["settings"]}
    except (ValueError, TypeError, KeyError) as error:
        raise ResultsError(
            "bad_manifest",
            f"{MANIFEST} in {folder.name} is damaged. Remove it and give --resume: every part knows its run, "
            "and the manifest is written anew.",
        ) from error
    if there.get("run") == manifest["run"]:
        return
    here = {**manifest, **manifest["settings"]}
    differ = [
        difference
        for name, value in here.items()
        for difference in _differences(name, flat.get(name), value)
        if name not in ("run", "settings", "columns")
    ]
    raise ResultsError(
        "other_run",
        f"{folder.name} holds results of another run: {'; '.join(differ) or 'it was altered'}. Give another "
        "folder, or the options that it was begun with.",
    )


def _short(value: Any) -> str:
    text = json.dumps(value) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


@contextlib.contextmanager
def _alone(folder: Folder, shard: Shard) -> Iterator[None]:
    """Keeps a second process of this machine from the same shard; at an address nothing can."""
    if not isinstance(folder, LocalFolder):
        yield
        return
    held: IO[str] | None
    try:
        held = acquire_lock(folder.path / f".lock-{shard.label}")
    except OSError as error:
        raise not_written(folder.name, error) from error
    if held is None:
        raise ResultsError(
            "busy",
            f"Another process writes shard {shard.number}/{shard.count} in {folder.name}. Wait for it.",
        )
    with held:
        remove_partials(folder.path, f"part-{shard.label}-")
        yield
