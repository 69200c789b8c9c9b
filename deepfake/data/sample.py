"""A part of a data set in which no generator crowds out another: so many images of each."""

from __future__ import annotations

import hashlib

import numpy as np

from deepfake.data.index import DatasetIndex


def draw_evenly(data: DatasetIndex, each: int, seed: int = 0) -> DatasetIndex:
    """At most so many images of each generator and class, in every split and source.

    The draw follows from the files' content and the seed: a larger one holds the smaller one, and it does not
    depend on which other images there are. Images that stand there twice count once.

    Args:
        data: the images; without a manifest that names generators a source is one.
        each: how many, at least 1.
        seed: of the draw.
    """
    data = data.without_duplicates()
    table = data.table
    draw = [hashlib.sha256(f"{seed} {sha}".encode()).hexdigest() for sha in data.hashes()]
    names = [name for name in ("split", "source", "generator", "label") if name in table.columns]
    order = np.argsort(np.array(draw), kind="stable")
    places = table.iloc[order].groupby(names, dropna=False).cumcount()
    kept = table.loc[places.index[places < each]].sort_index()
    return DatasetIndex(data.root, kept.reset_index(drop=True), data.notes)
