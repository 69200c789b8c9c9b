"""Pictures that carry what a camera writes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from tests.support.images import noise_image

PICTURE = noise_image(1, 200, 300)


def jpeg(pixels: np.ndarray = PICTURE, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def camera_file(**texts: str) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = texts.get("make", "Maker")
    exif[ExifTags.Base.Software] = texts.get("software", "Editor 1")
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:05:06 07:08:09"
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef], place[ExifTags.GPS.GPSLatitude] = "S", (10.0, 30.0, 36.0)
    place[ExifTags.GPS.GPSLongitudeRef], place[ExifTags.GPS.GPSLongitude] = "E", (20.0, 0.0, 0.0)
    return jpeg(exif=exif)


def with_preview(picture: np.ndarray, preview: np.ndarray) -> bytes:
    """A JPEG file with an EXIF preview, laid out by hand: two directories, then the preview."""
    small = jpeg(preview)
    first = b"\x00\x00" + (14).to_bytes(4, "big")

    def entry(tag: int, value: int) -> bytes:
        return tag.to_bytes(2, "big") + b"\x00\x04\x00\x00\x00\x01" + value.to_bytes(4, "big")

    second = b"\x00\x02" + entry(513, 14 + 2 + 24 + 4) + entry(514, len(small)) + bytes(4)
    return jpeg(picture, exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08" + first + second + small)
