"""The texts that a picture's container holds beside its pixels, each with the place it stands in.

A text counts only where its format keeps texts. What is appended to a file, stands behind its end, has a
wrong checksum or lies in the pixels is none.

Read by Pillow (JPEG segments, PNG text, metadata of WebP, AVIF, TIFF and GIF, EXIF, IPTC), by pillow-heif
(HEIC) and by ``xmp``. By hand: the walk over a PNG's chunks, each of which Pillow then reads by itself, so
that one that unpacks to gigabytes costs only itself; the letters of EXIF's ``UserComment``; limits on all.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, IptcImagePlugin, PngImagePlugin

from deepfake.forensics.xmp import XmpError, read_xmp
from deepfake.images.headers import sound_exif
from deepfake.images.load import register_heif
from deepfake.util.text import format_bytes

MAX_TEXT = 2**20
"""Bytes of one text, unpacked; more is not read. Large graphs of ComfyUI have some 200 kB."""
MAX_TEXTS = 64
"""Texts of a PNG, or comments of a JPEG, that are read."""
MAX_EXIF = 2**21
"""Bytes of EXIF that are read; JPEG holds 64 kB a segment."""

_EXIF_TEXTS = {
    ExifTags.Base.Make: "Make",
    ExifTags.Base.Model: "Model",
    ExifTags.Base.Software: "Software",
    ExifTags.Base.ImageDescription: "ImageDescription",
    ExifTags.Base.Artist: "Artist",
    ExifTags.Base.XPComment: "XPComment",
}
_PHOTO_TEXTS = {ExifTags.Base.UserComment: "UserComment"}
_IPTC = {(2, 65): "Program", (2, 110): "Credit", (2, 120): "Caption"}
_PNG_TEXTS, _SIGNATURE = (b"tEXt", b"zTXt", b"iTXt"), b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class FileText:
    """One text in a file.

    Attributes:
        place: ``PNG text``, ``EXIF``, ``XMP``, ``IPTC`` or ``comment``.
        key: the field's name there, such as ``parameters`` or ``xmp:CreatorTool``; empty for a comment.
        text: as the file holds it; not to be trusted as markup. No NUL, at most ``MAX_TEXT`` letters.
    """

    place: str
    key: str
    text: str


@dataclass(frozen=True)
class FileTexts:
    """All of them.

    Attributes:
        texts: in the order PNG text, comments, EXIF, IPTC, XMP.
        notes: what was ignored and why, in sentences.
    """

    texts: tuple[FileText, ...]
    notes: tuple[str, ...]


def read_texts(content: bytes, format_name: str) -> FileTexts:
    """The texts of a picture's file; damaged or oversized ones are left out, with a note. Never raises.

    Args:
        content: a file that ``load.load_image`` accepts.
        format_name: of ``ImageFacts``.
    """
    notes: list[str] = []
    texts: list[FileText] = []
    try:
        for info in _infos(content, format_name, notes):
            texts += info
    except Exception:  # decoders raise nearly anything on damaged metadata
        notes.append("Part of its metadata is damaged and was ignored.")
    return FileTexts(tuple(texts), tuple(dict.fromkeys(notes)))


def _infos(content: bytes, format_name: str, notes: list[str]) -> Iterator[list[FileText]]:
    if format_name == "PNG":
        yield from _png(content, notes)
        return
    if format_name not in ("JPEG", "WEBP", "AVIF", "HEIC", "TIFF", "GIF"):
        return
    if format_name == "HEIC":
        register_heif()
    with Image.open(io.BytesIO(content), formats=["HEIF" if format_name == "HEIC" else format_name]) as image:
        yield [FileText("comment", "", text) for text in _comments(image, notes)]
        yield _exif(image, notes)
        yield _iptc(image, notes)
        yield _xmp(image.info.get("xmp"), notes)


def _png(content: bytes, notes: list[str]) -> Iterator[list[FileText]]:
    """Each chunk of metadata is read by Pillow in a picture of one pixel, which holds no other."""
    held: dict[str, Any] = {}
    number = 0
    for name, body in _png_chunks(content):
        if name not in (*_PNG_TEXTS, b"eXIf"):
            continue
        number += 1
        if number > MAX_TEXTS:
            notes.append(f"It holds more than {MAX_TEXTS} texts; the others were ignored.")
            break
        if len(body) > (MAX_EXIF if name == b"eXIf" else MAX_TEXT):
            notes.append(_too_long("A text in it", len(body)))
            continue
        try:
            with Image.open(io.BytesIO(_one_pixel(name, body)), formats=["PNG"]) as image:
                assert isinstance(image, PngImagePlugin.PngImageFile)
                written, info = dict(image.text), dict(image.info)
        except ValueError:
            notes.append(
                f"A compressed text in it unpacks to more than {MAX_TEXT // 2**20} MB. It was ignored."
            )
            continue
        except Exception:
            notes.append("A text in it is damaged and was ignored.")
            continue
        if xmp := info.get("xmp"):
            held.setdefault("xmp", xmp)
            continue
        held.update({key: value for key, value in info.items() if key in ("exif", "Raw profile type exif")})
        yield [
            FileText("PNG text", key[:80], text)
            for key, value in written.items()
            if (text := _clean(value if name == b"iTXt" else _unmixed(value)))
        ]
    if held.keys() & {"exif", "Raw profile type exif"}:
        with Image.open(io.BytesIO(_one_pixel()), formats=["PNG"]) as image:
            image.info.update(held)
            yield _exif(image, notes)
    yield _xmp(held.get("xmp"), notes)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each sound chunk before the end of the picture."""
    at = len(_SIGNATURE)
    while at + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        end = at + 12 + length
        if name == b"IEND" or end > len(content):
            return
        if name[:1].islower():  # metadata; pixels need not be copied
            body = content[at + 8 : end - 4]
            if struct.unpack_from(">I", content, end - 4)[0] == zlib.crc32(body, zlib.crc32(name)):
                yield name, body
        at = end


