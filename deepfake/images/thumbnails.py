"""Small copies of pictures, kept on disk in a bounded cache outside the data set."""

from __future__ import annotations

import hashlib
import itertools
import os
from pathlib import Path

from deepfake.images.encode import jpeg_bytes, shrink
from deepfake.images.load import ImageRefused, load_image
from deepfake.util.cache import cache_folder, prune
from deepfake.util.files import write_whole

CACHED_SIDE = 300
"""Longest side in pixels: twice what is shown, for sharp screens."""
MAX_CACHED_BYTES = 200_000_000
_PRUNE_EVERY = 500  # new thumbnails
_written = itertools.count(1)


def thumbnail(path: str | os.PathLike[str], side: int = CACHED_SIDE) -> bytes | None:
    """A JPEG of a picture at most ``side`` pixels wide and high; None where the file cannot be read."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    name = f"{Path(path)}|{status.st_size}|{status.st_mtime_ns}|{side}"
    key = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    try:
        kept = cache_folder(f"thumbnails/{key[:2]}") / f"{key}.jpg"
        if kept.is_file():
            return kept.read_bytes()
    except OSError:
        kept = None
    try:
        small = jpeg_bytes(shrink(load_image(path, min_side=1).pixels, side), quality=85)
    except ImageRefused:
        return None
    if kept is not None:
        _keep(kept, small)
    return small


def _keep(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
        if next(_written) % _PRUNE_EVERY == 0:
            prune(path.parent.parent, MAX_CACHED_BYTES)
    except OSError:  # a full disk: the thumbnail is made again next time
        return
