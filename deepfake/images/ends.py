"""Where a file's picture ends: what was cut off, and what can be read although something is damaged.

One rule for every format: a picture that is whole is read, with a note where the file goes on missing; one
that is not whole is refused, although decoders may fill in what is missing. A video is many pictures: those
that are there are read (``video``).
"""

from __future__ import annotations

import random
import re
import struct
import zlib
from dataclasses import dataclass

CUT_NOTE = "The file is incomplete: it ends too early. The image itself is whole."
CHECKSUM_NOTE = "Part of the file's metadata is damaged (wrong checksum) and was ignored."

_END, _START = b"\xff\xd9", b"\xff\xd8"
_ENDING = re.compile(rb"\xff[\xd8\xd9]")
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff]")
# Of the entropy-coded data: neither stuffing, nor a restart, nor what decoders skip as invalid.
_SCAN_END = re.compile(rb"\xff+[\xc0-\xcf\xd8-\xfe]")
_MAX_MARKERS = 20_000
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # start-of-frame markers
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_FILLING = bytes(random.Random(1).choices(range(1, 255), k=256))  # neither it nor its opposite holds a marker
_MIN_FILLING = 16  # zero bytes at the end of a download that stopped
_MAX_GIF_BLOCKS = 1_000_000


def looks_cut(data: bytes, reader: str) -> bool:
    """Whether a file of a known format ends before its own structure says it should.

    Says nothing of damage in the middle, nor whether the picture itself is whole.

    Args:
        data: the file's bytes.
        reader: the format, from ``formats.identify``; of films ``MP4`` or ``Matroska``.
    """
    try:
        return _CUT_CHECKS[reader](data)
    except (struct.error, IndexError):  # a length field itself is missing
        return True


@dataclass(frozen=True)
class JpegEnd:
    """Where the first picture of a JPEG ends, as libjpeg reads its markers.

    Attributes:
        stop: place behind its last byte; the file may hold more, such as a phone's second picture.
        closed: whether an end marker stands there. Else the next picture, or the end of the file, does.
        planned: whether the scans up to there hold all that the header announces: every component, and of a
            progressive picture every coefficient to its last bit.
    """

    stop: int
    closed: bool
    planned: bool


def jpeg_end(data: bytes) -> JpegEnd:
    """Walks over the markers of a JPEG's first picture; bytes that belong to no segment are skipped.

    Raises:
        IndexError, struct.error: it ends amid a segment.
    """
    at, frame, interval, restarts = 2, None, 0, -1  # no scan yet
    for _ in range(_MAX_MARKERS):
        found = (_NEXT_MARKER if restarts < 0 else _SCAN_END).search(data, at)
        stop = found.start() if found else len(data)
        marker = data[found.end() - 1] if found else _START[1]
        if restarts > 0:  # the scan's last stretch must have begun
            restarts -= len(_RESTART.findall(data, at, stop))
        if marker in (_START[1], _END[1]):
            planned = frame is not None and not frame.owed and restarts <= 0
            return JpegEnd(found.end() if marker == _END[1] and found else stop, marker == _END[1], planned)
        at = found.end() if found else stop
        if marker in _BARE:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        body = data[at + 2 : at + length]
        restarts = -1
        if marker in _FRAMES:
            frame = _Frame.read(marker, body)
        elif marker == 0xDD:
            (interval,) = struct.unpack(">H", body)
        elif marker == 0xDA and frame is not None:
            units = frame.scan(body)
            restarts = (units - 1) // interval if interval else 0
        at += max(2, length)
    return JpegEnd(len(data), True, True)  # too long a walk: the decoder says


@dataclass
class _Frame:
    """What the header of a JPEG announces, and what of it the scans have not given yet.

    Attributes:
        width, height: in pixels.
        factors: horizontal and vertical sampling of each component.
        progressive: whether the coefficients come bit by bit.
        owed: components and coefficients that no scan has completed.
    """

    width: int
    height: int
    factors: dict[int, tuple[int, int]]
    progressive: bool
    owed: set[tuple[int, int]]

    @classmethod
    def read(cls, marker: int, body: bytes) -> _Frame:
        """From the body of a start-of-frame segment."""
        height, width, count = struct.unpack_from(">HHB", body, 1)
        factors = {body[at]: (body[at + 1] >> 4, body[at + 1] & 15) for at in range(6, 6 + 3 * count, 3)}
        progressive = marker in (0xC2, 0xC6, 0xCA, 0xCE)
        owed = {(c, k) for c in factors for k in (range(64) if progressive else (0,))}
        return cls(width, height, factors, progressive, owed)

    def scan(self, body: bytes) -> int:
        """Takes what a scan completes from what is owed; returns the units between which restarts stand."""
        count = body[0]
        components = body[1 : 1 + 2 * count : 2]
        first, last, bits = body[1 + 2 * count : 4 + 2 * count]
        if not self.progressive:
            self.owed -= {(c, 0) for c in components}
        elif not bits & 15:
            self.owed -= {(c, k) for c in components for k in range(first, min(last, 63) + 1)}
        across = max(1, *(h for h, _ in self.factors.values()), 1)
        down = max(1, *(v for _, v in self.factors.values()), 1)
        h, v = self.factors.get(components[0], (1, 1)) if count == 1 else (1, 1)
        return _up(self.width * h, 8 * across) * _up(self.height * v, 8 * down)


