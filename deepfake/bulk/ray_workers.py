"""The workers of a Ray cluster as an engine: Ray starts them, restarts them and carries what they say.

Ray is optional: ``pip install 'ray>=2.40'``. Here stands only who gets which batch.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepfake.bulk.engines import Batches
from deepfake.bulk.items import Item
from deepfake.bulk.results import Judged
from deepfake.bulk.tasks import Task, Work, refused_row
from deepfake.errors import UserError
from deepfake.util.files import ROOT


class RayError(UserError):
    """Ray cannot be used; codes ``no_ray``, ``no_cluster``."""


HELD = 2
"""Batches that a worker has at a time: one at work, one to go on with. This is what bounds the memory."""
ATTEMPTS = 2
"""How often Ray gives a batch again to a worker that died over it, before its images are tried one by one."""
START_TRIES = 3
"""Ray gives up on a start that takes over 30 seconds, which on a busy machine it may."""
STALLED = 120.0
"""Seconds without any answer after which idle workers get the batches of the silent ones as well."""
_POLL_SECONDS = 5.0
_OBJECT_STORE = 256 * 2**20  # bytes; rows are small, and of images only those in archives travel
_DIED = UserError(
    "worker_died",
    "The process that checked this image ended every time, most likely because memory ran out. Check it "
    "by itself.",
)
_Refusal = tuple[str, str]  # code and message: our own kind of error does not travel


class _Worker:
    """What runs in a worker's process: a detector that stays loaded."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._work: Work | None = None

    def start(self) -> _Refusal | None:
        """Loads the detector; why not, where it cannot."""
        try:
            self._work = self._task.ready()
        except UserError as error:
            return error.code, error.message
        return None

    def judge(self, batch: Sequence[Item]) -> tuple[list[Judged] | _Refusal, int]:
        """What came of a batch, and this process's number; after a restart the detector is loaded anew."""
        refusal = None if self._work else self.start()
        if refusal is not None or self._work is None:
            return refusal or ("fault", "The detector is not loaded."), os.getpid()
        return self._work(batch), os.getpid()


class _Open:
    """Batches that nobody has answered yet, by a key."""

    def __init__(self, batches: Batches) -> None:
        self._source, self._again, self._last = batches, deque[int](), 0
        self._suspects, self._tried_alone = deque[int](), set[int]()
        self._exhausted = False
        self.batches: dict[int, list[Item]] = {}

    def take(self, *, nothing_at_work: bool) -> int | None:
        """The next to hand out: one to be tried again, else a new one, read only now; suspects at the end."""
        while self._again:
            if (key := self._again.popleft()) in self.batches:
                return key
        batch = next(self._source, None)
        if batch is None:
            self._exhausted = True
            return self._suspects.popleft() if self._suspects and nothing_at_work else None
        return self._add(batch)

    def _add(self, batch: list[Item]) -> int:
        self._last += 1
        self.batches[self._last] = batch
        return self._last

    def hand_again(self, keys: Sequence[int]) -> None:
        """These are handed out a second time; the first answer counts."""
        self._again.extend(keys)

    def one_by_one(self, key: int) -> None:
        """The images of this batch become batches of their own."""
        self.hand_again([self._add([item]) for item in self.batches.pop(key)])

    def suspect(self, key: int) -> bool:
        """Keeps this batch of one image for the end, where it is tried with nothing else at work.

        A worker that dies takes along what waits at it: only so is it known which image it died over. False
        where it was tried so already.
        """
        if key in self._tried_alone:
            return False
        self._tried_alone.add(key)
        self._suspects.append(key)
        return True

    @property
    def over(self) -> bool:
        """All were handed out and answered."""
        return self._exhausted and not self.batches


