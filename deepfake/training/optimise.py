"""How a network is driven: optimiser, schedule, arithmetic."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepfake.networks.catalogue import ARCHITECTURES
from deepfake.training.recipe import Recipe
from deepfake.util.process import processor_flags


def fastest_precision(architecture: str) -> str:
    """``mixed_bfloat16`` where the processor multiplies bfloat16 itself, else ``float32``.

    Without such instructions it is emulated, at less than half the speed.

    Args:
        architecture: the network's name.
    """
    if tf.config.list_physical_devices("GPU"):
        return "mixed_bfloat16"
    if not ARCHITECTURES[architecture].bfloat16:
        return "float32"
    return "mixed_bfloat16" if multiplies_bfloat16() else "float32"


def multiplies_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself."""
    return bool(processor_flags() & {"amx_bf16", "avx512_bf16"})


def shorten_memory(model: Any, steps: int) -> None:
    """Lets batch normalisation's running statistics forget within a twentieth of a short run.

    A network from scratch starts with statistics that are nobody's: a momentum of 0.98 remembers 50 steps,
    and of a run of 100 the networks measured on the way see more of the start than of the images. Runs of
    1,000 steps and more keep the momentum that the network was built with.

    Args:
        model: the network, not yet compiled.
        steps: of the whole run.
    """
    most = max(0.5, 1 - 20 / steps)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = min(layer.momentum, most)


def compile_for(model: Any, recipe: Recipe, steps: int) -> None:
    """Gives a network the loss, optimiser and schedule of a recipe.

    Args:
        model: a softmax of two (categorical cross-entropy) or a logit (binary cross-entropy).
        recipe: the settings.
        steps: optimiser steps an epoch.
    """
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        warmup = round(recipe.warmup * steps)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=recipe.learning_rate / 25 if warmup else recipe.learning_rate,
            decay_steps=max(1, recipe.epochs * steps - warmup),
            warmup_target=recipe.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
    if recipe.optimizer == "adamw":
        optimizer: Any = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        optimizer = keras.optimizers.Adam(rate)
    if ARCHITECTURES[recipe.architecture].outputs == 2:
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    else:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        accuracy = keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")
        model.compile(optimizer, loss, metrics=[accuracy], jit_compile=False)
    optimizer.build(model.trainable_variables)
