"""Refuses files built to keep a decoder busy for hours or to fill the memory, before a decoder sees them.

Without each of the limits below, a file of at most 32 MiB took a decoder ten seconds to hours, or gigabytes
(``benchmarks/fuzz/busy.py`` makes them). Pictures by cameras and programs stay far below.
"""

from __future__ import annotations

import re
import struct

from deepfake.images.ends import jpeg_end

MAX_SCANS = 64
"""Passes of a progressive JPEG; each costs a walk over all pixels. Encoders make about ten."""
MAX_OPEN_SCANS = 20
"""The same where the end marker is missing: such a file is decoded three times."""
MAX_SEGMENTS = 5_000
"""Segments of a JPEG before its first scan."""
MAX_STRAYS = 2**16
"""Bytes between those segments that belong to none; readers skip them one by one."""
MAX_CHUNKS = 100_000
"""Chunks of a PNG, 32 MiB in pieces of 4 KiB being 8,000."""
MAX_GIF_BLOCKS = 20_000
"""Blocks of data before a GIF's first frame."""
MAX_VALUES = 100_000
"""Numbers in one tag of a TIFF, such as the places of its strips."""
MAX_TAGS = 4_000
"""Tags in one directory of a TIFF or of EXIF."""
MAX_PROFILE_BYTES = 4 * 2**20
"""A larger colour profile is ignored."""

_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")
_MAX_DIRECTORIES = 64
_POINTERS = (330, 34665, 34853, 40965)  # tags that hold the place of another directory
_SIZES = dict(zip((*range(1, 14), 16, 17, 18), (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 8, 8, 8), strict=True))


def overload(data: bytes, reader: str) -> str | None:
    """What a file has far too many of; None for one that is worth decoding.

    Args:
        data: the file's bytes.
        reader: the format, from ``formats.identify``.
    """
    if reader == "JPEG":
        if too_many(_SCAN, data, MAX_OPEN_SCANS):  # phones and cameras put further pictures behind the first
            first, limit = _first_picture(data)
            if too_many(_SCAN, first, limit):
                return f"more than {limit} passes over the image"
        segments, strays = jpeg_segments(data, MAX_SEGMENTS, MAX_STRAYS)
        return _many(segments, MAX_SEGMENTS, "segments") or _many(
            strays, MAX_STRAYS, "bytes between segments"
        )
    if reader == "PNG":
        return _many(png_chunk_count(data, MAX_CHUNKS), MAX_CHUNKS, "chunks")
    if reader == "GIF":
        return _many(gif_block_count(data, MAX_GIF_BLOCKS), MAX_GIF_BLOCKS, "blocks before its first frame")
    return directory_overload(data) if reader == "TIFF" else None


def _many(count: int, limit: int, what: str) -> str | None:
    return f"more than {limit:,} {what}" if count > limit else None


def too_many(pattern: re.Pattern[bytes], data: bytes, limit: int) -> bool:
    """Whether a pattern occurs more often than ``limit`` in the bytes."""
    return any(number >= limit for number, _ in enumerate(pattern.finditer(data)))


def _first_picture(data: bytes) -> tuple[bytes, int]:
    """A JPEG up to its end, and how many passes it may have."""
    try:
        end = jpeg_end(data)
    except (struct.error, IndexError, ValueError):
        return data, MAX_OPEN_SCANS
    return data[: end.stop], MAX_SCANS if end.closed else MAX_OPEN_SCANS


def jpeg_segments(data: bytes, limit: int, stray_limit: int) -> tuple[int, int]:
    """Segments before a JPEG's first scan, and bytes between them; at most a limit + 1."""
    at, count, strays = 2, 0, 0
    while count <= limit and strays <= stray_limit and at + 4 <= len(data):
        if data[at : at + 2] == b"\xff\xda":
            break
        marker = data[at + 1]
        if data[at] != 0xFF or marker in (0x00, 0xFF):
            at += 1
            strays += 1
            continue
        count += 1
        if marker == 0x01 or 0xD0 <= marker <= 0xD9:
            at += 2
        else:
            at += 2 + max(2, data[at + 2] << 8 | data[at + 3])
    return count, strays


def png_chunk_count(data: bytes, limit: int) -> int:
    """Chunks of a PNG, at most ``limit`` + 1."""
    at, count = 8, 0
    while count <= limit and at + 12 <= len(data):
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        count += 1
    return count


def gif_block_count(data: bytes, limit: int) -> int:
    """Blocks of data in the extensions before a GIF's first frame, at most ``limit`` + 1."""
    if len(data) < 13:
        return 0
    at = 13 + ((3 << ((data[10] & 7) + 1)) if data[10] & 0x80 else 0)
    count = 0
    while count <= limit and at + 2 < len(data) and data[at] != 0x2C:
        count += 1
        if data[at] != 0x21:
            at += 1
            continue
        at += 2
        while count <= limit and at < len(data) and data[at]:
            at += 1 + data[at]
            count += 1
        at += 1
    return count


def exif_overload(block: object) -> str | None:
    """The same for an EXIF block as Pillow keeps it, with or without its ``Exif`` mark."""
    return directory_overload(block.removeprefix(b"Exif\0\0")) if isinstance(block, bytes) else None


def directory_overload(data: bytes) -> str | None:
    """What the directories of a TIFF, or of EXIF, have far too many of.

    The values of one may not add up to more than the file: readers copy each, and thousands of tags may all
    point at the same megabytes.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    try:
        waiting = list(struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4))
    except struct.error:
        return None  # a reader refuses it
    seen: set[int] = set()
    while waiting and len(seen) < _MAX_DIRECTORIES:
        at = waiting.pop()
        if at and at not in seen:  # 0 ends the chain
            seen.add(at)
            if excess := _one_directory(data, at, order, big, waiting):
                return excess
    return None


def _one_directory(data: bytes, at: int, order: str, big: bool, waiting: list[int]) -> str | None:
    """Checks one directory, and adds those that it points at to ``waiting``."""
    entry, step, short, head = ("HHQQ", 20, 8, "Q") if big else ("HHII", 12, 4, "H")
    try:
        (count,) = struct.unpack_from(order + head, data, at)
        if count > MAX_TAGS:
            return f"more than {MAX_TAGS:,} tags"
        held, start = 0, at + struct.calcsize(order + head)
        for index in range(start, start + count * step, step):
            tag, kind, number, value = struct.unpack_from(order + entry, data, index)
            if number > MAX_VALUES and kind not in (1, 2, 6, 7):
                return f"more than {MAX_VALUES:,} numbers in one tag"
            size = number * _SIZES.get(kind, 0)
            held += size if short < size <= len(data) else 0
            if tag in _POINTERS and number == 1:
                waiting.append(value)
        if held > len(data):
            return "tags that share the same bytes"
        waiting += struct.unpack_from(order + ("Q" if big else "I"), data, start + count * step)
    except (struct.error, OverflowError):  # damage: a reader refuses it, or makes do with what is there
        pass
    return None
