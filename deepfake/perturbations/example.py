"""A drawn portrait, to show what a perturbation does without anybody's photograph."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from deepfake.perturbations.graded import KINDS, altered
from deepfake.types import Pixels

EXAMPLE_SIDE = 256
_DRAWN_AT = 4 * EXAMPLE_SIDE  # four times as large and shrunk, for smooth edges


def drawn_portrait() -> Pixels:
    """A face with hair, eyes and a striped jumper before a window; (256, 256, 3) uint8, always the same."""
    canvas = Image.new("RGB", (_DRAWN_AT, _DRAWN_AT), "#9DB8C7")
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((620, 60, 960, 560), fill="#DCEBF2", outline="#6E5A48", width=18)
    draw.line((790, 60, 790, 560), fill="#6E5A48", width=12)
    draw.line((620, 300, 960, 300), fill="#6E5A48", width=12)
    draw.rounded_rectangle((150, 760, 874, 1100), 160, fill="#37627A")
    for top in range(875, 1024, 55):
        draw.line((150, top, 874, top), fill="#E7D9B4", width=16)
    draw.rectangle((432, 660, 592, 830), fill="#C98F6E")
    draw.ellipse((270, 120, 754, 640), fill="#3B2A20")
    draw.ellipse((320, 200, 704, 740), fill="#DDA885")
    draw.pieslice((290, 130, 734, 560), 185, 355, fill="#3B2A20")
    for middle in (425, 600):
        draw.ellipse((middle - 52, 400, middle + 52, 458), fill="#FAF7F2", outline="#5B4032", width=5)
        draw.ellipse((middle - 24, 404, middle + 24, 454), fill="#4B7A52")
        draw.ellipse((middle - 10, 418, middle + 10, 440), fill="#101010")
        draw.arc((middle - 66, 340, middle + 66, 430), 205, 335, fill="#3B2A20", width=13)
    draw.line((515, 440, 490, 560, 530, 565), fill="#B07A5B", width=10, joint="curve")
    draw.chord((432, 600, 596, 668), 0, 180, fill="#A8443E")
    draw.line((432, 634, 596, 634), fill="#7C2F2B", width=6)
    small = canvas.filter(ImageFilter.GaussianBlur(2)).resize(
        (EXAMPLE_SIDE, EXAMPLE_SIDE), Image.Resampling.LANCZOS
    )
    grain = np.random.default_rng(0).normal(0, 3, (EXAMPLE_SIDE, EXAMPLE_SIDE, 1))  # as of a camera
    return np.clip(np.asarray(small, np.float32) + grain, 0, 255).astype(np.uint8)


def example_strip(perturbation: str) -> list[tuple[str, Pixels]]:
    """The portrait clean and at every amount of a perturbation.

    Args:
        perturbation: ``GradedPerturbation.name``; empty list for another one.

    Returns:
        (amount in words, (256, 256, 3) uint8).
    """
    kind = next((kind for kind in KINDS if kind.name == perturbation), None)
    if kind is None:
        return []
    clean = drawn_portrait()
    digest = hashlib.sha256(clean.tobytes()).hexdigest()
    copies = [(f"{amount:g}", altered(clean, digest, kind, amount)) for amount in kind.amounts]
    return [("Clean", clean), *copies]
