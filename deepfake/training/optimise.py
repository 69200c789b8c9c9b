"""How a network is driven: optimiser, schedule, arithmetic, adversarial training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from deepfake.images.pixels import InputSpec
from deepfake.networks.architectures import fake_logit
from deepfake.networks.catalogue import ARCHITECTURES
from deepfake.training.recipe import Recipe
from deepfake.training.samples import TrainingError


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
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text() if cpu.exists() else ""
    return "mixed_bfloat16" if "amx_bf16" in flags or "avx512_bf16" in flags else "float32"


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
    compiled = keras.backend.backend() == "jax"  # which knows no graph between single steps and a program
    if ARCHITECTURES[recipe.architecture].outputs == 2:
        model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"], jit_compile=compiled)
    else:
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        accuracy = keras.metrics.BinaryAccuracy(threshold=0.0, name="accuracy")
        model.compile(optimizer, loss, metrics=[accuracy], jit_compile=compiled)
    optimizer.build(model.trainable_variables)


_STEP = 1.25  # times epsilon, as theirs


def adversarial(network: Any, epsilon: float, spec: InputSpec) -> Any:
    """The network, with training steps that change the first half of a batch before they learn from it.

    One step of the fast gradient sign method from a random start (Wong, Rice and Kolter, Fast is better than
    free, ICLR 2020). Layers and weights are the network's own.

    Args:
        network: of ``architectures``, not compiled.
        epsilon: largest change of a pixel value, of 255.
        spec: the network's input.

    Raises:
        TrainingError: code ``no_adversarial``: Keras runs on something else than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise TrainingError(
            "no_adversarial",
            f"--adversarial needs Keras on TensorFlow, and this is {keras.backend.backend()}. "
            "Leave it out, or train in one process without KERAS_BACKEND.",
        )
    attacked = _Adversarial(network.input, network.output, name=network.name)
    attacked.reach = epsilon * spec.scale
    attacked.bounds = (spec.offset, 255 * spec.scale + spec.offset)
    return attacked


class _Adversarial(keras.Model):
    reach: float
    bounds: tuple[float, float]

    def train_step(self, data: Any) -> Any:
        """As Keras', after the attack."""
        images, targets = data
        half = tf.shape(images)[0] // 2
        attacked = self.attack(images[:half], targets[:half])
        return super().train_step((tf.concat([attacked, images[half:]], axis=0), targets))

    def attack(self, images: Any, targets: Any) -> Any:
        """Images within ``reach`` of these, further from what they are."""
        truth = tf.cast(targets[:, 0], tf.float32)
        start = images + tf.random.uniform(tf.shape(images), -self.reach, self.reach)
        with tf.GradientTape() as tape:
            tape.watch(start)
            logits = tf.cast(fake_logit(self(start, training=False)), tf.float32)
            margins = (2 * truth - 1) * logits
        slope = tf.cast(tape.gradient(margins, start), tf.float32)
        found = start - _STEP * self.reach * tf.sign(slope)
        return tf.clip_by_value(
            tf.clip_by_value(found, images - self.reach, images + self.reach), *self.bounds
        )
