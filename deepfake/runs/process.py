"""A training process tells who it is, waits for its turn, and leaves word of how it ended.

``run.lock`` in the run's folder is held while the process lives, ``.training.lock`` in the folder of all runs
while it trains; the system releases both whatever happens to the process. ``process.json`` says the rest.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from deepfake.errors import UserError
from deepfake.training.failures import as_user_error
from deepfake.training.recipe import Recipe
from deepfake.util.files import acquire_lock, is_locked, read_json, remove_partials, write_json
from deepfake.util.process import boot_and_kills

RUN_LOCK = "run.lock"
TRAINING_LOCK = ".training.lock"
PROCESS_FILE = "process.json"
STOP_FILE = "stop.json"
RESERVE_FILE = "reserve"
_RESERVE_BYTES = 65_536
_POLL_SECONDS = 0.5


@contextlib.contextmanager
def run_session(
    folder: Path, recipe: Recipe, data: Path, *, at_once: bool = False, say: Callable[[str], None] = print
) -> Iterator[None]:
    """Around a run: locks its folder, waits until no other run of the same place trains, notes the end.

    Args:
        folder: the run's, made if missing.
        recipe: its settings.
        data: its data set's folder.
        at_once: do not wait for other runs.
        say: takes lines for the person who waits.

    Raises:
        UserError: code ``run_active``: another process works on this run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = acquire_lock(folder / RUN_LOCK)
    if lock is None:
        owner = owner_words(read_json(folder / PROCESS_FILE))
        raise UserError("run_active", f"The run {folder.name} is active ({owner}). Stop it first.")
    turn = None
    remove_partials(folder)
    (folder / STOP_FILE).unlink(missing_ok=True)
    facts = _facts(recipe, data)
    try:
        write_json(folder / PROCESS_FILE, {**facts, "state": "queued"})
        if not at_once:
            turn = _wait_for_turn(folder, facts, say)
        (folder / RESERVE_FILE).write_bytes(bytes(_RESERVE_BYTES))
        facts["began"] = round(time.time(), 3)
        write_json(folder / PROCESS_FILE, {**facts, "state": "running"})
        yield
        write_json(folder / PROCESS_FILE, {**facts, "state": "ended"})
    except KeyboardInterrupt:
        write_json(folder / PROCESS_FILE, {**facts, "state": "stopped"})
        raise
    except Exception as error:
        failure = as_user_error(error, data)
        (folder / RESERVE_FILE).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            word = {"code": failure.code, "message": failure.message}
            write_json(folder / PROCESS_FILE, {**facts, "state": "failed", **word})
        if failure is error or failure.code == "unexpected":
            raise
        raise failure from error
    finally:
        (folder / RESERVE_FILE).unlink(missing_ok=True)
        for file in (turn, lock):
            if file is not None:
                file.close()


def owner_words(process: dict[str, Any]) -> str:
    """Who runs it, in words: process, user and machine."""
    if not process:
        return "its owner is not known"
    known = {"pid": "?", "user": "?", "host": "?", **process}
    return f"process {known['pid']} of {known['user']} on {known['host']}"


def training_owner(runs: Path) -> dict[str, Any]:
    """The facts of the run that trains now in this place, empty where none does."""
    return read_json(runs / TRAINING_LOCK) if is_locked(runs / TRAINING_LOCK) else {}


def waiting_runs(runs: Path) -> list[tuple[float, str]]:
    """Since when (seconds) and which runs of this place wait for their turn, longest first."""
    found = []
    for folder in runs.iterdir() if runs.is_dir() else ():
        process = read_json(folder / PROCESS_FILE)
        if process.get("state") == "queued" and is_locked(folder / RUN_LOCK):
            found.append((float(process.get("since", 0)), folder.name))
    return sorted(found)


def _facts(recipe: Recipe, data: Path) -> dict[str, Any]:
    boot, kills = boot_and_kills()
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, in a container
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return {
        "pid": os.getpid(),
        "user": user,
        "host": socket.gethostname(),
        "since": round(time.time(), 3),
        "boot": boot,
        "memory_kills": kills,
        "recipe": recipe.to_dict(),
        "data": str(data),
    }


def _wait_for_turn(folder: Path, facts: dict[str, Any], say: Callable[[str], None]) -> TextIOWrapper:
    runs, previous = folder.parent, ""
    while True:
        ahead = [name for since, name in waiting_runs(runs) if (since, name) < (facts["since"], folder.name)]
        turn = None if ahead else acquire_lock(runs / TRAINING_LOCK, patience=0)
        if turn is not None:
            break
        now = str(training_owner(runs).get("run", "another run"))
        if now != previous:
            say(f"Waiting for {now} to end. One run at a time; --at-once does not wait.")
            previous = now
        time.sleep(_POLL_SECONDS)
    turn.truncate(0)
    owner = {"run": folder.name, **{key: facts[key] for key in ("pid", "user", "host", "since")}}
    turn.write(json.dumps(owner) + "\n")
    turn.flush()
    return turn
