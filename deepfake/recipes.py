"""How to train: named sets of settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from deepfake.preprocessing import InputSpec


@dataclass(frozen=True)
class Recipe:
    """Settings of one training run.

    Attributes:
        name: the recipe's name.
        architecture: ``resnet50`` or ``compact``.
        train_input: input of the network in training; crops shown there are enlarged, so
        serve_input: input for measuring and serving may be larger (Touvron et al., Fixing the
            train-test resolution discrepancy, 2019).
        epochs, batch_size: how long, how many images a step.
        learning_rate: peak step size.
        schedule: ``constant`` or ``cosine`` (with ``warmup`` epochs of linear warm-up).
        optimizer: ``adam`` or ``adamw`` (with ``weight_decay``).
        perturbed, min_area: see ``pipeline.Augmentation``; both are off in ``seed``.
        ema: decay per step of the averaged weights that are measured and kept; 0 turns it off.
        validation_images: at most this many validation images are measured after an epoch (balanced).
        weights: start of the network: None, ``imagenet`` or a path.
        precision: ``auto``, ``float32`` or ``mixed_bfloat16``.
        seed: of every random draw.
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

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """The inverse of ``to_dict``."""
        inputs = {key: InputSpec(**values[key]) for key in ("train_input", "serve_input")}
        return cls(**{**values, **inputs})


_SEED_INPUT = InputSpec(128, scale=1 / 255, offset=0.0)

RECIPES: dict[str, Recipe] = {
    "seed": Recipe("seed", "resnet50", _SEED_INPUT, _SEED_INPUT, epochs=2, precision="float32"),
    "compact": Recipe(
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
    ),
}
"""``seed`` is the starting document's training; ``compact`` is ours."""
