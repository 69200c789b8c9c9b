"""Where the app keeps what it can compute again: never inside a data set, and never without a bound."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import zipfile
from pathlib import Path

CACHE_VARIABLE = "DEEPFAKE_CACHE"
DAMAGED = (OSError, ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile)
"""What reading a file of the cache can raise when it is missing, cut short or of another version."""


def cache_folder(part: str = "") -> Path:
    """``$DEEPFAKE_CACHE``, else ``deepfake`` in the platform's folder for caches; made where missing.

    Args:
        part: a folder inside it.

    Raises:
        OSError: it cannot be made, or this user has no home folder to make it in.
    """
    folder = (folder_named(CACHE_VARIABLE) or _platform_caches() / "deepfake") / part
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def folder_named(variable: str) -> Path | None:
    """The folder that an environment variable names, with ``~`` for the user's own; None where it names none.

    Where ``~`` stands for nobody known, it is part of the name.
    """
    text = os.environ.get(variable, "").strip()
    return expanded(text) if text else None


def expanded(text: str) -> Path:
    """A path with ``~`` replaced by a user's home folder, where that is known."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no such user; or this one has no name and HOME is not set, as in a container
        return Path(text)


def _platform_caches() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or _home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return _home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache")


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError as error:
        raise OSError(
            errno.ENOENT, f"this user has no home folder, and {CACHE_VARIABLE} names none"
        ) from error


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
