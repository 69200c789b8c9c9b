"""From a Keras network to the file that is served (``served``).

Imports TensorFlow: only what publishes needs this.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from deepfake.errors import UserError
from deepfake.images.pixels import InputSpec, scaled
from deepfake.networks.architectures import embedding_of, fake_logit
from deepfake.networks.clip_vit import GATE
from deepfake.networks.grad_cam import has_map, with_map
from deepfake.networks.int8_served import with_int8_tables
from deepfake.networks.scoring import compiled_reader
from deepfake.networks.served import ServedNetwork
from deepfake.util.tensorflow import without_notes

WITHIN = 0.001
"""How far a served logit may lie from that of the Keras network, as a share of logits above 1."""
WITHIN_INT8 = 0.25
"""The same where dense layers are multiplied as int8: rounding their inputs moves a logit by some 0.1."""


class ConversionError(UserError):
    """A network cannot be served."""


def served_file(network: Any, spec: InputSpec, *, int8: bool = False) -> bytes:
    """The content of the served file, its weights in 32 bits.

    Weights in 16 bits move logits by up to 0.06 (folding batch normalisation into them rounds anew), which is
    more than what may change without measuring everything again.

    Args:
        network: with one logit or two softmax outputs (``architectures.fake_logit``) and a dense layer.
        spec: its input.
        int8: make its large tables int8 (``int8_served``), for a network whose own are such.

    Raises:
        ConversionError: code ``not_converted``, or ``not_alike`` where it does not give the same logits.
    """
    mapped = has_map(network)
    gates = [layer.output for layer in network.layers if layer.name == GATE]
    both = keras.Model(network.inputs, [network.output, embedding_of(network), *gates])

    def row(batch: Any) -> list[Any]:
        pixels = scaled(batch, spec)
        if mapped:
            logits, features, *others = with_map(network, pixels)
        else:
            output, features, *others = both(pixels, training=False)
            logits, others = fake_logit(output), [tf.reshape(gate, (-1,)) for gate in others]
        return [tf.concat([logits[:, None], tf.math.l2_normalize(features, axis=-1)], axis=1), *others]

    signature = tf.TensorSpec((1, spec.size, spec.size, 3), tf.uint8)
    try:
        with without_notes():
            traced: Any = tf.function(row, input_signature=[signature])
            content = tf.lite.TFLiteConverter.from_concrete_functions(
                [traced.get_concrete_function()], traced
            ).convert()
    except Exception as error:  # the converter raises nearly anything
        raise ConversionError("not_converted", f"TensorFlow cannot convert this network: {error}.") from error
    if int8:
        content = with_int8_tables(content)
    _check(network, spec, content, WITHIN_INT8 if int8 else WITHIN)
    return content


def _check(network: Any, spec: InputSpec, content: bytes, within: float) -> None:
    """Compares the two on drawn images."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, 8, 8, 3), np.uint8)
    side = -(-spec.size // 8)
    images = np.repeat(np.repeat(coarse, side, 1), side, 2)[:, : spec.size, : spec.size]
    expected, _ = compiled_reader(network, spec)(images)
    received = ServedNetwork(content, spec).logits(images)
    error = float((np.abs(received - expected) / np.maximum(np.abs(expected), 1)).max())
    if not error <= within:
        raise ConversionError(
            "not_alike",
            f"The converted network's logits differ from Keras' by {error:.2g} of their size. "
            f"Expected at most {within}. It is not kept.",
        )
