"""Which files of a folder are pictures, by their names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from deepfake.images.formats import IMAGE_EXTENSIONS
from deepfake.images.load import ImageRefused


def list_image_files(path: str | os.PathLike[str]) -> list[Path]:
    """All image files below a folder, by extension (``IMAGE_EXTENSIONS``, any case), sorted by path.

    Hidden files and folders are skipped. Links to folders are followed, each real folder visited once.

    Args:
        path: a folder, or one file, which is returned as it is.

    Raises:
        ImageRefused: ``not_found`` when nothing is there.
    """
    root = Path(path)
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise ImageRefused("not_found", "There is no such file or folder. Check the path.")
    return sorted(Path(folder, name) for folder, names in walk_images(str(root)) for name in names)


def walk_images(
    root: str, on_unreadable: Callable[[str], None] | None = None
) -> Iterator[tuple[str, list[str]]]:
    """Every folder from ``root`` down with the names of the image files in it; rules of ``list_image_files``.

    Text in place of ``Path`` objects: 200,000 files take a quarter of a second, not twenty.

    Args:
        root: a folder.
        on_unreadable: told each folder that cannot be listed.
    """
    waiting, seen = [root], set()
    while waiting:
        folder = waiting.pop()
        names: list[str] = []
        try:
            status = os.stat(folder)  # noqa: PTH116
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(folder) as entries:
                below = _sort_entries(entries, names)
        except OSError:
            if on_unreadable is not None:
                on_unreadable(folder)
            continue
        waiting += sorted(below, reverse=True)
        yield folder, sorted(names)


def _sort_entries(entries: Iterator[os.DirEntry[str]], names: list[str]) -> list[str]:
    """Adds the image files' names to ``names``; returns the folders' paths."""
    below = []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir():
                below.append(entry.path)
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_EXTENSIONS and entry.is_file():  # noqa: PTH122
                names.append(entry.name)
        except OSError:  # a link in a circle
            continue
    return below
