"""Perturbations by blur: of lenses, of motion and of filters."""

import cv2
import numpy as np

from deepfake.perturbations.common import (
    Perturbation,
    Pixels,
    as_pixels,
    between,
    odd,
    size,
    uniform_field,
    unit,
)
from deepfake.perturbations.primitives import blur, turn


def gaussian_blur(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Blur with a Gaussian of sigma 0.8-3.5 px."""
    return blur(pixels, between(0.8, 3.5, strength))


def median(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Take the median of a square of 3, 5, 7 or 9 px."""
    return as_pixels(cv2.medianBlur(pixels, odd(pixels, 3 + 2 * min(3, int(4 * strength)))))


def motion(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Smear along a line of 5-17 px in any direction."""
    length = odd(pixels, between(5, 17, strength))
    kernel = np.zeros((length, length), np.float32)
    middle, angle = length // 2, rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * middle
    start, end = np.rint(middle - reach).astype(int).tolist(), np.rint(middle + reach).astype(int).tolist()
    cv2.line(kernel, start, end, 1.0)  # type: ignore[call-overload]
    return as_pixels(cv2.filter2D(pixels, -1, kernel / kernel.sum()))


def defocus(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Spread each point over a disc of radius 2-6 px."""
    radius = max(1.0, between(2, 6, strength) * unit(pixels))
    reach = int(np.ceil(radius))
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    distance = np.hypot(offsets[:, None], offsets[None, :])
    disc = np.clip(radius + 0.5 - distance, 0, 1).astype(np.float32)  # a rim of one pixel avoids aliasing
    return as_pixels(cv2.filter2D(pixels, -1, disc / disc.sum()))


def zoom(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Average eight zooms from 1 to 1.03-1.3; each of three passes doubles the number of zooms."""
    step = between(1.03, 1.3, strength) ** (1 / 7)
    blurred = pixels
    for times in (1, 2, 4):
        larger = turn(blurred, 0, zoom=step**times, rim=cv2.BORDER_REPLICATE)
        blurred = as_pixels(cv2.addWeighted(blurred, 0.5, larger, 0.5, 0))
    return blurred


def glass(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Blur, take each pixel from up to 1-4 px away, blur: frosted glass (Hendrycks and Dietterich, 2019)."""
    height, width = pixels.shape[:2]
    reach = size(pixels, between(1, 4, strength))
    places = uniform_field(rng, height, 2 * width, (-reach, reach + 1), np.int16).reshape(height, width, 2)
    places[..., 0] += np.arange(width, dtype=np.int16)[None, :]
    places[..., 1] += np.arange(height, dtype=np.int16)[:, None]
    none = np.empty(0, np.int16)
    mixed = cv2.remap(blur(pixels, 0.7), places, none, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return blur(as_pixels(mixed), 0.7)


BLUR: dict[str, Perturbation] = {
    "gaussian_blur": gaussian_blur,
    "median": median,
    "motion": motion,
    "defocus": defocus,
    "zoom": zoom,
    "glass": glass,
}
