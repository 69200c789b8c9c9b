"""What a picture's header says, beyond Pillow's own attributes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

from PIL import Image

from deepfake.images.formats import count_gif_frames, count_tiff_pages, identify
from deepfake.images.limits import exif_overload

# TIFF and EXIF tags
_SUBFILE_TYPE, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 254, 258, 259, 262, 274
_SUB_IFDS, _EXIF_IFD, _DNG_VERSION = 330, 34665, 50706


def tiff_tags(image: Image.Image) -> Any:
    """A TIFF's tags by number; empty for other formats."""
    return getattr(image, "tag_v2", {})


def has_alpha(image: Image.Image) -> bool:
    """Whether the picture can have transparent areas (an alpha channel or a transparent colour)."""
    return image.has_transparency_data or "transparency" in image.info


def bits_per_channel(image: Image.Image, data: bytes) -> int:
    """Bits per channel as stored in the file, from its header; 8 where the format has no other."""
    if image.format == "PNG":
        return 8 if image.mode in ("P", "PA") else data[24]
    if image.format == "TIFF":
        return int(max(tiff_tags(image).get(_BITS, (1,))))
    if image.format == "HEIF":
        return int(image.info.get("bit_depth", 8))
    if image.format == "AVIF":
        at = data.find(b"av1C")
        flags = data[at + 6] if 0 <= at < len(data) - 6 else 0
        return (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    return 1 if image.mode == "1" else 8


def is_hdr(data: bytes) -> bool:
    """Whether an AVIF or HEIC says its brightness is coded for HDR screens (PQ or HLG, ITU-R BT.2100)."""
    at = data[: 1 << 16].find(b"colrnclx")
    if at < 0 or at + 12 > len(data):
        return False
    return struct.unpack_from(">H", data, at + 10)[0] in (16, 18)


def exif_orientation(image: Image.Image) -> int:
    """EXIF orientation 1-8; 1 where it is missing, damaged, or settled by decoding (HEIC).

    Read it before ``load`` in a TIFF, after it in a PNG (whose EXIF may follow the pixels).
    """
    if image.format == "HEIF":
        return 1
    try:
        value = sound_exif(image).get(_ORIENTATION, 1)
    except Exception:  # damaged metadata says nothing; the picture itself is sound
        return 1
    return value if value in range(1, 9) else 1


def sound_exif(image: Image.Image) -> Image.Exif:
    """The EXIF tags; none where reading them would take gigabytes.

    An orientation that only XMP names is none, as in browsers; Pillow would take it.

    Raises:
        Exception: whatever Pillow raises on damaged EXIF.
    """
    block = image.info.get("exif")
    if block is None and (text := image.info.get("Raw profile type exif")):
        block = bytes.fromhex("".join(text.split("\n")[3:]))
    if exif_overload(block):
        return Image.Exif()
    if (
        image.format == "TIFF"
    ):  # its tags are its EXIF; Pillow keeps what it read, and turns the picture by it
        xmp = image.info.pop("xmp", None)
        tags = image.getexif()
        if xmp is not None:
            image.info["xmp"] = xmp
        return tags
    tags = Image.Exif()
    if block:
        tags.load(block)
    return tags


def has_exif(image: Image.Image, data: bytes) -> bool:
    """Whether the file has an EXIF block. Ask after ``load``."""
    if image.format == "TIFF":
        return _EXIF_IFD in tiff_tags(image)  # every TIFF has tags; this one points at EXIF
    if image.format == "AVIF" and b"Exif" not in data:
        return False  # Pillow makes up an EXIF block for a rotated AVIF
    return bool(image.info.get("exif")) or "Raw profile type exif" in image.info


def count_frames(image: Image.Image, data: bytes) -> int:
    """Frames, pages or pictures in the file."""
    if image.format == "GIF":
        return count_gif_frames(data)
    if image.format == "TIFF":
        return count_tiff_pages(data)
    return int(getattr(image, "n_frames", 1))


def tiff_refusal(image: Image.Image) -> str | None:
    """Why a TIFF must not be read with Pillow, which would misread it; None if it may."""
    tags = tiff_tags(image)
    if _DNG_VERSION in tags or (_SUB_IFDS in tags and tags.get(_SUBFILE_TYPE, 0) & 1):
        return "The file is a camera raw file, which cannot be read here."  # only its thumbnail would be
    if tags.get(_PHOTOMETRIC) == 6 and tags.get(_COMPRESSION, 1) == 1 and image.mode == "RGB":
        return "The file is a TIFF of a rare kind (uncompressed YCbCr)."
    return None


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
