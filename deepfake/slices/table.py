"""How a detector does on each slice: accuracy, false-positive rate, recall, ROC AUC; and the worst slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from deepfake.evaluation.breakdown import Subset, breakdown_table
from deepfake.evaluation.statistics.thresholds import sort_scores
from deepfake.slices.bins import FACTS, NOT_KNOWN, Fact

ALL = "All images"
MIN_SLICE = 50
"""Images below which a slice is never called the worst."""


@dataclass(frozen=True)
class Slice:
    """Some of the images: all, or those of one range of one fact.

    Attributes:
        fact: None for all.
        number: of the range, see ``bins.Fact.slices_of``.
        mostly: the source that most of them are from.
        mostly_share: its share, 0..1.
        subset: their scores.
    """

    fact: Fact | None
    number: int
    mostly: str
    mostly_share: float
    subset: Subset


def slices_of(table: pd.DataFrame) -> list[Slice]:
    """All images, then the slices of every fact that holds two or more; empty ones are left out.

    Args:
        table: a score table with facts (``held_out.with_facts``), at least one row.
    """
    found = [_slice(None, NOT_KNOWN, table)]
    for fact in FACTS:
        if fact.name not in table.columns:
            continue
        numbers = fact.slices_of(table[fact.name].to_numpy(float))
        mine = sorted(set(numbers.tolist()) - {NOT_KNOWN})
        if fact.missing and (numbers == NOT_KNOWN).any():
            mine.append(NOT_KNOWN)
        if len(mine) > 1:
            found += [_slice(fact, number, table[numbers == number]) for number in mine]
    return found


def _slice(fact: Fact | None, number: int, rows: pd.DataFrame) -> Slice:
    counts = rows["source"].value_counts()
    scores = sort_scores(rows["label"], rows["p_fake"])
    name = fact.label(number) if fact else ALL
    return Slice(fact, number, str(counts.index[0]), float(counts.iloc[0] / len(rows)), Subset(name, scores))


def slices_table(slices: list[Slice], threshold: float) -> pd.DataFrame:
    """A row for each slice at one threshold.

    Returns:
        the columns of ``breakdown.breakdown_table``, before them ``fact`` and ``slice`` (words), after them
        ``mostly`` (the source that most of its images are from) and ``mostly_share``.
    """
    table = breakdown_table([each.subset for each in slices], threshold)
    table.insert(0, "fact", [each.fact.title if each.fact else ALL for each in slices])
    table.insert(1, "slice", [each.fact.words(each.number) if each.fact else "" for each in slices])
    return table.assign(
        mostly=[each.mostly for each in slices], mostly_share=[each.mostly_share for each in slices]
    )


def worst_slice(table: pd.DataFrame) -> dict[str, Any] | None:
    """The slice of lowest accuracy, of those whose interval lies below the accuracy of all images.

    Args:
        table: from ``slices_table``; its first row is of all images.

    Returns:
        its row; None where no slice of at least ``MIN_SLICE`` images is so much worse.
    """
    rows = table.iloc[1:]
    worse = rows[(rows["images"] >= MIN_SLICE) & (rows["accuracy_high"] < table["accuracy"].iloc[0])]
    return None if worse.empty else worse.sort_values("accuracy", kind="stable").iloc[0].to_dict()
