"""Adversarial training: half of each batch is changed so that it misleads the network as it is just then."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from deepfake.images.pixels import InputSpec
from deepfake.networks.architectures import fake_logit
from deepfake.training.training_data import TrainingError

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
