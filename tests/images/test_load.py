"""The door for pictures: what comes in right, what is refused, and that nothing else escapes."""

from __future__ import annotations

import hashlib
import io
import os
import random
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo
from pillow_heif import from_bytes, register_heif_opener

from deepfake.errors import UserError
from deepfake.images.formats import (
    FRAME_COUNT_LIMIT,
    IMAGE_EXTENSIONS,
    count_gif_frames,
    count_tiff_pages,
    identify,
)
from deepfake.images.headers import header_facts
from deepfake.images.load import (
    MAX_BYTES,
    MAX_PIXELS,
    MIN_SIDE,
    ImageRefused,
    load_image,
)
from deepfake.images.walk import list_image_files

register_heif_opener()

# Pytest undoes the module's own filter; test_hostile_files_print_nothing checks that in a fresh process.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

Pixels = NDArray[np.uint8]
HEIGHT, WIDTH = 48, 64


def picture() -> Pixels:
    """A smooth picture without any symmetry: every rotation and flip of it differs."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 4, y * 5, 250 - x * 2 - y * 2], axis=-1).astype(np.uint8)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def refusal(data: Any, **limits: int) -> ImageRefused:
    with pytest.raises(ImageRefused) as caught:
        load_image(data, **limits)
    return caught.value


def gap(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Mean absolute difference in levels."""
    return float(np.abs(first.astype(float) - second).mean())


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(rows: list[bytes], width: int, bits: int, colour: int, *extra: bytes) -> bytes:
    """A PNG by hand, for what Pillow cannot write."""
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [png_chunk(b"IHDR", header), *extra, png_chunk(b"IDAT", body), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def tiff(pixels: bytes, bits: tuple[int, ...], photometric: int, sample_format: int = 1) -> bytes:
    """A little-endian one-strip TIFF of the picture's size by hand."""
    n, start = len(bits), 8
    extra = start + len(pixels)
    values = [
        (256, 4, 1, WIDTH),
        (257, 4, 1, HEIGHT),
        (258, 3, n, bits[0] if n == 1 else extra),
        (259, 3, 1, 1),
        (262, 3, 1, photometric),
        (273, 4, 1, start),
        (277, 3, 1, n),
        (278, 4, 1, HEIGHT),
        (279, 4, 1, len(pixels)),
        (339, 3, 1, sample_format),
    ]
    table = struct.pack("<H", len(values)) + b"".join(struct.pack("<HHII", *entry) for entry in values)
    tail = struct.pack(f"<{n}H", *bits)
    tail += b"\0" * (len(tail) % 2)
    return struct.pack("<2sHI", b"II", 42, extra + len(tail)) + pixels + tail + table + b"\0\0\0\0"


# Each: Pillow's format, options of save, the largest mean error allowed.
FORMATS: dict[str, tuple[str, dict[str, Any], float]] = {
    "jpeg": ("JPEG", {"quality": 95}, 2.0),
    "jpeg progressive": ("JPEG", {"quality": 95, "progressive": True}, 2.0),
    "png": ("PNG", {}, 0.0),
    "webp": ("WEBP", {"quality": 95}, 3.0),
    "webp lossless": ("WEBP", {"lossless": True}, 0.0),
    "bmp": ("BMP", {}, 0.0),
    "tiff": ("TIFF", {}, 0.0),
    "tiff lzw": ("TIFF", {"compression": "tiff_lzw"}, 0.0),
    "tiff deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}, 0.0),
    "tiff jpeg": ("TIFF", {"compression": "jpeg", "quality": 95}, 3.0),
    "avif": ("AVIF", {"quality": 95}, 3.0),
    "heic": ("HEIF", {"quality": 95}, 3.0),
}


def encoded(name: str, pixels: Pixels | None = None) -> bytes:
    format, options, _ = FORMATS[name]
    return encode(Image.fromarray(picture() if pixels is None else pixels), format, **options)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """One small file a format, GIF included."""
    made = {name: encoded(name) for name in FORMATS}
    made["gif"] = encode(Image.fromarray(picture()).quantize(64), "GIF")
    made["png palette"] = encode(Image.fromarray(picture()).quantize(64), "PNG")
    return made


# ---- formats and facts


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_pixels_that_went_in(name: str) -> None:
    data = encoded(name)
    image = load_image(data)
    assert image.pixels.dtype == np.uint8
    assert image.pixels.shape == (HEIGHT, WIDTH, 3)
    assert image.pixels.flags.c_contiguous
    assert image.pixels.flags.writeable
    assert gap(image.pixels, picture()) <= FORMATS[name][2]
    assert image.facts.format == {"HEIF": "HEIC"}.get(FORMATS[name][0], FORMATS[name][0])
    assert (image.facts.width, image.facts.height) == (WIDTH, HEIGHT)
    assert image.facts.n_bytes == len(data)
    assert (image.facts.mode, image.facts.bit_depth) == ("RGB", 8)
    assert (image.facts.orientation, image.facts.frames) == (1, 1)
    assert not image.facts.has_alpha
    assert not image.facts.has_exif
    assert image.notes == ()


def test_gif_gives_its_palette_colours() -> None:
    source = Image.fromarray(picture()).quantize(64)
    image = load_image(encode(source, "GIF"))
    assert np.array_equal(image.pixels, np.asarray(source.convert("RGB")))
    assert (image.facts.format, image.facts.frames) == ("GIF", 1)


def test_facts_are_plain_data_and_bytes_and_path_agree(tmp_path: Path) -> None:
    data = encoded("png")
    path = tmp_path / "no extension at all"
    path.write_bytes(data)
    from_path, from_text, from_bytes = load_image(path), load_image(str(path)), load_image(data)
    assert from_path.facts == from_text.facts == from_bytes.facts == load_image(memoryview(data)).facts
    facts = from_bytes.facts.to_dict()
    assert facts["sha256"] == hashlib.sha256(data).hexdigest()
    assert set(map(type, facts.values())) <= {int, str, bool}


def test_the_name_does_not_decide(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded("png"))
    assert load_image(path).facts.format == "PNG"


def test_a_source_of_another_type_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="Received: int"):
        load_image(7)  # type: ignore[arg-type]


