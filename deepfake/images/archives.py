"""Zip archives of pictures, read in memory member by member: nothing is unpacked to disk.

What archives are misused for is refused by name: bombs (by declared size, ratio, number and sum), archives in
archives, links, and names that lead out of the archive. The limits hold for what is declared, and Python's
reader gives no more than was declared.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from deepfake.errors import UserError
from deepfake.images.formats import IMAGE_EXTENSIONS
from deepfake.images.load import MAX_BYTES
from deepfake.settings import capped

MAX_ARCHIVE_BYTES = capped(256, 32) * 2**20
"""Largest archive that may be uploaded, in bytes (256 MiB, in the demo 32); one on disk may be larger."""
MAX_MEMBERS = 20_000
"""Files in one archive."""
MAX_RATIO = 200
"""A member that unpacks to more than this many times its packed size is taken for a bomb."""
MAX_UNPACKED = 4 * 2**30
"""Bytes that all members of one archive may come to."""
_SMALL = 2**20  # bytes; what unpacks to less does no harm at any ratio
_MAX_DIRECTORY = 4 * 2**20  # bytes of the list of members, which Python reads whole
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_UTF_8 = 0x800  # the flag of a name that says so
_STARTS = (b"PK\3\4", b"PK\5\6", b"PK\7\x08")


class ArchiveRefused(UserError):
    """An archive, or one file in it, that is not read.

    Codes of a whole archive: ``bad_archive``, ``too_many_members``, ``no_members``; of one file in it:
    ``path_trick``, ``link``, ``encrypted``, ``compression``, ``bomb``, ``too_many_bytes``, ``archive_full``,
    ``nested_archive``, ``damaged_member``. Messages never name the file: whoever shows them knows it.
    """


@dataclass(frozen=True)
class Source:
    """One file to judge.

    Attributes:
        name: for the person; never to be used as a path or as markup.
        content: its bytes, or where it lies; None where it was refused before it was read.
        refusal: why, in that case.
    """

    name: str
    content: bytes | Path | None
    refusal: UserError | None = None


def is_archive(content: bytes | Path) -> bool:
    """Whether a file starts as zip archives do; False where it cannot be read."""
    if isinstance(content, bytes):
        return content[:4] in _STARTS
    try:
        with content.open("rb") as file:
            return file.read(4) in _STARTS
    except (OSError, ValueError):
        return False


class Archive:
    """A zip archive whose pictures are given one by one; ``len`` is their number.

    What is no picture by its name (``IMAGE_EXTENSIONS``), hidden files and what macOS adds (``__MACOSX``) are
    passed over, as in a folder on disk; an archive in it is not: it may hold pictures, so it is refused.
    """

    def __init__(self, content: bytes | Path, name: str) -> None:
        """Reads the list of members.

        Args:
            content: the archive's bytes, or where it lies.
            name: of the archive; leads the names of its files.

        Raises:
            ArchiveRefused: it is damaged, holds too many files or no picture.
        """
        self.name = name
        self._file: BinaryIO = io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
        try:
            _check_directory(self._file)
            self._zip = zipfile.ZipFile(self._file)
        except ArchiveRefused:
            self._file.close()
            raise
        except Exception as error:  # the reader raises nearly anything on hostile bytes
            self._file.close()
            raise _bad_archive() from error
        self._members = [(info, _name(info)) for info in self._zip.infolist()]
        files = sum(not info.is_dir() for info, _ in self._members)
        self._members = [member for member in self._members if not _passed_over(*member)]
        if not self._members:
            self.close()
            raise _no_pictures(files)
        if len(self._members) > MAX_MEMBERS:
            self.close()
            raise _too_many_members()

    def __len__(self) -> int:
        return len(self._members)

    def close(self) -> None:
        """Closes the archive; its files cannot be read afterwards."""
        self._zip.close()
        self._file.close()

    def __iter__(self) -> Iterator[Source]:
        """Every file, in the archive's order: its bytes, or why they are not read."""
        left = MAX_UNPACKED
        for info, inner in self._members:
            name = f"{self.name}/{inner}"
            try:
                content = _read(self._zip, info, left)
            except ArchiveRefused as refusal:
                yield Source(name, None, refusal)
                continue
            left -= len(content)
            yield Source(name, content)


