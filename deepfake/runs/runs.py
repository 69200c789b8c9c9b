"""Runs from outside: where they lie, starting one as a process of its own, stop, resume, rename, delete.

Whoever asks, page or script, only reads and writes the folder; the process goes on without them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from deepfake.detection.card import model_names
from deepfake.errors import UserError
from deepfake.runs.history import History, HistoryReader, number
from deepfake.runs.process import PROCESS_FILE, RUN_LOCK, STOP_FILE
from deepfake.runs.recorded import RECORDED, is_recorded, recorded_names, recorded_state
from deepfake.runs.state import RunState, process_alive, run_state
from deepfake.settings import DEMO_EXPLANATION, is_demo
from deepfake.training.log import read_data_folder
from deepfake.training.target import check_free
from deepfake.util.cache import folder_named
from deepfake.util.files import PACKED_MODELS, ROOT, SUPPORTED, acquire_lock, is_locked, read_json, write_json
from deepfake.util.process import log_tail, spawn
from deepfake.util.text import plain_name

LOG_FILE = "log.txt"
PUBLISH_LOG_FILE = "publish.log"
PUBLISH_LOCK = "publish.lock"
PUBLISHED_FILE = "published.json"
_START_SECONDS = 20.0
_readers: dict[Path, HistoryReader] = {}
_readers_lock = threading.Lock()


class RunError(UserError):
    """A run cannot be started, stopped or changed."""


@dataclass(frozen=True)
class Run:
    """One run as it stands.

    Attributes:
        folder: its folder; the folder's name is the run's.
        state: how it stands.
        history: what it told.
    """

    folder: Path
    state: RunState
    history: History

    @property
    def name(self) -> str:
        """The run's name."""
        return self.folder.name

    @property
    def recorded(self) -> bool:
        """Whether it ships with the app and can only be looked at."""
        return is_recorded(self.folder)


def runs_folder() -> Path:
    """``$DEEPFAKE_RUNS``, or ``runs`` in the checkout; of an installed package in the working folder."""
    return folder_named("DEEPFAKE_RUNS") or (
        Path("runs").resolve() if PACKED_MODELS.is_dir() else ROOT / "runs"
    )


def training_allowed() -> bool:
    """False where the operator set ``DEEPFAKE_TRAINING=off``, and in a public demo."""
    off = os.environ.get("DEEPFAKE_TRAINING", "").strip().lower() in ("off", "0", "no", "false")
    return not off and not is_demo()


def check_allowed() -> None:
    """Refuses where training is switched off.

    Raises:
        RunError: code ``training_off``.
    """
    if not training_allowed():
        raise RunError(
            "training_off",
            DEMO_EXPLANATION
            if is_demo()
            else "Training is switched off on this server (DEEPFAKE_TRAINING=off). Runs can be seen.",
        )


def run_names() -> list[str]:
    """Names of all runs, the latest first."""
    runs = runs_folder()
    files = ("settings.json", "events.jsonl", PROCESS_FILE)
    found = [folder for folder in (runs.iterdir() if runs.is_dir() else ()) if not folder.is_symlink()]
    times = {
        folder.name: _begun(folder) for folder in found if any((folder / file).exists() for file in files)
    }
    return sorted(times, key=lambda name: (-times[name], name))


def shown_names() -> list[str]:
    """Names of all runs that can be looked at: ``run_names``, then the recorded ones."""
    own = run_names()
    return [*own, *(name for name in recorded_names() if name not in own)]


def open_run(name: str) -> Run:
    """The state and history of a run or of a recorded one; cheap to ask again and again.

    Raises:
        RunError: code ``no_run``.
    """
    folder = _folder(name, recorded=True)
    with _readers_lock:
        reader = _readers.setdefault(folder, HistoryReader(folder))
    if is_recorded(folder):
        history = reader.read()
        return Run(folder, recorded_state(history), history)
    alive = process_alive(folder)
    history = reader.read()
    return Run(folder, run_state(folder, history, alive=alive), history)


