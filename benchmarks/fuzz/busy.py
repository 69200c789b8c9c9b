"""Files that kept a decoder busy for hours, or filled the memory, before ``deepfake.images.limits``."""

from __future__ import annotations

import struct

from benchmarks.fuzz.corpus import HEIGHT, WIDTH, png_chunk


def busy_files(seeds: dict[str, bytes], n: int) -> dict[str, bytes]:
    """One file for each way, by name; ``n`` is how many pieces each has too many of."""
    jpeg, png, gif = seeds["jpeg"], seeds["png"], seeds["gif"]
    exif = b"Exif\0\0a"
    first_frame = 13 + ((3 << ((gif[10] & 7) + 1)) if gif[10] & 0x80 else 0)
    return {
        "jpeg scans": with_scans(seeds["jpeg progressive"], n // 20),
        "jpeg padding": jpeg[:2] + b"\xff" * n + jpeg[2:],
        "jpeg strays": jpeg[:20] + b"\0" * n + jpeg[20:],
        "jpeg scans before other pictures": with_scans(seeds["jpeg progressive"], n // 20) + jpeg * 3,
        "jpeg scans without end": with_scans(seeds["jpeg progressive"], n // 20)[:-2],
        "jpeg empty segments": jpeg[:2] + b"\xff\xe5\0\2" * n + jpeg[2:],
        "jpeg exif in pieces": jpeg[:2] + (b"\xff\xe1" + struct.pack(">H", 9) + exif) * n + jpeg[2:],
        "png chunks": png[:33] + png_chunk(b"aaAa", b"") * n + png[33:],
        "png chunks behind": png[:-12] + png_chunk(b"aaAa", b"") * n + png[-12:],
        "gif comments": gif[:first_frame] + b"!\xfe\1a\0" * n + gif[first_frame:],
        "gif comment in pieces": gif[:first_frame] + b"!\xfe" + b"\1a" * n + b"\0" + gif[first_frame:],
        "tiff strips": tiff_of_strips(n),
        "tiff tags": big_tiff_of_tags(n),
        "tiff shared bytes": b"II*\0" + shared_directory(100 + n // 1000, 2**16),
    }


def with_scans(progressive: bytes, n: int) -> bytes:
    """A progressive JPEG of 64 megapixels whose last scan, a walk over them all, comes ``n`` times more."""
    at = progressive.index(b"\xff\xc2")
    large = progressive[: at + 5] + struct.pack(">HH", 7999, 7999) + progressive[at + 9 :]
    last = large.rindex(b"\xff\xda")
    return large[:-2] + large[last:-2] * n + large[-2:]


def tiff_of_strips(n: int) -> bytes:
    """Grey, and every one of ``n`` strips lies at the same place."""
    pixels = bytes(WIDTH * HEIGHT)
    places, lengths = struct.pack("<I", 8) * n, struct.pack("<I", WIDTH) * n
    after = 8 + len(pixels)
    tags = [*_grey_tags(1), (273, 4, n, after), (279, 4, n, after + len(places))]
    head = struct.pack("<2sHI", b"II", 42, after + 2 * len(places))
    return head + pixels + places + lengths + _directory(tags)


def big_tiff_of_tags(n: int) -> bytes:
    """A BigTIFF with ``n`` tags of no meaning."""
    tags = [*_grey_tags(HEIGHT), (273, 4, 1, 16), (279, 4, 1, WIDTH * HEIGHT)]
    tags += [(700 + number % 60_000, 4, 1, 1) for number in range(n)]
    entries = b"".join(struct.pack("<HHQQ", *tag) for tag in sorted(tags))
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, len(tags)) + entries + bytes(8 + WIDTH * HEIGHT)


def shared_directory(tags: int, size: int) -> bytes:
    """A directory, for behind ``II*\\0``, whose tags all hold the same ``size`` bytes."""
    entries = [*_grey_tags(HEIGHT), (273, 4, 1, 8), (279, 4, 1, WIDTH * HEIGHT)]
    entries += [(40_000 + number, 7, size, 8) for number in range(tags)]
    return struct.pack("<I", 8 + size) + bytes(size) + _directory(entries)


def _grey_tags(rows: int) -> list[tuple[int, int, int, int]]:
    one = ((256, WIDTH), (257, HEIGHT), (258, 8), (259, 1), (262, 1), (277, 1), (278, rows))
    return [(tag, 4, 1, value) for tag, value in one]


def _directory(tags: list[tuple[int, int, int, int]]) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return struct.pack("<H", len(tags)) + entries + bytes(4)
