"""Gradient-weighted class activation maps (Selvaraju et al., Grad-CAM, 2017) of the logit of Fake.

Unlike the paper's, which keep what speaks for the class alone, these keep their sign. Imports TensorFlow.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake.images.pixels import InputSpec, scaled
from deepfake.networks.architectures import embedding_of, fake_logit
from deepfake.networks.scoring import Mapper


def has_map(network: Any) -> bool:
    """Whether a network has feature maps whose mean it takes, and one dense layer behind them.

    Of others the engine lacks the gradients' operations.
    """
    dense = sum(isinstance(layer, keras.layers.Dense) for layer in network.layers)
    return bool(_averaged(network)) and dense == 1


def with_map(network: Any, pixels: Any) -> tuple[Any, Any, Any]:
    """What a network makes of images, in operations that a graph can hold.

    Args:
        network: one for which ``has_map``; of several combined in one the maps are added up.
        pixels: (N, size, size, 3) as ``scaled`` makes them.

    Returns:
        (N,) logits of Fake, (N, D) inputs of the last dense layer, and (N, h, w) maps, above 0 for Fake, at
        the resolution of the last feature maps.
    """
    both = keras.Model(network.inputs, [network.output, embedding_of(network), *_averaged(network)])
    with tf.GradientTape() as tape:
        output, features, *maps = both(pixels, training=False)
        tape.watch(maps)
        logits = fake_logit(output)
    heat: Any = 0.0
    slopes: Any = tape.gradient(logits, maps)
    for values, gradients in zip(maps, slopes, strict=True):
        weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
        heat = heat + tf.reduce_sum(weights * values, axis=-1)
    return logits, features, heat


def compiled_mapper(network: Any, spec: InputSpec) -> Mapper:
    """A function from a uint8 batch (N, size, size, 3) to its maps (N, h, w) float32."""
    return lambda batch: np.asarray(with_map(network, scaled(tf.constant(batch), spec))[2])


def _averaged(network: Any) -> list[Any]:
    kind = keras.layers.GlobalAveragePooling2D
    return [layer.input for layer in network.layers if isinstance(layer, kind)]