def launch(name: str, data: Path, options: Sequence[str]) -> Path:
    """Starts ``python -m deepfake train`` in a session of its own and waits until it has its folder.

    Where another run trains, the new one waits for its turn by itself.

    Args:
        name: of the new run.
        data: the data set's folder.
        options: further words of the command line.

    Returns:
        The run's folder.

    Raises:
        RunError: codes ``training_off``, ``run_exists``, ``not_started`` (with the process's own words).
        UserError: code ``bad_name``.
    """
    check_allowed()
    folder = runs_folder() / plain_name(name)
    if (folder / "settings.json").exists() or is_locked(folder / RUN_LOCK):
        raise RunError("run_exists", f"There is a run called {name} already. Choose another name.")
    _start(folder, data, options)
    return folder


def resume(name: str) -> None:
    """Goes on with a run after its last whole epoch, in a process of its own.

    Raises:
        RunError: codes ``training_off``, ``no_run``, ``recorded``, ``run_active``, ``nothing_to_resume``,
            ``not_started``.
        UserError: code ``bad_settings``.
    """
    check_allowed()
    run = _own_run(name)
    _refuse_active(run)
    data = read_data_folder(run.folder)
    if not run.state.resumable:
        raise RunError("nothing_to_resume", f"{name} has nothing to go on with. {run.state.sentence}")
    _start(run.folder, data, ["--resume"])


def stop(name: str) -> None:
    """Asks a run to end after its current step; it keeps its best network.

    Raises:
        RunError: codes ``training_off``, ``no_run``, ``recorded``, ``not_running``.
    """
    check_allowed()
    folder = _folder(name)
    process = read_json(folder / PROCESS_FILE)
    if not is_locked(folder / RUN_LOCK) or not isinstance(process.get("pid"), int):
        raise RunError("not_running", f"{name} is not running, or was started without this page's locks.")
    write_json(folder / STOP_FILE, {"time": round(time.time(), 3)})
    try:
        os.kill(process["pid"], signal.SIGTERM)
    except OSError as error:
        (folder / STOP_FILE).unlink(missing_ok=True)
        raise RunError(
            "not_running",
            f"{name} cannot be stopped from here ({error.strerror}): another user of the server started it.",
        ) from error


def rename(name: str, new: str) -> None:
    """Gives a run that is not active another name.

    Raises:
        RunError: codes ``training_off``, ``no_run``, ``recorded``, ``run_active``, ``run_exists``.
        UserError: code ``bad_name``.
    """
    check_allowed()
    run = _own_run(name)
    _refuse_active(run)
    target = runs_folder() / plain_name(new)
    if target.exists():
        raise RunError("run_exists", f"There is something called {new} already. Choose another name.")
    run.folder.rename(target)
    _forget(run.folder)


def delete(name: str) -> None:
    """Removes a run that is not active, with its networks.

    Raises:
        RunError: codes ``training_off``, ``no_run``, ``recorded``, ``run_active``.
    """
    check_allowed()
    run = _own_run(name)
    _refuse_active(run)
    lock = acquire_lock(run.folder / RUN_LOCK)  # nobody resumes it meanwhile
    if lock is None:
        raise RunError("run_active", f"{name} is active. Stop it first.")
    with lock:
        shutil.rmtree(run.folder)
    _forget(run.folder)


