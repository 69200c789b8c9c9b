"""A picture made smaller and into a file, for the screen; never for scoring."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from deepfake.types import Pixels

PREVIEW_SIDE = 1000


def shrink(pixels: Pixels, side: int = PREVIEW_SIDE) -> Pixels:
    """The picture with its longer side brought down to ``side`` pixels; never enlarged.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        side: pixels, at least 1.
    """
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def jpeg_bytes(pixels: Pixels, quality: int = 90) -> bytes:
    """The picture as a JPEG file without metadata; for the screen, never for scoring."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def jpeg_pixels(content: bytes) -> Pixels:
    """What ``jpeg_bytes`` made, as (H, W, 3) uint8 again; not for files that a stranger gave."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
