"""The one door for pictures: bytes or a path in, an upright 8-bit sRGB array and facts out.

Nothing that a file can hold makes ``load_image`` raise anything
but ``ImageRefused``. What the bytes are is decided by the bytes; a file's name plays no part.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import stat
import threading
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deepfake.errors import UserError
from deepfake.images.colour import to_rgb
from deepfake.images.ends import CUT_NOTE, closed_jpegs, looks_cut, mended_png
from deepfake.images.formats import READABLE, identify
from deepfake.images.headers import (
    bits_per_channel,
    count_frames,
    exif_orientation,
    has_alpha,
    has_exif,
    is_hdr,
    tiff_refusal,
)
from deepfake.images.limits import overload
from deepfake.settings import capped

WANTED = f"Expected a {READABLE} image."


class ImageRefused(UserError):
    """A file that cannot be used as a picture.

    Codes: ``empty``, ``truncated``, ``not_an_image``, ``unsupported_format``, ``too_many_pixels``,
    ``too_many_bytes``, ``too_small``, ``unreadable``, ``not_found``. Messages never name the file:
    whoever shows them knows it.
    """


def truncated() -> ImageRefused:
    """``truncated``: the picture goes on where the file ends."""
    return ImageRefused(
        "truncated",
        "The file is incomplete: it ends before the image does. Copy or download it again.",
    )


def too_many_bytes(n_bytes: int, max_bytes: int) -> ImageRefused:
    """``too_many_bytes``: of a file of ``n_bytes``."""
    mib = 1024 * 1024
    return ImageRefused(
        "too_many_bytes",
        f"The file has {n_bytes / mib:,.1f} MiB; at most {max_bytes / mib:,.1f} MiB are accepted. "
        "Use a smaller version of the image.",
    )


def too_many_pixels(max_pixels: int, size: tuple[int, int] | None = None) -> ImageRefused:
    """``too_many_pixels``: of a picture of this width and height, or of one that Pillow refused by itself."""
    found = f"{size[0]:,} x {size[1]:,} pixels" if size else "far too large"
    return ImageRefused(
        "too_many_pixels",
        f"The image is {found}; at most {max_pixels / 1e6:,g} million pixels are accepted. "
        "Make it smaller and try again.",
    )


def overloaded(excess: str) -> ImageRefused:
    """``unreadable``: what ``limits.overload`` found."""
    return ImageRefused(
        "unreadable",
        f"The file is built in an unusual way that would keep this program busy: it has {excess}. "
        "Open it in an image editor and save it as JPEG or PNG.",
    )


def failure(data: bytes, reader: str, error: Exception) -> ImageRefused:
    """What a decoder raised, as a refusal."""
    if isinstance(error, MemoryError):
        return ImageRefused("unreadable", "There is not enough memory for this image. Use a smaller one.")
    if looks_cut(data, reader) or "truncated" in str(error):
        return truncated()
    return ImageRefused(
        "unreadable",
        f"The file starts like a {reader} image, but is damaged or of a kind that cannot be read here. "
        "Open it in an image editor and save it as JPEG or PNG, or get a fresh copy.",
    )


MAX_BYTES = capped(32, 8) * 1024 * 1024
"""Largest file accepted, in bytes (32 MiB; 8 in a public demo)."""
MAX_PIXELS = capped(64_000_000, 16_000_000)
"""Largest picture accepted, in pixels (64 million; 16 in a public demo)."""
MIN_SIDE = 32
"""Smallest side accepted, in pixels."""

_TURNS = {  # EXIF orientation -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Damaged files make Pillow warn on the terminal; the refusal or the notes say it instead. Set once, at
# import: changing warning filters per call is not safe between threads.
for _category in (UserWarning, RuntimeWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())

_heif_lock = threading.Lock()


@dataclass(frozen=True)
class ImageFacts:
    """What is known of a picture's file.

    Attributes:
        format: JPEG, PNG, WEBP, BMP, TIFF, GIF, AVIF or HEIC.
        width, height: in pixels, after orientation.
        n_bytes: size of the file.
        sha256: of the file's bytes, hexadecimal.
        mode: Pillow's name for how colour is stored, such as RGB, P, CMYK, I;16.
        bit_depth: bits per channel as stored.
        orientation: the EXIF orientation that was undone, 1-8; 1 means as stored. HEIC is always 1:
            its container's own rotation is part of decoding.
        frames: frames, pages or pictures in the file; the first (in a HEIC the main one) is used.
        has_alpha: the file can hold transparency.
        has_exif: the file has EXIF metadata.
    """

    format: str
    width: int
    height: int
    n_bytes: int
    sha256: str
    mode: str
    bit_depth: int
    orientation: int
    frames: int
    has_alpha: bool
    has_exif: bool

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class LoadedImage:
    """A picture ready for use.

    Attributes:
        pixels: (H, W, 3) uint8 sRGB, upright, 0-255, C-contiguous and writable.
        facts: about the file.
        notes: plain sentences on what was done that the person may not expect.
    """

    pixels: NDArray[np.uint8]
    facts: ImageFacts
    notes: tuple[str, ...]


def load_image(
    source: bytes | bytearray | memoryview | str | os.PathLike[str],
    *,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    min_side: int = MIN_SIDE,
) -> LoadedImage:
    """Reads a picture: upright, 8-bit sRGB, transparency laid on white, first frame of an animation.

    Args:
        source: the file's bytes, or its path.
        max_bytes: larger files are refused; a file on disk before it is read.
        max_pixels: larger pictures are refused, from the header, before decoding.
        min_side: pictures with a side of fewer pixels are refused.

    Raises:
        ImageRefused: with a code that says why, whatever is wrong with the file.
        TypeError: ``source`` is neither bytes nor a path.
    """
    data = _read(source, max_bytes)
    reader = _reader_for(data)
    try:
        return _decode(data, reader, max_pixels, min_side)
    except ImageRefused:
        raise
    except Image.DecompressionBombError as error:
        raise too_many_pixels(max_pixels) from error
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise failure(data, reader, error) from error


def _read(source: bytes | bytearray | memoryview | str | os.PathLike[str], max_bytes: int) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(source)
    elif isinstance(source, (str, os.PathLike)):
        data = read_file(Path(source), max_bytes)
    else:
        raise TypeError(f"source must be bytes or a path. Received: {type(source).__name__}.")
    if not data:
        raise ImageRefused("empty", f"The file is empty (0 bytes). {WANTED} Copy or download it again.")
    if len(data) > max_bytes:
        raise too_many_bytes(len(data), max_bytes)
    return data


def read_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """A file's bytes; one that is larger is refused before it is read.

    Raises:
        ImageRefused: ``not_found``, ``unreadable`` or ``too_many_bytes``.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageRefused("not_found", "This is a folder. Give the path of one image file.")
        if not stat.S_ISREG(status.st_mode):
            raise ImageRefused("not_found", "This is not an ordinary file. Give the path of one image file.")
        if status.st_size > max_bytes:
            raise too_many_bytes(status.st_size, max_bytes)
        with path.open("rb") as file:
            return file.read(max_bytes + 1)  # it may have grown since
    except PermissionError as error:
        raise ImageRefused(
            "unreadable", "Permission to read the file was denied. Check its rights."
        ) from error
    except (OSError, ValueError) as error:  # missing, a name too long, a null byte in the name
        raise ImageRefused("not_found", "There is no such file. Check the path.") from error