# ---- orientation

# What a camera stores for each orientation so that the upright picture is `picture()`.
STORED: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_all_orientations_give_the_same_upright_picture(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](picture())))
    options = {"lossless": True} if format == "WEBP" else {} if format in ("PNG", "TIFF") else {"quality": 95}
    image = load_image(encode(stored, format, exif=exif, **options))
    assert image.facts.orientation == orientation
    assert (image.facts.width, image.facts.height) == (WIDTH, HEIGHT)
    assert gap(image.pixels, picture()) < 4
    assert image.facts.has_exif == (format not in ("TIFF", "AVIF"))


@pytest.mark.parametrize("orientation", STORED)
def test_heic_rotation_is_applied_once(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](picture())))
    image = load_image(encode(stored, "HEIF", exif=exif.tobytes(), quality=95))
    assert gap(image.pixels, picture()) < 4
    assert image.facts.orientation == 1


def test_exif_after_the_pixels_of_a_png_counts() -> None:
    exif = Image.Exif()
    exif[274] = 3
    end = png_chunk(b"IEND", b"")
    plain = encode(Image.fromarray(np.ascontiguousarray(picture()[::-1, ::-1])), "PNG")
    late = plain.removesuffix(end) + png_chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")) + end
    image = load_image(late)
    assert image.facts.orientation == 3
    assert np.array_equal(image.pixels, picture())


def test_damaged_exif_does_not_lose_the_picture() -> None:
    data = encode(
        Image.fromarray(picture()), "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\7" * 40
    )
    image = load_image(data)
    assert image.facts.orientation == 1
    assert gap(image.pixels, picture()) < 2


# ---- transparency


def with_alpha() -> tuple[Pixels, Pixels]:
    """RGBA, and what it must look like on white."""
    alpha = np.tile(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, 1))
    rgba = np.dstack([picture(), alpha])
    share = alpha[..., None] / 255
    return rgba, np.round(picture() * share + 255 * (1 - share)).astype(np.uint8)


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 1),
        ("TIFF", {}, 1),
        ("WEBP", {"lossless": True, "exact": True}, 1),
        ("AVIF", {"quality": 95}, 4),
        ("HEIF", {"quality": 95}, 4),
    ],
)
def test_alpha_is_laid_on_white(format: str, options: dict[str, Any], tolerance: float) -> None:
    rgba, expected = with_alpha()
    image = load_image(encode(Image.fromarray(rgba), format, **options))
    assert image.facts.has_alpha
    assert gap(image.pixels, expected) <= tolerance
    assert any("white" in note for note in image.notes)


def test_opaque_alpha_is_not_worth_a_note() -> None:
    image = load_image(encode(Image.fromarray(picture()).convert("RGBA"), "PNG"))
    assert image.facts.has_alpha
    assert image.notes == ()


