"""Making an index of look-alikes: which training pictures it holds, and their embeddings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.index import DatasetError, DatasetIndex
from deepfake.detection.detector import Detector
from deepfake.detection.embedding.neighbours import IN_SCOPE, NeighbourIndex, kth_distance
from deepfake.images.load import ImageRefused
from deepfake.networks.scoring import scoring_batches

IMAGES = 2500
"""Training pictures of an index; its file then takes a few MB."""
REFERENCE = 1200
"""Validation pictures that say how far away is far."""


def make_index(
    detector: Detector,
    data: DatasetIndex,
    *,
    name: str,
    folder: str = "",
    images: int = IMAGES,
    reference: int = REFERENCE,
    on_progress: Callable[[int], None] | None = None,
) -> NeighbourIndex:
    """The index of a detector over its training set.

    Pictures are drawn evenly from every source and label, the same ones each time. A file that cannot be
    read is left out.

    Args:
        detector: the detector.
        data: labelled face crops with the splits Train and Validation.
        name: the data set's.
        folder: where it lies, see ``records.below_roots``.
        images: of Train, at most.
        reference: of Validation, at most.
        on_progress: told how many pictures are done.

    Raises:
        DatasetError: ``no_such_split``, or ``no_images``: not one picture of a split could be read.
    """
    train, validation = (
        DatasetIndex(data.root, even_sample(data.select(split=split).table, n))
        for split, n in (("Train", images), ("Validation", reference))
    )
    _, vectors, kept = _read(detector, train, on_progress)
    p_fake, others, _ = _read(
        detector, validation, on_progress and (lambda done: on_progress(len(train) + done))
    )
    small = vectors.astype(np.float16)
    distances = np.array([kth_distance(row) for row in others @ small.astype(np.float32).T], np.float32)
    decided = np.array([detector.card.thresholds.call(p) != "uncertain" for p in p_fake])
    table = train.table.iloc[kept]
    return NeighbourIndex(
        vectors=small,
        labels=table["label"].to_numpy(np.uint8),
        sources=tuple(table["source"].astype(str)),
        paths=tuple(table["path"]),
        reference=np.sort(distances),
        max_distance=max_distance_of(distances, decided),
        data=name,
        folder=folder,
        model_sha256=detector.card.sha256,
    )


def max_distance_of(distances: NDArray[np.float32], decided: NDArray[np.bool_]) -> float:
    """The distance to the training pictures beyond which a score is no verdict.

    Verdicts far out are wrong more often than near ones. ``IN_SCOPE`` of the verdicts on validation pictures
    are nearer than this. Infinite where there is no verdict at all.

    Args:
        distances: (M,) of validation pictures.
        decided: (M,) whether the detector calls them real or fake.
    """
    return float(np.quantile(distances[decided], IN_SCOPE)) if decided.any() else float("inf")


def even_sample(table: pd.DataFrame, n: int, seed: int = 0) -> pd.DataFrame:
    """At most ``n`` rows, as evenly from every source and label as there are rows, in the table's order.

    Args:
        table: with the columns ``source`` and ``label``.
        n: at least 1.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    turn = np.empty(len(table), int)
    for rows in table.reset_index(drop=True).groupby(["source", "label"]).indices.values():
        turn[rows] = rng.permutation(len(rows))
    chosen = np.lexsort((rng.random(len(table)), turn))[:n]  # one of each group, then the next
    return table.iloc[np.sort(chosen)].reset_index(drop=True)


def _read(
    detector: Detector, data: DatasetIndex, on_progress: Callable[[int], None] | None
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.intp]]:
    """(N,) p_fake and (N, D) embeddings of the pictures that could be read, and their rows."""
    refused: list[int] = []

    def refuse(row: int, _: ImageRefused) -> None:
        refused.append(row)

    scores, parts, done = [], [], 0
    spec = detector.card.input
    batches = scoring_batches(
        data.paths(), spec.size, perturbed=False, on_refused=refuse, interpolation=spec.interpolation
    )
    for batch in batches:
        p_fake, vectors = detector.read_batch(batch)
        scores.append(p_fake)
        parts.append(vectors)
        done += len(batch)
        if on_progress is not None:
            on_progress(done)
    if len(refused) == len(data):
        raise DatasetError("no_images", f"Not one image of {data.root} could be read.")
    kept = np.setdiff1d(np.arange(len(data)), refused)
    return np.concatenate(scores)[kept], np.concatenate(parts)[kept], kept
