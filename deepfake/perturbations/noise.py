"""Perturbations by noise: of sensors and of transmission."""

import cv2
import numpy as np

from deepfake.perturbations.common import (
    Perturbation,
    Pixels,
    as_pixels,
    between,
    normal_field,
    uniform_field,
)
from deepfake.perturbations.primitives import noise


def gaussian_noise(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Add Gaussian noise of sigma 0.03-0.3 of the full range, per channel or gray."""
    height, width = pixels.shape[:2]
    sigma = 255 * between(0.03, 0.3, strength)
    if rng.random() < 0.5:
        drawn = normal_field(rng, height, 3 * width, sigma, np.int16).reshape(height, width, 3)
    else:
        drawn = cv2.merge([normal_field(rng, height, width, sigma, np.int16)] * 3)
    return noise(pixels, drawn)


def camera_iso(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Add a high ISO's noise: hue noise, and lightness noise that grows with the image's contrast.

    After albumentations' ISONoise (Buslaev et al., 2020), ranges twice as wide; Poisson as its normal limit.
    """
    height, width = pixels.shape[:2]
    intensity, colour_shift = between(0.1, 1.0, strength), between(0.01, 0.1, strength)
    hue, light, saturation = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_RGB2HLS_FULL))
    expected = max(1.0, intensity * float(cv2.meanStdDev(light)[1][0, 0]))
    hue_noise = normal_field(rng, height, width, 255 * colour_shift * intensity, np.int16)
    hue = (hue + hue_noise).astype(np.uint8)  # wraps round at 256, as a hue should
    light_noise = normal_field(rng, height, width, 2 * expected**0.5, np.int16) + np.int16(round(expected))
    headroom = cv2.multiply(light_noise, (255 - light).astype(np.int16), scale=1 / 255)
    light = cv2.add(light, headroom, dtype=cv2.CV_8U)
    return as_pixels(cv2.cvtColor(cv2.merge([hue, light, saturation]), cv2.COLOR_HLS2RGB_FULL))


def multiplicative(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Multiply each pixel, its channels alike or apart, by a factor within 0.5-1.5 (0.9-1.1 at 0)."""
    height, width = pixels.shape[:2]
    reach = round(128 * between(0.1, 0.5, strength))
    limits = (128 - reach, 129 + reach)
    if rng.random() < 0.5:
        factor = uniform_field(rng, height, 3 * width, limits, np.uint8).reshape(pixels.shape)
    else:
        factor = cv2.merge([uniform_field(rng, height, width, limits, np.uint8)] * 3)
    return as_pixels(cv2.multiply(pixels, factor, scale=1 / 128))


def salt_and_pepper(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Set 1-12% of the pixels to black or white."""
    noisy = pixels.copy(order="C")
    flat = noisy.reshape(-1, 3)
    count = max(2, round(len(flat) * between(0.01, 0.12, strength)))
    places = rng.integers(len(flat), size=count)
    flat[places[: count // 2]] = 0
    flat[places[count // 2 :]] = 255
    return noisy


def shot(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Add photon noise: variance in proportion to linear light, 0.005-0.2 at full white.

    Linear light is taken as the value squared, and the Poisson count as its normal limit.
    """
    height, width = pixels.shape[:2]
    photons = normal_field(rng, height, 3 * width, 255 * between(0.005, 0.2, strength) ** 0.5, np.float32)
    value = pixels.reshape(height, 3 * width).astype(np.float32)
    light = cv2.multiply(value, cv2.add(value, photons))  # v^2 + v * noise
    root = cv2.sqrt(cv2.max(light, 0.0))  # type: ignore[call-overload]
    return as_pixels(cv2.convertScaleAbs(root).reshape(height, width, 3))


NOISE: dict[str, Perturbation] = {
    "gaussian_noise": gaussian_noise,
    "camera_iso": camera_iso,
    "multiplicative": multiplicative,
    "salt_and_pepper": salt_and_pepper,
    "shot": shot,
}
