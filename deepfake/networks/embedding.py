"""What a network's last layer is given: pictures that it takes for alike lie close together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.images.pixels import InputSpec, scaled
from deepfake.types import Pixels

Reader = Callable[[Pixels], tuple[NDArray[np.float32], NDArray[np.float32]]]


def compiled_reader(network: Any, spec: InputSpec) -> Reader:
    """A function from a uint8 batch (N, size, size, 3) to its logits of Fake (N,) and embeddings (N, D).

    An embedding is the input of the network's last dense layer, brought to length 1; float32 both. Compiled
    at its first call, for every batch size; safe to call from several threads.
    """
    import keras
    import tensorflow as tf

    from deepfake.networks.architectures import fake_logit

    last = next(layer for layer in reversed(network.layers) if isinstance(layer, keras.layers.Dense))
    both = keras.Model(network.inputs, [network.output, last.input])

    @tf.function(input_signature=[tf.TensorSpec((None, spec.size, spec.size, 3), tf.uint8)])
    def run(batch: Any) -> Any:
        output, features = both(scaled(batch, spec), training=False)
        return fake_logit(output), tf.math.l2_normalize(features, axis=-1)

    def read(batch: Pixels) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits, vectors = run(tf.constant(batch))
        return np.asarray(logits), np.asarray(vectors)

    return read