def _one_pixel(name: bytes = b"", body: bytes = b"") -> bytes:
    """A PNG of one grey pixel, with one more chunk."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0\0"))]
    if name:
        chunks.insert(1, (name, body))
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
        for kind, data in (*chunks, (b"IEND", b""))
    )


def _comments(image: Image.Image, notes: list[str]) -> list[str]:
    """Of a JPEG all before its first scan, of a GIF those before its first frame."""
    found = [body for name, body in getattr(image, "applist", ()) if name == "COM"]
    if not found and "comment" in image.info:
        found = [image.info["comment"]]
    if len(found) > MAX_TEXTS:
        notes.append(f"It holds more than {MAX_TEXTS} comments; the others were ignored.")
    texts = []
    for body in found[:MAX_TEXTS]:
        if len(body) > MAX_TEXT:
            notes.append(_too_long("A comment in it", len(body)))
        elif text := _clean(_letters(body)):
            texts.append(text)
    return texts


def _exif(image: Image.Image, notes: list[str]) -> list[FileText]:
    block = image.info.get("exif")
    if isinstance(block, bytes) and len(block) > MAX_EXIF:
        notes.append(_too_long("Its EXIF", len(block)))
        return []
    try:
        tags = sound_exif(image)
        inner = tags.get_ifd(ExifTags.IFD.Exif)
    except Exception:
        notes.append("Its EXIF is damaged and was ignored.")
        return []
    texts = []
    for values, names in ((tags, _EXIF_TEXTS), (inner, _PHOTO_TEXTS)):
        for tag, name in names.items():
            if tag not in values:
                continue
            text = _tag_text(name, values[tag])
            if len(text) > MAX_TEXT:
                notes.append(_too_long(f"EXIF {name}", len(text)))
            elif text:
                texts.append(FileText("EXIF", name, text))
    return texts


def _tag_text(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        if name == "UserComment":
            return _clean(_user_comment(value))
        return _clean(value.decode("utf-16-le", "replace") if name == "XPComment" else _letters(value))
    return _clean(_unmixed(str(value)))


def _unmixed(text: str) -> str:
    """Text that Pillow took for Latin-1, as the standards want it, though a program wrote UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _user_comment(value: bytes) -> str:
    """The text behind the eight letters that name its encoding (EXIF 2.32, 4.6.5)."""
    code, body = value[:8], value[8:]
    if code == b"UNICODE\0":  # in the order of the file's numbers by the standard, in any in practice
        big, little = (body.decode(f"utf-16-{order}", "replace") for order in ("be", "le"))
        return max(big, little, key=lambda text: sum(letter.isascii() for letter in text[:2000]))
    if code in (b"ASCII\0\0\0", bytes(8)):
        return _letters(body)
    if code == b"JIS\0\0\0\0\0":
        return body.decode("iso2022_jp", "replace")
    return _letters(value)  # many programs leave the code out


def _iptc(image: Image.Image, notes: list[str]) -> list[FileText]:
    try:
        found = IptcImagePlugin.getiptcinfo(image) or {}  # pyright: ignore[reportArgumentType]
    except Exception:
        notes.append("Its IPTC block is damaged and was ignored.")
        return []
    texts = []
    for key, name in _IPTC.items():
        value = found.get(key, b"")
        first = value[0] if isinstance(value, list) else value
        if text := _clean(_letters(first[:MAX_TEXT])):
            texts.append(FileText("IPTC", name, text))
    return texts


def _xmp(packet: Any, notes: list[str]) -> list[FileText]:
    if not packet:
        return []
    try:
        values = read_xmp(packet.encode() if isinstance(packet, str) else bytes(packet))
    except XmpError as error:
        notes.append(error.message)
        return []
    return [FileText("XMP", name, text) for name, value in values if (text := _clean(value))]


def _letters(value: bytes) -> str:
    """Bytes as text: UTF-8, or where they are none, Latin-1, which everything is."""
    try:
        return value.decode("utf-8")
    except UnicodeError:
        return value.decode("latin-1")


def _clean(text: str) -> str:
    """Without NUL bytes, lone surrogates and space around it."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8").strip()


def _too_long(what: str, size: int) -> str:
    return f"{what} has {format_bytes(size)}, more than is read. It was ignored."
