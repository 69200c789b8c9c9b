"""A run from beginning to end: items to an engine, what comes back to the folder of results."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deepfake.bulk.engines import Engine
from deepfake.bulk.items import Item
from deepfake.bulk.results import Results
from deepfake.bulk.tasks import Task


@dataclass(frozen=True)
class Summary:
    """How a run ended.

    Attributes:
        images: rows of this shard, earlier runs' among them.
        rows: how many of each verdict, ``scored`` or ``refused``.
        checked: images checked by this run.
        skipped: images whose row was there already.
        named_twice: names that came more than once, of which one counts.
        damaged: parts that were cut short, whose images were checked again.
        seconds: of this run, the loading of the detector among them.
        parts: their number.
    """

    images: int
    rows: dict[str, int]
    checked: int
    skipped: int
    named_twice: int
    damaged: int
    seconds: float
    parts: int

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return dict(vars(self))


def run_bulk(
    task: Task,
    items: Iterable[Item],
    results: Results,
    engine: Engine,
    on_progress: Callable[[int], None] | None = None,
) -> Summary:
    """Judges every item that has no row yet, and finishes the shard.

    Args:
        task: what to do to each.
        items: from ``items.listed``; read only as fast as they are judged.
        results: from ``results.open_results``.
        engine: who does it.
        on_progress: told after each batch how many images are dealt with, the skipped ones among them.

    Raises:
        UserError: as ``Engine.run``, or ``not_written``; what is in parts stays.
    """
    start, done, checked = time.monotonic(), 0, 0
    for judged in engine.run(task, _batches(results.claim(iter(items)), task.batch)):
        results.add(judged)
        done += len(judged)
        checked += sum(each.row is not None for each in judged)
        if on_progress is not None:
            on_progress(done)
    finished = results.finish()
    counts = results.counts
    return Summary(
        finished["images"], finished["rows"], checked, counts.skipped, counts.named_twice, counts.damaged,
        round(time.monotonic() - start, 3), len(finished["parts"]),
    )  # fmt: skip


def _batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    while batch := list(itertools.islice(items, size)):
        yield batch
