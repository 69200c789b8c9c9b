"""The refusals of files as pictures, in words."""

from __future__ import annotations

from deepfake.errors import UserError
from deepfake.images.ends import looks_cut

WANTED = "Expected a JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF picture."


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
        "The file is incomplete: it ends before the picture does. Copy or download it again.",
    )


def too_many_bytes(n_bytes: int, max_bytes: int) -> ImageRefused:
    """``too_many_bytes``: of a file of ``n_bytes``."""
    mib = 1024 * 1024
    return ImageRefused(
        "too_many_bytes",
        f"The file has {n_bytes / mib:,.1f} MiB; at most {max_bytes / mib:,.1f} MiB are accepted. "
        "Use a smaller version of the picture.",
    )


def too_many_pixels(max_pixels: int, size: tuple[int, int] | None = None) -> ImageRefused:
    """``too_many_pixels``: of a picture of this width and height, or of one that Pillow refused by itself."""
    found = f"{size[0]:,} x {size[1]:,} pixels" if size else "far too large"
    return ImageRefused(
        "too_many_pixels",
        f"The picture is {found}; at most {max_pixels / 1e6:,g} million pixels are accepted. "
        "Make it smaller and try again.",
    )


def overloaded(excess: str) -> ImageRefused:
    """``unreadable``: what ``image_structure.overload`` found."""
    return ImageRefused(
        "unreadable",
        f"The file is built in an unusual way that would keep this program busy: it has {excess}. "
        "Open it in an image editor and save it as JPEG or PNG.",
    )


def failure(data: bytes, reader: str, error: Exception) -> ImageRefused:
    """What a decoder raised, as a refusal."""
    if isinstance(error, MemoryError):
        return ImageRefused("unreadable", "There is not enough memory for this picture. Use a smaller one.")
    if looks_cut(data, reader) or "truncated" in str(error):
        return truncated()
    return ImageRefused(
        "unreadable",
        f"The file starts like a {reader} picture, but is damaged or of a kind that cannot be read here. "
        "Open it in an image editor and save it as JPEG or PNG, or get a fresh copy.",
    )
