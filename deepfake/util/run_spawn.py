"""``python -m deepfake`` in a process of its own, and what it said."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from deepfake.util.tensorflow import is_note

ROOT = Path(__file__).resolve().parent.parent


def spawn(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """``python -m deepfake WORDS`` in its own session, both streams appended to a log."""
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "deepfake", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()
    return process


def log_tail(path: Path, lines: int = 40, most: int = 20_000) -> str:
    """The last lines of a log without TensorFlow's notes to its developers; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    told = [line for line in text.splitlines() if not is_note(line)]
    return "\n".join(told[-lines:])