def launch_publishing(name: str, detector: str, description: str = "") -> None:
    """Starts ``python -m deepfake publish`` on a run in a process of its own; see ``publishing_state``.

    A detector of that name is replaced, unless another one needs it.

    Raises:
        RunError: codes ``training_off``, ``no_run``, ``recorded``, ``nothing_to_publish``, ``publishing``,
            ``needed``.
        UserError: codes ``bad_name``, ``bad_settings``.
    """
    check_allowed()
    run = _own_run(name)
    plain_name(detector)
    read_data_folder(run.folder)
    if not run.history.epochs or not (run.folder / "best.keras").is_file():
        raise RunError("nothing_to_publish", f"{name} holds no network of a whole epoch yet.")
    if is_locked(run.folder / PUBLISH_LOCK):
        raise RunError("publishing", f"{name} is being published already. Wait for its end.")
    if needed := check_free(detector, replace=True):
        raise RunError(
            "needed",
            f"{' and '.join(needed)} would stop working, for want of the network of {detector}. "
            "Choose another name.",
        )
    note = {"detector": detector, "time": round(time.time(), 3), "state": "launched"}
    write_json(run.folder / PUBLISHED_FILE, note)
    words = ["publish", str(run.folder.resolve()), detector]
    if detector in model_names():  # as the page says beside the button
        words.append("--replace")
    spawn([*words, "--description", description] if description else words, run.folder / PUBLISH_LOG_FILE)


def _start(folder: Path, data: Path, options: Sequence[str]) -> None:
    if not SUPPORTED:
        raise RunError(
            "not_started", "Starting runs from the page needs Linux or macOS. Use the command line."
        )
    folder.mkdir(parents=True, exist_ok=True)
    before = read_json(folder / PROCESS_FILE)
    words = ["train", str(data.resolve()), "--run", folder.name, "--runs", str(folder.parent.resolve())]
    process = spawn([*words, *options], folder / LOG_FILE)
    deadline = time.monotonic() + _START_SECONDS
    while read_json(folder / PROCESS_FILE) in ({}, before):
        if process.poll() is not None:
            said = log_tail(folder / LOG_FILE, 3).removeprefix("deepfake: ")
            if not before:  # nothing ran here: another try may take the name
                shutil.rmtree(folder, ignore_errors=True)
            raise RunError("not_started", said or f"The run ended at once (status {process.returncode}).")
        if time.monotonic() > deadline:
            return  # a slow machine; the folder tells the rest
        time.sleep(0.05)


def _folder(name: str, *, recorded: bool = False) -> Path:
    folder = runs_folder() / plain_name(name)
    if folder.is_dir() and not folder.is_symlink():
        return folder
    if name not in recorded_names():
        raise RunError("no_run", f"There is no run called {name}.")
    if not recorded:
        raise RunError("recorded", f"{name} ships with the app as a recorded run. It cannot be changed.")
    return RECORDED / name


def _own_run(name: str) -> Run:
    _folder(name)
    return open_run(name)


def _begun(folder: Path) -> float:
    since = read_json(folder / PROCESS_FILE).get("since")
    if isinstance(since, (int, float)):
        return float(since)
    files = (folder / "settings.json", folder / "events.jsonl")
    return max((file.stat().st_mtime for file in files if file.exists()), default=0.0)


def _refuse_active(run: Run) -> None:
    if run.state.active:
        raise RunError("run_active", f"{run.name} is active. Stop it first.")


def _forget(folder: Path) -> None:
    with _readers_lock:
        _readers.pop(folder, None)


_PUBLISH_START_SECONDS = 120.0


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
    """Around ``publish.publish``: notes in the run's folder that it goes on and how it ended.

    Args:
        run: the run's folder.
        detector: the name it gets.

    Raises:
        RunError: code ``publishing``: another process is at it.
    """
    lock = acquire_lock(run / PUBLISH_LOCK)
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
    if is_locked(run / PUBLISH_LOCK):
        return PublishingState("going_on", detector)
    if state == "done":
        return PublishingState("done", detector, time=number(note.get("time", 0)))
    if state == "failed":
        return PublishingState("failed", detector, str(note.get("message", "")))
    if state == "launched" and time.time() - number(note.get("time", 0)) < _PUBLISH_START_SECONDS:
        return PublishingState("going_on", detector)  # it loads TensorFlow before it takes the lock
    if state in ("going_on", "launched"):
        return PublishingState("failed", detector, "The process ended without a word. Try again.")
    return PublishingState("none")
