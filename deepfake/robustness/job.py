"""A robustness measurement behind a page's back: one at a time in this process, for every visitor.

It runs in a thread of the server, so that closing or reloading a page does not touch it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from deepfake.data.index import DatasetIndex
from deepfake.detection.detector import get_detector
from deepfake.errors import UserError
from deepfake.robustness.sweep import Robustness, balanced_sample, subject_of, sweep

RunState = Literal["running", "cancelling", "finished", "cancelled", "failed"]
KEPT = 12
"""Results kept, the latest ones; older ones are dropped."""

logger = logging.getLogger("deepfake.robustness.sweep")


@dataclass(frozen=True)
class Run:
    """What is known of the latest measurement.

    Attributes:
        state: ``cancelling`` until the pictures under way are done.
        models: the detectors' names.
        data: what the pictures are, in words.
        done, total: pictures.
        seconds: since it started; of the whole once it ended.
        message: why it failed, else "".
    """

    state: RunState
    models: tuple[str, ...]
    data: str
    done: int
    total: int
    seconds: float
    message: str = ""

    @property
    def active(self) -> bool:
        """It has not ended."""
        return self.state in ("running", "cancelling")


class _CancelledError(Exception):
    """Leaves the sweep when the person no longer wants it."""


class Runner:
    """Holds the one measurement and the results of earlier ones. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._began = 0.0
        self._results: dict[tuple[str, str], Robustness] = {}

    def start(self, models: Sequence[str], data: DatasetIndex, title: str, images: int) -> None:
        """Begins a measurement and returns at once.

        Args:
            models: names of detectors.
            data: labelled face crops.
            title: what they are, in words.
            images: at most so many, half of each class.

        Raises:
            UserError: code ``busy``: another one is under way.
        """
        with self._lock:
            if self._run is not None and self._run.active:
                raise UserError(
                    "busy", "Another measurement is under way. Wait until it ends, or cancel it first."
                )
            sample = balanced_sample(data, images)
            self._began = time.monotonic()
            self._run = Run("running", tuple(models), title, 0, len(sample), 0.0)
        work = threading.Thread(
            target=self._work, args=(tuple(models), sample, title), name="robustness", daemon=True
        )
        work.start()

    def current(self) -> Run | None:
        """The latest measurement as it stands now; None before the first."""
        with self._lock:
            if self._run is not None and self._run.active:
                return replace(self._run, seconds=time.monotonic() - self._began)
            return self._run

    def cancel(self) -> None:
        """Asks the measurement to end; it does so within a few pictures, and its numbers are dropped."""
        with self._lock:
            if self._run is not None and self._run.state == "running":
                self._run = replace(self._run, state="cancelling")

    def results(self) -> tuple[Robustness, ...]:
        """What measurements of this process gave, the latest last."""
        with self._lock:
            return tuple(self._results.values())

    def _work(self, models: tuple[str, ...], data: DatasetIndex, title: str) -> None:
        try:
            subjects = [subject_of(get_detector(name)) for name in models]
            found = sweep(subjects, data, title=title, on_progress=self._progress)
        except _CancelledError:
            self._end("cancelled")
        except UserError as error:
            self._end("failed", error.message)
        except Exception:  # a fault must not leave the run "running" for ever
            logger.exception("A robustness measurement failed.")
            self._end("failed", "The measurement failed. The server's log says why.")
        else:
            self._keep(found)
            self._end("finished")

    def _progress(self, done: int) -> None:
        with self._lock:
            assert self._run is not None
            if self._run.state == "cancelling":
                raise _CancelledError
            self._run = replace(self._run, done=done)

    def _keep(self, found: Sequence[Robustness]) -> None:
        with self._lock:
            for result in found:
                self._results.pop((result.model, result.data), None)
                self._results[(result.model, result.data)] = result
            for key in list(self._results)[:-KEPT]:
                del self._results[key]

    def _end(self, state: RunState, message: str = "") -> None:
        with self._lock:
            assert self._run is not None
            seconds = time.monotonic() - self._began
            self._run = replace(self._run, state=state, seconds=seconds, message=message)


RUNNER = Runner()
"""The one of this process."""
