"""Long work beside a page: a thread a job, and where need be a process that it follows.

A job belongs to the server, not to a visitor: closing or reloading a page does not touch it.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from deepfake.errors import UserError
from deepfake.util.files import read_json
from deepfake.util.process import end, start
from deepfake.util.text import format_duration


class Stopped(Exception):
    """The person who waited has had enough."""


logger = logging.getLogger(__name__)
JobState = Literal["running", "finished", "stopped", "failed"]
ReportProgress = Callable[[int, int], None]
"""Told (done, total)."""
Work = Callable[[ReportProgress, Callable[[], bool]], Any]
"""Takes a function to report to, and one that says whether to stop; raises ``Stopped`` then."""
_POLL_SECONDS = 0.2


@dataclass(eq=False)
class Job:
    """Work under way or over.

    Attributes:
        title: what is done, for a person.
        opening: what it does before the first is done, for a person.
        about: what it was asked for.
        state: how it stands.
        done, total: how far it is; ``total`` is 0 while unknown.
        started, ended: ``time.monotonic()``; ``ended`` is None before.
        message: why it failed, in a sentence.
        result: what the work returned.
    """

    title: str
    opening: str = ""
    about: Any = None
    state: JobState = "running"
    done: int = 0
    total: int = 0
    started: float = field(default_factory=time.monotonic)
    ended: float | None = None
    message: str = ""
    result: Any = None
    _first: tuple[float, int] = field(default=(0.0, 0), repr=False)
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def running(self) -> bool:
        """Whether it is still at work."""
        return self.state == "running"

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop and has not yet."""
        return self.running and self._stop.is_set()

    @property
    def seconds(self) -> float:
        """Since the start, until the end."""
        return (self.ended or time.monotonic()) - self.started

    def stop(self) -> None:
        """Asks the work to stop; it does so within moments."""
        self._stop.set()

    def line(self, unit: str) -> str:
        """How far it is, in words.

        Args:
            unit: what is counted, in the plural.
        """
        if self.stopping:
            return f"{self.title}: stopping"
        if not self.done or not self.total:
            opening = f": {self.opening}, {format_duration(self.seconds)} so far" if self.opening else " ..."
            return self.title + opening
        line, (then, first) = f"{self.title}: {self.done:,} of {self.total:,} {unit}", self._first
        if self.done == first:
            return line
        left = (time.monotonic() - then) * (self.total - self.done) / (self.done - first)
        return f"{line}, about {format_duration(left)} left"

    def _report(self, done: int, total: int) -> None:
        # What came before, such as loading a network, says nothing of the pace.
        if done and not 0 < self.done <= done:
            self._first = time.monotonic(), done
        self.done, self.total = done, total

    def _run(self, work: Work) -> None:
        state: JobState = "failed"
        try:
            self.result = work(self._report, self._stop.is_set)
            state = "finished"
        except Stopped:
            state = "stopped"
        except UserError as error:
            self.message = error.message
        except Exception:  # shown in words, told to the log in full
            logger.exception("%s failed", self.title)
            self.message = (
                "It ended with an error that is not the data's fault; the server's log has the details."
            )
        self.ended = time.monotonic()
        self.state = state


_jobs: dict[str, Job] = {}
_lock = threading.Lock()


def start_job(
    key: str, title: str, work: Work, *, opening: str = "", about: Any = None, alone: bool = False
) -> Job:
    """Starts work in a thread; what already runs under this key is returned as it is.

    Args:
        key: one job at a time has it.
        title, opening, about: see ``Job``.
        work: see ``Work``.
        alone: refuse where one runs already.

    Raises:
        UserError: code ``busy``.
    """
    with _lock:
        running = _jobs.get(key)
        if running is not None and running.running:
            if alone:
                raise UserError(
                    "busy", f"{running.title} is under way; one runs at a time. Wait for it or cancel it."
                )
            return running
        job = _jobs[key] = Job(title, opening, about)
    threading.Thread(target=job._run, args=(work,), name=key, daemon=True).start()
    return job


def find_job(key: str) -> Job | None:
    """The job last started under a key."""
    return _jobs.get(key)


