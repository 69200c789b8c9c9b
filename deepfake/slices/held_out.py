"""The held-out images of a detector with what it said of them and their facts."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from deepfake.errors import UserError
from deepfake.evaluation.records import Recorded, read_recorded_scores
from deepfake.slices.facts import FACT_COLUMNS, read_facts, write_facts
from deepfake.util.cache import cache_folder, prune

MAX_CACHED_BYTES = 64_000_000


@dataclass(frozen=True)
class HeldOut:
    """Images that a detector was not trained on, each once.

    Attributes:
        table: a row an image: the columns of a score table, ``evaluation`` (its title), those of
            ``facts.read_facts``. Facts that are not known are NaN.
        twice: images left out because they stand in another evaluation too.
        without: titles of evaluations of whose images no facts are known, or whose scores cannot be read;
            they are not in the table.
    """

    table: pd.DataFrame
    twice: int
    without: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.table)


UNIFORM = 0.95
"""A fact that is the same for this share of the images of each set tells the sets apart, and nothing else."""


def varies_within_sets(table: pd.DataFrame, name: str) -> bool:
    """Whether a fact differs among the images of one set; the JPEG quality of sets in one form does not.

    Args:
        table: ``HeldOut.table``.
        name: a column of facts.
    """
    for _, values in table.groupby("source")[name]:
        if values.value_counts(dropna=False, normalize=True).iloc[0] < UNIFORM:
            return True
    return False


def facts_path(recorded: Recorded) -> Path:
    """Where the facts of an evaluation's images lie: ``facts-X.csv`` beside its ``scores-X.csv``."""
    return recorded.scores.with_name(f"facts{recorded.scores.name.removeprefix('scores')}")


def kept_facts_path(recorded: Recorded) -> Path:
    """Where facts lie that were measured from the page Evaluation, which writes beside no card.

    Raises:
        OSError: there is no cache folder.
    """
    digest = hashlib.sha256(str(recorded.scores.resolve()).encode()).hexdigest()[:24]
    return cache_folder("facts") / f"{digest}.csv"


def keep_facts(recorded: Recorded, table: pd.DataFrame) -> None:
    """Keeps measured facts in the cache folder.

    Raises:
        OSError: it cannot be written.
    """
    path = kept_facts_path(recorded)
    write_facts(table, path)
    prune(path.parent, MAX_CACHED_BYTES)


def known_facts(recorded: Recorded) -> pd.DataFrame | None:
    """The facts beside an evaluation's scores, else those kept on this machine; None where there are none.

    Raises:
        FactsError: they cannot be read.
    """
    places = [facts_path(recorded)]
    with contextlib.suppress(OSError):
        places.append(kept_facts_path(recorded))
    return next((read_facts(path) for path in places if path.is_file()), None)


def with_facts(recorded: Recorded) -> pd.DataFrame | None:
    """An evaluation's score table with its images' facts; None where none of them is known.

    Raises:
        EvaluationError, RecordError: as ``records.read_recorded_scores``.
        FactsError: as ``known_facts``.
    """
    facts = known_facts(recorded)
    if facts is None:
        return None
    table = read_recorded_scores(recorded)
    table = table.drop(columns=[name for name in facts.columns if name != "image_id" and name in table])
    joined = table.merge(facts, on="image_id", how="left")
    return joined if joined[[*FACT_COLUMNS]].notna().any(axis=None) else None


def held_out(evaluations: Sequence[Recorded]) -> HeldOut:
    """All images of a detector's evaluations whose facts are known.

    An image that stands in several evaluations counts once: as it is rather than as its perturbed copy, then
    in the order of the evaluations. Images are told apart by source and name.

    Args:
        evaluations: of one detector, as its card holds them.
    """
    parts, without = [], []
    for recorded in sorted(evaluations, key=lambda each: each.perturbed):
        try:
            table = with_facts(recorded)
        except UserError:
            table = None
        if table is None:
            without.append(recorded.title)
        else:
            measured = table[table["sharpness"].notna()]
            parts.append(measured.assign(evaluation=recorded.title))
    if not parts:
        return HeldOut(pd.DataFrame(), 0, tuple(without))
    every = pd.concat(parts, ignore_index=True)
    once = every.drop_duplicates(["source", "image_id"]).reset_index(drop=True)
    return HeldOut(once, len(every) - len(once), tuple(without))
