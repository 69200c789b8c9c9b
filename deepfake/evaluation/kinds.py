"""How often a detector names the kind of a fake rightly: what its card says, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from deepfake.detection.card import Card
from deepfake.errors import EvaluationError
from deepfake.types import FAKE_KINDS

CANNOT_TELL = "cannot tell"
"""In place of a kind, in the card and here."""
CALLED = (*FAKE_KINDS, CANNOT_TELL)


@dataclass(frozen=True)
class KindsMeasured:
    """What ``training.frozen.kinds`` measured.

    Attributes:
        named_from: by kind, how probable it must be to be named, 0..1; the others are never named.
        tables: confusion matrices, a row each kind there is and a column each of ``CALLED``, counts of views;
            by the view of held-out images, ``clean`` and ``mixed``, and ``left_out``.
        families: left-out families of generators: columns kind, generators, n and each of ``CALLED``.
    """

    named_from: dict[str, float]
    tables: dict[str, pd.DataFrame]
    families: pd.DataFrame


def read_kinds(card: Card) -> KindsMeasured | None:
    """What a card says of kinds; None where it says nothing.

    Raises:
        EvaluationError: code ``bad_kinds``: it cannot be read.
    """
    given = card.contents.get("kinds")
    if given is None:
        return None
    try:
        tables = {name: _matrix(table) for name, table in given["held_out"].items()}
        tables["left_out"] = _matrix(given["left_out"])
        rows = [
            {"kind": row["kind"], "generators": ", ".join(row["generators"]), "n": row["n"], **row["called"]}
            for row in given["left_out_families"]
        ]
        families = pd.DataFrame(rows, columns=["kind", "generators", "n", *CALLED])
        return KindsMeasured(
            {str(name): float(value) for name, value in given["named_from"].items()}, tables, families
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvaluationError(
            "bad_kinds",
            f"What the card of {card.name} says of kinds of fakes cannot be read ({error!r}). Make it anew "
            f"with 'python -m deepfake kinds DATA FEATURES --model {card.name}'.",
        ) from error


def _matrix(table: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    kinds = [kind for kind in FAKE_KINDS if kind in table]
    return pd.DataFrame(
        [[int(table[kind][column]) for column in CALLED] for kind in kinds], index=kinds, columns=list(CALLED)
    )


@dataclass(frozen=True)
class NamedRightly:
    """Of fakes: how many there are, of how many a kind is named, and of how many rightly."""

    fakes: int
    named: int
    right: int


def named_rightly(matrix: pd.DataFrame) -> NamedRightly:
    """Counts over the fakes of a confusion matrix of ``KindsMeasured.tables``."""
    fakes = matrix.drop(index="photo", errors="ignore")
    right = sum(int(fakes.loc[kind, kind]) for kind in fakes.index)  # pyright: ignore
    total = int(fakes.to_numpy().sum())
    return NamedRightly(total, total - int(fakes[CANNOT_TELL].sum()), right)
