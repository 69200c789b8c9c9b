"""How to train: named sets of settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from deepfake.errors import UserError
from deepfake.images.pixels import InputSpec

_REMOVED_FIELDS = ("frozen_stages", "adversarial")


@dataclass(frozen=True)
class Recipe:
    """Settings of one training run.

    Attributes:
        name: the recipe's name.
        architecture: ``resnet50``, ``compact`` or ``efficientnet_lite0``.
        train_input: input of the network in training; crops shown there are enlarged, so
        serve_input: input for measuring and serving may be larger (Touvron et al., Fixing the
            train-test resolution discrepancy, 2019).
        epochs, batch_size: how long, how many images a step.
        learning_rate: peak step size.
        schedule: ``constant`` or ``cosine`` (with ``warmup`` epochs of linear warm-up).
        optimizer: ``adam`` or ``adamw`` (with ``weight_decay``).
        perturbed, min_area: see ``mix.Augmentation``; both are off in ``seed``.
        ema: decay per step of the averaged weights that are measured and kept; 0 turns it off. Early in a
            run it is smaller (``callbacks.WeightAverage``).
        validation_images: at most this many validation images are measured after an epoch (balanced).
        weights: start of the network: None, ``imagenet`` or a path; for ``compact`` the name of a detector.
        precision: ``auto``, ``float32`` or ``mixed_bfloat16``.
        seed: of every random draw.
        shares: how large a part of an epoch each source of the data set gets, half of it each class, as
            weights by source name; None shows every image once an epoch. The best epoch is then the one
            with the highest mean over sources of ROC AUC, clean and perturbed.
        epoch_images: samples of an epoch where there are ``shares``.
        source_perturbed: ``perturbed`` of single sources.
        blended: part of a source's fakes that are self-blended photographs (see ``self_blend``).
        source_blended: ``blended`` of single sources.
        swapped: part of those that are composites of two photographs instead (see ``face_swap``).
        patience: the run ends after this many epochs without a better one; None goes through all.
    """

    name: str
    architecture: str
    train_input: InputSpec
    serve_input: InputSpec
    epochs: int
    batch_size: int = 64
    learning_rate: float = 1e-3
    schedule: str = "constant"
    warmup: float = 0.0
    optimizer: str = "adam"
    weight_decay: float = 0.0
    perturbed: float | None = None
    min_area: float = 1.0
    ema: float = 0.0
    validation_images: int | None = None
    weights: str | None = None
    precision: str = "auto"
    seed: int = 0
    shares: dict[str, float] | None = None
    epoch_images: int | None = None
    source_perturbed: dict[str, float] | None = None
    blended: float = 0.0
    source_blended: dict[str, float] | None = None
    swapped: float = 0.0
    patience: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The inverse of ``to_dict``; what older versions could set besides is passed over."""
        inputs = {key: InputSpec(**values[key]) for key in ("train_input", "serve_input")}
        return cls(
            **{name: value for name, value in {**values, **inputs}.items() if name not in _REMOVED_FIELDS}
        )


def with_image_size(recipe: Recipe, size: int) -> Recipe:
    """The recipe for training at another size; that of serving keeps its proportion to it.

    Args:
        recipe: the recipe.
        size: side of the training input in pixels.
    """
    served = round(size * recipe.serve_input.size / recipe.train_input.size)
    return replace(
        recipe,
        train_input=replace(recipe.train_input, size=size),
        serve_input=replace(recipe.serve_input, size=served),
    )


def with_perturbed(recipe: Recipe, share: float | None) -> Recipe:
    """The recipe with another share of perturbed images, the same for every source.

    Args:
        recipe: the recipe; it keeps the shares of single sources where ``share`` is its own.
        share: 0-1, or None to turn all variation of images off.
    """
    if share == recipe.perturbed:
        return recipe
    return replace(recipe, perturbed=share, source_perturbed=None)


