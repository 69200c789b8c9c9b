"""Folders that are made of collections, for ``gather`` to take from: frames of videos, pictures of a size.

Each is written whole or not at all, with a record of what it was made with, and not made twice.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from deepfake.data.collections import CollectionError, new_folder
from deepfake.data.gather import in_part, settings_of, takes_name
from deepfake.images.formats import identify
from deepfake.images.load import load_image
from deepfake.images.pixels import centre_square, resize
from deepfake.images.video import Video, read_video
from deepfake.types import Pixels
from deepfake.util.files import read_json, write_json
from deepfake.util.text import counted

RECORD = ".derived.json"


@dataclass(frozen=True)
class DerivedFolder:
    """A folder of pictures, stored without loss, that is made of another folder.

    Attributes:
        path: where it is made, relative to where the collections lie.
        made_of: the folder it is made of, relative to the same.
        only: names, without their endings, of which one must begin a file's; () takes all.
        skip: files whose names hold one of these are left out.
        part: which part of the names is taken, from and to in [0, 1].
        frames: its files are videos; so many frames of each are taken, evenly. 0: its files are pictures.
        height: pixels that each picture is brought to, its shape kept; 0: it stays.
        size: width and height that each picture is brought to, whatever its shape; () for none.
        square: side in pixels that the middle square of each picture is brought to; 0: it stays whole.
    """

    path: str
    made_of: str
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    part: tuple[float, float] = (0.0, 1.0)
    frames: int = 0
    height: int = 0
    size: tuple[int, ...] = ()
    square: int = 0

    @property
    def record(self) -> dict[str, object]:
        """What its files follow from, as JSON gives it back."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    def takes(self, file: Path) -> bool:
        """Whether it is made of this file."""
        return takes_name(file, self.only, self.skip) and in_part(file.stem, self.part)

    def formed(self, pixels: Pixels) -> Pixels:
        """A picture as it is stored, (H, W, 3) uint8."""
        if self.square:
            return resize(centre_square(pixels), self.square)
        height, width = pixels.shape[:2]
        wanted = (round(width * self.height / height), self.height) if self.height else self.size
        if not wanted or wanted == (width, height):
            return pixels
        shrinks = wanted[0] * wanted[1] < width * height
        formed: Any = cv2.resize(
            pixels, wanted, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        )
        return formed


def read_derived(plan: Path) -> list[DerivedFolder]:
    """The ``[[derived]]`` tables of a plan that ``collections.read_collections`` can read; many have none.

    Raises:
        CollectionError: ``bad_plan``: a table lacks something or has something unknown.
    """
    try:
        entries = tomllib.loads(plan.read_text(encoding="utf-8")).get("derived", [])
        return [DerivedFolder(**settings_of(entry)) for entry in entries]
    except (TypeError, AttributeError) as error:
        raise CollectionError(
            "bad_plan", f"{plan} has a [[derived]] table that cannot be read ({error})."
        ) from error


def derive(folders: Sequence[DerivedFolder], collections: Path, *, say: Callable[[str], None] = print) -> int:
    """Makes those that are not there yet, or were made otherwise.

    Args:
        folders: what to make.
        collections: where the collections lie.
        say: takes lines for the person who waits.

    Returns:
        How many were made now.

    Raises:
        CollectionError: ``no_folder``: what one is made of is missing; ``no_files``: none of its files is
            wanted; ``not_ours``: something else lies where it is to be made.
        ImageRefused, VideoRefused: a file cannot be read.
    """
    missing = [one.made_of for one in folders if not (collections / one.made_of).is_dir()]
    if missing:
        raise CollectionError(
            "no_folder", f"Folders that the plan makes others of are missing: {', '.join(missing)}."
        )
    wanted = [one for one in folders if read_json(collections / one.path / RECORD) != one.record]
    for one in wanted:
        say(f"{one.path}: {counted(_make(one, collections), 'image')} of {one.made_of}")
    return len(wanted)


def _make(folder: DerivedFolder, collections: Path) -> int:
    source = collections / folder.made_of
    files = [file for file in sorted(source.rglob("*")) if folder.takes(file) and _is_read(folder, file)]
    if not files:
        raise CollectionError("no_files", f"{source} holds no file that {folder.path} is made of.")
    with new_folder(collections / folder.path, RECORD) as part:

        def write(file: Path) -> int:
            count = 0
            for name, pixels in _pictures(folder, source, file):
                cv2.imwrite(str(part / f"{name}.png"), folder.formed(pixels)[:, :, ::-1])
                count += 1
            return count

        with ThreadPoolExecutor() as pool:
            written = sum(pool.map(write, files))
        write_json(part / RECORD, folder.record)
    return written


def _is_read(folder: DerivedFolder, file: Path) -> bool:
    """Whether it is a picture or a video, by its content: some collections give their files no ending."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        kind = identify(opened.read(1024))
    return kind is not None and (kind.is_image if not folder.frames else "video" in kind.name)


def _pictures(folder: DerivedFolder, source: Path, file: Path) -> Iterator[tuple[str, Pixels]]:
    """Of a file, each with its name: a frame's is VIDEO-NUMBER, another's its place, with ``~``."""
    if folder.frames:
        for number, frame in enumerate(Video(read_video(file)).frames(folder.frames)):
            yield f"{file.stem}-{number:03d}", frame.pixels
    else:
        yield "~".join(file.relative_to(source).with_suffix("").parts), load_image(file).pixels
