"""Hostile pictures, drawn and damaged here: a file of every accepted kind, and what can be done to it.

``mutated`` changes bytes blindly; the mutations of one format know its structure, so that the damage reaches
the decoders: checksums are made right again, headers lie about the size, metadata is huge or junk.
"""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageCms

HEIGHT, WIDTH = 48, 64
SIDES = (0, 1, 7, 31, 4097, 7999, 8001, 16384, 65535, 2**24, 2**31 - 1, 2**32 - 1)
"""What a header that lies says of a side: little, the pixel cap from both sides, the largest numbers."""
_PNG_START = b"\x89PNG\r\n\x1a\n"
_APP1, _APP2 = 0xE1, 0xE2

Mutation = Callable[[bytes, random.Random], bytes]


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.copy().save(buffer, kind, **options)  # saving leaves settings of one format on the picture
    return buffer.getvalue()


@functools.cache
def seed_files() -> dict[str, bytes]:
    """One sound file of each accepted format and of each way of storing colour in it, by name."""
    from pillow_heif import register_heif_opener

    register_heif_opener()
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    noise = np.random.default_rng(5).integers(0, 40, (HEIGHT, WIDTH, 3))
    pixels = np.stack([x * 3, y * 4, 200 - x - y], axis=-1) + noise
    colour = Image.fromarray(pixels.astype(np.uint8))
    clear = colour.copy()
    clear.putalpha(Image.fromarray((x * 4).astype(np.uint8)))
    grey = colour.convert("L")
    deep = Image.fromarray((pixels[..., 0] * 257).astype(np.uint16))
    real = Image.fromarray(pixels[..., 0].astype(np.float32))
    exif = Image.Exif()
    exif[274], exif[271], exif[305] = 6, "maker", "<b>software</b>"
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)  # the date
    rich = {"exif": exif, "icc_profile": bytes(profile)}
    made = {
        "jpeg": encode(colour, "JPEG", quality=90),
        "jpeg progressive": encode(colour, "JPEG", progressive=True, restart_marker_rows=1),
        "jpeg rich": encode(colour, "JPEG", **rich),
        "jpeg grey": encode(grey, "JPEG"),
        "jpeg inks": encode(colour.convert("CMYK"), "JPEG"),
        "mpo": encode(colour, "MPO", **_several(colour)),
        "png": encode(colour, "PNG"),
        "png rich": encode(clear, "PNG", **rich),
        "png palette": encode(colour.quantize(64), "PNG", transparency=3),
        "png one bit": encode(colour.convert("1"), "PNG"),
        "png deep": encode(deep, "PNG"),
        "png animated": encode(colour, "PNG", **_several(colour)),
        "webp": encode(colour, "WEBP", **rich),
        "webp lossless": encode(clear, "WEBP", lossless=True),
        "webp animated": encode(colour, "WEBP", **_several(colour)),
        "gif": encode(colour.quantize(64), "GIF"),
        "gif animated": encode(colour, "GIF", **_several(colour)),
        "bmp": encode(colour, "BMP"),
        "bmp palette": encode(colour.quantize(64), "BMP"),
        "bmp one bit": encode(colour.convert("1"), "BMP"),
        "tiff": encode(colour, "TIFF", **rich),
        "tiff alpha": encode(clear, "TIFF", compression="tiff_lzw"),
        "tiff inks": encode(colour.convert("CMYK"), "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": encode(colour, "TIFF", compression="jpeg"),
        "tiff fax": encode(colour.convert("1"), "TIFF", compression="group4"),
        "tiff packed": encode(colour.quantize(64), "TIFF", compression="packbits"),
        "tiff deep": encode(deep, "TIFF"),
        "tiff real": encode(real, "TIFF"),
        "tiff lab": encode(_lab(colour), "TIFF"),
        "tiff big": encode(colour, "TIFF", big_tiff=True),
        "tiff pages": encode(colour, "TIFF", **_several(colour)),
        "avif": encode(colour, "AVIF", speed=10, **rich),
        "avif alpha": encode(clear, "AVIF", speed=10),
        "avif animated": _undated(encode(colour, "AVIF", speed=10, **_several(colour))),
        "heic": encode(colour, "HEIF", quality=80, **rich),
        "heic alpha": encode(clear, "HEIF"),
        "heic several": encode(colour, "HEIF", **_several(colour)),
    }
    bare = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, 24) + made["bmp"][54:]  # the first Windows' header
    scan = made["jpeg"].index(b"\xff\xdb")
    made["jpeg strays"] = made["jpeg"][:scan] + b"\0stray" + made["jpeg"][scan:]
    made["jpeg open"] = made["jpeg"][:-2]
    made["jpeg open progressive"] = made["jpeg progressive"][:-2] + b"text"
    made["jpeg several"] = made["jpeg progressive"] + made["jpeg"] * 70
    made["png checksum"] = made["png"][:33] + png_chunk(b"tEXt", b"a\0b")[:-1] + b"\0" + made["png"][33:]
    made["png open"] = made["png"][:-12] + png_chunk(b"tEXt", b"a\0b")[:-6]
    made["gif open"] = made["gif"][:-1]
    made["heic text behind"] = made["heic"] + b"/><x:xmpmeta>"
    made["avif text behind"] = made["avif"] + bytes(9)
    made["bmp bare"] = struct.pack("<2sIII", b"BM", 14 + len(bare), 0, 26) + bare
    return made