def test_grey_with_alpha() -> None:
    grey = np.full((HEIGHT, WIDTH), 100, np.uint8)
    alpha = np.zeros_like(grey)
    alpha[:, WIDTH // 2 :] = 255
    image = load_image(encode(Image.fromarray(np.dstack([grey, alpha])), "PNG"))
    assert image.facts.mode == "LA"
    assert np.unique(image.pixels[:, : WIDTH // 2]).tolist() == [255]
    assert np.unique(image.pixels[:, WIDTH // 2 :]).tolist() == [100]


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_palette_with_a_transparent_colour(format: str) -> None:
    index = np.zeros((HEIGHT, WIDTH), np.uint8)
    index[:, 20:], index[:, 40:] = 1, 2
    source = Image.fromarray(index, mode="L")
    source = Image.frombytes("P", source.size, source.tobytes())
    source.putpalette([10, 20, 30, 200, 100, 50, 1, 2, 3])
    image = load_image(encode(source, format, transparency=1))
    assert image.facts.has_alpha
    seen = [tuple(int(level) for level in image.pixels[5, column]) for column in (5, 25, 45)]
    assert seen == [(10, 20, 30), (255, 255, 255), (1, 2, 3)]


def test_palette_with_graded_transparency() -> None:
    index = np.zeros((HEIGHT, WIDTH), np.uint8)
    index[:, 32:] = 1
    source = Image.frombytes("P", (WIDTH, HEIGHT), index.tobytes())
    source.putpalette([0, 0, 0, 0, 0, 0])
    image = load_image(encode(source, "PNG", transparency=bytes([255, 51])))
    assert image.pixels[0, 0].tolist() == [0, 0, 0]
    assert image.pixels[0, 40].tolist() == [204, 204, 204]


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_grey_png_with_one_transparent_level(bits: int) -> None:
    top = 2**bits - 1
    levels = [0] * 32 + [top] * 32
    packed = b"".join(struct.pack(">H", level) for level in levels) if bits == 16 else None
    if packed is None:
        text = "".join(f"{level:0{bits}b}" for level in levels)
        packed = int(text, 2).to_bytes(len(text) // 8, "big")
    for transparent, left, right in ((0, 255, 255), (top, 0, 255)):
        data = png([packed] * HEIGHT, WIDTH, bits, 0, png_chunk(b"tRNS", struct.pack(">H", transparent)))
        image = load_image(data)
        assert image.facts.has_alpha
        assert image.facts.bit_depth == bits
        assert np.unique(image.pixels[:, :32]).tolist() == [left]
        assert np.unique(image.pixels[:, 32:]).tolist() == [right]


@pytest.mark.parametrize("bits", [8, 16])
def test_a_colour_png_with_one_transparent_colour(bits: int) -> None:
    code = ">3B" if bits == 8 else ">3H"
    scale = 1 if bits == 8 else 257
    row = struct.pack(code, 10 * scale, 20 * scale, 30 * scale) * 32
    row += struct.pack(code, 40 * scale, 50 * scale, 60 * scale) * 32
    key = png_chunk(b"tRNS", struct.pack(">3H", 10 * scale, 20 * scale, 30 * scale))
    image = load_image(png([row] * HEIGHT, WIDTH, bits, 2, key))
    assert image.pixels[0, 0].tolist() == [255, 255, 255]
    assert image.pixels[0, 40].tolist() == [40, 50, 60]


# ---- bit depth


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(format: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, WIDTH).astype(np.uint16), (HEIGHT, 1))
    image = load_image(encode(Image.fromarray(ramp), format))
    assert image.facts.bit_depth == 16
    assert image.facts.mode.startswith("I;16")
    assert np.abs(image.pixels[..., 0] - ramp / 257).max() <= 0.5
    assert np.array_equal(image.pixels[..., 0], image.pixels[..., 2])


def test_16_bit_colour_png_and_its_alpha() -> None:
    wide = (picture().astype(">u2") * 257).astype(">u2")
    image = load_image(png([row.tobytes() for row in wide], WIDTH, 16, 2))
    assert image.facts.bit_depth == 16
    assert np.array_equal(image.pixels, picture())
    rgba, expected = with_alpha()
    wide = (rgba.astype(">u2") * 257).astype(">u2")
    image = load_image(png([row.tobytes() for row in wide], WIDTH, 16, 6))
    assert gap(image.pixels, expected) <= 1


def test_16_bit_colour_tiff() -> None:
    wide = (picture().astype("<u2") * 257).astype("<u2")
    image = load_image(tiff(wide.tobytes(), (16, 16, 16), photometric=2))
    assert image.facts.bit_depth == 16
    assert np.array_equal(image.pixels, picture())


def test_16_bit_grey_tiff_whose_white_is_zero() -> None:
    ramp = np.tile(np.linspace(0, 65535, WIDTH).astype("<u2"), (HEIGHT, 1))
    image = load_image(tiff(ramp.tobytes(), (16,), photometric=0))
    assert np.abs(image.pixels[..., 0] - (255 - ramp / 257)).max() <= 1


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_float_grey_uses_the_usual_range_that_holds_it(white: float) -> None:
    ramp = np.tile(np.linspace(0, white * 0.9, WIDTH).astype(np.float32), (HEIGHT, 1))
    image = load_image(encode(Image.fromarray(ramp), "TIFF"))
    assert (image.facts.mode, image.facts.bit_depth) == ("F", 32)
    assert np.abs(image.pixels[..., 1] - ramp * 255 / white).max() <= 0.51
    assert any(f"{white:g} as white" in note for note in image.notes)


def test_float_grey_of_no_usual_range_is_stretched_and_survives_nan() -> None:
    ramp = np.tile(np.linspace(-5, 5, WIDTH).astype(np.float32), (HEIGHT, 1))
    ramp[0, 0] = np.nan
    image = load_image(encode(Image.fromarray(ramp), "TIFF"))
    assert image.pixels[5, 0, 0] == 0
    assert image.pixels[5, -1, 0] == 255


@pytest.mark.parametrize(("kind", "sample_format"), [("<u4", 1), ("<i4", 2)])
def test_32_bit_integers(kind: str, sample_format: int) -> None:
    top = np.iinfo(kind).max
    ramp = np.tile(np.linspace(0, top, WIDTH).astype(kind), (HEIGHT, 1))
    image = load_image(tiff(ramp.tobytes(), (32,), photometric=1, sample_format=sample_format))
    assert np.abs(image.pixels[..., 0] - ramp / top * 255).max() <= 1


def test_one_bit_and_four_bit() -> None:
    half = np.zeros((HEIGHT, WIDTH), bool)
    half[:, 32:] = True
    for format in ("PNG", "TIFF", "BMP"):
        image = load_image(encode(Image.fromarray(half), format))
        assert np.array_equal(image.pixels, np.where(half, 255, 0)[..., None].repeat(3, axis=2))
        assert image.facts.bit_depth == 1
    image = load_image(png([bytes([0x05] * 16 + [0xFA] * 16)] * HEIGHT, WIDTH, 4, 0))
    assert np.unique(image.pixels).tolist() == [0, 85, 170, 255]


def test_12_bit_grey_tiff() -> None:
    levels = np.linspace(0, 4095, WIDTH).astype(int)
    row = int("".join(f"{level:012b}" for level in levels), 2).to_bytes(WIDTH * 12 // 8, "big")
    image = load_image(tiff(row * HEIGHT, (12,), photometric=1))
    assert image.facts.bit_depth == 12
    assert np.abs(image.pixels[7, :, 0] - levels / 4095 * 255).max() <= 1


def test_ten_bit_heic() -> None:
    wide = np.tile(np.linspace(0, 65535, WIDTH).astype(np.uint16), (HEIGHT, 1))
    image = load_image(encode(Image.fromarray(wide), "HEIF", quality=95))
    assert image.facts.bit_depth == 10
    assert np.abs(image.pixels[..., 0] - wide / 257).mean() < 4
    colour = np.dstack([wide, wide[:, ::-1], wide // 2])
    buffer = io.BytesIO()
    from_bytes("RGB;16", (WIDTH, HEIGHT), colour.tobytes()).save(buffer, quality=95)
    image = load_image(buffer.getvalue())
    assert (image.facts.mode, image.facts.bit_depth) == ("RGB", 10)
    assert gap(image.pixels, colour / 257) < 4


# ---- colour


@pytest.mark.parametrize(("format", "tolerance"), [("JPEG", 3), ("TIFF", 1)])
def test_cmyk_without_profile(format: str, tolerance: float) -> None:
    options = {"quality": 95} if format == "JPEG" else {}
    image = load_image(encode(Image.fromarray(picture()).convert("CMYK"), format, **options))
    assert image.facts.mode == "CMYK"
    assert gap(image.pixels, picture()) <= tolerance
    assert any("CMYK" in note for note in image.notes)


def s15(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


D50 = (0.9642, 1.0, 0.8249)


def curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def icc_profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A minimal ICC v2 profile."""
    text = b"desc" + bytes(4) + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {b"desc": text, b"wtpt": b"XYZ " + bytes(4) + s15(*D50), **tags}
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack(">I4sI4s4s4s", at + len(body), bytes(4), 0x02100000, kind, space, connection)
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + s15(*D50)
    return header + bytes(128 - len(header)) + table + body


def matrix_profile(primaries: NDArray[np.float64], gamma: float) -> bytes:
    """An RGB profile; primaries are the columns of RGB -> XYZ (D50)."""
    tags = {
        name: b"XYZ " + bytes(4) + s15(*primaries[:, k]) for k, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
    }
    return icc_profile(
        b"mntr", b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve(gamma))
    )


def ink_profile() -> bytes:
    """A CMYK profile of four grey inks: lightness is the product of the paper left by CMY and by K."""
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    lab = b"".join(bytes([round(255 * (1 - (c + m + y) / 3) * (1 - k)), 128, 128]) for c, m, y, k in corners)
    straight = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + s15(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return icc_profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table + straight * 4 + lab + straight * 3})


# Adobe RGB (1998), Annex A of its specification, adapted to D50.
ADOBE_RGB = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_adobe_rgb_is_converted_to_srgb(format: str) -> None:
    profile = matrix_profile(ADOBE_RGB, 2.19921875)
    source = Image.new("RGB", (WIDTH, HEIGHT), (110, 160, 90))
    options: dict[str, Any] = {} if format in ("PNG", "TIFF") else {"quality": 100}
    image = load_image(encode(source, format, icc_profile=profile, **options))
    linear = ADOBE_RGB @ (np.array([110, 160, 90]) / 255) ** 2.19921875
    to_srgb = np.array(  # IEC 61966-2-1, adapted to D50 by Bradford (Lindbloom)
        [
            [3.1338561, -1.6168667, -0.4906146],
            [-0.9787684, 1.9161415, 0.0334540],
            [0.0719453, -0.2289914, 1.4052427],
        ]
    )
    light = to_srgb @ linear
    expected = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(image.pixels[20, 20] - expected).max() <= 5  # lossy formats are a level off before it
    assert np.abs(expected - [110, 160, 90]).max() > 10  # the profile does matter here
    assert image.notes == ()


def test_an_srgb_profile_changes_nothing_whatever_the_mode() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = load_image(encode(Image.fromarray(picture()), "PNG", icc_profile=profile))
    assert np.array_equal(image.pixels, picture())
    grey = Image.fromarray(picture()).convert("L")
    image = load_image(encode(grey, "PNG", icc_profile=profile))
    assert np.array_equal(image.pixels[..., 0], np.asarray(grey))
    assert image.notes == ()


@pytest.mark.parametrize("broken", [b"nonsense", b"\0" * 200, matrix_profile(ADOBE_RGB, 2.2)[:200]])
def test_a_broken_profile_is_ignored_with_a_note(broken: bytes) -> None:
    image = load_image(encode(Image.fromarray(picture()), "PNG", icc_profile=broken))
    assert np.array_equal(image.pixels, picture())
    assert len(image.notes) == 1
    assert "profile" in image.notes[0]


def test_a_profile_of_another_colour_space_is_ignored_with_a_note() -> None:
    profile = matrix_profile(ADOBE_RGB, 2.2)
    image = load_image(encode(Image.fromarray(picture()).convert("CMYK"), "TIFF", icc_profile=profile))
    assert gap(image.pixels, picture()) <= 1
    assert any("profile cannot be used" in note for note in image.notes)


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_goes_through_its_profile(format: str) -> None:
    inks = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    inks[:, 16:32, 0] = 255  # cyan, which this profile prints as grey of L* = 200 / 3
    inks[:, 32:48, 3] = 255
    source = Image.frombytes("CMYK", (WIDTH, HEIGHT), inks.tobytes())
    options = {"quality": 100} if format == "JPEG" else {}
    image = load_image(encode(source, format, icc_profile=ink_profile(), **options))
    assert np.abs(image.pixels[5, 5].astype(int) - 255).max() <= 2
    assert np.abs(image.pixels[5, 24].astype(int) - 162).max() <= 3  # sRGB of L* 66.7
    assert image.pixels[5, 40].max() <= 3
    assert image.notes == ("The image is in printing inks (CMYK) and was converted to screen colors.",)


def test_grey_goes_through_its_profile() -> None:
    grey = np.tile(np.arange(0, 4 * WIDTH, 4, dtype=np.uint8), (HEIGHT, 1))
    profile = icc_profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve(1.8)})
    image = load_image(encode(Image.fromarray(grey), "PNG", icc_profile=profile))
    light = (grey / 255) ** (461 / 256)  # the profile stores 1.8 in steps of 1/256
    expected = 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(image.pixels[..., 1] - expected).max() <= 2
    assert np.abs(expected - grey).max() > 10


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_lab_tiff(compression: str | None) -> None:
    lab = ImageCms.profileToProfile(
        Image.fromarray(picture()),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    image = load_image(encode(lab, "TIFF", compression=compression))
    assert image.facts.mode == "LAB"
    assert gap(image.pixels, picture()) < 3


def test_ycbcr_tiff_is_right_or_refused() -> None:
    source = Image.fromarray(picture()).convert("YCbCr")
    assert gap(load_image(encode(source, "TIFF", compression="tiff_lzw")).pixels, picture()) < 2
    assert refusal(encode(source, "TIFF")).code == "unsupported_format"


# ---- several frames


def frames(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (WIDTH, HEIGHT), (200 - 60 * k, 40 * k, 90)) for k in range(count)]


@pytest.mark.parametrize(
    ("format", "options", "word"),
    [
        ("GIF", {}, "frames"),
        ("WEBP", {"lossless": True}, "frames"),
        ("PNG", {}, "frames"),
        ("TIFF", {}, "pages"),
        ("AVIF", {"quality": 95}, "frames"),
    ],
)
def test_first_frame_of_an_animation(format: str, options: dict[str, Any], word: str) -> None:
    first, *rest = frames(3)
    image = load_image(encode(first, format, save_all=True, append_images=rest, **options))
    assert image.facts.frames == 3
    assert image.notes == (f"First of 3 {word} used.",)
    assert np.abs(image.pixels[10, 10].astype(int) - [200, 0, 90]).max() <= 3


def test_a_heic_of_several_pictures_gives_the_main_one() -> None:
    first, *rest = frames(3)
    image = load_image(encode(first, "HEIF", save_all=True, append_images=rest, quality=95, primary_index=1))
    assert image.notes == ("The main one of 3 images used.",)
    assert np.abs(image.pixels[10, 10].astype(int) - [140, 40, 90]).max() <= 3


def test_a_phone_jpeg_of_two_pictures_is_a_jpeg_without_fuss() -> None:
    first, second = frames(2)
    image = load_image(encode(first, "MPO", save_all=True, append_images=[second], quality=95))
    assert (image.facts.format, image.facts.frames) == ("JPEG", 2)
    assert np.abs(image.pixels[10, 10].astype(int) - [200, 0, 90]).max() <= 3
    assert image.notes == ()


def test_counting_frames_ends() -> None:
    screen = b"GIF89a" + struct.pack("<HHBBB", 64, 48, 0, 0, 0)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\0"
    assert count_gif_frames(screen + frame * 7 + b";") == 7
    assert count_gif_frames(screen + frame * 50_000 + b";") == FRAME_COUNT_LIMIT
    assert count_gif_frames(screen) == 1
    loop = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HI", 0, 14) + struct.pack("<HI", 0, 8)
    assert count_tiff_pages(loop) == 2


# ---- refusals


OTHERS = {
    "a PDF document": b"%PDF-1.7\n" + b"x" * 500,
    "ZIP": b"PK\3\4" + bytes(100),
    "web page": b"\n  <!DOCTYPE html><html><body>404</body></html>",
    "MP4": struct.pack(">I", 24) + b"ftypisom\0\0\2\0isomiso2" + bytes(200),
    "QuickTime": struct.pack(">I", 20) + b"ftypqt  \0\0\2\0qt  " + bytes(200),
    "Matroska": b"\x1a\x45\xdf\xa3" + bytes(100),
    "AVI": b"RIFF\0\1\0\0AVI LIST" + bytes(100),
    "plain text": b"hello, I am not a picture\n" * 9,
    "Windows program": b"MZ\x90\0" + bytes(100),
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "unknown": random.Random(1).randbytes(3000),
}


@pytest.mark.parametrize("word", OTHERS)
def test_what_is_not_a_picture_is_named(word: str) -> None:
    refused = refusal(OTHERS[word])
    assert refused.code == "not_an_image"
    assert word in refused.message
    assert "Expected a JPEG" in refused.message


@pytest.mark.parametrize(
    ("word", "data"),
    [
        ("SVG", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>'),
        ("SVG", b'<svg width="100"></svg>'),
        ("Photoshop", b"8BPS\0\1" + bytes(100)),
        ("JPEG XL", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(100)),
        ("JPEG 2000", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(100)),
        ("camera raw", struct.pack(">I", 24) + b"ftypcrx \0\0\0\1crx isom" + bytes(50)),
        ("icon", b"\0\0\1\0\1\0" + bytes(60)),
    ],
)
def test_pictures_of_other_formats_are_named(word: str, data: bytes) -> None:
    refused = refusal(data)
    assert refused.code == "unsupported_format"
    assert word in refused.message


def test_camera_raw_in_a_tiff_coat_is_refused() -> None:
    thumbnail = encode(Image.fromarray(picture()), "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    refused = refusal(thumbnail)
    assert refused.code == "unsupported_format"
    assert "camera raw" in refused.message


def test_missing_folder_and_odd_paths(tmp_path: Path) -> None:
    for path in (tmp_path / "secret-name.jpg", tmp_path, "a\0b", "x" * 5000):
        refused = refusal(path)
        assert refused.code == "not_found"
        assert isinstance(refused, UserError)
        assert "secret-name" not in refused.message
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    assert refusal(pipe).code == "not_found"  # and does not wait for a writer


def test_empty() -> None:
    assert refusal(b"").code == "empty"


def test_too_many_bytes_from_a_path_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(1 << 42)  # sparse, 4 TiB: reading it would fail
    refused = refusal(path)
    assert refused.code == "too_many_bytes"
    assert "32.0 MiB" in refused.message
    assert refusal(bytes(MAX_BYTES + 1)).code == "too_many_bytes"
    assert refusal(encoded("png"), max_bytes=100).code == "too_many_bytes"


@pytest.mark.parametrize("side", [8_001, 9_600, 20_000, 2**31 - 1])
def test_a_giant_said_by_the_header_is_refused_before_decoding(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        refused = refusal(data)
    assert refused.code == "too_many_pixels"
    assert "64 million" in refused.message


def test_giants_of_other_formats() -> None:
    gif = (
        b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b"," + struct.pack("<HHHHB", 0, 0, 9, 9, 0)
    )
    assert refusal(gif + b"\2\0;").code == "too_many_pixels"
    bmp = encoded("bmp")
    assert refusal(bmp[:18] + struct.pack("<ii", 60_000, 60_000) + bmp[26:]).code == "too_many_pixels"
    jpeg = encoded("jpeg")
    frame = jpeg.index(b"\xff\xc0")
    giant = jpeg[: frame + 5] + struct.pack(">HH", 65000, 65000) + jpeg[frame + 9 :]
    assert refusal(giant).code == "too_many_pixels"


def test_pixel_cap_and_smallest_side_are_exact() -> None:
    assert MAX_PIXELS == 64_000_000
    data = encoded("png")
    load_image(data, max_pixels=HEIGHT * WIDTH)
    assert refusal(data, max_pixels=HEIGHT * WIDTH - 1).code == "too_many_pixels"
    load_image(encode(Image.new("RGB", (MIN_SIDE, 300)), "PNG"))
    refused = refusal(encode(Image.new("RGB", (300, MIN_SIDE - 1)), "PNG"))
    assert refused.code == "too_small"
    assert "300 x 31" in refused.message


@pytest.mark.parametrize(
    "start", [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"RIFF1111WEBP"]
)
def test_random_bytes_under_a_picture_name(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(start + random.Random(7).randbytes(4000))
    assert refusal(path).code in {"not_an_image", "unreadable", "truncated", "too_many_pixels"}


CUT_NAMES = [*FORMATS, "gif", "png palette"]


@pytest.fixture(scope="module")
def noisy() -> dict[str, bytes]:
    """One file a format whose bytes are nearly all pixels."""
    noise = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    made = {name: encoded(name, noise) for name in FORMATS}
    made["gif"] = encode(Image.fromarray(noise).quantize(64), "GIF")
    made["png palette"] = encode(Image.fromarray(noise).quantize(64), "PNG")
    return made


@pytest.mark.parametrize("name", CUT_NAMES)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97])
def test_a_cut_file_is_refused_and_called_cut(noisy: dict[str, bytes], name: str, share: float) -> None:
    data = noisy[name]
    refused = refusal(data[: max(16, int(len(data) * share))])
    assert refused.code == "truncated"
    assert "incomplete" in refused.message


@pytest.mark.parametrize("name", CUT_NAMES)
def test_no_cut_gives_a_partial_picture(files: dict[str, bytes], name: str) -> None:
    data = files[name]
    whole = load_image(data).pixels
    for cut in {*range(len(data) - 24, len(data)), *range(1, len(data), len(data) // 40)}:
        try:
            image = load_image(data[:cut])
        except ImageRefused as refused:
            assert refused.code in {"truncated", "unreadable", "not_an_image"}
        else:
            assert np.array_equal(image.pixels, whole), f"cut at {cut} of {len(data)}"


def block(seed: int = 3, side: int = 96) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def with_strays(data: bytes) -> bytes:
    at = data.index(b"\xff\xdb")
    return data[:at] + b"\x0b\xad" + data[at:]


def with_text(data: bytes, checksum: int = 0) -> bytes:
    return data[:33] + png_chunk(b"tEXt", b"Comment\0x")[:-4] + struct.pack(">I", checksum) + data[33:]


INTACT: dict[str, tuple[str, Callable[[bytes], bytes]]] = {  # read as if nothing were the matter
    "bytes between segments": ("JPEG", with_strays),
    "fill bytes": ("JPEG", lambda data: data[:2] + b"\xff" * 9 + data[2:]),
    "70 images behind": ("JPEG", lambda data: data + encode(block(), "JPEG", progressive=True) * 70),
    "text behind a JPEG": ("JPEG", lambda data: data + b"text"),
    "text behind a PNG": ("PNG", lambda data: data + b"text"),
    "text behind a GIF": ("GIF", lambda data: data + b"text"),
    "text behind a WebP": ("WEBP", lambda data: data + b"text"),
    "text behind a BMP": ("BMP", lambda data: data + b"text"),
    "text behind a TIFF": ("TIFF", lambda data: data + b"text"),
    "text behind a HEIC": ("HEIF", lambda data: data + b"/>\n</x:xmpmeta>"),
    "text behind an AVIF": ("AVIF", lambda data: data + b"/>\n</x:xmpmeta>"),
    "three bytes behind a HEIC": ("HEIF", lambda data: data + b"end"),
    "zeros behind an AVIF": ("AVIF", lambda data: data + bytes(9)),
}
WHOLE: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {  # read, with a note
    "JPEG without its end marker": ("JPEG", lambda data: data[:-2], "ends too early"),
    "JPEG whose end became zeros": ("JPEG", lambda data: data[:-2] + bytes(500), "ends too early"),
    "JPEG whose end became text": ("JPEG", lambda data: data[:-2] + b"text", "ends too early"),
    "JPEG without end before another": ("JPEG", lambda data: data[:-2] + data, "ends too early"),
    "PNG without its last part": ("PNG", lambda data: data[:-12], "ends too early"),
    "PNG cut in the text behind": (
        "PNG",
        lambda data: data[:-12] + png_chunk(b"tEXt", b"a\0b")[:-6],
        "early",
    ),
    "PNG with a wrong checksum": ("PNG", with_text, "wrong checksum"),
    "GIF without its end": ("GIF", lambda data: data[:-1], "ends too early"),
}


@pytest.mark.parametrize("how", INTACT)
def test_what_is_whole_is_read_whatever_stands_beside_it(how: str) -> None:
    format, change = INTACT[how]
    data = encode(block(1).quantize(64) if format == "GIF" else block(1), format)
    image = load_image(change(data))
    assert (image.pixels == load_image(data).pixels).all()
    assert image.notes == ()


@pytest.mark.parametrize("how", WHOLE)
def test_a_whole_picture_in_a_damaged_file_is_read_with_a_note(how: str) -> None:
    format, change, words = WHOLE[how]
    data = encode(block(1).quantize(64) if format == "GIF" else block(1), format)
    image = load_image(change(data))
    assert (image.pixels == load_image(data).pixels).all()
    assert [words in note for note in image.notes] == [True]


def test_the_size_in_a_header_is_found_past_stray_bytes() -> None:
    data = encode(block(1, 80), "JPEG")
    for strange in (with_strays(data), data[:20] + b"\0\xff\0\xff\xff" + data[20:]):
        facts = header_facts(strange)
        assert (facts.width, facts.height, facts.tables) == (80, 80, header_facts(data).tables)


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"restart_marker_blocks": 2}, {"subsampling": 0}],
)
@pytest.mark.parametrize("tail", [b"", bytes(600), encode(block(2, 48), "JPEG")], ids=["", "zeros", "JPEG"])
def test_a_jpeg_cut_anywhere_is_refused_whatever_follows(options: dict[str, Any], tail: bytes) -> None:
    data = encode(block(1, 80), "JPEG", quality=80, **options)
    start, whole = data.index(b"\xff\xda"), load_image(data).pixels
    assert (load_image(data[:-2] + tail).pixels == whole).all()
    for cut in range(start, len(data) - 2, 7):
        try:
            image = load_image(data[:cut] + tail)
        except ImageRefused as refused:
            assert refused.code in {"truncated", "unreadable"}
        else:  # of the last block in the corner some bits may be guessed
            assert (image.pixels[:64] == whole[:64]).all()
            assert (image.pixels[:, :64] == whole[:, :64]).all()
            assert cut > len(data) - 120


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
def test_a_png_damaged_in_its_header_or_pixels_is_refused(name: bytes) -> None:
    data = bytearray(encode(block(), "PNG"))
    at = data.index(name)
    data[at + 15] ^= 1
    assert refusal(bytes(data)).code == "unreadable"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_an_orientation_that_only_xmp_names_does_not_count(format: str) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    tall = block().crop((0, 0, 64, 96))
    exif = Image.Exif()
    exif[271] = "maker"
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode())
    ways: dict[str, dict[str, Any]] = {"PNG": {"pnginfo": text}, "TIFF": {"tiffinfo": {700: xmp}}}
    for options in ({}, {"exif": exif} if format != "TIFF" else {}):
        data = encode(tall, format, **ways.get(format, {"xmp": xmp}), **options)
        assert b"tiff:Orientation" in data
        image = load_image(data)
        assert image.pixels.shape == (96, 64, 3)
        assert image.facts.orientation == 1


def test_a_download_that_stopped_in_a_file_of_full_length() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    data = encode(Image.fromarray(noise), "JPEG", quality=90)
    half = len(data) // 2
    assert refusal(data[:half] + bytes(len(data) - half)).code == "truncated"


def test_messages_are_for_people(files: dict[str, bytes]) -> None:
    for data in (b"", b"%PDF-", files["png"][:60], bytes(50), files["jpeg"][:30]):
        message = refusal(data).message
        assert message[0].isupper()
        assert message.endswith(".")
        assert "Error" not in message
        assert "PIL" not in message


# ---- hostile files


def test_a_decoder_out_of_memory_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Image, "open", fail)
    refused = refusal(encoded("png"))
    assert refused.code == "unreadable"
    assert "memory" in refused.message


def test_hostile_files_print_nothing(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 11_000, 11_000, 8, 2, 0, 0, 0)  # Pillow warns at this size
    (tmp_path / "a").write_bytes(b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b""))
    (tmp_path / "b").write_bytes(encoded("tiff")[:-30])
    mpo = encode(frames(1)[0], "MPO", save_all=True, append_images=frames(1))
    (tmp_path / "c").write_bytes(mpo.replace(b"MPF\0II*\0", b"MPF\0II*\xff"))
    (tmp_path / "d").write_bytes(tiff(bytes(HEIGHT * WIDTH * 7), (8,) * 7, photometric=2))
    code = (
        "import sys, pathlib\nfrom deepfake.images.load import load_image, ImageRefused\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try:\n        load_image(path)\n        print('loaded')\n"
        "    except ImageRefused as refused:\n        print(refused.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.split()[0] == "too_many_pixels"
    assert len(done.stdout.split()) == 4


def test_heic_support_is_loaded_only_when_needed() -> None:
    code = "import sys, deepfake.images.load\nassert not {'pillow_heif', 'streamlit'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_agree(files: dict[str, bytes]) -> None:
    names = list(files) * 6
    alone = {name: load_image(files[name]).pixels for name in files}
    with ThreadPoolExecutor(8) as pool:
        together = pool.map(lambda name: load_image(files[name]).pixels, names)
        for name, pixels in zip(names, together, strict=True):
            assert np.array_equal(pixels, alone[name])


# ---- folders


def test_listing_a_folder(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "notes.txt", ".hidden.png", "sub/c.webp", ".git/d.png", "sub/e.heic"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    listed = [file.relative_to(tmp_path).as_posix() for file in list_image_files(tmp_path)]
    assert listed == ["a.png", "b.JPG", "sub/c.webp", "sub/e.heic"]
    assert list_image_files(tmp_path / "a.png") == [tmp_path / "a.png"]
    with pytest.raises(ImageRefused) as caught:
        list_image_files(tmp_path / "none")
    assert caught.value.code == "not_found"


def test_a_linked_folder_is_walked_once(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.mkdir()
    inside.mkdir()
    (outside / "a.png").write_bytes(b"x")
    for link in ("one", "two"):
        (inside / link).symlink_to(outside, target_is_directory=True)
    assert list_image_files(inside) == [inside / "one" / "a.png"]


def test_extensions_are_lower_case_with_dot() -> None:
    assert all(extension == extension.lower() and extension[0] == "." for extension in IMAGE_EXTENSIONS)
    assert {".jpg", ".png", ".webp", ".bmp", ".tiff", ".gif", ".avif", ".heic"} <= IMAGE_EXTENSIONS


def test_bytes_of_no_known_kind() -> None:
    assert identify(b"") is None
    assert identify(b"BM but not a bitmap \x80") is None


# ---- real photographs


def test_real_pictures_load() -> None:
    root = os.environ.get("DEEPFAKE_DATA")
    if not root:
        pytest.skip("set DEEPFAKE_DATA to the folder of real data to run this")
    photos = list_image_files(Path(root, "photos"))
    assert len(photos) >= 16
    for folder in ("openforensics/Validation/Fake", "faces140k/Test/Real", "cross/dfdc", "cross/people"):
        photos += list_image_files(Path(root, folder))[:20]
    for path in photos:
        image = load_image(path)
        assert image.pixels.shape == (image.facts.height, image.facts.width, 3)
        assert image.pixels.std() > 2, path
        assert image.facts.format == "JPEG"
