"""Several pictures as one: the 3 x 3 grid of a class, a perturbation at rising strengths."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.images.load import ImageRefused, load_image
from deepfake.perturbations.mix import FINAL_QUALITY, PERTURBATIONS, Augmentation, augment
from deepfake.perturbations.primitives import jpeg
from deepfake.types import Pixels

CELL, GAP = 160, 4
STRENGTHS = (0.1, 0.4, 0.7, 1.0)
KIND_WORDS: dict[str, str] = {
    "colour": "Color",
    "noise": "Noise",
    "blur": "Blur",
    "blocks": "Blocks and pixels",
    "weather": "Weather",
    "edges": "Edges and sharpening",
    "jpeg": "JPEG compression",
}
FUNCTION_WORDS: dict[str, str] = {
    "rgb_shift": "RGB shift",
    "grey": "Gray",
    "posterise": "Posterize",
    "equalise": "Equalize",
    "solarise": "Solarize",
    "clahe": "CLAHE",
    "camera_iso": "Camera ISO",
    "down_up": "Shrink and enlarge",
    "jpeg": "JPEG",
}
"""Of the perturbations whose name is not what a person would call them."""


def function_title(name: str) -> str:
    """A perturbation's name in words.

    >>> function_title("rgb_shift"), function_title("tone_curve")
    ('RGB shift', 'Tone curve')
    """
    return FUNCTION_WORDS.get(name, name.replace("_", " ").capitalize())


def contact_sheet(pictures: Sequence[Pixels], columns: int, cell: int = CELL) -> NDArray[np.uint8]:
    """Pictures side by side, each fitted whole into a square; the gaps are transparent.

    Args:
        pictures: (H, W, 3) uint8 each.
        columns: how many in a row.
        cell: side of a square in pixels.

    Returns:
        (h, w, 4) uint8 RGBA.
    """
    rows = -(-len(pictures) // columns)
    step = cell + GAP
    sheet = np.zeros((rows * step - GAP, columns * step - GAP, 4), np.uint8)
    for index, pixels in enumerate(pictures):
        height, width = pixels.shape[:2]
        scale = cell / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)
        top = index // columns * step + (cell - size[1]) // 2
        left = index % columns * step + (cell - size[0]) // 2
        sheet[top : top + size[1], left : left + size[0], :3] = small
        sheet[top : top + size[1], left : left + size[0], 3] = 255
    return sheet


def sample_rows(table: pd.DataFrame, label: int, draw: int, most: int = 9) -> NDArray[np.int64]:
    """Rows of up to ``most`` images of a class, drawn at random but always the same for the same ``draw``."""
    rows = np.flatnonzero(table["label"].to_numpy() == label)
    chosen = np.random.default_rng(draw).permutation(rows.size)[:most]
    return rows[chosen]


def readable(paths: Sequence[str]) -> list[Pixels]:
    """The pixels of those files that can be read."""
    found = []
    for path in paths:
        try:
            found.append(load_image(path, min_side=1).pixels)
        except ImageRefused:
            continue
    return found


def strengths(pixels: Pixels, kind: str, name: str, seed: int = 0) -> NDArray[np.uint8]:
    """One perturbation at ``STRENGTHS``, each followed by the JPEG pass that training adds; one row.

    Args:
        pixels: (H, W, 3) uint8.
        kind, name: see ``mix.PERTURBATIONS``.
        seed: of its randomness.
    """
    apply = PERTURBATIONS[kind][name]
    made = [
        jpeg(apply(np.ascontiguousarray(pixels), strength, np.random.default_rng(seed)), FINAL_QUALITY)
        for strength in STRENGTHS
    ]
    return contact_sheet(made, len(STRENGTHS))


def training_samples(pixels: Pixels, draw: int, samples: int = 8, size: int = CELL) -> NDArray[np.uint8]:
    """What the recipe ``compact`` makes of an image in ``samples`` epochs: crop, perturb, mirror; 4 a row."""
    rngs = [np.random.default_rng([draw, index]) for index in range(samples)]
    return contact_sheet([augment(pixels, size, Augmentation(), rng) for rng in rngs], 4, size)
