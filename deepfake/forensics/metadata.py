"""What a picture's file tells beside its pixels: EXIF, compression, embedded preview, hashes.

Nothing here changes a verdict: metadata is lost in most messengers and easily forged.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from deepfake.images.hashing import perceptual_hash
from deepfake.images.headers import sound_exif
from deepfake.images.limits import overload
from deepfake.images.load import LoadedImage, upright
from deepfake.util.text import printable

_MAX_TEXT = 200
_MAX_PREVIEW = 2**22  # pixels; cameras write 160 x 120
_TEXT_TAGS = {
    ExifTags.Base.Make: "Camera maker",
    ExifTags.Base.Model: "Camera model",
    ExifTags.Base.Software: "Software",
    ExifTags.Base.DateTime: "File changed",
    ExifTags.Base.Artist: "Author",
    ExifTags.Base.Copyright: "Copyright",
    ExifTags.Base.ImageDescription: "Description",
}
_EXIF_TAGS = {
    ExifTags.Base.DateTimeOriginal: "Image taken",
    ExifTags.Base.DateTimeDigitized: "Image digitized",
    ExifTags.Base.LensModel: "Lens",
    ExifTags.Base.ExposureTime: "Exposure, seconds",
    ExifTags.Base.FNumber: "Aperture, f-number",
    ExifTags.Base.ISOSpeedRatings: "Sensitivity, ISO",
    ExifTags.Base.FocalLength: "Focal length, mm",
}
# The example tables of the JPEG standard (ITU-T T.81, annex K), which libjpeg scales by quality.
_LUMA = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 "
    "18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 "
    "72 92 95 98 112 100 103 99"
)
STANDARD_LUMA: NDArray[np.int64] = np.array(_LUMA.split(), dtype=np.int64).reshape(8, 8)
"""(8, 8), rows of rising vertical frequency: the standard's luminance table, quality 50."""


@dataclass(frozen=True)
class ExifFacts:
    """EXIF in words.

    Attributes:
        rows: (name, value) as text, never markup.
        has_place: the file says where it was taken.
        latitude, longitude: in degrees, north and east positive; None unless asked for.
        meaning: what it can and cannot show.
    """

    rows: tuple[tuple[str, str], ...]
    has_place: bool
    latitude: float | None
    longitude: float | None
    meaning: str


@dataclass(frozen=True)
class Compression:
    """How strongly a JPEG file is compressed.

    Attributes:
        tables: (8, 8) each, luminance first: divisors by frequency; empty where the file is no JPEG.
        quality: of the scaled standard table nearest to the first one, 1..100; None without tables.
        standard: the first table is exactly that one, as libjpeg and most programs write.
        progressive: drawn coarse to fine; common on the web, rare in cameras.
        meaning: what it can and cannot show.
    """

    tables: tuple[NDArray[np.int64], ...]
    quality: int | None
    standard: bool
    progressive: bool
    meaning: str


@dataclass(frozen=True)
class Thumbnail:
    """The preview inside the file, beside the picture.

    Attributes:
        pixels: (h, w, 3) uint8; None where there is none.
        correlation: of the grey values of both at the preview's size, -1..1; None where it is undefined.
        agrees: whether correlation is at least 0.9; None where it is undefined.
        meaning: what it can and cannot show.
    """

    pixels: NDArray[np.uint8] | None
    correlation: float | None
    agrees: bool | None
    meaning: str


@dataclass(frozen=True)
class Hashes:
    """Fingerprints.

    Attributes:
        sha256: of the file's bytes: another file has another one.
        perceptual: 64 bits as 16 hexadecimal digits; alike for pictures that look alike.
        meaning: what they can and cannot show.
    """

    sha256: str
    perceptual: str
    meaning: str


def read_exif(content: bytes, *, with_place: bool = False) -> ExifFacts:
    """Camera, software and dates in words; whether a place is in the file.

    Args:
        content: a picture's file that ``load.load_image`` accepts; damaged EXIF counts as none.
        with_place: give the place itself, not only that there is one.
    """
    meaning = (
        "Camera data fits a photo, but anybody can write it, and most messengers remove it: to have "
        "none means nothing."
    )
    try:
        with Image.open(io.BytesIO(content)) as image:
            tags = sound_exif(image)
            inner = tags.get_ifd(ExifTags.IFD.Exif)
            gps = tags.get_ifd(ExifTags.IFD.GPSInfo)
            rows = [(name, _text(tags[tag])) for tag, name in _TEXT_TAGS.items() if tag in tags]
            rows += [(name, _text(inner[tag])) for tag, name in _EXIF_TAGS.items() if tag in inner]
    except Exception:  # decoders raise nearly anything on damaged metadata
        return ExifFacts((), False, None, None, meaning)
    latitude = _degrees(gps, ExifTags.GPS.GPSLatitude, "S")
    longitude = _degrees(gps, ExifTags.GPS.GPSLongitude, "W")
    found = latitude is not None and longitude is not None
    return ExifFacts(
        tuple((name, value) for name, value in rows if value),
        found,
        latitude if found and with_place else None,
        longitude if found and with_place else None,
        meaning,
    )


