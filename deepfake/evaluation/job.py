"""An evaluation that a page asks for: a process of its own, one at a time, that outlives every visit.

The process runs ``python -m deepfake evaluate``, so a page's evaluation is the command line's. Its folder is
temporary; what was measured is kept apart from the card (``kept_evaluations``).
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deepfake.errors import UserError

State = Literal["running", "kept", "not_kept", "failed", "cancelled"]
PACKAGE_PARENT = Path(__file__).resolve().parent.parent
PATIENCE = 10.0
"""Seconds that a cancelled process has to end before it is killed."""


class JobError(UserError):
    """An evaluation cannot be started; code ``busy``, ``no_title`` or ``bad_title``."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate on what.

    Attributes:
        detector: its name.
        data: the data set's folder, from ``data_roots.resolve_in_roots``.
        title: under which it is kept.
        split, source: the part to measure; None for all.
        perturbed: score the one perturbed copy of each image.
    """

    detector: str
    data: Path
    title: str
    split: str | None = None
    source: str | None = None
    perturbed: bool = False

    def arguments(self, folder: Path) -> list[str]:
        """Of ``python -m deepfake``; values are joined to their names, so that none is taken for
        an option."""
        words = [
            "evaluate",
            str(self.data),
            f"--model={self.detector}",
            f"--keep={self.title}",
            f"--scores={folder / 'scores.csv'}",
            f"--json={folder / 'numbers.json'}",
            f"--progress={folder / 'progress.json'}",
        ]
        words += [f"--split={self.split}"] if self.split else []
        words += [f"--source={self.source}"] if self.source else []
        return words + (["--perturbed"] if self.perturbed else [])


@dataclass(frozen=True)
class Progress:
    """Where an evaluation stands.

    Attributes:
        state: ``running``; ``kept``: see ``kept_evaluations``; ``not_kept``: measured, but the cache folder
            could not be written; ``failed``; ``cancelled``.
        done, total: images scored so far, and all; 0 and 0 until the network is loaded.
        seconds: since the start, until the end.
        message: what went wrong, in a sentence; empty while nothing did.
        left_out: images that could not be read, as ``path: why``.
    """

    state: State
    done: int
    total: int
    seconds: float
    message: str
    left_out: tuple[str, ...]


class EvaluationJob:
    """A started evaluation; see ``start``."""

    def __init__(self, request: EvaluationRequest, folder: Path) -> None:
        self.request = request
        self.folder = folder
        self._started = time.monotonic()
        self._ended: float | None = None
        self._cancelled = False
        # Not a working directory: DEEPFAKE_MODELS and DEEPFAKE_DATA may be relative to the server's.
        python_path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
        with (folder / "said").open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deepfake", *request.arguments(folder)],
                env={**os.environ, "PYTHONPATH": python_path, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )

    @property
    def running(self) -> bool:
        """Whether the process is still at work."""
        return self._process.poll() is None

    def progress(self) -> Progress:
        """Where it stands now; reads two small files."""
        status = self._process.poll()
        if status is not None and self._ended is None:
            self._ended = time.monotonic()
        done, total = self._counts()
        said = (self.folder / "said").read_text(encoding="utf-8", errors="replace").splitlines()
        left_out = tuple(line.removeprefix("left out ") for line in said if line.startswith("left out "))
        state, message = self._outcome(status, said)
        seconds = (self._ended or time.monotonic()) - self._started
        return Progress(state, done, total, seconds, message, left_out)

    def cancel(self) -> None:
        """Ends the process; nothing is kept."""
        if self.running:
            self._cancelled = True
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def scores(self) -> bytes | None:
        """The score table as CSV, once there is one."""
        file = self.folder / "scores.csv"
        return file.read_bytes() if file.is_file() else None

    def _counts(self) -> tuple[int, int]:
        try:
            counts = json.loads((self.folder / "progress.json").read_text(encoding="utf-8"))
            return int(counts["done"]), int(counts["total"])
        except (OSError, ValueError, KeyError, TypeError):  # not begun yet
            return 0, 0

    def _outcome(self, status: int | None, said: list[str]) -> tuple[State, str]:
        if status is None:
            return "running", ""
        if status == 0:
            return "kept", ""
        if self._cancelled:
            return "cancelled", ""
        if status < 0:
            return "failed", (
                f"The system ended the evaluation (signal {-status}), most likely because memory ran out. "
                "Nothing was kept."
            )
        refusals = [line.removeprefix("deepfake: ") for line in said if line.startswith("deepfake: ")]
        if refusals:
            state: State = "not_kept" if (self.folder / "scores.csv").is_file() else "failed"
            return state, refusals[-1]
        last = said[-1] if said else "it said nothing"
        return "failed", f"The evaluation ended with a fault in the program: {last}. Nothing was kept."


_lock = threading.Lock()
_current: list[EvaluationJob] = []


def current() -> EvaluationJob | None:
    """The evaluation under way or the last one of this server; None before the first."""
    return _current[-1] if _current else None


def start(request: EvaluationRequest) -> EvaluationJob:
    """Starts an evaluation; the last one's scores are dropped.

    Raises:
        JobError: ``busy``: another one is under way; ``no_title``; ``bad_title``: a title with characters
            that cannot be shown, or of more than 80.
    """
    title = request.title.strip()
    if not title:
        raise JobError("no_title", "Give the evaluation a title, such as the name of the data set.")
    if not title.isprintable() or len(title) > 80:
        raise JobError("bad_title", f"A title has up to 80 letters in one line. Received {len(title)}.")
    with _lock:
        last = current()
        if last is not None and last.running:
            raise JobError(
                "busy",
                f"An evaluation of {last.request.detector} ({last.request.title}) is under way; one runs at "
                "a time. Wait for it or cancel it.",
            )
        _drop()
        folder = Path(tempfile.mkdtemp(prefix="deepfake-evaluation-"))
        _current.append(EvaluationJob(request, folder))
        return _current[-1]


def forget() -> None:
    """Drops the last evaluation and its scores from the page; one under way stays."""
    with _lock:
        last = current()
        if last is not None and not last.running:
            _drop()


def _drop() -> None:
    while _current:
        shutil.rmtree(_current.pop().folder, ignore_errors=True)


@atexit.register
def _end() -> None:
    """A server that ends takes its evaluation with it."""
    last = current()
    if last is not None:
        last.cancel()
        _drop()