def _undated(boxes: bytes) -> bytes:
    """An image sequence without the two dates of each of its headers."""
    body = bytearray(boxes)
    for name in (b"mvhd", b"tkhd", b"mdhd"):
        at = body.find(name)
        size = 8 if body[at + 4] == 1 else 4
        body[at + 8 : at + 8 + 2 * size] = bytes(2 * size)
    return bytes(body)


def _several(colour: Image.Image) -> dict[str, Any]:
    return {"save_all": True, "append_images": [colour.rotate(180), colour.rotate(90)]}


def _lab(colour: Image.Image) -> Image.Image:
    profile = ImageCms.createProfile("sRGB")
    made = ImageCms.profileToProfile(colour, profile, ImageCms.createProfile("LAB"), outputMode="LAB")
    if made is None:
        raise ValueError("no picture came back")
    del made.info["icc_profile"]  # it holds the date
    return made


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Bytes changed, bits flipped, a stretch removed, doubled, zeroed, moved, or the end cut off."""
    body = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(body))
        stretch = chance.randrange(1, 1 + min(64, len(body) - at))
        match chance.randrange(8):
            case 0:
                body[at] = chance.randrange(256)
            case 1:
                body[at] ^= 1 << chance.randrange(8)
            case 2:
                body[at : at + stretch] = chance.randbytes(stretch)
            case 3:
                del body[at : at + stretch]
            case 4:
                body[at:at] = body[at : at + stretch]
            case 5:
                body[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            case 6:
                body += bytes(body[at : at + stretch]) * chance.randrange(1, 50)
            case 7:
                del body[max(1, at) :]
        if not body:
            return b"\0"
    return bytes(body)


def nested(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Two files in one: behind, before or amid each other."""
    at = chance.randrange(1, len(data))
    return chance.choice(
        (data + other, other[: chance.randrange(1, 64)] + data, data[:at] + other + data[at:])
    )


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with the right checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and body of each chunk of a sound PNG."""
    found, at = [], 8
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        found.append((name, data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def hostile_png(data: bytes, chance: random.Random) -> bytes:
    """Damage under right checksums: sizes that lie, text and profiles that swell, pixels of other lengths."""
    chunks = png_chunks(data)
    header = bytearray(chunks[0][1])
    swollen = zlib.compress(bytes(chance.choice((2**16, 2**24, 2**26))), 9)
    match chance.randrange(8):
        case 0:
            struct.pack_into(">II", header, 0, chance.choice(SIDES), chance.choice(SIDES))
            chunks[0] = (b"IHDR", bytes(header))
        case 1:
            header[8:13] = bytes(chance.choice((0, 1, 2, 3, 4, 6, 8, 16, 255)) for _ in range(5))
            chunks[0] = (b"IHDR", bytes(header))
        case 2:
            chunks.insert(1, (b"iCCP", b"name\0\0" + swollen))
        case 3:
            kind = chance.choice((b"zTXt", b"iTXt"))
            head = b"key\0\0" if kind == b"zTXt" else b"key\0\1\0\0\0"
            chunks[1:1] = [(kind, head + swollen)] * chance.choice((1, 5))
        case 4:
            chunks.insert(1, (b"eXIf", b"MM\0*" + chance.randbytes(chance.choice((4, 2**16, 2**20)))))
        case 5:
            pixels = zlib.compress(chance.randbytes(chance.choice((0, 10, HEIGHT * (WIDTH * 4 + 1), 2**18))))
            chunks = [(name, pixels if name == b"IDAT" else body) for name, body in chunks]
        case 6:
            index = chance.randrange(len(chunks))
            name, body = chunks[index]
            chunks[index] = (name, mutated(body, chance) if body else chance.randbytes(9))
        case 7:
            chance.shuffle(chunks)
    return _PNG_START + b"".join(png_chunk(name, body) for name, body in chunks)


def hostile_jpeg(data: bytes, chance: random.Random) -> bytes:
    """A frame of another size, EXIF and colour profiles of megabytes or junk, restarts out of order."""
    match chance.randrange(5):
        case 0:
            return _jpeg_sides(data, chance)
        case 1:
            body = b"Exif\0\0II*\0" + chance.randbytes(chance.choice((2, 100, 65_000)))
            return _with_segments(data, _APP1, [body] * chance.choice((1, 40)))
        case 2:
            return _with_segments(data, _APP1, [b"Exif\0\0" + looping_exif(chance)])
        case 3:
            parts = chance.choice((1, 3, 255))
            size = chance.choice((4, 128, 60_000))
            bodies = [b"ICC_PROFILE\0" + bytes((n + 1, parts)) + chance.randbytes(size) for n in range(parts)]
            return _with_segments(data, _APP2, bodies[: chance.choice((1, 255))])
        case _:
            scan = data.find(b"\xff\xda")
            index = chance.randrange(scan + 14, len(data) - 2)
            marker = chance.choice((0xD0, 0xD7, 0xC4, 0xDB, 0xDA, 0xD8, 0xD9, 0xC0, 0xC2))
            return data[:index] + bytes((0xFF, marker)) + data[index:]


def _jpeg_sides(data: bytes, chance: random.Random) -> bytes:
    body = bytearray(data)
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        at = data.find(marker)
        if at > 0:
            sides = [min(chance.choice(SIDES), 65535) for _ in range(2)]
            struct.pack_into(">HH", body, at + 5, *sides)
            body[at + 9] = chance.choice((0, 1, 3, 4, 255, body[at + 9], body[at + 9]))
    return bytes(body)


def _with_segments(data: bytes, marker: int, bodies: list[bytes]) -> bytes:
    segments = [struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for body in bodies]
    return data[:2] + b"".join(segments) + data[2:]


def looping_exif(chance: random.Random) -> bytes:
    """EXIF whose folders point at themselves, hold too much, or have values beyond the end."""
    entries = chance.choice((1, 5, 4000))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", entries)
    tags = (271, 274, 306, 330, 33432, 34665, 34853, 37500, 40965, 513, 514)
    table = b"".join(
        struct.pack(
            "<HHII",
            chance.choice(tags),
            chance.randrange(14),
            chance.choice((0, 1, 8, 2**31)),
            chance.choice((8, 2**31, 1)),
        )
        for _ in range(entries)
    )
    return head + table + struct.pack("<I", 8)


def hostile_gif(data: bytes, chance: random.Random) -> bytes:
    """A screen or a frame of another size, frames without number, comments without end."""
    body = bytearray(data)
    match chance.randrange(3):
        case 0:
            struct.pack_into("<HH", body, 6, *[min(chance.choice(SIDES), 65535) for _ in range(2)])
        case 1:
            at = data.find(b",\0\0\0\0")
            struct.pack_into("<HHHH", body, at + 1, *[min(chance.choice(SIDES), 65535) for _ in range(4)])
        case _:
            filler = chance.choice((b"!\xfe\x01a\0", b"!\xf9\4\0\1\0\0\0", b",\0\0\0\0\1\0\1\0\0\2\2D\1\0"))
            body[-1:] = filler * chance.choice((1, 1000, 100_000)) + b";"
    return bytes(body)


def hostile_bmp(data: bytes, chance: random.Random) -> bytes:
    """A header that lies about size, depth, compression or palette."""
    body = bytearray(data)
    match chance.randrange(4):
        case 0:
            struct.pack_into("<II", body, 18, chance.choice(SIDES), chance.choice(SIDES))
        case 1:
            struct.pack_into("<HI", body, 28, chance.choice((0, 1, 4, 8, 16, 24, 32)), chance.randrange(6))
        case 2:
            struct.pack_into("<I", body, chance.choice((10, 34, 46)), chance.choice(SIDES))
        case _:
            struct.pack_into("<I", body, 14, chance.choice((12, 16, 40, 52, 56, 64, 108, 124, 2**31)))
    return bytes(body)


def hostile_webp(data: bytes, chance: random.Random) -> bytes:
    """Other sizes in the header, junk in place of profile and EXIF, chunks whose lengths lie."""
    body = bytearray(data)
    match chance.randrange(4):
        case 0 if data[12:16] == b"VP8X":
            for at in (24, 27):
                body[at : at + 3] = min(chance.choice(SIDES), 2**24 - 1).to_bytes(3, "little")
        case 1 if data[12:16] == b"VP8X":
            body[20] = chance.randrange(256)
        case 2:
            for name in (b"ICCP", b"EXIF"):
                at = data.find(name)
                if at > 0:
                    size = int.from_bytes(data[at + 4 : at + 8], "little")
                    body[at + 8 : at + 8 + size] = chance.randbytes(size)
        case _:
            at = chance.choice([n for n in range(12, len(body) - 8) if body[n : n + 4].isalnum()] or [12])
            struct.pack_into("<I", body, at + 4, chance.choice(SIDES))
    return bytes(body)


def hostile_tiff(data: bytes, chance: random.Random) -> bytes:
    """Tags of the first page that lie: sizes, depths, compression, where the pixels and the next page lie."""
    body = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] in (b"+\0", b"\0+"):
        return mutated(data, chance)
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    if chance.random() < 0.1:
        struct.pack_into(order + "I", body, start + 2 + 12 * count, chance.choice((start, 0, 2**31, 8)))
        return bytes(body)
    for _ in range(chance.choice((1, 1, 2, 4))):
        entry = start + 2 + 12 * chance.randrange(count)
        tag = struct.unpack_from(order + "H", data, entry)[0]
        if tag in (256, 257):
            struct.pack_into(order + "HII", body, entry + 2, 4, 1, chance.choice(SIDES))
        elif tag in (258, 259, 262, 277, 284, 317, 338, 339):
            value = chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 32, 64, 32773, 34712, 34892, 50001))
            struct.pack_into(order + "HIHH", body, entry + 2, 3, 1, value, 0)
        else:
            struct.pack_into(order + "I", body, entry + chance.choice((4, 8)), chance.choice(SIDES))
    return bytes(body)


def hostile_boxes(data: bytes, chance: random.Random) -> bytes:
    """AVIF and HEIC: other sizes (``ispe``), rotations, places of the coded picture, junk in profiles."""
    names = (
        b"ispe",
        b"irot",
        b"iloc",
        b"iinf",
        b"iprp",
        b"ipma",
        b"pixi",
        b"av1C",
        b"hvcC",
        b"colr",
        b"mdat",
    )
    body = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = body.find(chance.choice(names))
        if at < 4 or at + 16 > len(body):
            continue
        if body[at : at + 4] == b"ispe" and chance.random() < 0.8:
            struct.pack_into(">II", body, at + 8, chance.choice(SIDES), chance.choice(SIDES))
        elif chance.random() < 0.2:
            struct.pack_into(">I", body, at - 4, chance.choice(SIDES))
        else:
            size = chance.randrange(1, 12)
            index = at + 4 + chance.randrange(40)
            body[index : index + size] = chance.randbytes(size)
    return bytes(body)


_BY_FORMAT: dict[str, Mutation] = {
    "jpeg": hostile_jpeg,
    "mpo": hostile_jpeg,
    "png": hostile_png,
    "gif": hostile_gif,
    "bmp": hostile_bmp,
    "webp": hostile_webp,
    "tiff": hostile_tiff,
    "avif": hostile_boxes,
    "heic": hostile_boxes,
}


def hostile(number: int, seeds: dict[str, bytes], seed: int = 0) -> tuple[str, bytes]:
    """The hostile file of that number: the same one for the same seed files, number and seed.

    Returns:
        What it was made from and how, and its bytes.
    """
    chance = random.Random(f"{seed}-{number}")
    names = sorted(seeds)
    name = names[number % len(names)]
    data = seeds[name]
    draw = chance.random()
    if draw < 0.4:
        return f"{name}, blindly", mutated(data, chance)
    if draw < 0.5:
        return f"{name}, nested", nested(data, seeds[chance.choice(names)], chance)
    if draw < 0.55:
        return f"{name}, cut", data[: chance.randrange(len(data))]
    made = _BY_FORMAT[name.partition(" ")[0]](data, chance)
    if draw < 0.65:
        return f"{name}, by structure and blindly", mutated(made, chance)
    return f"{name}, by structure", made
