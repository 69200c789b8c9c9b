"""Classical picture forensics: maps for the eye, and what the file tells. None of it changes a verdict."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepfake.forensics.credentials import Credentials, read_credentials
from deepfake.forensics.metadata import (
    Compression,
    ExifFacts,
    Hashes,
    Thumbnail,
    compare_thumbnail,
    hashes,
    read_compression,
    read_exif,
)
from deepfake.images.encode import shrink
from deepfake.images.load import ImageFacts, load_image
from deepfake.types import Pixels

ELA_QUALITY = 90
NOISE_WINDOW = 16  # pixels
SPECTRUM_SIDE = 1024  # pixels
_WHITE = 99.5  # the percentile that is shown white


@dataclass(frozen=True)
class PixelMap:
    """A picture of something that the eye does not see.

    Attributes:
        pixels: (h, w, 3) uint8; grey, brighter is more. Its longer side is at most ``encode.PREVIEW_SIDE``.
        white: the value that is shown white; larger ones are white too.
        unit: of ``white``.
        look_for: what may tell of a forgery, in a line.
        ignore: what looks like it and tells of none, in a line.
    """

    pixels: Pixels
    white: float
    unit: str
    look_for: str
    ignore: str


@dataclass(frozen=True)
class Forensics:
    """Everything about one file; see the parts."""

    facts: ImageFacts
    error_level: PixelMap
    noise: PixelMap
    spectrum: PixelMap
    exif: ExifFacts
    compression: Compression
    thumbnail: Thumbnail
    hashes: Hashes
    credentials: Credentials


def examine(content: bytes, *, with_place: bool = False) -> Forensics:
    """Every examination of a picture's file.

    Args:
        content: the file's bytes.
        with_place: give the place where it was taken, if it is in the file.

    Raises:
        ImageRefused: the file is no picture that can be used.
    """
    image = load_image(content)
    return Forensics(
        facts=image.facts,
        error_level=error_level(image.pixels),
        noise=noise_level(image.pixels),
        spectrum=spectrum(image.pixels),
        exif=read_exif(content, with_place=with_place),
        compression=read_compression(content),
        thumbnail=compare_thumbnail(content, image),
        hashes=hashes(image),
        credentials=read_credentials(content, image.facts.format),
    )


def error_level(pixels: Pixels, quality: int = ELA_QUALITY) -> PixelMap:
    """How much each pixel changes when the picture is saved as JPEG once more (Krawetz, 2007).

    Args:
        pixels: (H, W, 3) uint8 RGB.
        quality: of the JPEG, 1..95.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    again = np.asarray(Image.open(buffer).convert("RGB"))
    change = cv2.absdiff(pixels, again).max(axis=2)
    return _map(
        change.astype(np.float32),
        "gray levels",
        look_for="A part that is brighter or darker than others of the same kind, such as skin beside skin.",
        ignore="Edges and fine texture, always bright. Resizing and messengers wipe out all traces.",
    )


def noise_level(pixels: Pixels, window: int = NOISE_WINDOW) -> PixelMap:
    """The strength of fine noise around each pixel: what a 3 x 3 median takes away, as root mean square.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        window: side of the neighbourhood, in pixels.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    residual = grey.astype(np.float32) - cv2.medianBlur(grey, 3)
    level = np.sqrt(cv2.boxFilter(residual * residual, -1, (window, window), borderType=cv2.BORDER_REFLECT))
    return _map(
        level,
        "gray levels",
        look_for="A face that is much darker (smoother) than surfaces like it around it.",
        ignore="Skin smoothed by a filter, blur or the phone's noise reduction; bright hair and cloth.",
    )


def middle(pixels: Pixels, side: int = SPECTRUM_SIDE) -> Pixels:
    """The largest square of at most ``side`` pixels in an image's middle: what ``spectrum`` is taken of."""
    height, width = pixels.shape[:2]
    side = min(side, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def spectrum(pixels: Pixels, side: int = SPECTRUM_SIDE) -> PixelMap:
    """Logarithm of the Fourier magnitude of the picture's middle, low frequencies at the centre.

    Regular dots or lines away from the axes are traces of upsampling in generators (Frank et al., 2020,
    "Leveraging Frequency Analysis for Deep Fake Image Recognition").

    Args:
        pixels: (H, W, 3) uint8 RGB.
        side: of the largest square that is taken, in pixels.
    """
    grey = cv2.cvtColor(middle(pixels, side), cv2.COLOR_RGB2GRAY).astype(np.float32)
    window = np.hanning(len(grey)).astype(np.float32)  # the frame's edges would draw a cross
    shaped = (grey - grey.mean()) * window[:, None] * window[None, :]
    magnitude = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2(shaped)))).astype(np.float32)
    floor = float(np.percentile(magnitude, 1))
    return _map(
        np.maximum(magnitude - floor, 0),
        "log units above the darkest",
        look_for="A regular grid of bright dots away from the center: generators and enlarging leave it.",
        ignore="The bright cross; dots from JPEG, prints, fences or cloth. Many generators leave none.",
    )


def _map(values: NDArray[np.float32], unit: str, *, look_for: str, ignore: str) -> PixelMap:
    """Grey values, scaled so that the brightest half percent is white."""
    white = max(float(np.percentile(values, _WHITE)), 1.0)  # a flat picture stays black
    grey = np.clip(values * (255 / white), 0, 255).astype(np.uint8)
    pixels = shrink(np.repeat(grey[:, :, None], 3, axis=2))
    return PixelMap(pixels, white, unit, look_for, ignore)
