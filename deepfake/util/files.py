"""Files written whole or not at all, and locks that the system releases however their holder ends."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows has no such locks: nothing is ever held there
    fcntl = None

ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the package ``deepfake``: the checkout, where it is one."""
PACKED_MODELS = ROOT / "deepfake" / "_models"
"""Where the detectors lie in a package that was installed with pip."""
SUPPORTED = fcntl is not None
_PATIENCE = 1.0
"""Seconds; who only asks whether a lock is held takes a share of it for a moment."""


def acquire_lock(path: Path, *, patience: float = _PATIENCE) -> TextIOWrapper | None:
    """Takes a lock until the file given back is closed or the process ends; None where it is taken.

    Args:
        path: the lock's file, made if missing.
        patience: seconds to try for.
    """
    file = path.open("a+", encoding="utf-8")
    deadline = time.monotonic() + patience
    while fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if time.monotonic() >= deadline:
                file.close()
                return None
            time.sleep(0.05)
    return file


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    if fcntl is None:
        return False
    try:
        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to, which takes its place at the end of the block.

    No reader ever sees half a file, and where the block fails, as on a full disk, the old one stays. The path
    keeps the suffix, which libraries go by, and is of this thread alone.
    """
    partial = _partial(path)
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.stem}.{os.getpid()}-{threading.get_ident()}.part{path.suffix}")


def remove_partials(folder: Path, prefix: str = "") -> None:
    """Removes what killed processes left of ``replacing``, of files that nobody else writes.

    Args:
        folder: where they lie.
        prefix: of the files' names; all of the folder's where it is empty.
    """
    for path in folder.glob(f".{prefix}*.part*"):
        path.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that no reader ever sees half of it.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never half of one."""
    write_whole(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none or it cannot be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
