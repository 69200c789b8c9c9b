"""Which images of a data set a gallery shows, and in which order; no pixel is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.image_stats import Measures
from deepfake.data.inventory import Inventory
from deepfake.types import Thresholds, VerdictLabel

SortName = Literal["name", "n_bytes", "pixels", "brightness", "sharpness", "p_fake"]
SORTS: dict[SortName, str] = {
    "name": "Name",
    "n_bytes": "File size",
    "pixels": "Image size",
    "brightness": "Brightness",
    "sharpness": "Sharpness",
    "p_fake": "Probability of fake",
}
MEASURED: tuple[SortName, ...] = ("brightness", "sharpness")
"""Orders that need the audit's measures."""
SUSPECT = 0.95
"""How sure a detector must be that a label is wrong."""


@dataclass(frozen=True)
class Query:
    """What to show.

    Attributes:
        split, source: only this one; "" for all.
        label: 1 Fake, 0 Real; None for both.
        text: only images whose path holds it, in any case of letters.
        verdict: only images that the detector calls so; None for all.
        wrong: only images that the detector calls fake although Real, or real although Fake.
        sort: by what.
        descending: largest first.
    """

    split: str = ""
    source: str = ""
    label: int | None = None
    text: str = ""
    verdict: VerdictLabel | None = None
    wrong: bool = False
    sort: SortName = "name"
    descending: bool = False


def gallery_table(
    inventory: Inventory, measures: Measures | None = None, p_fake: NDArray[np.float64] | None = None
) -> pd.DataFrame:
    """The inventory's table with what a gallery can sort by.

    Args:
        inventory: the data set.
        measures: adds ``brightness`` and ``sharpness``, NaN of unreadable images.
        p_fake: (N,) scores of a detector, NaN where there is none; adds ``p_fake``.
    """
    table = inventory.table
    added: dict[str, Any] = {"pixels": table["width"].to_numpy(np.int64) * table["height"].to_numpy(np.int64)}
    if measures is not None:
        for name in ("brightness", "sharpness"):
            added[name] = np.where(measures.good, getattr(measures, name), np.nan)
    if p_fake is not None:
        added["p_fake"] = p_fake
    return table.assign(**added)


def select(table: pd.DataFrame, query: Query, thresholds: Thresholds | None = None) -> NDArray[np.int64]:
    """Row numbers of the images that match, in order.

    Args:
        table: from ``gallery_table``.
        query: what is asked for; a sort by a column that the table lacks is by name.
        thresholds: of the detector whose scores stand in ``p_fake``; needed for verdicts.
    """
    keep = np.ones(len(table), bool)
    for column, wanted in (("split", query.split), ("source", query.source)):
        if wanted:
            keep &= (table[column] == wanted).to_numpy()
    if query.label is not None:
        keep &= (table["label"] == query.label).to_numpy()
    if query.text:
        keep &= table["path"].str.contains(query.text, case=False, regex=False).to_numpy(bool)
    if "p_fake" in table and thresholds is not None and (query.verdict or query.wrong):
        calls = thresholds.decide_all(table["p_fake"].to_numpy(float))
        if query.verdict:
            keep &= calls == query.verdict
        if query.wrong:
            labels = table["label"].to_numpy()
            keep &= ((calls == "fake") & (labels == 0)) | ((calls == "real") & (labels == 1))
    rows = np.flatnonzero(keep)
    if query.sort == "name" or query.sort not in table:
        return rows[::-1] if query.descending else rows
    values = table[query.sort].to_numpy(float)[rows]
    order = np.argsort(-values if query.descending else values, kind="stable")  # NaN comes last either way
    return rows[order]


def suspects(table: pd.DataFrame, p_fake: NDArray[np.float64], sure: float = SUSPECT) -> pd.DataFrame:
    """Images on which a detector is surest and wrong: candidates for a wrong label, the surest first.

    Args:
        table: the inventory's.
        p_fake: (N,) scores, NaN where there is none.
        sure: a Real from this score on, and a Fake up to 1 - ``sure``, is a suspect.

    Returns:
        ``path``, ``split``, ``label``, ``p_fake``.
    """
    wrong = np.where(
        table["label"].to_numpy() == 1, 1 - p_fake, p_fake
    )  # how surely the label is contradicted
    rows = np.flatnonzero(wrong >= sure)
    rows = rows[np.argsort(-wrong[rows], kind="stable")]
    chosen = table.iloc[rows]
    return pd.DataFrame(
        {
            "path": chosen["path"].to_numpy(),
            "split": chosen["split"].astype(str).to_numpy(),
            "label": chosen["label"].to_numpy(int),
            "p_fake": p_fake[rows],
        }
    )


def neighbours(measures: Measures, row: int, most: int = 6) -> list[tuple[int, int]]:
    """The images whose perceptual hashes are nearest to one image's: (row, bits apart), nearest first."""
    if not measures.good[row]:
        return []
    words = np.ascontiguousarray(measures.perceptual).view(np.uint64).ravel()
    apart = np.bitwise_count(words ^ words[row]).astype(np.int64)
    apart[~measures.good] = 65
    apart[row] = 66
    nearest = np.argsort(apart, kind="stable")[:most]
    return [(int(index), int(apart[index])) for index in nearest if apart[index] <= 64]
