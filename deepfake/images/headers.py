"""What a picture's header says, beyond Pillow's own attributes."""

from __future__ import annotations

import struct
from typing import Any

from PIL import Image

from deepfake.images.formats import count_gif_frames, count_tiff_pages
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
