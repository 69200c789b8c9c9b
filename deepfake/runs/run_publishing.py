"""How the publishing of a run goes, told through its folder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deepfake.errors import UserError
from deepfake.runs.history import number
from deepfake.runs.runs import PUBLISH_LOCK, PUBLISHED_FILE, RunError
from deepfake.util.files import held, hold, read_json, write_json

_START_SECONDS = 120.0


@dataclass(frozen=True)
class PublishingState:
    """Where the publishing of a run stands.

    Attributes:
        code: ``none``, ``going_on``, ``done`` or ``failed``.
        detector: the detector's name.
        message: what went wrong.
        time: when it began, seconds since 1970; 0 where unknown.
    """

    code: Literal["none", "going_on", "done", "failed"]
    detector: str = ""
    message: str = ""
    time: float = 0.0


@contextlib.contextmanager
def publishing(run: Path, detector: str) -> Iterator[None]:
    """Around ``publishing.publish``: notes in the run's folder that it goes on and how it ended.

    Args:
        run: the run's folder.
        detector: the name it gets.

    Raises:
        RunError: code ``publishing``: another process is at it.
    """
    lock = hold(run / PUBLISH_LOCK)
    if lock is None:
        raise RunError("publishing", f"{run.name} is being published already. Wait for its end.")
    note = {"detector": detector, "time": round(time.time(), 3)}
    with lock:
        write_json(run / PUBLISHED_FILE, {**note, "state": "going_on"})
        try:
            yield
        except UserError as error:
            write_json(run / PUBLISHED_FILE, {**note, "state": "failed", "message": error.message})
            raise
        write_json(run / PUBLISHED_FILE, {**note, "state": "done"})


def publishing_state(run: Path) -> PublishingState:
    """Judges by the folder, whoever started the publishing."""
    note = read_json(run / PUBLISHED_FILE)
    detector, state = str(note.get("detector", "")), note.get("state")
    if held(run / PUBLISH_LOCK):
        return PublishingState("going_on", detector)
    if state == "done":
        return PublishingState("done", detector, time=number(note.get("time", 0)))
    if state == "failed":
        return PublishingState("failed", detector, str(note.get("message", "")))
    if state == "launched" and time.time() - number(note.get("time", 0)) < _START_SECONDS:
        return PublishingState("going_on", detector)  # it loads TensorFlow before it takes the lock
    if state in ("going_on", "launched"):
        return PublishingState("failed", detector, "The process ended without a word. Try again.")
    return PublishingState("none")
