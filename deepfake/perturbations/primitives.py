"""One thing done to an image by a number in plain units: JPEG, blur, noise, size, frame, light, colour.

Training's draws, the sweep's kinds and the stress test's changes are made of these. Each takes uint8
(H, W, 3) RGB and returns a contiguous array; nothing is drawn at random here. Text and stickers, whose look
is drawn, are ``overlay.text`` and ``overlay.sticker``.
"""

from __future__ import annotations

import cv2
import numpy as np

from deepfake.images.pixels import centre_part
from deepfake.perturbations.common import LEVELS, Pixels, as_pixels, look_up, unit


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Compress as JPEG of `quality` in 1-100 and read again, chroma halved as is usual.

    Raises:
        ValueError: if `quality` is outside 1-100.
    """
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality must be 1 to 100, got {quality}.")
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    if decoded is None:
        raise RuntimeError("OpenCV could not read the JPEG it had just written.")
    return as_pixels(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))


def blur(pixels: Pixels, sigma: float, *, at_least: float = 0.4) -> Pixels:
    """Blur with a Gaussian of `sigma` pixels of a 256 px image, of `at_least` that many of this image."""
    return as_pixels(cv2.GaussianBlur(pixels, (0, 0), max(at_least, sigma * unit(pixels))))


def noise(pixels: Pixels, drawn: np.ndarray) -> Pixels:
    """Add what was drawn, (H, W, 3) in levels of 255, whole or not; rounded, and cut off at 0 and 255."""
    return as_pixels(cv2.add(pixels, drawn, dtype=cv2.CV_8U))


def rescale(
    pixels: Pixels, share: float, *, at_least: int = 1, interpolation: int = cv2.INTER_AREA
) -> Pixels:
    """Bring each side to `share` of its length, in whole pixels and `at_least` that many."""
    size = [max(at_least, round(length * share)) for length in pixels.shape[1::-1]]
    return as_pixels(cv2.resize(pixels, size, interpolation=interpolation))


def crop(pixels: Pixels, share: float) -> Pixels:
    """Keep the middle `share` of each side."""
    height, width = (side - 2 * round(side * (1 - share) / 2) for side in pixels.shape[:2])
    return centre_part(pixels, height, width)


def shift(pixels: Pixels, share: float) -> Pixels:
    """Cut off `share` of the width at the left (negative: right), half as much above and below."""
    height, width = pixels.shape[:2]
    lost, top = max(1, round(abs(share) * width)), round(abs(share) * height / 2)
    left = lost if share > 0 else 0
    return as_pixels(pixels[top : height - top, left : left + width - lost])


def turn(
    pixels: Pixels,
    degrees: float,
    *,
    zoom: float = 1.0,
    offset: tuple[float, float] = (0.0, 0.0),
    rim: int = cv2.BORDER_REFLECT,
) -> Pixels:
    """Turn to the left about the middle, `zoom` times as large, and move by shares of width and height."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, zoom)
    matrix[:, 2] += (offset[0] * width, offset[1] * height)
    return as_pixels(cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=rim))


def brightness(pixels: Pixels, factor: float) -> Pixels:
    """Scale all values by `factor`; what is too bright is cut off."""
    return look_up(pixels, LEVELS * factor)


def contrast(pixels: Pixels, factor: float) -> Pixels:
    """Scale all values' distances from the mean value by `factor`."""
    middle = float(pixels.mean())
    return look_up(pixels, (LEVELS - middle) * factor + middle)


def gamma(pixels: Pixels, power: float) -> Pixels:
    """Raise all values, as shares of full brightness, to a power."""
    return look_up(pixels, 255 * (LEVELS / 255) ** power)


def fade(pixels: Pixels, share: float) -> Pixels:
    """Take away a share of the colour; 1 leaves grey."""
    grey = as_pixels(cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB))
    return as_pixels(cv2.addWeighted(pixels, 1 - share, grey, share, 0))
