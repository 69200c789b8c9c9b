"""What people and agencies lay over a photograph: translucent text, captions, stickers.

Not one of the kinds of ``mix.perturb``, whose kinds and weights follow the official Test of
OpenForensics; shown in training, in calibration and in the robustness sweep on its own.
"""

from __future__ import annotations

import cv2
import numpy as np

from deepfake.perturbations.common import Perturbation, Pixels, as_pixels, between, size, unit

_SYLLABLES = [
    "sto",
    "ck",
    "pho",
    "to",
    "ma",
    "ri",
    "ga",
    "lo",
    "vex",
    "tin",
    "pre",
    "view",
    "sam",
    "ple",
    "news",
    "re",
    "do",
    "an",
    "el",
    "um",
    "ky",
]
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)


def _words(rng: np.random.Generator, count: int) -> str:
    """Return `count` made-up words: no mark of a real agency is learnt by heart."""
    words = []
    for _ in range(count):
        chosen = rng.integers(len(_SYLLABLES), size=int(rng.integers(1, 4))).tolist()
        word = "".join(_SYLLABLES[index] for index in chosen)
        words.append(word.upper() if rng.random() < 0.3 else word.capitalize())
    return ("(c) " if rng.random() < 0.2 else "") + " ".join(words)


def _written(
    shape: tuple[int, int], lines: list[tuple[str, int, int]], height: float, rng: np.random.Generator
) -> np.ndarray:
    """Return a uint8 mask (H, W) of lines of text of `height` px, each at its left and baseline."""
    mask = np.zeros(shape, np.uint8)
    font = _FONTS[int(rng.integers(len(_FONTS)))]
    scale = height / 22  # a capital letter of these fonts is 22 px high at scale 1
    thick = max(1, round(height / 12 * rng.uniform(0.8, 1.8)))
    for text, left, baseline in lines:
        cv2.putText(mask, text, (left, baseline), font, scale, 255, thick, cv2.LINE_AA)
    return mask


def _laid(pixels: Pixels, mask: np.ndarray, colour: np.ndarray, opacity: float) -> Pixels:
    """Return `pixels` with a colour laid over them where the mask (uint8) is, as dense as it says."""
    share = (mask.astype(np.float32) * (opacity / 255))[..., None]
    return as_pixels(np.rint(pixels * (1 - share) + colour.astype(np.float32) * share))


def _ink(rng: np.random.Generator) -> np.ndarray:
    """Return a colour (3,): white, black or any, in shares of 6, 2 and 2 in ten."""
    choice = rng.random()
    if choice < 0.6:
        return np.full(3, 255.0)
    return np.zeros(3) if choice < 0.8 else rng.integers(0, 256, 3).astype(float)


