"""What a file's bytes really are, read from the bytes alone: no decoder, no file name."""

from __future__ import annotations

import struct
from dataclasses import dataclass

FRAME_COUNT_LIMIT = 10_000
"""Counting stops here, so that a file made of millions of empty frames cannot keep a server busy."""


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes:
        name: for a sentence, with its article: "a PDF document".
        reader: the format to read it as (``JPEG``, ``HEIC``, ...), or None when it cannot be read here.
        is_image: whether it is a picture of any kind, readable here or not.
    """

    name: str
    reader: str | None = None
    is_image: bool = False


@dataclass(frozen=True)
class ImageFormat:
    """A format that is read here. How it lies is checked in ``limits`` (bombs) and ``ends`` (cut files).

    Attributes:
        name: as Pillow has it, but HEIC for its HEIF.
        shown: in a sentence.
        extensions: of file names, lower-case with the dot.
        media_type: of HTTP (RFC 2046).
        starts: what its files start with; empty where it takes a closer look (``identify``).
    """

    name: str
    shown: str
    extensions: tuple[str, ...]
    media_type: str
    starts: tuple[bytes, ...] = ()

    @property
    def kind(self) -> FileKind:
        """What ``identify`` says of such a file."""
        article = "an" if self.shown[0] in "AI" else "a"
        return FileKind(f"{article} {self.shown} image", self.name, is_image=True)


IMAGE_FORMATS = {
    entry.name: entry
    for entry in (
        ImageFormat(
            "JPEG", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), "image/jpeg", (b"\xff\xd8\xff",)
        ),
        ImageFormat("PNG", "PNG", (".png", ".apng"), "image/png", (b"\x89PNG\r\n\x1a\n",)),
        ImageFormat("WEBP", "WebP", (".webp",), "image/webp"),
        ImageFormat("HEIC", "HEIC", (".heic", ".heif", ".hif"), "image/heic"),
        ImageFormat("AVIF", "AVIF", (".avif",), "image/avif"),
        ImageFormat(
            "TIFF", "TIFF", (".tif", ".tiff"), "image/tiff", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
        ),
        ImageFormat("BMP", "BMP", (".bmp", ".dib"), "image/bmp"),
        ImageFormat("GIF", "GIF", (".gif",), "image/gif", (b"GIF87a", b"GIF89a")),
    )
}
"""What can be read, in the order in which people are told."""
*_BUT_LAST, _LAST = (entry.shown for entry in IMAGE_FORMATS.values())
READABLE = f"{', '.join(_BUT_LAST)} or {_LAST}"
IMAGE_EXTENSIONS = frozenset(ending for entry in IMAGE_FORMATS.values() for ending in entry.extensions)
"""Extensions looked for in folders, lower-case with the dot. Single files may have any name."""


def _other_image(name: str) -> FileKind:
    return FileKind(name, is_image=True)


_AVIF, _HEIC, _BMP, _WEBP = (IMAGE_FORMATS[name].kind for name in ("AVIF", "HEIC", "BMP", "WEBP"))
_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}

_STARTS: tuple[tuple[bytes, FileKind], ...] = (
    *((start, entry.kind) for entry in IMAGE_FORMATS.values() for start in entry.starts),
    (b"8BPS", _other_image("a Photoshop document")),
    (b"\0\0\1\0", _other_image("an icon file")),
    (b"\xff\x0a", _other_image("a JPEG XL image")),
    (b"\0\0\0\x0cJXL ", _other_image("a JPEG XL image")),
    (b"\0\0\0\x0cjP  ", _other_image("a JPEG 2000 image")),
    (b"\xff\x4f\xff\x51", _other_image("a JPEG 2000 image")),
    (b"\x76\x2f\x31\x01", _other_image("an OpenEXR image")),
    (b"#?RADIANCE", _other_image("a Radiance HDR image")),
    (b"DDS ", _other_image("a DDS texture")),
    (b"IIU\0", _other_image("a camera raw file")),
    (b"FUJIFILMCCD-RAW", _other_image("a camera raw file")),
    *(
        (b"P%d" % kind + space, _other_image("a PNM image"))
        for kind in range(1, 8)
        for space in (b"\n", b" ")
    ),
    (b"%PDF", FileKind("a PDF document")),
    (b"%!PS", FileKind("a PostScript document")),
    (b"PK\3\4", FileKind("a ZIP archive or an Office document")),
    (b"PK\5\6", FileKind("an empty ZIP archive")),
    (b"\x1f\x8b", FileKind("a gzip archive")),
    (b"BZh", FileKind("a bzip2 archive")),
    (b"\xfd7zXZ\0", FileKind("an xz archive")),
    (b"7z\xbc\xaf\x27\x1c", FileKind("a 7-Zip archive")),
    (b"Rar!\x1a\x07", FileKind("a RAR archive")),
    (b"\xd0\xcf\x11\xe0", FileKind("an old Office document")),
    (b"\x1a\x45\xdf\xa3", FileKind("a WebM or Matroska video")),
    (b"\0\0\1\xba", FileKind("an MPEG video")),
    (b"\0\0\1\xb3", FileKind("an MPEG video")),
    (b"FLV\1", FileKind("a Flash video")),
    (b"\x30\x26\xb2\x75", FileKind("a Windows Media file")),
    (b"ID3", FileKind("an MP3 sound file")),
    (b"OggS", FileKind("an Ogg media file")),
    (b"fLaC", FileKind("a FLAC sound file")),
    (b"\x89HDF\r\n", FileKind("an HDF5 data file")),
    (b"\x93NUMPY", FileKind("a NumPy array")),
    (b"SQLite format 3", FileKind("an SQLite database")),
    (b"\x7fELF", FileKind("a program")),
    (b"MZ", FileKind("a Windows program")),
    (b"version https://git-lfs", FileKind("a Git LFS pointer, not the file it stands for")),
)


def identify(data: bytes) -> FileKind | None:
    """Tells what the bytes are, or None when they are of no known kind.

    Args:
        data: the whole file, or at least its first kilobyte.
    """
    for start, kind in _STARTS:
        if data.startswith(start):
            return kind
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return _BMP
    if data[:4] == b"RIFF":
        return {
            b"WEBP": _WEBP,
            b"AVI ": FileKind("an AVI video"),
            b"WAVE": FileKind("a WAV sound file"),
        }.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _iso_media(data)
    return _text(data[:1024])


def _iso_media(data: bytes) -> FileKind:
    """AVIF, HEIC and MP4 share one container; the brands in its first box tell them apart."""
    size = min(max(int.from_bytes(data[:4], "big"), 16), 256)
    major = data[8:12]
    brands = {major, *(data[at : at + 4] for at in range(16, size, 4))}
    if major in (b"crx ",):
        return _other_image("a camera raw file")
    if major in (b"avif", b"avis"):
        return _AVIF
    if major[:3] in (b"hei", b"hev"):
        return _HEIC
    if major in (b"mif1", b"msf1", b"mif2", b"miaf"):
        return _AVIF if brands & {b"avif", b"avis"} else _HEIC
    return FileKind("a video (MP4 or QuickTime)")


def _text(head: bytes) -> FileKind | None:
    lower = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if lower.startswith(b"<svg") or (lower.startswith(b"<?xml") and b"<svg" in lower):
        return _other_image("an SVG drawing")
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return FileKind("a web page (HTML)")
    if lower.startswith(b"<?xml"):
        return FileKind("an XML document")
    printable = sum(32 <= byte < 127 or byte in b"\t\r\n\f" for byte in head)
    return FileKind("plain text") if head and printable == len(head) else None


def count_gif_frames(data: bytes) -> int:
    """Frames of a GIF, at most ``FRAME_COUNT_LIMIT``; a damaged tail ends the count."""

    def after_colours(flags: int, at: int) -> int:
        return at + ((3 << ((flags & 7) + 1)) if flags & 0x80 else 0)

    def after_blocks(at: int) -> int:
        while data[at]:
            at += 1 + data[at]
        return at + 1

    frames = 0
    try:
        at = after_colours(data[10], 13)
        while frames < FRAME_COUNT_LIMIT:
            if data[at] == 0x21:  # extension
                at = after_blocks(at + 2)
            elif data[at] == 0x2C:  # image
                at = after_blocks(after_colours(data[at + 9], at + 10) + 1)
                frames += 1
            else:
                break
    except IndexError:
        pass
    return max(frames, 1)


def count_tiff_pages(data: bytes) -> int:
    """Pages of a TIFF or BigTIFF, at most ``FRAME_COUNT_LIMIT``; loops and a damaged tail end the count."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    offset, count, entry, head = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    seen: set[int] = set()
    try:
        (at,) = struct.unpack_from(order + offset, data, head)
        while at and at not in seen and len(seen) < FRAME_COUNT_LIMIT:
            (entries,) = struct.unpack_from(order + count, data, at)
            following = at + struct.calcsize(order + count) + entry * entries
            seen.add(at)
            (at,) = struct.unpack_from(order + offset, data, following)
    except struct.error:
        pass
    return max(len(seen), 1)
