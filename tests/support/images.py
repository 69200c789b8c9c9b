"""Small drawn images for tests."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def noise_image(seed: int = 0, height: int = 96, width: int = 96) -> np.ndarray:
    """(height, width, 3) uint8 of coloured blotches."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """The pixels as a file's bytes."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()