def watermark(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Write translucent text, 15-60% opaque, once across the middle or again and again, at any slant."""
    return text(pixels, between(0.15, 0.6, strength), rng)


def text(pixels: Pixels, opacity: float, rng: np.random.Generator) -> Pixels:
    """Write text, `opacity` in [0, 1], once across the middle or again and again, at any slant."""
    height, width = pixels.shape[:2]
    letter = max(5.0, rng.uniform(9, 26) * unit(pixels))
    words = _words(rng, int(rng.integers(1, 3)))
    reach = int(np.hypot(height, width)) + 2  # a square that covers the image at any slant
    if rng.random() < 0.6:
        step = max(4, round(letter * rng.uniform(2.0, 5.0)))
        gap = "   " * int(rng.integers(1, 4))
        row = (words + gap) * (2 + int(reach / (letter * 0.8 * (len(words) + len(gap)))))
        lines = [
            (row, -round(letter * rng.uniform(0, 6)), baseline)
            for baseline in range(step // 2, reach + step, step)
        ]
    else:
        letter = max(6.0, rng.uniform(18, 44) * unit(pixels))
        left = round(reach / 2 - 0.4 * letter * len(words))
        lines = [(words, left, round(reach / 2 + rng.uniform(-0.25, 0.25) * height))]
    mask = _written((reach, reach), lines, letter, rng)
    slant = float(rng.choice([0, 0, 30, 45, -30, -45])) + float(rng.uniform(-5, 5))
    turn = cv2.getRotationMatrix2D((reach / 2, reach / 2), slant, 1.0)
    mask = cv2.warpAffine(mask, turn, (reach, reach))
    top, left = (reach - height) // 2, (reach - width) // 2
    mask = mask[top : top + height, left : left + width]
    ink = _ink(rng)
    if rng.random() < 0.4:  # a shadow makes light text readable on light skin
        moved = np.roll(mask, (1, 1), (0, 1))
        pixels = _laid(pixels, moved, 255 - ink, opacity * 0.6)
    return _laid(pixels, mask, ink, opacity)


def caption(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Write one or two lines at the top or bottom: bare with a rim, or on a bar 8-25% of the height."""
    height, width = pixels.shape[:2]
    drawn = pixels.copy(order="C")
    rows = 1 + int(rng.random() < 0.4)
    band = max(8, round(height * between(0.08, 0.25, strength)))
    letter = max(4.0, band / rows * 0.55)
    at_top = bool(rng.random() < 0.3)
    top = 0 if at_top else height - band
    lines = []
    for row in range(rows):
        text = _words(rng, int(rng.integers(2, 6)))
        left = round(rng.uniform(0, 0.15) * width)
        lines.append((text, left, round(top + band * (row + 0.8) / rows)))
    mask = _written((height, width), lines, letter, rng)
    ink = _ink(rng)
    if rng.random() < 0.6:
        bar = np.zeros((height, width), np.uint8)
        bar[top : top + band] = 255
        drawn = _laid(drawn, bar, 255 - ink, float(rng.uniform(0.4, 1.0)))
    else:
        rim = cv2.dilate(mask, np.ones((3, 3), np.uint8))
        drawn = _laid(drawn, rim, 255 - ink, 1.0)
    return _laid(drawn, mask, ink, 1.0)


def sticker(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Lay 1-4 opaque discs, hearts, stars, smileys or arrows of 20-70 px anywhere."""
    drawn = pixels.copy(order="C")
    for _ in range(1 + min(3, int(4 * strength))):
        _one_sticker(drawn, size(pixels, between(20, 70, rng.random() * (0.4 + 0.6 * strength)) / 2), rng)
    return drawn


def _one_sticker(drawn: Pixels, radius: int, rng: np.random.Generator) -> None:
    """Draws one sticker of `radius` px into an image."""
    height, width = drawn.shape[:2]
    radius = max(3, radius)
    x, y = int(rng.integers(width)), int(rng.integers(height))
    colour = rng.integers(0, 256, 3).tolist()
    angle = rng.uniform(0, 2 * np.pi)
    shape = int(rng.integers(5))
    if shape == 0:
        cv2.circle(drawn, (x, y), radius, colour, cv2.FILLED, cv2.LINE_AA)
    elif shape == 1:  # a smiley
        dark = (40, 30, 20)
        cv2.circle(drawn, (x, y), radius, (255, 210, 60), cv2.FILLED, cv2.LINE_AA)
        eye = max(1, radius // 7)
        for side in (-1, 1):
            cv2.circle(drawn, (x + side * radius // 3, y - radius // 4), eye, dark, cv2.FILLED, cv2.LINE_AA)
        mouth = (radius // 2, radius // 2)
        cv2.ellipse(drawn, (x, y + radius // 8), mouth, 0, 20, 160, dark, max(1, radius // 9), cv2.LINE_AA)
    else:
        if shape == 2:  # a star
            turns = angle + np.arange(10) * np.pi / 5
            lengths = np.where(np.arange(10) % 2, 0.42, 1.0)
            points = np.stack([np.cos(turns), np.sin(turns)], 1) * lengths[:, None]
        elif shape == 3:  # a heart
            t = np.linspace(0, 2 * np.pi, 40)
            points = np.stack(
                [16 * np.sin(t) ** 3, -13 * np.cos(t) + 5 * np.cos(2 * t) + 2 * np.cos(3 * t)], 1
            )
            points = points / 16
        else:  # an arrow
            arrow = np.array(
                [(-1, -0.2), (0.2, -0.2), (0.2, -0.6), (1, 0), (0.2, 0.6), (0.2, 0.2), (-1, 0.2)]
            )
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            points = arrow @ turn
        outline = np.rint(points * radius + (x, y)).astype(np.int32)
        cv2.fillPoly(drawn, [outline], colour, cv2.LINE_AA)
        if rng.random() < 0.5:
            cv2.polylines(drawn, [outline], True, (255, 255, 255), max(1, radius // 12), cv2.LINE_AA)


OVERLAY: dict[str, Perturbation] = {"watermark": watermark, "caption": caption, "sticker": sticker}
"""The ways to cover part of an image by which people mark, comment and hide."""


def overlay(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Lay translucent text (6 in 10), a caption (2 in 10) or stickers (2 in 10) over an image.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        strength: 0..1, from the mildest to the strongest of each one's range.
        rng: the only source of randomness.

    Returns:
        (H, W, 3) uint8 RGB, a new array.
    """
    function = list(OVERLAY.values())[int(rng.choice(3, p=(0.6, 0.2, 0.2)))]
    return function(pixels, strength, rng)
