"""A detector's scores of a data set's images: as recorded in its card, or computed now and kept."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deepfake.data.inventory import Inventory
from deepfake.detection.card import Card
from deepfake.errors import EvaluationError
from deepfake.evaluation.kept import known_evaluations
from deepfake.evaluation.scores import read_scores
from deepfake.util.cache import DAMAGED, cache_folder, prune, write_whole
from deepfake.util.jobs import Stopped

MOST_CACHED_BYTES = 64_000_000
Scores = NDArray[np.float64]


def recorded_scores(inventory: Inventory, card: Card) -> Scores | None:
    """Scores of evaluations in the detector's card or run here, matched by the images' paths and labels.

    Of an evaluation of unaltered copies only. The table holds names, not contents, so two sets whose files
    have the same names cannot be told apart: at least half of an evaluation's images must be in the set.

    Returns:
        (N,) p_fake, NaN where there is none; None where no evaluation matches.
    """
    place = {path: row for row, path in enumerate(inventory.table["path"])}
    labels = inventory.table["label"].to_numpy()
    scores = np.full(len(inventory), np.nan)
    for recorded in known_evaluations(card)[0]:
        if recorded.perturbed:
            continue
        try:
            table = read_scores(recorded.scores)
        except EvaluationError:
            continue
        rows = np.array([place.get(str(name), -1) for name in table["image_id"]], np.int64)
        known = rows >= 0
        known[known] = labels[rows[known]] == table["label"].to_numpy()[known]
        if known.sum() * 2 >= len(table):
            scores[rows[known]] = table["p_fake"].to_numpy(float)[known]
    return None if np.isnan(scores).all() else scores


def kept_scores(inventory: Inventory, card: Card) -> Scores | None:
    """The scores that ``compute_scores`` kept, if the files are still the same."""
    try:
        with np.load(cache_folder("scores") / _name(inventory, card)) as kept:
            return kept["p_fake"]
    except DAMAGED:
        return None


def known_scores(inventory: Inventory, card: Card) -> Scores | None:
    """The scores kept, else those recorded, else None."""
    kept = kept_scores(inventory, card)
    return recorded_scores(inventory, card) if kept is None else kept


def compute_scores(
    inventory: Inventory,
    card: Card,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Scores:
    """Scores every image as a face crop, as ``evaluate`` does; tens to hundreds of images a second.

    Returns:
        (N,) p_fake, NaN where an image cannot be read.

    Raises:
        Stopped: ``stopped`` said so.
        ModelError: the detector is missing or damaged.
    """
    from deepfake.detection.detector import get_detector
    from deepfake.networks.scoring import score_files

    detector = get_detector(card.name)
    total = len(inventory)

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(done, total)
        if stopped():
            raise Stopped

    logits = score_files(
        detector.scorer,
        detector.card.input,
        inventory.index().paths(),
        on_refused=lambda row, refusal: None,
        on_progress=report,
    )
    scores = detector.card.probability(logits)
    buffer = io.BytesIO()
    np.savez(buffer, p_fake=scores)
    try:
        folder = cache_folder("scores")
        write_whole(folder / _name(inventory, card), buffer.getvalue())
        prune(folder, MOST_CACHED_BYTES)
    except OSError:  # computed again next time
        pass
    return scores


def _name(inventory: Inventory, card: Card) -> str:
    key = f"{inventory.fingerprint}|{card.score_version}"
    return f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npz"