def _check_directory(file: BinaryIO) -> None:
    """Refuses a list of members that is too long before Python reads it whole."""
    size = file.seek(0, io.SEEK_END)
    start = file.seek(max(0, size - 2**16 - _END.size - _LOCATOR.size - _END_64.size))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise _bad_archive()
    *_, count, directory, _, _ = _END.unpack_from(tail, at)
    for end in _ends_64(file, start, tail, at):
        *_, many, length, _ = end
        count, directory = max(count % 0xFFFF, many), max(directory % 0xFFFFFFFF, length)
    if count > 2 * MAX_MEMBERS or directory > _MAX_DIRECTORY:  # folders and hidden files count here
        raise _too_many_members()
    file.seek(0)


def _ends_64(file: BinaryIO, start: int, tail: bytes, at: int) -> Iterator[tuple[int, ...]]:
    """What a ZIP64 archive says of its list, at each place where a reader may look for it."""
    locator = at - _LOCATOR.size
    if locator < 0 or tail[locator : locator + 4] != b"PK\6\7":
        return
    _, _, offset_64, _ = _LOCATOR.unpack_from(tail, locator)
    for offset in {start + locator - _END_64.size, offset_64}:
        if 0 <= offset <= start + locator - _END_64.size:
            file.seek(offset)
            end = _END_64.unpack(file.read(_END_64.size))
            if end[0] == b"PK\6\6":
                yield end


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name; macOS and others write UTF-8 without the flag that says so."""
    if info.flag_bits & _UTF_8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:  # it is in the old code page of DOS
        return info.filename


def _passed_over(info: zipfile.ZipInfo, name: str) -> bool:
    parts = _parts(name)
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    ending = PurePosixPath(parts[-1]).suffix.lower()
    other = ending not in IMAGE_EXTENSIONS and ending != ".zip"
    return info.is_dir() or hidden or other or "__MACOSX" in parts


def _parts(name: str) -> list[str]:
    return re.split(r"[/\\]", name)


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int) -> bytes:
    _check_member(info, left)
    try:
        with archive.open(info) as member:
            content = member.read(info.file_size + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise ArchiveRefused(
            "damaged_member", "This file is damaged inside the archive. Make the archive again."
        ) from error
    if is_archive(content):
        raise ArchiveRefused(
            "nested_archive", "This is an archive inside an archive, which is not opened. Give it by itself."
        )
    return content


def _check_member(info: zipfile.ZipInfo, left: int) -> None:
    """What can be refused without unpacking a byte."""
    parts, kind = _parts(info.filename), stat.S_IFMT(info.external_attr >> 16)
    if ".." in parts or parts[0] == "" or re.match("[A-Za-z]:", parts[0]):
        raise ArchiveRefused(
            "path_trick",
            "The name leads out of the archive, as attacks do. Rename the file, pack it again.",
        )
    if kind not in (0, stat.S_IFREG):
        raise ArchiveRefused("link", "This is a link or a special file, not an image. Pack the image itself.")
    if info.flag_bits & 0x1:
        raise ArchiveRefused("encrypted", "The file is encrypted. Pack it again without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveRefused(
            "compression", "The file is packed by a method that is not read here. Pack it as a plain zip."
        )
    if info.file_size > MAX_BYTES:
        mib = 2**20
        raise ArchiveRefused(
            "too_many_bytes",
            f"The file unpacks to {info.file_size / mib:,.1f} MiB; at most {MAX_BYTES / mib:,.0f} MiB are "
            "accepted. Use a smaller version of the image.",
        )
    ratio = info.file_size / max(1, info.compress_size)
    if info.file_size > _SMALL and ratio > MAX_RATIO:
        raise ArchiveRefused(
            "bomb",
            f"The file unpacks to {ratio:,.0f} times its size, as archives do that are made to exhaust a "
            f"computer; at most {MAX_RATIO} times is accepted. Give the image by itself.",
        )
    if info.file_size > left:
        raise ArchiveRefused(
            "archive_full",
            f"The files before this one come to {MAX_UNPACKED / 2**30:.0f} GiB, all that is unpacked of one "
            "archive. Split it.",
        )


def _bad_archive() -> ArchiveRefused:
    return ArchiveRefused(
        "bad_archive",
        "The zip archive is damaged or incomplete. Copy, download or pack it again.",
    )


def _too_many_members() -> ArchiveRefused:
    return ArchiveRefused(
        "too_many_members",
        f"The archive holds more than {MAX_MEMBERS:,} files, or their names are too long. Split it.",
    )


def _no_pictures(files: int) -> ArchiveRefused:
    if not files:
        return ArchiveRefused("no_members", "The archive holds no files.")
    held = "1 file, and it is no image" if files == 1 else f"{files:,} files, and none is an image"
    return ArchiveRefused(
        "no_members",
        f"The archive holds {held} by its name. Expected names that end in .jpg, .png, .webp or the like.",
    )
