"""Perturbations by weather and light, after albumentations' (Buslaev and others, 2020)."""

import cv2
import numpy as np

from deepfake.perturbations.common import (
    LEVELS,
    Perturbation,
    Pixels,
    as_pixels,
    between,
    blend,
    look_up,
    normal_field,
    plain,
    size,
    smooth_field,
    unit,
)
from deepfake.perturbations.primitives import brightness


def fog(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Lay patches of near-white haze over a slightly blurred image, up to 0.3-0.85 opaque."""
    height, width = pixels.shape[:2]
    density = between(0.3, 0.85, strength)
    haze = smooth_field(rng, height, width, 6) * (0.5 * density) + 0.5 * density
    side = size(pixels, between(1, 6, strength))
    soft = as_pixels(cv2.blur(pixels, (side, side)))
    level = int(rng.integers(225, 256))
    return blend(soft, plain(pixels, (level, level, level)), haze)


def rain(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Draw 60-300 slanted gray streaks, blur them with the image and darken it to 0.9-0.6."""
    height, width = pixels.shape[:2]
    per_area = height * width / (256 * 256) / unit(pixels) ** 2  # 1 for any square image
    count = max(4, round(between(60, 300, strength) * per_area))
    long, slant = size(pixels, rng.uniform(12, 28), at_least=3), rng.uniform(-0.4, 0.4)
    heads = rng.integers([-long, -long], [width + long, height], (count, 2))
    tails = heads + np.array([round(slant * long), long])
    wet = pixels.copy(order="C")
    level = int(rng.integers(170, 221))
    streaks = list(np.stack([heads, tails], axis=1).astype(np.int32))
    cv2.polylines(wet, streaks, False, (level, level, level), size(pixels, 1))
    side = size(pixels, between(2, 5, strength))
    return brightness(as_pixels(cv2.blur(wet, (side, side))), between(0.9, 0.6, strength))


def snow(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Bleach whatever is darker than a threshold by 2.5 in lightness; half of the time, add flakes too."""
    height, width = pixels.shape[:2]
    hls = as_pixels(cv2.cvtColor(pixels, cv2.COLOR_RGB2HLS))
    threshold = between(0.1, 0.6, strength) * 255 / 2 + 255 / 3
    bleached = np.where(threshold > LEVELS, LEVELS * 2.5, LEVELS)
    hls = look_up(hls, np.stack([LEVELS, bleached, LEVELS], axis=1))
    snowy = as_pixels(cv2.cvtColor(hls, cv2.COLOR_HLS2RGB))
    if rng.random() < 0.5:
        count = round(between(40, 200, strength))
        centres = rng.integers([0, 0], [width, height], (count, 2)).tolist()
        radii = (rng.uniform(0.5, 2.5, count) * unit(pixels)).round().astype(int).tolist()
        for centre, radius in zip(centres, radii, strict=True):
            cv2.circle(snowy, centre, radius, (250, 250, 250), cv2.FILLED)
    return snowy


def spatter(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Splash drops of water or of mud over 4-30% of the image: smoothed noise above a threshold."""
    height, width = pixels.shape[:2]
    half_height, half_width = (height + 1) // 2, (width + 1) // 2  # drops are smooth: half the size is enough
    sigma = max(0.6, rng.uniform(1.0, 2.5) * unit(pixels))
    noise = cv2.GaussianBlur(normal_field(rng, half_height, half_width, 1.0, np.float32), (0, 0), sigma)
    spread = max(1e-6, float(noise.std()))
    threshold = between(1.75, 0.52, strength)  # upper 4% and 30% of a normal distribution
    drops = np.clip((noise / spread - threshold) * 3 + 0.5, 0, 1).astype(np.float32)
    water = rng.random() < 0.5
    colour = (238, 238, 175) if water else (63, 42, 20)
    weight = cv2.resize(
        drops * np.float32(0.6 if water else 1.0), (width, height), interpolation=cv2.INTER_LINEAR
    )
    return blend(pixels, plain(pixels, colour), weight.astype(np.float32, copy=False))


def shadow(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Darken one to three random polygons to 0.7-0.25."""
    height, width = pixels.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        corners = rng.uniform([0, 0], [width, height], (5, 2)).astype(np.int32)
        cv2.fillPoly(mask, [cv2.convexHull(corners)], 255)  # type: ignore[call-overload]
    dark = brightness(pixels, between(0.7, 0.25, strength))
    return as_pixels(cv2.copyTo(dark, mask, pixels.copy(order="C")))


WEATHER: dict[str, Perturbation] = {
    "fog": fog,
    "rain": rain,
    "snow": snow,
    "spatter": spatter,
    "shadow": shadow,
}
