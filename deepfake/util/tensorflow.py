"""One safe and quiet way to import TensorFlow late.

It takes seconds and hundreds of MB, so only what scores images imports it; and two threads that import
it at once leave it broken for the life of the process. While it is imported it writes notes to its own
developers to standard error, where a person reads ours: those lines are left out.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

NOTES = (
    r"WARNING: All log messages before absl::InitializeLog\(\)"
    r"|[IW]\d{4} \d\d:\d\d:\S+ +\d+ \S+:\d+\]"
    r"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] "
    r"|E\d{4} \d\d:\d\d:\S+ +\d+ cuda_\w+\.cc:\d+\] Unable to register "
    r"|To enable the following instructions: "
    r"|INFO: Created TensorFlow Lite "
)
"""Matches the beginning of a line that TensorFlow, LiteRT, abseil or oneDNN write for their developers."""
_SIEVE = f"""
import re, sys
notes = re.compile({NOTES.encode()!r})
for line in sys.stdin.buffer:
    if not notes.match(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""
_PATIENCE = 5.0  # seconds in which the sieve hands on its last lines
_STDERR = 2
_lock = threading.Lock()


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras, whichever thread comes first; returns at once afterwards."""
    with _lock:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401  # pyright: ignore[reportUnusedImport]


def keep_tensorflow_quiet() -> None:
    """From now on TensorFlow says only what went wrong, whichever module imports it; call it before.

    ``TF_CPP_MIN_LOG_LEVEL`` in the environment is obeyed for what it says later; 0 leaves all of it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    quiet = os.environ["TF_CPP_MIN_LOG_LEVEL"] != "0"
    if quiet and "tensorflow" not in sys.modules and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds ``tensorflow`` as Python does, and lets it be executed without its notes."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "tensorflow":
            return None
        spec = PathFinder.find_spec(name, path, target)
        loader: Any = spec.loader if spec else None
        if loader is None:
            return None
        execute = loader.exec_module

        def quietly(module: ModuleType) -> None:
            with without_notes():
                execute(module)
            # Such as how often a function was traced; its logger sets its own level at its first word.
            logging.getLogger("tensorflow").addFilter(lambda record: record.levelno >= logging.ERROR)

        loader.exec_module = quietly
        return spec


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Standard error without lines that ``NOTES`` matches; all others come through at once.

    The lines are written by libraries on file descriptor 2, before they can be told not to. A process of
    its own sifts them, for a library that ends this one (a processor too old for it) must still be heard.
    """
    try:
        kept = os.dup(_STDERR)
    except OSError:  # standard error is closed: nobody hears anything
        yield
        return
    sieve = None
    try:
        with contextlib.suppress(OSError, ValueError):  # no second process here: as loud as it is
            sieve = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _SIEVE],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=kept,
                start_new_session=True,  # Ctrl-C is for us
            )
        if sieve is not None and sieve.stdin is not None:
            _flush()
            os.dup2(sieve.stdin.fileno(), _STDERR)
            sieve.stdin.close()
        yield
    finally:
        _flush()
        os.dup2(kept, _STDERR)
        os.close(kept)
        if sieve is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # a child of another thread holds the pipe
                sieve.wait(_PATIENCE)


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()


def is_note(line: str) -> bool:
    """Whether a line of a log is one of TensorFlow's notes to its developers."""
    return re.match(NOTES, line) is not None
