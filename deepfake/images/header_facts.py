"""Size, format and JPEG tables of a picture from the first bytes of its file: no decoder, microseconds."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from deepfake.images.formats import identify

HEAD_BYTES = 4096
"""Enough for most headers; those with long metadata need more."""
LONG_HEAD_BYTES = 1 << 18
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # start-of-frame markers
_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length


@dataclass(frozen=True)
class HeaderFacts:
    """What the first bytes say.

    Attributes:
        format: as ``ImageFacts.format``; "" where the bytes are no picture that can be read here.
        width, height: in pixels as stored, before any EXIF turn; 0 where the bytes do not reach that far.
        tables: checksum (CRC-32) of a JPEG's quantisation tables, 0 for other formats. Equal tables mean the
            same encoder at the same quality.
        coarseness: mean of a JPEG's first quantisation table: about 2 at quality 98, 15 at 85, 58 at 50.
            0 for other formats.
    """

    format: str = ""
    width: int = 0
    height: int = 0
    tables: int = 0
    coarseness: float = 0.0


def header_facts(head: bytes) -> HeaderFacts:
    """Reads the first bytes of a file; never raises.

    Args:
        head: the file's first ``HEAD_BYTES`` or more, or all of it.
    """
    if head[:3] == b"\xff\xd8\xff":
        return _jpeg(head)
    try:
        kind = identify(head)
        reader = kind.reader if kind is not None else None
        return HeaderFacts(reader or "", *_size(head, reader))
    except Exception:  # hostile bytes: the file is then without facts, and decoding it says why
        return HeaderFacts()


def _size(head: bytes, reader: str | None) -> tuple[int, int]:
    if reader == "PNG" and len(head) >= 24:
        return struct.unpack_from(">II", head, 16)
    if reader == "GIF" and len(head) >= 10:
        return struct.unpack_from("<HH", head, 6)
    if reader == "BMP" and len(head) >= 26 and struct.unpack_from("<I", head, 14)[0] >= 40:
        width, height = struct.unpack_from("<ii", head, 18)
        return width, abs(height)
    if reader == "WEBP" and len(head) >= 30:
        return _webp_size(head)
    return 0, 0


def _webp_size(head: bytes) -> tuple[int, int]:
    """Of the three kinds of WebP: extended, lossy and lossless."""
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[12:16] == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    bits = int.from_bytes(head[21:25], "little")
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def _jpeg(head: bytes) -> HeaderFacts:
    at, end, checksum, coarseness = 2, len(head), 0, 0.0
    while at + 4 <= end:
        if head[at] != 0xFF:  # bytes that belong to no segment are skipped, as decoders do
            at = head.find(b"\xff", at)
            if at < 0:
                break
            continue
        marker = head[at + 1]
        if marker in (0x00, 0xFF) or marker in _BARE:
            at += 2 if marker in _BARE else 1
            continue
        length = head[at + 2] << 8 | head[at + 3]
        if marker == 0xDB:
            table = head[at + 4 : at + 2 + length]
            checksum = zlib.crc32(table, checksum)
            if not coarseness and len(table) >= 65:
                values = table[1:65] if table[0] < 16 else table[1:129:2]
                coarseness = sum(values) / 64
        elif marker in _FRAMES and at + 9 <= end:
            height, width = head[at + 5] << 8 | head[at + 6], head[at + 7] << 8 | head[at + 8]
            return HeaderFacts("JPEG", width, height, checksum, coarseness)
        elif marker == 0xDA:
            break
        at += 2 + length
    return HeaderFacts("JPEG", 0, 0, checksum, coarseness)
