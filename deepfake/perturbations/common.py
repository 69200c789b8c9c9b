"""Helpers that the perturbations share: types, ranges, fast random fields."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Perturbation = Callable[[Pixels, float, np.random.Generator], Pixels]

REFERENCE_SIDE = 256  # px; sizes below are given for images of this shorter side
LEVELS = np.arange(256, dtype=np.float32)


def as_pixels(values: npt.NDArray[Any]) -> Pixels:
    """Return `values`, already uint8, as a contiguous array."""
    return np.ascontiguousarray(values, dtype=np.uint8)


def between(mildest: float, strongest: float, strength: float) -> float:
    """Return the point of the range at `strength` in [0, 1]."""
    return mildest + (strongest - mildest) * strength


def unit(pixels: Pixels) -> float:
    """Return the image's pixels per pixel of a 256 px image."""
    return min(pixels.shape[:2]) / REFERENCE_SIDE


def size(pixels: Pixels, at_reference: float, *, at_least: int = 1) -> int:
    """Return a length given for a 256 px image in whole pixels of this image."""
    return max(at_least, round(at_reference * unit(pixels)))


def odd(pixels: Pixels, at_reference: float) -> int:
    """Return the odd kernel size, 3 or more, nearest a length given for a 256 px image."""
    return max(3, 2 * round((at_reference * unit(pixels) - 1) / 2) + 1)


def spread(strength: float, rng: np.random.Generator, count: int) -> list[float]:
    """Return `count` strengths that differ, yet are all 0 at 0, all 1 at 1, and about 1/2 on average."""
    return [strength ** float(np.exp(rng.uniform(-1.5, 1.5))) for _ in range(count)]


def sign(rng: np.random.Generator) -> int:
    """Return -1 or 1."""
    return 1 if rng.random() < 0.5 else -1


def two_sided(low: float, high: float, strength: float, rng: np.random.Generator) -> float:
    """Return a factor `strength` of the way from 1 to `low` or to `high`."""
    return between(1.0, high if rng.random() < 0.5 else low, strength)


def normal_field(
    rng: np.random.Generator, height: int, width: int, sigma: float, dtype: Any
) -> npt.NDArray[Any]:
    """Return (height, width) Gaussian noise. OpenCV's generator is four times as fast; `rng` seeds it."""
    field = np.empty((height, width), dtype)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randn(field, 0.0, float(sigma))  # type: ignore[call-overload]
    return field


def uniform_field(
    rng: np.random.Generator, height: int, width: int, limits: tuple[int, int], dtype: Any
) -> npt.NDArray[Any]:
    """Return (height, width) whole numbers, upper limit excluded, drawn as in `normal_field`."""
    field = np.empty((height, width), dtype)
    cv2.setRNGSeed(int(rng.integers(2**31)))
    cv2.randu(field, float(limits[0]), float(limits[1]))  # type: ignore[call-overload]
    return field


def smooth_field(rng: np.random.Generator, height: int, width: int, cells: int) -> npt.NDArray[np.float32]:
    """Return a smooth (height, width) float32 field in [0, 1] made of about `cells` blobs a side."""
    coarse = rng.random((cells, cells), dtype=np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(field, 0, 1).astype(np.float32, copy=False)


def blend(pixels: Pixels, other: Pixels, weight: npt.NDArray[np.float32]) -> Pixels:
    """Return `pixels` with `other` laid over it at `weight`, (H, W) float32 in [0, 1]."""
    return as_pixels(cv2.blendLinear(pixels, other, 1 - weight, weight))


def plain(pixels: Pixels, colour: tuple[int, int, int]) -> Pixels:
    """Return an image of one colour, of the same shape."""
    other = np.empty_like(pixels, order="C")
    other[:] = colour
    return other


def look_up(pixels: Pixels, table: npt.NDArray[Any]) -> Pixels:
    """Return `pixels` through a table, (256,) for all channels or (256, 3), clipped to 0-255."""
    whole = np.clip(np.rint(table), 0, 255).astype(np.uint8)
    return as_pixels(cv2.LUT(np.ascontiguousarray(pixels), whole.reshape(1, 256, -1)))
