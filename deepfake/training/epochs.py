"""The network of a run, and one epoch of its training."""

from __future__ import annotations

import re
from typing import Any

import keras
import tensorflow as tf

from deepfake.data.index import DatasetIndex
from deepfake.networks.architectures import build, freeze_stages
from deepfake.training.adversarial import adversarial
from deepfake.training.devices import over_all_devices
from deepfake.training.optimise import compile_for, fastest_precision, shorten_memory
from deepfake.training.pipeline import training_batches
from deepfake.training.recipe import Recipe
from deepfake.training.samples import epoch_samples, images_per_epoch
from deepfake.training.training_data import TrainingError


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
        model: Any = build(
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
