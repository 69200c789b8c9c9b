"""Long work beside a page: one thread a job, its progress, and a way to stop it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from deepfake.errors import UserError


class Stopped(Exception):
    """The person who waited has had enough; what was measured is kept."""


logger = logging.getLogger(__name__)
JobState = Literal["running", "finished", "stopped", "failed"]
Report = Callable[[int, int], None]
Work = Callable[[Report, Callable[[], bool]], Any]
"""Takes a function to report (done, total) to, and one that says whether to stop; raises ``Stopped`` then."""


@dataclass
class Job:
    """Work under way or over.

    Attributes:
        title: what is done, for a person.
        state: how it stands.
        done, total: how far it is; ``total`` is 0 while unknown.
        started: ``time.monotonic()`` at the start.
        message: why it failed, in a sentence.
        result: what the work returned.
    """

    title: str
    state: JobState = "running"
    done: int = 0
    total: int = 0
    started: float = field(default_factory=time.monotonic)
    message: str = ""
    result: Any = None
    _stop: threading.Event = field(default_factory=threading.Event, repr=False)

    def stop(self) -> None:
        """Asks the work to stop; it does so within moments."""
        self._stop.set()

    def seconds_left(self) -> float | None:
        """About how long it still takes; None before there is anything to go by."""
        if self.state != "running" or not self.total or self.done < 1:
            return None
        return (time.monotonic() - self.started) * (self.total - self.done) / self.done

    def _report(self, done: int, total: int) -> None:
        self.done, self.total = done, total

    def _run(self, work: Work) -> None:
        try:
            self.result = work(self._report, self._stop.is_set)
            self.state = "finished"
        except Stopped:
            self.state = "stopped"
        except UserError as error:
            self.message, self.state = error.message, "failed"
        except Exception:  # shown in words, told to the log in full
            logger.exception("%s failed", self.title)
            self.message = (
                "It ended with an error that is not the data's fault; the server's log has the details."
            )
            self.state = "failed"


def job_line(job: Job, unit: str) -> str:
    """Progress in words.

    Args:
        job: under way.
        unit: what is counted, in the plural.
    """
    if not job.total:
        return f"{job.title} ..."
    left, time = job.seconds_left(), ""
    if left is not None:
        time = f", about {left / 60:.0f} min left" if left > 90 else f", about {left:.0f} s left"
    return f"{job.title}: {job.done:,} of {job.total:,} {unit}{time}"


_jobs: dict[str, Job] = {}
_lock = threading.Lock()


def start_job(key: str, title: str, work: Work) -> Job:
    """Starts work in a thread; what already runs under this key is returned as it is.

    Args:
        key: one job at a time has it.
        title: for a person.
        work: see ``Work``.
    """
    with _lock:
        running = _jobs.get(key)
        if running is not None and running.state == "running":
            return running
        job = _jobs[key] = Job(title)
    threading.Thread(target=job._run, args=(work,), name=key, daemon=True).start()
    return job


def find_job(key: str) -> Job | None:
    """The job last started under a key."""
    return _jobs.get(key)


def forget_job(key: str) -> None:
    """Drops a job that is over."""
    with _lock:
        job = _jobs.get(key)
        if job is not None and job.state != "running":
            del _jobs[key]


class Busy(UserError):
    """Too many already wait; code ``busy``."""


class Admission:
    """A queue with an end. Safe to share between threads."""

    def __init__(self, at_once: int, waiting: int) -> None:
        """Nobody is in it yet.

        Args:
            at_once: how many may be at work.
            waiting: how many more may wait for their turn.
        """
        self.most = at_once + waiting
        self._inside = 0
        self._count = threading.Lock()
        self._work = threading.Semaphore(at_once)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn and holds it.

        Raises:
            Busy: too many wait already; at once.
        """
        with self._count:
            if self._inside >= self.most:
                raise Busy(
                    "busy",
                    f"{self._inside} pictures are being judged or wait for it: as many as this server takes. "
                    "Wait a few seconds and upload the picture again.",
                )
            self._inside += 1
        try:
            with self._work:
                yield
        finally:
            with self._count:
                self._inside -= 1
