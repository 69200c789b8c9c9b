"""Kinds of fakes that are named, in words."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from deepfake.detection.text import KIND_WORDS
from deepfake.detection.words import UNCERTAIN
from deepfake.evaluation.kinds import CALLED, CANNOT_TELL, NamedRightly
from deepfake.util.text import format_percent

KINDS_VIEWS: Mapping[str, str] = {
    "clean": "Held-out images",
    "mixed": "The same, perturbed",
    "left_out": "Left-out generators",
}
"""The tables of ``kinds.KindsMeasured`` in words."""
KINDS_CAUTION = (
    "Counts, and shares of the actual kind; at most 40 images of each generator. A kind never changes a "
    "verdict."
)


def kinds_sentence(counts: NamedRightly, view: str) -> str:
    """How often a kind is named of fakes, and rightly.

    Args:
        counts: over the fakes of a table.
        view: its name.
    """
    of = f"by generators that it was {'not ' if view == 'left_out' else ''}trained on"
    if not counts.named:
        return f"No kind is named for any of {counts.fakes:,} fakes {of}."
    return (
        f"A kind is named for {format_percent(counts.named / counts.fakes)} of {counts.fakes:,} fakes {of}; "
        f"{format_percent(counts.right / counts.named)} of these names are correct."
    )


def real_images_sentence(matrix: pd.DataFrame) -> str:
    """How many real images get the name of a kind; empty where there are none.

    Args:
        matrix: of ``kinds.KindsMeasured.tables``.
    """
    if "photo" not in matrix.index:
        return ""
    called = matrix.loc["photo"].to_dict()
    total = sum(called.values())
    named = total - called["photo"] - called[CANNOT_TELL]
    if not total:
        return ""
    return (
        f"Of {total:,} real images, {named:,} ({format_percent(named / total)}) get the name of a kind of "
        f"fake, too. It is shown only where the verdict is fake or {UNCERTAIN}."
    )


def named_sentence(named_from: Mapping[str, float]) -> str:
    """From which probability which kind is named."""
    words = {str(kind): word for kind, word in KIND_WORDS.items()}
    named = ", ".join(f"{words[name]} {value:.0%}" for name, value in named_from.items())
    return f"Named from a probability of: {named}. No other kind is named: too few such answers were correct."


def families_sentence(families: pd.DataFrame) -> str:
    """What the fakes of left-out generators are mostly called, kind by kind.

    Args:
        families: of ``kinds.KindsMeasured``.
    """
    parts = []
    for kind, rows in families.groupby("kind", sort=False):
        called = rows[list(CALLED)].sum()
        shares = (called / called.sum()).sort_values(ascending=False).head(3)
        words: Mapping[str, str] = {**KIND_WORDS, CANNOT_TELL: CANNOT_TELL}
        most = ", ".join(f"{words[str(name)]} {share:.0%}" for name, share in shares.items())
        title = words[str(kind)]
        parts.append(f"{title[0].upper()}{title[1:]}: {most}.")
    return f"What fakes by generators that it was not trained on are called. {' '.join(parts)}"
