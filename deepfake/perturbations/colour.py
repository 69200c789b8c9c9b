"""Perturbations of colour and tone: the image's content and sharpness stay as they are."""

import cv2
import numpy as np

from deepfake.perturbations import primitives
from deepfake.perturbations.common import (
    LEVELS,
    Perturbation,
    Pixels,
    as_pixels,
    between,
    look_up,
    sign,
    spread,
    two_sided,
)

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, of R, G, B


def hue_saturation_value(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Shift hue by up to 60 of 180, saturation by up to 80 and value by up to 60 of 255."""
    fractions = spread(strength, rng, 3)
    shifts = [sign(rng) * most * part for most, part in zip((60, 80, 60), fractions, strict=True)]
    table = np.stack([(LEVELS + np.rint(shifts[0])) % 180, LEVELS + shifts[1], LEVELS + shifts[2]], axis=1)
    hsv = as_pixels(cv2.cvtColor(pixels, cv2.COLOR_RGB2HSV))
    return as_pixels(cv2.cvtColor(look_up(hsv, table), cv2.COLOR_HSV2RGB))


def rgb_shift(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Add up to 60 to, or take it from, each channel."""
    shifts = [sign(rng) * 60 * part for part in spread(strength, rng, 3)]
    return look_up(pixels, LEVELS[:, None] + np.array(shifts, np.float32))


def grey(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Remove all color, whatever the strength."""
    return primitives.fade(pixels, 1.0)


def jitter(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Scale brightness by 0.4-1.8, contrast by 0.3-2.5 and saturation by 0-3."""
    parts = spread(strength, rng, 3)
    brightness = two_sided(0.4, 1.8, parts[0], rng)
    contrast = two_sided(0.3, 2.5, parts[1], rng)
    saturation = two_sided(0.0, 3.0, parts[2], rng)
    brighter = np.clip(LEVELS * brightness, 0, 255)
    middle = min(255.0, brightness * float(np.dot(cv2.mean(pixels)[:3], LUMA)))
    toned = look_up(pixels, (brighter - middle) * contrast + middle)
    mix = saturation * np.eye(3, dtype=np.float32) + (1 - saturation) * LUMA[None, :]
    return as_pixels(cv2.transform(toned, mix))


def tone_curve(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Bend the tone curve: a cubic Bezier whose two inner points move by 0.05-0.3, alike or per channel."""
    t = LEVELS[:, None] / 255
    moves = between(0.05, 0.3, strength) * rng.choice([-1, 1], (2, 1)) * rng.uniform(0.5, 1, (2, 3))
    if rng.random() < 0.5:
        moves = moves[:, :1].repeat(3, axis=1)
    low, high = np.clip(0.25 + moves[0], 0, 1), np.clip(0.75 + moves[1], 0, 1)
    return look_up(pixels, 255 * (3 * (1 - t) ** 2 * t * low + 3 * (1 - t) * t**2 * high + t**3))


def posterise(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Keep the highest 4, 3 or 2 bits of each channel."""
    bits = 4 - min(2, int(3 * strength))
    return as_pixels(pixels & np.uint8(0xFF << (8 - bits) & 0xFF))


def equalise(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Equalize the histogram of each channel or of the luma, whatever the strength."""
    if rng.random() < 0.5:
        return as_pixels(cv2.merge([cv2.equalizeHist(channel) for channel in cv2.split(pixels)]))
    ycc = as_pixels(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb))
    ycc[..., 0] = cv2.equalizeHist(np.ascontiguousarray(ycc[..., 0]))
    return as_pixels(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB))


def clahe(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Equalize the lightness within 8x8 tiles, clip limit 1-4 (CLAHE: Zuiderveld, 1994)."""
    lab = as_pixels(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB))
    tiles = cv2.createCLAHE(between(1.0, 4.0, strength), (8, 8))
    lab[..., 0] = tiles.apply(np.ascontiguousarray(lab[..., 0]))
    return as_pixels(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def gamma(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Raise to a power of 0.3-2.5."""
    return primitives.gamma(pixels, two_sided(0.3, 2.5, strength, rng))


def channels(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Drop one channel (set it to 0) or swap channels, whatever the strength."""
    if rng.random() < 0.5:
        dropped = pixels.copy(order="C")
        dropped[..., int(rng.integers(3))] = 0
        return dropped
    orders = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    order = orders[int(rng.integers(len(orders)))]
    planes = cv2.split(pixels)
    return as_pixels(cv2.merge([planes[i] for i in order]))


def solarise(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Invert what is brighter than a threshold, 192 down to 64 (128 in the middle)."""
    return look_up(pixels, np.where(between(192, 64, strength) <= LEVELS, 255 - LEVELS, LEVELS))


COLOUR: dict[str, Perturbation] = {
    "hue_saturation_value": hue_saturation_value,
    "rgb_shift": rgb_shift,
    "grey": grey,
    "jitter": jitter,
    "tone_curve": tone_curve,
    "posterise": posterise,
    "equalise": equalise,
    "clahe": clahe,
    "gamma": gamma,
    "channels": channels,
    "solarise": solarise,
}