def forget_job(key: str) -> None:
    """Drops a job that is over."""
    with _lock:
        job = _jobs.get(key)
        if job is not None and not job.running:
            del _jobs[key]


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: its exit status; the negative number of the signal that ended it.
        output: its standard output.
        errors: the lines of its standard error.
    """

    status: int
    output: str
    errors: tuple[str, ...]

    @property
    def refusal(self) -> str:
        """Its own sentence for the person; empty where it had none."""
        lines = [line.removeprefix("deepfake: ") for line in self.errors if line.startswith("deepfake: ")]
        return lines[-1] if lines else ""

    def failure(self, what: str) -> str:
        """Why ``what`` failed, in a sentence."""
        if self.status < 0:
            return f"The system ended the {what} (signal {-self.status}), most likely because memory ran out."
        last = self.errors[-1] if self.errors else "it said nothing"
        return self.refusal or f"The {what} ended with a fault in the program: {last}."


_processes: set[subprocess.Popen[bytes]] = set()


def follow_process(
    words: Sequence[str], folder: Path, report: ReportProgress, stopped: Callable[[], bool]
) -> Ended:
    """Runs ``python -m deepfake WORDS --progress=FILE`` to its end; the work of a job, or a part of it.

    Args:
        words: of the command line.
        folder: an empty one, for the files that this process and that one share.
        report, stopped: see ``Work``.

    Raises:
        Stopped: ``stopped`` said so; the process is ended.
    """
    progress, output, errors = (folder / name for name in ("progress.json", "output", "errors"))
    with output.open("wb") as out, errors.open("wb") as err:
        process = start([*words, f"--progress={progress}"], out, err)
    _processes.add(process)

    def tell() -> None:
        if (far := read_json(progress)).keys() >= {"done", "total"}:
            report(far["done"], far["total"])

    try:
        while process.poll() is None:
            tell()
            if stopped():
                end(process)
                if process.returncode:
                    raise Stopped
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
    finally:
        end(process)
        _processes.discard(process)
    tell()
    said, lines = (file.read_text(encoding="utf-8", errors="replace") for file in (output, errors))
    return Ended(process.returncode, said, tuple(lines.splitlines()))


@atexit.register
def _end_processes() -> None:
    """A server that ends takes its work with it."""
    for process in list(_processes):
        end(process)


Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item], at_once: int) -> Iterator[Result]:
    """What ``work`` makes of each item, in the items' order, each as soon as it can be had.

    An exception of ``work`` is raised at its item's turn.

    Args:
        work: called in several threads.
        items: taken one by one, at most ``at_once`` + 1 ahead of what was given.
        at_once: how many threads.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(at_once) as threads:
        try:
            for item in items:
                waiting.append(threads.submit(work, item))
                while waiting and (len(waiting) > at_once or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class Busy(UserError):
    """Too many already wait; code ``busy``."""


class BoundedQueue:
    """A queue with an end. Safe to share between threads."""

    def __init__(self, at_once: int, waiting: int) -> None:
        """Nobody is in it yet.

        Args:
            at_once: how many may be at work.
            waiting: how many more may wait for their turn.
        """
        self.most = at_once + waiting
        self.at_once = at_once
        self._inside = 0
        self._count = threading.Lock()
        self._work = threading.Semaphore(at_once)
        self._background = threading.Lock()
        self._mine = threading.local()

    def standing(self) -> tuple[int, int]:
        """How many are at work, and how many wait for their turn."""
        inside = self._inside
        running = min(inside, self.at_once)
        return running, inside - running

    @contextlib.contextmanager
    def slot(self, *, background: bool = False) -> Iterator[None]:
        """Waits for a turn and holds it; a thread that holds one already goes on with it.

        Args:
            background: one of a row of many. They take turns, so that all of them fill one place at most.

        Raises:
            Busy: too many wait already; at once.
        """
        if getattr(self._mine, "held", False):
            yield
            return
        with self._background if background else contextlib.nullcontext():
            with self._count:
                if self._inside >= self.most:
                    raise Busy(
                        "busy",
                        f"{self._inside} images are being checked or waiting: the most this server accepts. "
                        f"Wait a few seconds and upload the image again.",
                    )
                self._inside += 1
            try:
                with self._work:
                    self._mine.held = True
                    yield
            finally:
                self._mine.held = False
                with self._count:
                    self._inside -= 1
