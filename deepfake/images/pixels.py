"""The one resize-and-scale, for training and serving alike."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image

from deepfake.types import Pixels

Interpolation = Literal["area", "bicubic"]
INTERPOLATIONS: tuple[Interpolation, ...] = ("area", "bicubic")


@dataclass(frozen=True)
class InputSpec:
    """What a network expects; travels in its card.

    Attributes:
        size: side of the square input, in pixels.
        scale, offset: a pixel v in 0..255 becomes ``v * scale + offset``.
        interpolation: how crops are brought to that size: ``area`` as ``resize`` does, or ``bicubic``.
    """

    size: int
    scale: float = 1 / 127.5
    offset: float = -1.0
    interpolation: Interpolation = "area"

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON; the usual interpolation goes without saying, as in older cards."""
        fields = asdict(self)
        if self.interpolation == "area":
            del fields["interpolation"]
        return fields


def resize(pixels: Pixels, size: int, interpolation: Interpolation = "area") -> Pixels:
    """Resizes to a square, without aliasing, which would look like a generator's trace.

    Args:
        pixels: (H, W, 3) uint8.
        size: side of the result.
        interpolation: ``area``: pixel area relation when shrinking, bilinear when enlarging. ``bicubic``, as
            CLIP was trained: Pillow's, over a wider window when shrinking.

    Returns:
        (size, size, 3) uint8.
    """
    if pixels.shape[:2] == (size, size):
        return pixels
    if interpolation == "bicubic":
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return np.array(image.resize((size, size), Image.Resampling.BICUBIC))
    shrinking = min(pixels.shape[:2]) > size
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(pixels, (size, size), interpolation=how), dtype=np.uint8)


def centre_part(pixels: Pixels, height: int, width: int) -> Pixels:
    """The middle of a picture.

    Args:
        pixels: (H, W, 3) uint8.
        height, width: of the part, in pixels; no larger than the picture.

    Returns:
        (height, width, 3) uint8, contiguous.
    """
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def centre_square(pixels: Pixels) -> Pixels:
    """The largest square in the middle of a picture: how whole pictures are learnt and judged.

    Args:
        pixels: (H, W, 3) uint8.
    """
    side = min(pixels.shape[:2])
    return centre_part(pixels, side, side)


def fitted(crop: Pixels, spec: InputSpec) -> Pixels:
    """A crop of any size as a network is given it, before ``scaled``: (size, size, 3) uint8."""
    return resize(crop, spec.size, spec.interpolation)


def to_batch(crops: list[Pixels], spec: InputSpec) -> Pixels:
    """Square crops of any size -> one uint8 batch (N, size, size, 3); ``scaled`` makes it floats."""
    return np.stack([fitted(crop, spec) for crop in crops])


def scaled(batch: Any, spec: InputSpec) -> Any:
    """uint8 batch -> float32 batch in the network's range; takes a NumPy array or a tensor."""
    if isinstance(batch, np.ndarray):
        return batch.astype(np.float32) * np.float32(spec.scale) + np.float32(spec.offset)
    import tensorflow as tf

    return tf.cast(batch, tf.float32) * spec.scale + spec.offset
