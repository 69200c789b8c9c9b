"""Which images a run is trained on, and which an epoch shows in what way: sources and classes in balance."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.index import DatasetIndex
from deepfake.errors import UserError
from deepfake.images.load import ImageRefused, load_image
from deepfake.perturbations.mix import Augmentation
from deepfake.training.pipeline import Sample
from deepfake.training.recipe import Recipe
from deepfake.types import Landmarks


class SamplingError(UserError):
    """A recipe's shares do not fit the data."""


@dataclass(frozen=True)
class _Group:
    """Rows that an epoch draws from alike."""

    name: str
    rows: NDArray[np.int64]
    blended: bool


def images_per_epoch(data: DatasetIndex, recipe: Recipe) -> int:
    """How many samples an epoch shows."""
    return recipe.epoch_images if recipe.shares and recipe.epoch_images else len(data)


def check_shares(data: DatasetIndex, recipe: Recipe) -> None:
    """Refuses shares of sources that are not there, or that lack a class.

    Raises:
        SamplingError: code ``bad_shares``.
    """
    there = data.table.groupby("source")["label"].nunique()
    wrong = [source for source in recipe.shares or {} if there.get(source, 0) < 2]
    if wrong:
        raise SamplingError(
            "bad_shares",
            f"The recipe {recipe.name} takes shares of {', '.join(wrong)}, but {data.root} lacks "
            f"Fake or Real training images of them. It holds: {', '.join(map(str, there.index))}.",
        )


def epoch_samples(
    data: DatasetIndex, recipe: Recipe, epoch: int, landmarks: Mapping[str, Landmarks]
) -> list[Sample]:
    """The samples of one epoch, shuffled; they follow from the recipe's seed and the epoch alone.

    Without ``shares`` every image comes once. With them each source gets its share, half of it Fake and
    half Real, and runs through its images again and again, over epochs' borders, before any comes twice
    more than another. Of a source's Fake half the part ``recipe.blended`` (or ``source_blended``) are
    self-blended photographs of that source, where landmarks of them are known, or composites of two of them.

    Args:
        data: the training images.
        recipe: the settings.
        epoch: from 0.
        landmarks: of photographs, by path in the data set.
    """
    table, paths = data.table, data.paths()
    labels = table["label"].to_numpy()
    kinds = {source: augmentation_of(recipe, str(source)) for source in table["source"].unique()}
    augmentations = [kinds[source] for source in table["source"]]
    drawn: list[tuple[int, _Group | None]] = []
    if recipe.shares:
        for group, count in _groups(table, recipe, landmarks):
            drawn += [(row, group) for row in _cycle(group, count, epoch, recipe.seed)]
    else:
        drawn = [(row, None) for row in range(len(table))]
    order = np.random.default_rng([recipe.seed, epoch]).permutation(len(drawn))
    names = table["path"].to_numpy()
    samples = []
    for index in order.tolist():
        row, group = drawn[index]
        blended = group is not None and group.blended
        giving = _donor(group.rows, recipe, epoch, index) if group is not None and blended else None
        samples.append(
            Sample(
                path=paths[row],
                fake=1.0 if blended else float(labels[row]),
                augmentation=augmentations[row],
                draw=(recipe.seed, epoch, index if recipe.shares else row),
                landmarks=landmarks[names[row]] if blended else None,
                donor=None if giving is None else (paths[giving], landmarks[names[giving]]),
            )
        )
    return samples


def _donor(rows: NDArray[np.int64], recipe: Recipe, epoch: int, index: int) -> int | None:
    """The photograph that gives its face, or None where a photograph is blended with itself."""
    rng = np.random.default_rng([recipe.seed, epoch, index, 1])
    return int(rng.choice(rows)) if rng.random() < recipe.swapped else None


def augmentation_of(recipe: Recipe, source: str) -> Augmentation | None:
    """How images of a source are varied: traces of some generators drown in strong perturbation."""
    if recipe.perturbed is None:
        return None
    usual = Augmentation(perturbed=recipe.perturbed, min_area=recipe.min_area)
    return replace(usual, perturbed=(recipe.source_perturbed or {}).get(source, usual.perturbed))


def _groups(
    table: pd.DataFrame, recipe: Recipe, landmarks: Mapping[str, Landmarks]
) -> list[tuple[_Group, int]]:
    """Every group of rows with the number of samples that an epoch takes from it."""
    shares = recipe.shares or {}
    total = recipe.epoch_images or len(table)
    found = table["path"].isin(list(landmarks)).to_numpy()
    labels, sources = table["label"].to_numpy(), table["source"].to_numpy()
    groups = []
    for source, share in shares.items():
        half = round(total * share / sum(shares.values()) / 2)
        mine = sources == source
        usable = np.flatnonzero(mine & (labels == 0) & found)
        part = (recipe.source_blended or {}).get(str(source), recipe.blended)
        blended = round(half * part) if usable.size else 0
        for label, count in ((0, half), (1, half - blended)):
            rows = np.flatnonzero(mine & (labels == label))
            groups.append((_Group(f"{source} {label}", rows, False), count))
        if blended:
            groups.append((_Group(f"{source} blended", usable, True), blended))
    return groups


def _cycle(group: _Group, count: int, epoch: int, seed: int) -> list[int]:
    """Rows ``epoch * count`` and on of an endless row of permutations."""
    first, size = epoch * count, len(group.rows)
    taken: list[int] = []
    for turn in range(first // size, (first + count - 1) // size + 1 if count else 0):
        order = np.random.default_rng([seed, zlib.crc32(group.name.encode()), turn]).permutation(size)
        begin, end = max(first - turn * size, 0), min(first + count - turn * size, size)
        taken += group.rows[order[begin:end]].tolist()
    return taken


_MAX_NAMED = 5


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
        more = f" So are {len(broken) - _MAX_NAMED:,} more." if len(broken) > _MAX_NAMED else ""
        raise TrainingError(
            "broken_image",
            f"{len(broken):,} of the run's {len(paths):,} images cannot be used: "
            f"{' '.join(broken[:_MAX_NAMED])}{more} Repair or remove them; data --audit names all.",
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
