"""Drawn views of images of each kind, and the kinds of a card."""

from __future__ import annotations

from typing import Any

import numpy as np

from deepfake.training.frozen.kinds import FAMILIES, Samples
from deepfake.types import FAKE_KINDS

PHOTOS = ("camera", "ffhq", "lfw")


def drawn_samples(each: int = 16, width: int = 24, apart: float = 6.0) -> Samples:
    """Views whose first numbers tell the kind, so that a left-out generator is told by its kin.

    Args:
        each: views of every generator, a quarter of them of Validation.
        width: numbers of each view.
        apart: how far the kinds lie from each other.
    """
    rng = np.random.default_rng(0)
    of_kind = {kind: [name for family in families for name in family] for kind, families in FAMILIES.items()}
    rows = [(kind, name) for kind, names in {**of_kind, "photo": PHOTOS}.items() for name in names]
    kind, generator = (np.repeat([row[part] for row in rows], each) for part in (0, 1))
    features = rng.normal(0, 1, (len(kind), width))
    features[np.arange(len(kind)), [FAKE_KINDS.index(name) for name in kind]] += apart
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    turn = np.arange(len(kind)) % each
    view = np.where(turn % 2, "mixed", "clean")
    return Samples(features.astype(np.float32), kind, generator, view, turn % 8 < 6)


def drawn_kinds(**changes: Any) -> dict[str, Any]:
    """What ``card.json`` holds under ``kinds``; ``changes`` replace its fields."""

    def row(right: str) -> dict[str, int]:
        return {**dict.fromkeys(FAKE_KINDS, 1), right: 8, "cannot tell": 3}

    table = {kind: row(kind) for kind in FAKE_KINDS}
    families = [
        {"generators": ["sd3"], "kind": "diffusion", "n": 15, "called": row("diffusion")},
        {"generators": ["stargan"], "kind": "edit", "n": 15, "called": row("photo")},
    ]
    entry = {
        "sha256": "0" * 64,
        "network_sha256": "of the second",
        "named_from": {"gan": 0.6, "swap": 0.6, "photo": 0.6},
        "held_out": {"clean": table, "mixed": table},
        "left_out": table,
        "left_out_families": families,
    }
    return {**entry, **changes}
