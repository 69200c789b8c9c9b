"""The images of a run: those to train on and those to measure after each epoch."""

from __future__ import annotations

import pandas as pd

from deepfake.dataset import DatasetIndex
from deepfake.errors import UserError
from deepfake.recipes import Recipe
from deepfake.sampling import check_shares


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


def balanced_sample(data: DatasetIndex, most: int | None) -> DatasetIndex:
    """At most ``most`` images, an even part of each class of each source, always the same ones."""
    if most is None or len(data) <= most:
        return data
    groups = data.table.groupby(["source", "label"])
    each = most // len(groups)
    table = pd.concat([group.sample(min(len(group), each), random_state=0) for _, group in groups])
    return DatasetIndex(data.root, table.sort_values("path").reset_index(drop=True))
