"""What a run is to check: images named by paths, folders, archives, addresses and lists of them."""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deepfake.bulk.locations import LocationError, images_below, is_address, local_path, read_address
from deepfake.detection.batch import archive_sources, sources_below
from deepfake.errors import UserError
from deepfake.images.archives import MAX_ARCHIVE_BYTES, Source
from deepfake.images.load import MAX_BYTES, read_file
from deepfake.images.walk import walk_images


@dataclass(frozen=True)
class Item:
    """One image to check; small enough to be sent to another machine.

    Attributes:
        name: the key of its row: as it was given, from ``row_name``.
        location: an absolute path or an address; empty where ``content`` or ``refusal`` stands for it.
        content: its bytes, of a file in an archive.
        refusal: code and message, of what was refused before it was read.
        known: SHA-256 of the content that already has a row under this name; empty where there is none.
        has_row: there is a row under this name, which a new one replaces.
    """

    name: str
    location: str = ""
    content: bytes | None = None
    refusal: tuple[str, str] | None = None
    known: str = ""
    has_row: bool = False

    def read(self) -> bytes:
        """Its bytes.

        Raises:
            UserError: it cannot be read; with the codes of ``ImageRefused`` and ``LocationError``.
        """
        if self.refusal is not None:
            raise UserError(*self.refusal)
        if self.content is not None:
            return self.content
        if is_address(self.location):
            return read_address(self.location, MAX_BYTES)
        return read_file(Path(self.location))


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a run, for as many jobs of a scheduler.

    Attributes:
        number: 1 to ``count``.
        count: of the parts.
    """

    number: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Of ``2/8``.

        Raises:
            UserError: ``bad_shard``.
        """
        number, _, count = text.partition("/")
        if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count) <= 9999):
            raise UserError(
                "bad_shard",
                f"--shard takes I/N with I from 1 to N, such as 2/8, N at most 9999. Received: {text}.",
            )
        return cls(int(number), int(count))

    @property
    def label(self) -> str:
        """As it stands in names of files: ``0002-of-0008``."""
        return f"{self.number:04}-of-{self.count:04}"

    def holds(self, name: str) -> bool:
        """Whether this part has the file of that name: by the name's hash, so that every machine agrees."""
        return self.count == 1 or int.from_bytes(name_key(name)[:8]) % self.count == self.number - 1


def name_key(name: str) -> bytes:
    """16 bytes that stand for a name."""
    return hashlib.blake2b(row_name(name).encode(), digest_size=16).digest()


def row_name(name: str) -> str:
    """A name as a table can hold it: what is no text in it, for names are bytes, becomes ``\\udc80``."""
    return name.encode(errors="backslashreplace").decode()


def listed(paths: Iterable[str], shard: Shard = Shard()) -> Iterator[Item]:
    """Every image that the paths and addresses stand for, one at a time; nothing is read ahead.

    A file, folder or archive that cannot be opened is one item with a refusal; the others go on. An archive
    belongs to a shard whole.

    Args:
        paths: files, folders, zip archives, or addresses of them.
        shard: the part to list.
    """
    for path in paths:
        yield from _at_address(path, shard) if is_address(path) else _at_path(local_path(path), shard)


def sources_at(path: str) -> Iterator[Source]:
    """Every image that a path or an address stands for, each read from there only when its turn comes."""
    if not is_address(path):
        yield from _sources(Path(local_path(path)))
        return
    for item in listed([path]):
        try:
            yield Source(item.name, item.read())
        except UserError as refusal:
            yield Source(item.name, None, refusal)


def _sources(path: Path) -> Iterator[Source]:
    """``sources_below``; a pipe or device is not opened, which may take for ever: reading it refuses it."""
    try:
        mode = path.stat().st_mode
        special = not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    except (OSError, ValueError):
        special = False
    yield from [Source(str(path), path)] if special else sources_below(path)


def _at_path(path: str, shard: Shard) -> Iterator[Item]:
    if not os.path.isdir(path):  # noqa: PTH112 - a name that is no path at all is simply no folder
        if shard.holds(row_name(path)):
            yield from map(_item, _sources(Path(path)))
        return
    closed: list[str] = []
    empty = True
    for folder, names in walk_images(path, closed.append):
        for name in names:
            empty = False
            file = str(Path(folder, name))
            if shard.holds(key := row_name(file)):
                yield Item(key, os.path.abspath(file))  # noqa: PTH100 - no link is resolved
    refused = [(folder, "unreadable", "This folder cannot be listed. Check its rights.") for folder in closed]
    if empty and not closed:
        refused = [(path, "no_images", "This folder holds no images.")]
    named = ((row_name(name), (code, why)) for name, code, why in refused)
    yield from (Item(name, refusal=refusal) for name, refusal in named if shard.holds(name))


def _at_address(address: str, shard: Shard) -> Iterator[Item]:
    try:
        if address.lower().endswith(".zip"):
            if shard.holds(address):
                yield from _in_archive(address)
            return
        found = images_below(address)
        first = next(found, None)
        if first is None:
            raise UserError("no_images", "This folder holds no images.")
        yield from (Item(each, each) for each in itertools.chain([first], found) if shard.holds(each))
    except UserError as error:
        if shard.holds(address):
            yield Item(row_name(address), refusal=(error.code, error.message))


def _in_archive(address: str) -> Iterator[Item]:
    content = read_address(address, MAX_ARCHIVE_BYTES)
    if len(content) > MAX_ARCHIVE_BYTES:
        raise LocationError(
            "too_many_bytes",
            f"An archive at an address may have {MAX_ARCHIVE_BYTES / 2**20:.0f} MiB. Copy it here first.",
        )
    yield from map(_item, archive_sources(content, address))


def _item(source: Source) -> Item:
    name = row_name(source.name)
    if source.content is None:
        refusal = source.refusal or UserError("unreadable", "The file cannot be read.")
        return Item(name, refusal=(refusal.code, refusal.message))
    if isinstance(source.content, bytes):
        return Item(name, content=source.content)
    return Item(name, os.path.abspath(source.content))  # noqa: PTH100


def paths_in(file: str) -> Iterator[str]:
    """The paths and addresses in a list, one a line; empty lines are passed over. ``-`` is standard input.

    Raises:
        UserError: ``no_list``: it cannot be read.
    """
    try:
        if file == "-":
            yield from _lines(sys.stdin.buffer)
        else:
            with Path(file).open("rb") as lines:
                yield from _lines(lines)
    except OSError as error:
        raise UserError("no_list", f"The list {file} cannot be read: {error.strerror}.") from error


def _lines(lines: Iterable[bytes]) -> Iterator[str]:
    stripped = (line.rstrip(b"\r\n") for line in lines)
    return (os.fsdecode(line) for line in stripped if line.strip())
