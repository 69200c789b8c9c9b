"""What there is to choose for a run on this machine: data sets, starts, names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deepfake.data.index import SPLITS, DatasetIndex, split_name
from deepfake.detection.card import load_card, model_names
from deepfake.errors import UserError
from deepfake.networks.catalogue import architecture
from deepfake.training.recipe import Recipe

AUGMENTATIONS = (None, 0.0, 0.25, 0.45, 0.65, 0.85)
"""Shares of perturbed training images to choose from; None leaves every image as it is."""


def weight_choices(recipe: Recipe) -> list[str]:
    """What training can start from: ``none``, and ImageNet's weights or detectors of the same network."""
    entry = architecture(recipe.architecture)
    choices = ["none", "imagenet"] if entry.imagenet else ["none"]
    if not entry.from_detectors:
        return choices
    for name in model_names():
        try:
            fits = recipe.architecture in load_card(name).networks
        except UserError:
            continue
        if fits:
            choices.append(name)
    return choices


def augmentation_choices(recipe: Recipe) -> list[float | None]:
    """``AUGMENTATIONS`` and the recipe's own share, rising."""
    known = {share for share in (*AUGMENTATIONS, recipe.perturbed) if share is not None}
    return [None, *sorted(known)]


def can_train(folder: Path) -> bool:
    """Whether a data set looks as if a run could use it: with Train and Validation, or a manifest."""
    try:
        splits = {split_name(path.name) for path in folder.iterdir() if path.is_dir()}
    except OSError:
        return False
    return {"Train", "Validation"} <= splits or (folder / "manifest.csv").is_file()


def image_counts(data: DatasetIndex) -> dict[str, tuple[int, int]]:
    """Fake and Real images of each split that a run uses."""
    counts = data.table.groupby(["split", "label"]).size()
    return {
        split: (int(counts.get((split, 1), 0)), int(counts.get((split, 0), 0)))
        for split in SPLITS
        if split in counts.index.get_level_values(0)
    }


def free_name(stem: str, taken: Iterable[str]) -> str:
    """``stem-1``, or the next number that is free.

    >>> free_name("seed", ["seed-1", "seed-3"])
    'seed-2'
    """
    names = set(taken)
    number = 1
    while f"{stem}-{number}" in names:
        number += 1
    return f"{stem}-{number}"
