"""What there is to choose for a run on this machine: data sets, starts, names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deepfake.data.index import SPLITS, index_dataset
from deepfake.detection.card import load_card, model_names
from deepfake.errors import UserError
from deepfake.networks.catalogue import architecture
from deepfake.settings import allowed_roots
from deepfake.training.recipe import Recipe

AUGMENTATIONS = (None, 0.0, 0.25, 0.45, 0.65, 0.85)
"""Shares of perturbed training images to choose from; None leaves every image as it is."""
_LEVELS = 3
_TRAIN, _VALIDATION = {"train", "training"}, {"validation", "valid", "val", "dev"}
_WITHIN = _TRAIN | _VALIDATION | {"test", "testing", "fake", "real"}


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


def training_sets() -> list[Path]:
    """Data sets below the allowed roots that a run can use: with Train and Validation, or a manifest."""
    found: dict[Path, None] = {}
    for root in allowed_roots():
        for folder in _walk(root, _LEVELS):
            if folder.resolve().is_relative_to(root):
                found[folder] = None
    return list(found)


def image_counts(folder: Path) -> dict[str, tuple[int, int]]:
    """Fake and Real images of each split that a run uses.

    Raises:
        DatasetError: the folder is no data set.
    """
    table = index_dataset(folder).table
    counts = table.groupby(["split", "label"]).size()
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


def _walk(folder: Path, levels: int) -> Iterable[Path]:
    """Data sets in a folder; what lies within a data set's splits and classes is not looked at."""
    try:
        entries = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.name[0] != "."}
    except OSError:
        return
    if (_TRAIN & entries.keys() and _VALIDATION & entries.keys()) or "manifest.csv" in entries:
        yield folder
    if levels:
        for name, path in entries.items():
            if name not in _WITHIN and path.is_dir():
                yield from _walk(path, levels - 1)
