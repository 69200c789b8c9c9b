"""The images of a run: those to train on and those to measure after each epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import cv2
import pandas as pd

from deepfake.data.index import DatasetIndex
from deepfake.errors import UserError
from deepfake.images.load import ImageRefused, load_image
from deepfake.training.recipe import Recipe
from deepfake.training.samples import check_shares
from deepfake.types import Landmarks

_MOST_NAMED = 5


class TrainingError(UserError):
    """A run cannot start, go on or resume."""


def prepared(data: DatasetIndex, recipe: Recipe) -> tuple[DatasetIndex, DatasetIndex]:
    """The images to train on and those to measure after an epoch; raises as ``training.train``."""
    data = data.without_duplicates()
    training, validation = data.select(split="Train"), data.select(split="Validation")
    for part in (training, validation):
        if part.table["label"].nunique() < 2:
            raise TrainingError(
                "one_class",
                f"{part.root}, {part.table['split'].iloc[0]}: only one class has images. "
                "Both Fake and Real are needed.",
            )
    check_shares(training, recipe)
    if recipe.shares:
        within = validation.table["source"].isin(list(recipe.shares))
        validation = DatasetIndex(validation.root, validation.table[within].reset_index(drop=True))
    return training, balanced_sample(validation, recipe.validation_images)


def check_images(training: DatasetIndex, validation: DatasetIndex) -> None:
    """Decodes every image of a run once, about 1 ms of processor time each, before the first step.

    A broken one would end the run when its turn comes, an epoch or hours later.

    Raises:
        TrainingError: code ``broken_image``; names the first few.
    """
    paths = [*training.paths(), *validation.paths()]
    cv2.setNumThreads(0)
    with ThreadPoolExecutor() as pool:
        broken = [refusal for refusal in pool.map(_refusal, paths) if refusal]
    if broken:
        more = f" So are {len(broken) - _MOST_NAMED:,} more." if len(broken) > _MOST_NAMED else ""
        raise TrainingError(
            "broken_image",
            f"{len(broken):,} of the run's {len(paths):,} images cannot be used: "
            f"{' '.join(broken[:_MOST_NAMED])}{more} Repair or remove them; data --audit names all.",
        )


def _refusal(path: str) -> str:
    """Why an image cannot be used, with its name; empty for a good one."""
    try:
        load_image(path)
    except ImageRefused as refusal:
        return f"{path}: {refusal.message}"
    return ""


def data_digest(training: DatasetIndex, validation: DatasetIndex, landmarks: Mapping[str, Landmarks]) -> str:
    """SHA-256, hexadecimal, of all that a run learns from and is measured on.

    Names within the data set, labels, sources, contents, and the landmarks of training images; the folder's
    own place is no part of it.
    """
    digest = hashlib.sha256()
    for part in (training, validation):
        own_name = part.root.resolve().name  # what the source is called where there is no other name
        table = part.table.assign(source=part.table["source"].replace({part.root.name: "", own_name: ""}))
        columns = (table[name].astype(str) for name in ("split", "path", "label", "source"))
        rows = sorted(zip(*columns, part.hashes(), strict=True))
        for row in rows:
            digest.update("\0".join(row).encode() + b"\n")
    for name in sorted(landmarks.keys() & set(training.table["path"])):
        digest.update(name.encode() + landmarks[name].tobytes())
    return digest.hexdigest()


def balanced_sample(data: DatasetIndex, most: int | None) -> DatasetIndex:
    """At most ``most`` images, an even part of each class of each source, always the same ones."""
    if most is None or len(data) <= most:
        return data
    groups = data.table.groupby(["source", "label"])
    each = most // len(groups)
    table = pd.concat([group.sample(min(len(group), each), random_state=0) for _, group in groups])
    return DatasetIndex(data.root, table.sort_values("path").reset_index(drop=True))
