"""Where the app keeps what it can compute again: never inside a data set, and never without a bound."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import zipfile
from pathlib import Path

VARIABLE = "DEEPFAKE_CACHE"
DAMAGED = (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile)
"""What reading a file of the cache can raise when it is missing, cut short or of another version."""


def cache_folder(part: str = "") -> Path:
    """``$DEEPFAKE_CACHE``, else ``deepfake`` in the platform's folder for caches; made where missing.

    Args:
        part: a folder inside it.

    Raises:
        OSError: it cannot be made.
    """
    chosen = os.environ.get(VARIABLE)
    folder = (Path(chosen).expanduser() if chosen else _platform_caches() / "deepfake") / part
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _platform_caches() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that no reader ever sees half of it; on a full disk the old one stays.

    Raises:
        OSError: it cannot be written.
    """
    waiting = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        waiting.write_bytes(content)
        waiting.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            waiting.unlink(missing_ok=True)
        raise


def prune(folder: Path, most_bytes: int) -> int:
    """Removes the files least recently written from a folder of the cache until it fits.

    Returns:
        How many files were removed.
    """
    files = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            status = path.stat()
            if path.is_file():
                files.append((status.st_mtime_ns, status.st_size, path))
    total = sum(size for _, size, _ in files)
    removed = 0
    for _, size, path in sorted(files):
        if total <= most_bytes:
            break
        with contextlib.suppress(OSError):
            path.unlink()
        total -= size
        removed += 1
    return removed


def changed(part: str, name: str) -> int:
    """When a file of the cache was last written, in nanoseconds; 0 where there is none."""
    try:
        return (cache_folder(part) / name).stat().st_mtime_ns
    except OSError:
        return 0
