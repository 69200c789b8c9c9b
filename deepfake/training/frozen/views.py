"""The views of an image that a frozen network is shown: as it is, and one perturbed copy.

The draws follow from the file's content and the view's name: anyone who makes a view makes the same one.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from deepfake.perturbations.mix import perturb
from deepfake.perturbations.sharing import as_shared
from deepfake.types import Pixels

View = Literal["clean", "perturbed", "shared", "mixed"]
VIEWS: tuple[View, ...] = get_args(View)
MIXED_PERTURBED = 0.35
"""Share of the views called ``mixed`` that are ``perturbed``; the others are ``shared``."""


def view_of(pixels: Pixels, sha256: str, view: View) -> Pixels:
    """A view of an image.

    Args:
        pixels: (H, W, 3) uint8 RGB, a face.
        sha256: of the image's file, hexadecimal.
        view: ``clean``: as it is; ``perturbed``: the copy of ``mix.perturbed_copy``, as in
            OpenForensics' Test; ``shared``: as people have it; ``mixed``: one of the last two, drawn anew.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    if view == "clean":
        return pixels
    seed = int(sha256[:16], 16)
    if view == "perturbed":
        return perturb(pixels, np.random.default_rng(seed))
    rng = np.random.default_rng([seed, *view.encode()])
    if view == "mixed" and rng.random() < MIXED_PERTURBED:
        return perturb(pixels, rng)
    return as_shared(pixels, rng)