@dataclass
class RayWorkers:
    """Workers of a Ray cluster, each with a detector of its own and one processor.

    Ray starts a worker that dies again and gives it its batch again. Images over which workers die time and
    again are tried one by one, at last with nothing else at work, and refused as ``worker_died``. What a
    worker has that fell silent, its machine with it, others get as well.

    Attributes:
        workers: how many; 0 for as many as the cluster has processors.
        address: of the cluster; empty to start one here for the time of the run.
        say: told in a sentence what happens to workers.
        restarts: workers that were started again.
    """

    workers: int = 0
    address: str = ""
    say: Callable[[str], None] = lambda _: None
    restarts: int = 0
    _processes: dict[int, int] = field(default_factory=dict, repr=False)

    def run(self, task: Task, batches: Batches) -> Iterator[list[Judged]]:
        """What came of each batch, in the order in which they were done; see ``Engine.run``."""
        ray = _ray()
        with _connected(ray, self.workers, self.address) as count:
            make = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=ATTEMPTS)(_Worker)
            yield from self._spread(ray, [make.remote(task) for _ in range(count)], _Open(batches))

    def _spread(self, ray: Any, actors: list[Any], todo: _Open) -> Iterator[list[Judged]]:
        starting = {actor.start.remote(): number for number, actor in enumerate(actors)}
        at_work: dict[Any, tuple[int, int]] = {}
        free: deque[int] = deque()
        refused: list[_Refusal] = []
        silent = 0.0
        while True:
            while free and (key := todo.take(nothing_at_work=not at_work)) is not None:
                number = free.popleft()
                at_work[actors[number].judge.remote(todo.batches[key])] = number, key
            if todo.over or not (at_work or starting):
                break
            answered = ray.wait([*at_work, *starting], num_returns=1, timeout=_POLL_SECONDS)[0]
            silent = 0.0 if answered else silent + _POLL_SECONDS
            if silent >= STALLED and free:
                todo.hand_again([key for _, key in at_work.values()])
                silent = 0.0
            for answer in answered:
                if answer in starting:
                    number, refusal = starting.pop(answer), _started(ray, answer)
                    free.extend([number] * HELD if refusal is None else [])
                    refused.extend([refusal] if refusal else [])
                    continue
                number, key = at_work.pop(answer)
                free.append(number)
                if key in todo.batches:
                    yield from self._answered(ray, answer, number, key, todo)
        if not free:
            raise UserError(*refused[0])
        for code, message in refused:
            self.say(f"A worker was left out ({code}): {message}")

    def _answered(self, ray: Any, answer: Any, number: int, key: int, todo: _Open) -> Iterator[list[Judged]]:
        try:
            judged, process = ray.get(answer)
        except ray.exceptions.RayTaskError:  # a fault of ours
            raise
        except ray.exceptions.RayError:
            if len(todo.batches[key]) > 1:
                todo.one_by_one(key)
            elif not todo.suspect(key):
                yield [refused_row(todo.batches.pop(key)[0], _DIED)]
            return
        if self._processes.setdefault(number, process) != process:
            self._processes[number] = process
            self.restarts += 1
            self.say(f"Worker {number + 1} ended and was started again; what it had is checked again.")
        if isinstance(judged, tuple):
            raise UserError(*judged)
        del todo.batches[key]
        yield judged


def _started(ray: Any, answer: Any) -> _Refusal | None:
    try:
        return ray.get(answer)
    except ray.exceptions.RayError as error:
        return "worker_died", f"It did not start: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__


def _ray() -> Any:
    # Ray tells its makers how it is used unless it is told not to; nothing here sends anything anywhere.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        return importlib.import_module("ray")  # optional, so not among the requirements
    except ImportError as error:
        text = "The engine ray is not installed. Run: pip install 'ray>=2.40', or leave out --engine ray."
        raise RayError("no_ray", text) from error


@contextlib.contextmanager
def _connected(ray: Any, workers: int, address: str) -> Iterator[int]:
    """Joins a cluster or starts one here; gives the number of workers."""
    address = address or os.environ.get("RAY_ADDRESS", "")
    how: dict[str, Any] = {"address": address}
    if not address:
        _let_workers_import()
        # "local": else Ray would join whatever cluster somebody runs on this machine.
        how = {"address": "local", "num_cpus": workers or os.cpu_count(), "include_dashboard": False}
        how["object_store_memory"] = _OBJECT_STORE
    where = f"The Ray cluster at {address} cannot be joined" if address else "Ray cannot be started here"
    for tries_left in range(0 if address else START_TRIES - 1, -1, -1):
        try:
            ray.init(log_to_driver=False, logging_level="ERROR", **how)
            break
        except Exception as error:  # of a dozen kinds, from a wrong address to a machine that is too busy
            if not tries_left:
                causes = [error, *filter(None, [error.__cause__])]
                raise RayError("no_cluster", f"{where}: {' '.join(map(_first_line, causes))}") from error
            ray.shutdown()
    try:
        yield workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
    finally:
        ray.shutdown()


def _let_workers_import() -> None:
    """The workers that Ray starts here find this package and its detectors, wherever they stand."""
    paths = [str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(str(Path(path).resolve()) for path in paths))
    for variable in ("DEEPFAKE_MODELS", "DEEPFAKE_CACHE"):
        if text := os.environ.get(variable):
            os.environ[variable] = str(Path(text).expanduser().resolve())