def _reader_for(data: bytes) -> str:
    kind = identify(data)
    if kind is None:
        raise ImageRefused("not_an_image", f"The file is not an image: its content is unknown. {WANTED}")
    if kind.reader is None:
        if kind.is_image:
            advice = "Save or export it as JPEG or PNG first."
            raise ImageRefused(
                "unsupported_format", f"The file is {kind.name}, which cannot be read here. {advice}"
            )
        raise ImageRefused("not_an_image", f"The file is not an image: it is {kind.name}. {WANTED}")
    return kind.reader


def _decode(data: bytes, reader: str, max_pixels: int, min_side: int) -> LoadedImage:
    if reader == "HEIC":
        register_heif()
    if excess := overload(data, reader):
        raise overloaded(excess)
    if reader in ("AVIF", "HEIC") and looks_cut(data, reader):
        raise truncated()  # their decoders may fill in what is missing
    readable, damage = _readable(data, reader, max_pixels, min_side)
    with Image.open(io.BytesIO(readable), formats=["HEIF" if reader == "HEIC" else reader]) as image:
        _check_size(image.size, max_pixels, min_side)
        if reader == "TIFF" and (reason := tiff_refusal(image)):
            raise ImageRefused("unsupported_format", f"{reason} Save or export it as JPEG or PNG first.")
        orientation = exif_orientation(image) if reader == "TIFF" else 1  # Pillow turns a TIFF while loading
        mode, bits = image.mode, bits_per_channel(image, data)
        image.load()
        _check_size(image.size, max_pixels, min_side)  # a HEIC header may differ from what is inside
        alpha, exif = has_alpha(image), has_exif(image, data)
        colour, notes = to_rgb(image, bits)
        if reader != "TIFF":
            orientation = exif_orientation(image)
            colour = upright(colour, orientation)
        frames = count_frames(image, data)
    if frames > 1 and image.format != "MPO":  # a phone's JPEG with a gain map or a preview is no surprise
        notes.insert(0, _frames_note(reader, frames))
    if reader in ("AVIF", "HEIC") and is_hdr(data):
        notes.append("The image is made for HDR screens and was not adapted; colors may look flat.")
    notes += damage
    if reader not in ("JPEG", "BMP") and looks_cut(
        data, reader
    ):  # the length that a BMP states is often wrong
        notes.append(CUT_NOTE)
    pixels = np.array(colour, dtype=np.uint8)
    facts = ImageFacts(
        format=reader,
        width=pixels.shape[1],
        height=pixels.shape[0],
        n_bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        mode=mode,
        bit_depth=bits,
        orientation=orientation,
        frames=frames,
        has_alpha=alpha,
        has_exif=exif,
    )
    return LoadedImage(pixels, facts, tuple(notes))


