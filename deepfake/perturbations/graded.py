"""The robustness sweep's kinds of change: what pictures go through, in rising amounts with plain units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from deepfake.perturbations.common import Perturbation, Pixels, as_pixels, between
from deepfake.perturbations.mix import PERTURBATIONS
from deepfake.perturbations.overlay import OVERLAY
from deepfake.perturbations.primitives import brightness, contrast, fade, jpeg


@dataclass(frozen=True)
class GradedPerturbation:
    """One way to alter a picture.

    Attributes:
        name: in tables and files.
        title: in words.
        axis: what its amount is, with the unit.
        mildest, strongest: amounts at the strengths 0 and 1 of ``function``; linear between.
        amounts: those measured, from the mildest to the strongest.
        function: ``(pixels, strength, rng) -> pixels`` of the same shape; see ``deepfake.perturbations``.
    """

    name: str
    title: str
    axis: str
    mildest: float
    strongest: float
    amounts: tuple[float, ...]
    function: Perturbation

    def strength(self, amount: float) -> float:
        """Where an amount lies between the mildest (0) and the strongest (1)."""
        if self.strongest == self.mildest:
            return 1.0
        return (amount - self.mildest) / (self.strongest - self.mildest)


def messenger(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Send through two apps: shrink to 90-20% a side, JPEG 75, to 0.8 of that, JPEG 60, enlarge.

    Two compressions on different grids leave other traces than one (double compression: Popescu and Farid,
    2004).
    """
    height, width = pixels.shape[:2]
    sent = pixels
    share = between(0.9, 0.2, strength)
    for factor, quality in ((share, 75), (0.8 * share, 60)):
        size = max(8, round(width * factor)), max(8, round(height * factor))
        sent = jpeg(as_pixels(cv2.resize(sent, size, interpolation=cv2.INTER_AREA)), quality)
    return as_pixels(cv2.resize(sent, (width, height), interpolation=cv2.INTER_LINEAR))


def _by(primitive: Callable[[Pixels, float], Pixels], mildest: float, strongest: float) -> Perturbation:
    """A primitive by an amount, in its own unit, that is ``strength`` of the way between two."""
    return lambda pixels, strength, rng: primitive(pixels, between(mildest, strongest, strength))


def enlarged_part(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Keep a random part of 100-40% of the area, of the same shape, and enlarge it again."""
    height, width = pixels.shape[:2]
    side = between(1.0, 0.4, strength) ** 0.5
    kept_height, kept_width = max(1, round(height * side)), max(1, round(width * side))
    top, left = (rng.random(2) * (height - kept_height + 1, width - kept_width + 1)).astype(int).tolist()
    part = pixels[top : top + kept_height, left : left + kept_width]
    return as_pixels(cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR))


_BLUR, _BLOCKS = PERTURBATIONS["blur"], PERTURBATIONS["blocks"]
_NOISE, _WEATHER = PERTURBATIONS["noise"], PERTURBATIONS["weather"]

KINDS: tuple[GradedPerturbation, ...] = (
    GradedPerturbation("jpeg", "JPEG compression", "JPEG quality (100 is best)", 90, 15, (90, 70, 50, 30, 15),
        PERTURBATIONS["jpeg"]["jpeg"]),
    GradedPerturbation("messenger", "Messenger apps", "Size that the messenger keeps (% of each side)", 90,
        20, (90, 70, 50, 35, 20), messenger),
    GradedPerturbation("blur", "Blur", "Blur radius (sigma, pixels of 256)", 0.8, 3.5, (0.8, 1.5, 2.5, 3.5),
        _BLUR["gaussian_blur"]),
    GradedPerturbation("down_up", "Resizing", "Size in between (% of each side)", 60, 12,
        (60, 45, 30, 20, 12), _BLOCKS["down_up"]),
    GradedPerturbation("noise", "Noise", "Noise (standard deviation, % of full brightness)", 3, 30,
        (3, 6, 12, 20, 30), _NOISE["gaussian_noise"]),
    GradedPerturbation("darker", "Darkening", "Brightness (% of the original)", 100, 20, (80, 60, 40, 20),
        _by(brightness, 1.0, 0.2)),
    GradedPerturbation("brighter", "Brightening", "Brightness (% of the original)", 100, 200,
        (125, 150, 175, 200), _by(brightness, 1.0, 2.0)),
    GradedPerturbation("lower_contrast", "Lower contrast", "Contrast (% of the original)", 100, 20,
        (80, 60, 40, 20), _by(contrast, 1.0, 0.2)),
    GradedPerturbation("higher_contrast", "Higher contrast", "Contrast (% of the original)", 100, 300,
        (150, 200, 250, 300), _by(contrast, 1.0, 3.0)),
    GradedPerturbation("crop", "Cropping", "Area kept (%)", 100, 40, (90, 75, 60, 40), enlarged_part),
    GradedPerturbation("grey", "Loss of color", "Color removed (%)", 0, 100, (25, 50, 75, 100),
        _by(fade, 0.0, 1.0)),
    GradedPerturbation("blocks", "Small blocks", "Small blocks laid over the image", 8, 120, (8, 40, 80, 120),
        _BLOCKS["small_holes"]),
    GradedPerturbation("fog", "Fog", "Density of the fog (%)", 30, 85, (30, 50, 70, 85), _WEATHER["fog"]),
    GradedPerturbation("snow", "Snow", "Snow cover (100 is the most)", 0, 100, (25, 50, 75, 100),
        _WEATHER["snow"]),
    GradedPerturbation("rain", "Rain", "Streaks of rain (on 256 x 256 pixels)", 60, 300, (60, 140, 220, 300),
        _WEATHER["rain"]),
    GradedPerturbation("text", "Text and watermarks", "Opacity of text over the image (%)", 15, 60,
        (15, 30, 45, 60), OVERLAY["watermark"]),
    GradedPerturbation("caption", "Captions", "Height of a caption (% of the image)", 8, 25, (8, 14, 20, 25),
        OVERLAY["caption"]),
    GradedPerturbation("sticker", "Stickers", "Stickers laid on the image", 1, 4, (1, 2, 3, 4),
        OVERLAY["sticker"]),
)  # fmt: skip
"""The functions are training's, with their ranges, or one of ``primitives``."""


def kind_rng(sha256: str, kind: str) -> np.random.Generator:
    """The randomness of one image under one kind: from the file's content, the same at every strength.

    Args:
        sha256: of the file's bytes, hexadecimal.
        kind: ``GradedPerturbation.name``.
    """
    return np.random.default_rng([int(sha256[:16], 16), *kind.encode()])


def altered(pixels: Pixels, sha256: str, kind: GradedPerturbation, amount: float) -> Pixels:
    """The one copy of an image under a kind and amount; anyone who measures, measures the same copies.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        sha256: of the image's file.
        kind: from ``KINDS``.
        amount: in the kind's unit, within its range.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return kind.function(pixels, kind.strength(amount), kind_rng(sha256, kind.name))
