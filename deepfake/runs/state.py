"""How a run stands, seen from outside its process: one word, and a sentence on what happened."""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deepfake.errors import UserError
from deepfake.runs.history import History
from deepfake.runs.process import PROCESS_FILE, RUN_LOCK, STOP_FILE, training_owner
from deepfake.training.log import read_settings
from deepfake.util.files import is_locked, read_json
from deepfake.util.process import boot_and_kills

StateCode = Literal[
    "queued",
    "starting",
    "running",
    "stopping",
    "finished",
    "stopped",
    "diverged",
    "failed",
    "killed",
    "damaged",
    "fitted",
    "recorded",
]
STATE_WORDS: dict[StateCode, str] = {
    "queued": "Waiting",
    "starting": "Starting",
    "running": "Running",
    "stopping": "Stopping",
    "finished": "Finished",
    "stopped": "Stopped",
    "diverged": "Diverged",
    "failed": "Failed",
    "killed": "Broken off",
    "damaged": "Damaged",
    "fitted": "Fitted",
    "recorded": "Recorded run (read-only)",
}
ACTIVE: tuple[StateCode, ...] = ("queued", "starting", "running", "stopping")
_SILENCE = 300.0
"""Seconds after which a run without a lock, started by an older version, counts as broken off."""


@dataclass(frozen=True)
class RunState:
    """How a run stands.

    Attributes:
        code: see ``STATE_WORDS``.
        sentence: what happened, what is kept and what to do.
        resumable: there is a whole epoch to go on from and something left to do.
        stoppable: ``runs.stop`` can reach its process.
    """

    code: StateCode
    sentence: str
    resumable: bool
    stoppable: bool = False

    @property
    def word(self) -> str:
        """For a table."""
        return STATE_WORDS[self.code]

    @property
    def active(self) -> bool:
        """A process works on it or waits to."""
        return self.code in ACTIVE


def run_state(folder: Path, history: History, *, alive: bool) -> RunState:
    """Judges a run by its locks, its process's last word and its events.

    Args:
        folder: the run's.
        history: its events, from ``history``.
        alive: its process was there (``process_alive``) before the events were read: a process that ends
            between the two has then said so, and is not taken for a killed one.
    """
    process = read_json(folder / PROCESS_FILE)
    unlocked = not process and not history.end and time.time() - history.last_time < _SILENCE
    if alive:
        return _active(folder, history, process)
    if unlocked:
        return RunState("running", "Training without a lock, so it cannot be stopped from here.", False)
    kept = _kept(folder, history)
    try:
        recipe = read_settings(folder)
        epochs = recipe.epochs
    except UserError as error:
        if error.code == "bad_settings":
            return RunState("damaged", f"{error.message} {kept}", False)
        epochs = 0
    left = (folder / "state.npz").is_file() and len(history.epochs) < epochs
    if not history.start and read_json(folder / "result.json").get("state") == "fitted":
        return RunState("fitted", "A head was fitted to kept features of a frozen network.", False)
    ended_here = history.end and history.session_time >= process.get("since", 0)
    if ended_here:
        return _ended(history, kept, left)
    return _without_end(process, history, kept, left)


def process_alive(folder: Path) -> bool:
    """Whether a process works on the run, or waits to."""
    return is_locked(folder / RUN_LOCK)


def _active(folder: Path, history: History, process: dict[str, Any]) -> RunState:
    if (folder / STOP_FILE).exists():
        return RunState("stopping", "Stopping after the current step; the best network is saved.", False)
    if process.get("state") == "queued":
        ahead = training_owner(folder.parent).get("run", "another run")
        return RunState("queued", f"Waiting for {ahead} to end; then this run starts.", False, True)
    if not history.start or history.session_time < process.get("since", 0):
        return RunState("starting", "Reading the dataset and building the network.", False, True)
    return RunState("running", f"Training in progress{_since_words(process)}.", False, True)


def _since_words(process: dict[str, Any]) -> str:
    """Since when a process trains; every visitor reads it, so nothing of who runs it and where."""
    began = process.get("began")
    if not isinstance(began, int | float):
        return ""
    return f" since {datetime.datetime.fromtimestamp(began, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _ended(history: History, kept: str, left: bool) -> RunState:
    end = history.end
    state, message = end.get("state"), str(end.get("message", ""))
    if state == "finished":
        early = "Training ended early: the last epochs brought no improvement." if end.get("early") else ""
        return RunState("finished", f"{early or 'Training finished.'} {kept}", False)
    if state == "stopped":
        return RunState("stopped", f"Stopped. {kept}{_resume_words(left)}", left)
    if state == "diverged":
        words = message or "The loss became infinite or not a number."
        return RunState("diverged", f"{words} Start a new run with a smaller learning rate. {kept}", False)
    return RunState("failed", f"{message or 'Training failed; see the log.'} {kept}", left)


def _without_end(process: dict[str, Any], history: History, kept: str, left: bool) -> RunState:
    """The process is gone and its events have no end."""
    if process.get("message"):
        return RunState("failed", f"{process['message']} {kept}", left)
    if process.get("state") == "stopped":
        return RunState("stopped", f"Stopped before the first step. {kept}{_resume_words(left)}", left)
    boot, kills = boot_and_kills()
    free = history.steps["memory_free_mb"] if history.steps else []
    if process.get("boot") and boot and process["boot"] != boot:
        why = "The machine was restarted or switched off while it ran."
    elif process and kills > process.get("memory_kills", kills):
        why = (
            "The process was killed, most likely because the machine ran out of memory. Close other "
            "programs, or start a new run with a smaller batch size."
        )
    elif len(free) and free[-1] < 200:
        why = "The process was killed when the machine had almost no memory left."
    else:
        why = "The process ended without a message: it was killed, or the system ended it."
    return RunState("killed", f"{why} {kept}{_resume_words(left)}", left)


def _kept(folder: Path, history: History) -> str:
    if not history.epochs or not (folder / "best.keras").is_file():
        return "No epoch was completed, so no network was saved."
    if history.best_epoch == len(history.epochs):
        return f"Best epoch: {history.best_epoch} (last); its network is saved."
    return f"Best epoch: {history.best_epoch} of {len(history.epochs)}; its network is saved."


def _resume_words(left: bool) -> str:
    return " Resume continues from the last completed epoch." if left else ""
