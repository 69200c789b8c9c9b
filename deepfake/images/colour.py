"""Any colour storage -> 8-bit sRGB: bit depth, palette, ink, colour profile, transparency."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from deepfake.images.headers import has_alpha
from deepfake.images.limits import MAX_PROFILE_BYTES

BACKGROUND = (255, 255, 255)
"""Transparent areas are laid over this colour (RGB): white, as most pages and viewers show them."""

_GREY_16 = ("I;16", "I;16L", "I;16B", "I;16N")
_PROFILE_MODES = {"RGB ": "RGB", "CMYK": "CMYK", "GRAY": "L"}
_SAME_COLOUR = 2
"""A profile that moves no colour by more than this many of 255 levels is sRGB for our purpose."""


def to_rgb(image: Image.Image, bits: int) -> tuple[Image.Image, list[str]]:
    """Converts a loaded picture to 8-bit sRGB.

    16-bit grey is scaled, not clipped. An embedded profile that fits the picture is honoured; one
    that does not, or is broken, is ignored with a note. Transparent areas become ``BACKGROUND``.

    Args:
        image: loaded, as Pillow gives it.
        bits: from ``headers.bits_per_channel``.

    Returns:
        The picture in mode RGB, and sentences for the person.

    Raises:
        Exception: whatever Pillow raises on a picture it cannot convert.
    """
    notes: list[str] = []
    alpha: Image.Image | None = None
    if image.mode in (*_GREY_16, "I", "F"):
        colour, alpha = _grey(image, bits, notes)
    elif has_alpha(image):
        colour, alpha = _split(image, bits)
    else:
        colour = image
    colour = _managed(colour, image.info.get("icc_profile"), notes)
    if alpha is not None and alpha.getextrema() != (255, 255):
        opaque = Image.new("RGB", colour.size, BACKGROUND)
        opaque.paste(colour, mask=alpha)
        colour = opaque
        notes.append("Transparent areas were filled with white.")
    return colour, notes


def _split(image: Image.Image, bits: int) -> tuple[Image.Image, Image.Image]:
    if image.mode == "LA":
        return image.getchannel("L"), image.getchannel("A")
    key = image.info.get("transparency")
    if image.format == "PNG" and image.mode in ("L", "RGB"):
        # Pillow scales the samples to 8 bits but leaves the transparent colour as stored.
        if isinstance(key, int) and bits < 8:
            image.info["transparency"] = key * 255 // (2**bits - 1)
        elif isinstance(key, tuple) and bits == 16:
            image.info["transparency"] = tuple(sample >> 8 for sample in key)
    rgba = image.convert("RGBA")
    return rgba.convert("RGB"), rgba.getchannel("A")


def _grey(image: Image.Image, bits: int, notes: list[str]) -> tuple[Image.Image, Image.Image | None]:
    """Grey of more than 8 bits -> mode L, and its alpha if one value stands for transparent."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode in _GREY_16:
        white = 4095 if image.format == "TIFF" and bits == 12 else 65535  # others are widened on reading
        levels = np.arange(65536, dtype=np.int64)
        table = np.minimum((levels * 255 + white // 2) // white, 255).astype(np.uint8)
        grey = table[values]
    else:
        if image.mode == "I" and bits == 32 and tags.get(339, (1,))[0] == 1:  # SampleFormat: unsigned
            values = values.view(np.uint32)
        grey = _scaled_by_guess(values, notes)
    if tags.get(262) == 0 and image.mode in (*_GREY_16, "F"):  # PhotometricInterpretation: white is zero
        grey = 255 - grey
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return Image.fromarray(grey), None
    return Image.fromarray(grey), Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8))


def _scaled_by_guess(values: NDArray[np.generic], notes: list[str]) -> NDArray[np.uint8]:
    """32-bit grey, whose white no header names: the smallest usual range that holds all values."""
    grey = values.astype(np.float32)
    np.nan_to_num(grey, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(grey.min()), float(grey.max())
    ranges = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (255.0, 65535.0)
    whites = [white for white in ranges if high <= white]
    black, white = (0.0, whites[0]) if low >= 0 and whites else (low, high)
    grey -= black
    grey *= 255 / max(white - black, 1e-30)
    notes.append(f"Brightness is stored as 32-bit numbers: {black:g} was taken as black, {white:g} as white.")
    return np.clip(grey + 0.5, 0, 255).astype(np.uint8)


def _managed(image: Image.Image, icc: object, notes: list[str]) -> Image.Image:
    """Opaque picture of any mode -> RGB, through its colour profile where that is usable."""
    if image.mode == "LAB":
        return image.convert("RGB")
    ink = image.mode == "CMYK"
    if isinstance(icc, bytes) and icc:
        try:
            if len(icc) > MAX_PROFILE_BYTES:
                raise ValueError(f"a profile of {len(icc)} bytes")
            converted = _through_profile(image, icc)
        except Exception:  # whatever a broken profile provokes; the picture itself is sound
            notes.append("The embedded color profile cannot be used and was ignored; colors may be off.")
        else:
            if ink:
                notes.append("The image is in printing inks (CMYK) and was converted to screen colors.")
            return converted
    if ink:
        notes.append("The image is in printing inks (CMYK) without a usable profile; colors are approximate.")
    return image.convert("RGB")


def _through_profile(image: Image.Image, icc: bytes) -> Image.Image:
    space = _profile_mode(icc)
    if space != image.mode:
        if space == "RGB" and image.mode != "CMYK":  # palette, 1-bit, and grey tagged with an RGB profile
            image = image.convert("RGB")
        elif space == "L" and image.mode == "1":
            image = image.convert("L")
        else:
            raise ValueError(f"{space} profile in a {image.mode} image")
    transform = _to_srgb(icc, space)
    if transform is None:
        return image.convert("RGB")
    converted = ImageCms.applyTransform(image, transform)
    if converted is None:
        raise ValueError("no image came back")
    return converted


@lru_cache(maxsize=16)
def _profile_mode(icc: bytes) -> str:
    return _PROFILE_MODES[ImageCms.core.profile_frombytes(icc).xcolor_space]


@lru_cache(maxsize=16)
def _to_srgb(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform to sRGB, or None for a profile that already is sRGB, whatever it calls itself.

    Relative colorimetric with black point compensation: what browsers and photo editors do by default.
    """
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode == "CMYK":
        return transform
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    if mode == "L":
        probe = Image.fromarray(steps[None])
    else:
        probe = Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3))
    before = np.asarray(probe.convert("RGB"), np.int16)
    after = np.asarray(ImageCms.applyTransform(probe, transform), np.int16)
    return None if np.abs(after - before).max() <= _SAME_COLOUR else transform