def without_sources(recipe: Recipe, sources: Sequence[str]) -> Recipe:
    """The recipe without some sources' shares, to measure on them what the others teach.

    Args:
        recipe: the recipe.
        sources: names in its ``shares``.

    Raises:
        UserError: code ``bad_source``: one of them is not there, or none would be left.
    """
    shares = dict(recipe.shares or {})
    left = {source: share for source, share in shares.items() if source not in sources}
    if len(left) != len(shares) - len(set(sources)) or not left:
        raise UserError(
            "bad_source",
            f"Of the recipe {recipe.name}, {', '.join(sources)} cannot be left out. "
            f"It takes shares of: {', '.join(shares) or 'no sources (faces does)'}; one at least must stay.",
        )
    return replace(recipe, shares=left)


_MIN_STEPS_AN_EPOCH = 20
_MIN_STEPS = 300
_MIN_BATCH_SIZE, _MAX_EPOCHS = 8, 60


def fitted(recipe: Recipe, images: int, batch_size: int | None = None, epochs: int | None = None) -> Recipe:
    """The recipe's own defaults for as many images: a small set gets smaller batches and more epochs.

    The recipes are made for thousands of images. Of 320 in batches of 64 an epoch has 5 steps, a run of 16
    epochs 80: too few to learn anything. Here the batch is halved, down to 8, until an epoch has 20 steps;
    the learning rate goes with its root, which keeps Adam's noise alike (Malladi et al., On the SDEs and
    scaling rules for adaptive gradient algorithms, 2022); and there are as many epochs, up to 60, as make 300
    steps, warm-up in proportion. Where there is enough already the recipe is returned as it is; that of the
    starting document, of constant step size, always is.

    Args:
        recipe: from ``RECIPES``.
        images: that an epoch shows: the training images, or ``epoch_images``.
        batch_size: a batch size that is settled; the learning rate is then left alone.
        epochs: their number where it is settled.
    """
    if recipe.schedule == "constant" or images < 1:
        return recipe
    size = batch_size or recipe.batch_size
    while batch_size is None and size // 2 >= _MIN_BATCH_SIZE and images // size < _MIN_STEPS_AN_EPOCH:
        size //= 2
    steps = max(1, images // size)
    enough = max(recipe.epochs, min(_MAX_EPOCHS, math.ceil(_MIN_STEPS / steps)))
    rate = recipe.learning_rate
    if batch_size is None and size != recipe.batch_size:
        rate = float(f"{rate * math.sqrt(size / recipe.batch_size):.2g}")
    longer = min(enough, epochs or enough) / recipe.epochs
    return replace(
        recipe,
        batch_size=size,
        learning_rate=rate,
        epochs=epochs or enough,
        warmup=recipe.warmup * max(1.0, longer),
    )


_SEED_INPUT = InputSpec(128, scale=1 / 255, offset=0.0)

_COMPACT = Recipe(
    "compact",
    "compact",
    InputSpec(160),
    InputSpec(192),
    epochs=16,
    learning_rate=3e-3,
    schedule="cosine",
    warmup=0.5,
    optimizer="adamw",
    weight_decay=0.05,
    perturbed=0.65,
    min_area=0.45,
    ema=0.999,
    validation_images=2000,
)

_LITE = replace(
    _COMPACT,
    name="lite",
    architecture="efficientnet_lite0",
    epochs=5,
    learning_rate=1e-3,
    validation_images=1800,
    weights="imagenet",
)

RECIPES: dict[str, Recipe] = {
    "seed": Recipe("seed", "resnet50", _SEED_INPUT, _SEED_INPUT, epochs=2, precision="float32"),
    "compact": _COMPACT,
    "lite": _LITE,
    "faces": replace(
        _LITE,
        name="faces",
        perturbed=0.3,
        shares={
            "openforensics": 0.29,
            "faces140k": 0.18,
            "people": 0.04,
            "portraits": 0.08,
            "diffusion": 0.13,
            "celeba": 0.07,
            "studio": 0.02,
            "photoshop": 0.03,
            "video": 0.04,
            "swaps": 0.06,
        },
        epoch_images=20_000,
        source_perturbed={"openforensics": 0.65, "video": 0.5, "swaps": 0.5},
        blended=0.1,
        # Of videos half: their fakes are nearly all of young women, their photographs mostly not.
        source_blended={"video": 0.5},
        swapped=0.4,
    ),
}
"""``seed`` is the starting document's training; ``compact`` is ours from scratch, ``lite`` goes on from
ImageNet, ``faces`` does so on several kinds of fakes (``models/faces.toml``)."""
