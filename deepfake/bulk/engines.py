"""Where the work of a run is done: an engine takes batches one by one, so that nothing piles up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from deepfake.bulk.items import Item
from deepfake.bulk.results import Judged
from deepfake.bulk.tasks import Task

Batches = Iterator[list[Item]]


class Engine(Protocol):
    """Does a task."""

    def run(self, task: Task, batches: Batches) -> Iterator[list[Judged]]:
        """What came of each batch, in any order.

        Raises:
            UserError: nothing can be judged, as the detector is missing or there are no workers.
        """
        ...


class OneProcess:
    """This process, one batch after the other; the networks use its processors by themselves."""

    def run(self, task: Task, batches: Batches) -> Iterator[list[Judged]]:
        """What came of each batch, in order."""
        work = task.ready()
        for batch in batches:
            yield work(batch)