def _up(a: int, b: int) -> int:
    return -(-a // b)


def closed_jpegs(data: bytes) -> tuple[bytes, bytes] | None:
    """A JPEG without its end marker, closed in two ways: the pictures are alike if, and only if, it is whole.

    What a decoder lacks it takes from behind: there stand random bits in the one, their opposites in the
    other.

    Returns:
        None where the end marker is in its place.
    """
    first_scan = data.find(b"\xff\xda")
    ending = _ENDING.search(data, max(first_scan, 2))  # ten times as fast as find
    if first_scan > 0 and ending and ending[0] == _END:
        return None
    try:
        found = jpeg_end(data)
    except (struct.error, IndexError, ValueError):
        found = JpegEnd(len(data), False, False)
    if found.closed:
        return None
    body = data[: found.stop] if found.planned else b""
    bare = body.rstrip(b"\0")
    if len(body) - len(bare) >= _MIN_FILLING:
        body = bare
    return body + _FILLING + _END, body + bytes(255 - byte for byte in _FILLING) + _END


def mended_png(data: bytes) -> tuple[bytes, list[str]]:
    """A PNG without the parts that keep Pillow from a picture which browsers show.

    Those are metadata with a wrong checksum, and a part behind the pixels that is cut. Damage in the pixels,
    the header or the palette stays.

    Returns:
        The bytes, the very same where nothing is wrong, and notes for the person.
    """
    notes: list[str] = []
    kept, since, at, pixels = bytearray(), 0, 8, False
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data) or name == b"IEND":
            break
        pixels |= name == b"IDAT"
        if name[0] & 0x20:  # a part that a picture can do without
            (checksum,) = struct.unpack_from(">I", data, end - 4)
            if checksum != zlib.crc32(data[at + 4 : end - 4]):
                kept += data[since:at]
                since = end
                notes = [CHECKSUM_NOTE]
        at = end
    name = data[at + 4 : at + 8]
    if pixels and name not in (b"IDAT", b"IEND"):
        kept += data[since:at] + b"\0\0\0\0IEND\xaeB`\x82"
        since = len(data)
    return (bytes(kept) + data[since:] if since else data), notes


def _cut_jpeg(data: bytes) -> bool:
    return closed_jpegs(data) is not None


def _cut_png(data: bytes) -> bool:
    at = 8
    while True:
        length, name = struct.unpack_from(">I4s", data, at)
        at += 12 + length
        if name == b"IEND":
            return at > len(data)


def _cut_gif(data: bytes) -> bool:
    at = 13 + _colours(data[10])
    for _ in range(_MAX_GIF_BLOCKS):
        if data[at] == 0x21:  # an extension
            at += 2
        elif data[at] == 0x2C:  # a frame
            at += 11 + _colours(data[at + 9])
        else:
            return False  # the end, or bytes of no meaning, at which readers stop
        while data[at]:
            at += 1 + data[at]
        at += 1
    return False


def _colours(flags: int) -> int:
    return (3 << ((flags & 7) + 1)) if flags & 0x80 else 0


def _cut_iso_media(data: bytes) -> bool:
    """Whether a box of pictures or films ends beyond the file; phones write text behind the last one."""
    at, pixels = 0, False
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at) if at + 8 <= len(data) else (0, b"")
        if name not in _BOXES:
            break
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size < 8:  # 0 means "to the end"; the rest is damage rather than a cut
            return False
        at += size
        pixels |= name in (b"mdat", b"mini", b"moof")
    return at > len(data) or not (pixels or b"idat" in data)


_BOXES = frozenset(
    {b"ftyp", b"meta", b"mdat", b"moov", b"mini", b"moof", b"styp", b"sidx", b"mfra", b"pdin"}
    | {b"free", b"skip", b"wide", b"uuid", b"prft", b"emsg", b"ssix", b"pnot", b"udta"}
)


def _cut_tiff(data: bytes) -> bool:
    """Whether the first page's tags, their values, or its strips or tiles lie beyond the end."""
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] not in (b"*\0", b"\0*"):
        return False  # BigTIFF
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    places: dict[int, tuple[int, ...]] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number, value = struct.unpack_from(order + "HHII", data, entry)
        size = number * _TIFF_SIZES.get(kind, 0)
        start = value if size > 4 else entry + 8
        if start + size > len(data):
            return True
        if tag in (273, 279, 324, 325) and kind in (3, 4):  # where strips or tiles lie, and their lengths
            places[tag] = struct.unpack_from(f"{order}{number}{'H' if kind == 3 else 'I'}", data, start)
    return any(
        offset + length > len(data)
        for starts, lengths in ((273, 279), (324, 325))
        for offset, length in zip(places.get(starts, ()), places.get(lengths, ()), strict=False)
    )


_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}


def _cut_matroska(data: bytes) -> bool:
    """Whether the segment, the one element behind the header, says that it goes on beyond the end."""
    at = 0
    for name in (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"):
        if data[at : at + 4] != name:
            return at + 4 > len(data)
        length = 9 - data[at + 4].bit_length()
        at += 4 + length
        most = (1 << 7 * length) - 1
        size = int.from_bytes(data[at - length : at], "big") & most
        if size == most:
            return False  # a live recording does not know its length
        at += size
    return at > len(data)


_CUT_CHECKS = {
    "JPEG": _cut_jpeg,
    "PNG": _cut_png,
    "GIF": _cut_gif,
    "WEBP": lambda data: struct.unpack_from("<I", data, 4)[0] + 8 > len(data),
    "BMP": lambda data: struct.unpack_from("<I", data, 2)[0] > len(data),
    "TIFF": _cut_tiff,
    "AVIF": _cut_iso_media,
    "HEIC": _cut_iso_media,
    "MP4": _cut_iso_media,
    "Matroska": _cut_matroska,
}