def _readable(data: bytes, reader: str, max_pixels: int, min_side: int) -> tuple[bytes, list[str]]:
    """The bytes to decode: the file's own, or with its end mended; and notes.

    Raises:
        ImageRefused: ``truncated``: a JPEG without its end marker whose picture is not whole.
    """
    if reader == "PNG":
        return mended_png(data)
    closed = closed_jpegs(data) if reader == "JPEG" else None
    if closed is None:
        return data, []
    with (
        Image.open(io.BytesIO(closed[0]), formats=["JPEG"]) as one,
        Image.open(io.BytesIO(closed[1]), formats=["JPEG"]) as other,
    ):
        _check_size(one.size, max_pixels, min_side)
        one.load()
        other.load()
        for top in range(0, one.height, 256):  # in strips: a picture of the largest size takes 200 MB
            strip = (0, top, one.width, min(top + 256, one.height))
            if one.crop(strip).tobytes() != other.crop(strip).tobytes():
                raise truncated()
    return closed[0], [CUT_NOTE]


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """The picture with an EXIF orientation of 1-8 undone."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def register_heif() -> None:
    """Adds HEIC to Pillow's formats, once and only when a HEIC arrives: the import is slow.

    Raises:
        ImageRefused: ``unsupported_format``: the package for it is not installed.
    """
    with _heif_lock:
        if "HEIF" in Image.OPEN:
            return
        try:
            from pillow_heif import register_heif_opener
        except ImportError as error:
            text = "HEIC images need the package pillow-heif, which is not installed here. Save it as JPEG."
            raise ImageRefused("unsupported_format", text) from error
        register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def _check_size(size: tuple[int, int], max_pixels: int, min_side: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise too_many_pixels(max_pixels, size)
    if min(width, height) < min_side:
        raise ImageRefused(
            "too_small",
            f"The image is {width} x {height} pixels. Each side must be at least {min_side} pixels. "
            "Use a larger version of it.",
        )


def _frames_note(reader: str, frames: int) -> str:
    if reader == "HEIC":
        return f"The main one of {frames} images used."
    return f"First of {frames} {'pages' if reader == 'TIFF' else 'frames'} used."
