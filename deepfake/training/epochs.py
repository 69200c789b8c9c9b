"""The network of a run, and one epoch of its training."""

from __future__ import annotations

import re
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake.data.index import DatasetIndex
from deepfake.detection.card import load_card, load_model
from deepfake.networks.architectures import LITE, ArchitectureError, build, freeze_stages
from deepfake.training.adversarial import adversarial
from deepfake.training.devices import over_all_devices
from deepfake.training.optimise import compile_for, fastest_precision, shorten_memory
from deepfake.training.pipeline import training_batches
from deepfake.training.recipe import Recipe
from deepfake.training.samples import epoch_samples, images_per_epoch
from deepfake.training.training_data import TrainingError


def starting_network(
    name: str, *, size: int | None = None, weights: str | None = None, fused: bool = False
) -> keras.Model:
    """As ``architectures.build``; but for ``resnet50``, ``weights`` may name a detector to start from.

    Raises:
        ArchitectureError: as ``build``; code ``weights_not_loaded``: another network.
        ModelError: ``weights`` is not the name of a sound detector.
    """
    of_detector = weights not in (None, "none") and name != "resnet50"
    if name == LITE and weights and (weights == "imagenet" or weights.endswith(".pth")):
        of_detector = False
    if not of_detector:
        return build(name, size=size, weights=weights, fused=fused)
    model = build(name, size=size, fused=fused)
    _start_from(model, str(weights))
    return model


def _start_from(model: keras.Model, detector: str) -> None:
    """Gives a network the weights of a published detector, or of its like in a combined one."""
    card = load_card(detector)
    try:
        theirs = load_model(card)
        if len(card.networks) > 1 and model.name in card.networks:
            model.set_weights(_part_weights(theirs, card.networks.index(model.name), len(card.networks)))
        else:
            model.set_weights(theirs.get_weights())
    except ValueError as error:
        raise ArchitectureError(
            "weights_not_loaded",
            f"The detector '{detector}' is no {model.name} network of this shape ({card.architecture}, "
            f"{card.contents.get('parameters', '?')} parameters), so training cannot start from it.",
        ) from error


def _part_weights(combined: Any, place: int, count: int) -> list[Any]:
    """The weights of one of the networks that ``combining.combined_network`` laid side by side.

    Its logit's scale is right up to the temperature; its bias, which went into the common one, is 0.
    """
    own = [layer for layer in combined.layers if layer.name.startswith(f"network{place}_")]
    weights = [values for layer in own for values in layer.get_weights()]
    widths = [tensor.shape[-1] for tensor in combined.get_layer("features").input]
    first = sum(widths[:place])
    kernel = np.asarray(combined.get_layer("logit").kernel)[first : first + widths[place]]
    return [*weights, kernel * count, np.zeros(1, np.float32)]


def precision_of(recipe: Recipe) -> str:
    """The recipe's, or where that leaves it open the fastest here."""
    return recipe.precision if recipe.precision != "auto" else fastest_precision(recipe.architecture)


def networks(training: DatasetIndex, recipe: Recipe, *, resume: bool) -> tuple[Any, Any, str, int]:
    """The network to train, compiled; the one to measure and keep; the precision; steps an epoch."""
    keras.utils.set_random_seed(recipe.seed)
    precision = precision_of(recipe)
    steps = max(1, images_per_epoch(training, recipe) // recipe.batch_size)
    with over_all_devices():
        keras.mixed_precision.set_dtype_policy(precision)
        model: Any = starting_network(
            recipe.architecture,
            size=recipe.train_input.size if recipe.architecture == "resnet50" else None,
            weights=None if resume else recipe.weights,
            fused=keras.backend.backend() == "tensorflow",
        )
        keras.mixed_precision.set_dtype_policy("float32")
        freeze_stages(model, recipe.frozen_stages)
        if recipe.weights in (None, "none") and recipe.schedule != "constant":
            shorten_memory(model, steps * recipe.epochs)
        if recipe.adversarial:
            model = adversarial(model, recipe.adversarial, recipe.train_input)
        compile_for(model, recipe, steps)
    served = build(
        recipe.architecture, size=recipe.serve_input.size if recipe.architecture == "resnet50" else None
    )
    return model, served, precision, steps


def epoch_batches(training: DatasetIndex, recipe: Recipe, epoch: int, landmarks: Any) -> Any:
    """The batches of an epoch (from 0), as ``training_batches``."""
    samples = epoch_samples(training, recipe, epoch, landmarks)
    columns = 2 if recipe.architecture == "resnet50" else 1
    return training_batches(samples, recipe.train_input, batch_size=recipe.batch_size, columns=columns)


def fit_epoch(model: Any, batches: Any, callbacks: list[Any]) -> dict[str, Any]:
    """One epoch: the mean of each metric.

    Raises:
        TrainingError: code ``broken_image``.
    """
    callbacks = [*callbacks, keras.callbacks.TerminateOnNaN()]
    try:
        return model.fit(batches, verbose=0, shuffle=False, callbacks=callbacks).history
    except tf.errors.OpError as error:  # what a sample raises arrives wrapped in TensorFlow's own
        reason = re.search(r"ImageRefused: (.*)", str(error))
        if reason is None:
            raise
        raise TrainingError(
            "broken_image", f"A training image cannot be used: {reason[1]} Repair or remove it."
        ) from error