def _text(value: Any) -> str:
    """A tag's value as one printable line."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, tuple):
        value = ", ".join(str(part) for part in value[:8])
    try:
        shown = f"{float(value):.6g}" if not isinstance(value, (str, int)) else str(value)
    except (TypeError, ValueError, ZeroDivisionError):
        shown = str(value)
    return printable(shown, " ").strip()[:_MAX_TEXT]


def _degrees(tags: dict[int, Any], tag: int, negative: str) -> float | None:
    """Degrees, minutes and seconds as one number; None where they are missing or make no sense."""
    try:
        degrees, minutes, seconds = (float(part) for part in tags[tag])
        value = degrees + minutes / 60 + seconds / 3600
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(value):
        return None
    return -value if str(tags.get(tag - 1, "")).upper().startswith(negative) else value


def read_compression(content: bytes) -> Compression:
    """The quantization tables of a JPEG file and the quality that they amount to."""
    meaning = (
        "Low quality wipes out traces of a forgery, so a verdict on a strongly compressed image rests on "
        "less. Tables that are not the standard's come from cameras and from editors alike; the last program "
        "to save the file chose them."
    )
    tables, progressive = (), False
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            found = getattr(image, "quantization", {})
            progressive = bool(image.info.get("progressive"))
            tables = tuple(np.array(found[key], np.int64).reshape(8, 8) for key in sorted(found))
    except Exception:  # no JPEG, or damaged tables
        pass
    if not tables:
        return Compression((), None, False, False, "The file is no JPEG, so it has no quantization tables.")
    quality, distance = _nearest_quality(tables[0])
    return Compression(tables, quality, distance == 0, progressive, meaning)


def standard_table(quality: int) -> NDArray[np.int64]:
    """(8, 8) the luminance table that libjpeg writes at a quality of 1..100."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip((STANDARD_LUMA * scale + 50) // 100, 1, 255)


def _nearest_quality(table: NDArray[np.int64]) -> tuple[int, float]:
    """The quality of the nearest scaled standard table, and the mean distance of the logarithms."""
    distances = [
        float(np.abs(np.log(np.maximum(table, 1)) - np.log(standard_table(quality))).mean())
        for quality in range(1, 101)
    ]
    best = 100 - int(np.argmin(distances[::-1]))  # of equals the higher one
    return best, distances[best - 1]


def compare_thumbnail(content: bytes, image: LoadedImage) -> Thumbnail:
    """The EXIF preview of a JPEG file and how like the picture it is.

    Args:
        content: the file's bytes.
        image: the same file, loaded.
    """
    meaning = (
        "Editors that forget to renew the preview leave the original in it. A preview that agrees proves "
        "nothing: most programs renew it."
    )
    preview = _exif_preview(content, image.facts.orientation)
    if preview is None:
        return Thumbnail(None, None, None, f"The file holds no preview. {meaning}")
    small = np.asarray(preview.convert("L"), np.float64)
    size = (small.shape[1], small.shape[0])
    whole = np.asarray(
        Image.fromarray(image.pixels).convert("L").resize(size, Image.Resampling.BOX), np.float64
    )
    used = small.max(axis=1) > 8  # cameras pad previews with black bars
    correlation = None
    if used.sum() > 1 and small[used].std() > 0 and whole[used].std() > 0:
        correlation = float(np.corrcoef(small[used].ravel(), whole[used].ravel())[0, 1])
    agrees = None if correlation is None else correlation >= 0.9
    return Thumbnail(np.asarray(preview), correlation, agrees, meaning)


def _exif_preview(content: bytes, orientation: int) -> Image.Image | None:
    """The preview as RGB, upright; cut to the picture's own height where it is padded."""
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as image:
            data = sound_exif(image).get_ifd(ExifTags.IFD.IFD1)
            exif = image.info.get("exif", b"")
        start, length = int(data[513]), int(data[514])
        inner = exif[6:][start : start + length]
        if overload(inner, "JPEG"):
            return None
        with Image.open(io.BytesIO(inner), formats=["JPEG"]) as preview:
            if preview.width * preview.height > _MAX_PREVIEW:
                return None
            return upright(preview.convert("RGB"), orientation)
    except Exception:
        return None


def hashes(image: LoadedImage) -> Hashes:
    """The file's SHA-256 and the picture's perceptual hash, the one by which an audit finds copies."""
    return Hashes(
        image.facts.sha256,
        perceptual_hash(image.pixels).tobytes().hex(),
        "The SHA-256 finds this very file again, the perceptual hash also copies of it that were resized or "
        "recompressed. Neither says whether the image is real.",
    )
