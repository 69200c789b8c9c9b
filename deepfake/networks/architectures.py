"""The named networks: the starting document's ResNet50, a compact one of ours, EfficientNet-Lite0.

Imports Keras (seconds, hundreds of MB): import this module only where a network is needed.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from deepfake.networks.catalogue import ArchitectureError, architecture
from deepfake.networks.efficientnet import efficientnet_lite0, load_imagenet

HIDDEN = "hidden"
"""The layer between an embedding and the logit, of a head that has one."""


@keras.saving.register_keras_serializable(package="deepfake")
class FusedBatchNormalization(layers.BatchNormalization):
    """Batch normalisation that trains through TensorFlow's fused kernel.

    Keras 3 computes moments and normalisation as separate operations; on a CPU they take as long as
    the convolutions. Same weights and, outside training, the same code as its parent: a trained
    network is saved with the plain layer (``training`` copies the weights). The kernel's running
    variance is the unbiased one, larger than its parent's by n / (n - 1) for n values a channel.
    Where it is ``synchronized`` it takes the moments of all workers' parts of a batch, without that kernel.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or not self.trainable:
            return super().call(inputs, training=False, mask=mask)
        if self.synchronized:
            outputs, mean, variance = self._normalised_over_workers(inputs)
        else:
            outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                inputs, self.gamma, self.beta, epsilon=self.epsilon, is_training=True
            )
        keep = self.momentum
        assert self.moving_mean is not None and self.moving_variance is not None  # built before it is called
        self.moving_mean.assign(self.moving_mean * keep + mean * (1.0 - keep))
        self.moving_variance.assign(self.moving_variance * keep + variance * (1.0 - keep))
        return outputs

    def _normalised_over_workers(self, inputs: Any) -> tuple[Any, Any, Any]:
        """As the kernel: outputs, mean, unbiased variance; of a batch of which each worker has an equal part.

        Keras' own takes the mean square less the squared mean, which loses digits.
        """
        context: Any = tf.distribute.get_replica_context()
        average = tf.distribute.ReduceOp.MEAN
        values = tf.cast(inputs, tf.float32)
        axes = list(range(values.shape.rank - 1))
        mean = context.all_reduce(average, tf.reduce_mean(values, axes))
        variance = context.all_reduce(average, tf.reduce_mean(tf.square(values - mean), axes))
        outputs = tf.nn.batch_normalization(values, mean, variance, self.beta, self.gamma, self.epsilon)
        shape = tf.shape(values)
        count = tf.cast(tf.reduce_prod(shape[:-1]) * context.num_replicas_in_sync, tf.float32)
        return tf.cast(outputs, inputs.dtype), mean, variance * count / (count - 1)


def resnet50(weights: str | None = None, size: int | None = None, fused: bool = False) -> keras.Model:
    """The baseline: ResNet50 without top, pooled, 512 ReLU, batch norm, softmax.

    He et al., Deep Residual Learning for Image Recognition (2016). 24,639,874 parameters, of which
    24,585,730 train.

    Args:
        weights: ``"imagenet"`` (Keras downloads them once), the path of the notop ``.h5`` file, or
            ``None``/``"none"`` for a random start.
        size: side of the square input in pixels; 128 where there is none.
        fused: it knows no other batch normalisation than Keras' own, so this is passed over.

    Returns:
        A model from (N, size, size, 3) in [0, 1] to (N, 2) softmax in the order Fake, Real.

    Raises:
        ArchitectureError: code ``weights_not_found`` or ``weights_not_loaded``.
    """
    source = None if weights in (None, "none") else weights
    if source not in (None, "imagenet") and not Path(source).is_file():
        raise ArchitectureError(
            "weights_not_found",
            f"There is no weights file {source}. Expected 'imagenet', 'none' or the path of "
            "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5.",
        )
    try:
        base = keras.applications.ResNet50(
            include_top=False,
            weights=source,  # pyright: ignore[reportArgumentType] - None is documented
            input_shape=(size or 128, size or 128, 3),
        )
    except Exception as error:  # Keras raises a different type for no network, a bad hash and a bad file
        raise ArchitectureError(
            "weights_not_loaded",
            f"The weights '{source}' could not be loaded: {error}. 'imagenet' needs the internet once; "
            "without it give the path of the notop .h5 file, or 'none' to start from random weights.",
        ) from error
    hidden = layers.GlobalAveragePooling2D()(base.output)
    hidden = layers.Dense(512, activation="relu")(hidden)
    hidden = layers.BatchNormalization()(hidden)
    outputs = layers.Dense(2, activation="softmax")(hidden)
    return keras.Model(base.input, outputs, name="resnet50")


COMPACT_STAGES = ((64, 1), (128, 1), (192, 2), (256, 2))
"""Channels and residual blocks of each stage; every stage halves the resolution."""


def compact(
    size: int | None = None,
    *,
    stages: tuple[tuple[int, int], ...] = COMPACT_STAGES,
    stem: int = 32,
    dropout: float = 0.1,
    fused: bool = False,
) -> keras.Model:
    """Our network, which learns from scratch: a small residual net with a stride-2 stem.

    Blocks as in He et al. (2016), shortcuts averaged before their 1x1 convolution as in He et al.,
    Bag of Tricks (2019). Mean and maximum pooling side by side: traces of a forgery may fill the
    frame or sit in one corner. About 3.8 M parameters.

    Args:
        size: side of the square input in pixels, or None for any.
        stages: channels and blocks of each stage.
        stem: channels of the stem.
        dropout: share of pooled features dropped in training.
        fused: use the fast training kernel for batch normalisation (TensorFlow backend only).

    Returns:
        A model from (N, size, size, 3) in [-1, 1] to (N, 1): the logit of Fake.
    """
    normalisation = FusedBatchNormalization if fused else layers.BatchNormalization

    def convolve(inputs: Any, channels: int, stride: int = 1, kernel: int = 3) -> Any:
        outputs = layers.Conv2D(
            channels, kernel, stride, padding="same", use_bias=False, kernel_initializer="he_normal"
        )(inputs)
        return normalisation(momentum=0.98)(outputs)

    inputs = keras.Input((size, size, 3))
    hidden = layers.ReLU()(convolve(inputs, stem, stride=2))
    for channels, blocks in stages:
        for block in range(blocks):
            stride = 2 if block == 0 else 1
            branch = layers.ReLU()(convolve(hidden, channels, stride))
            branch = convolve(branch, channels)
            shortcut = hidden
            if block == 0:
                shortcut = convolve(layers.AveragePooling2D(2, padding="same")(hidden), channels, kernel=1)
            hidden = layers.ReLU()(layers.Add()([branch, shortcut]))
    pooled = layers.Concatenate(name="pooled")(
        [layers.GlobalAveragePooling2D()(hidden), layers.GlobalMaxPooling2D()(hidden)]
    )
    outputs = layers.Dense(1, dtype="float32", name="logit")(layers.Dropout(dropout)(pooled))
    return keras.Model(inputs, outputs, name="compact")


def compact_network(size: int | None, weights: str | None, fused: bool) -> keras.Model:
    """``compact`` from random weights."""
    if weights not in (None, "none"):
        raise ArchitectureError("no_weights", f"There are no weights '{weights}' for the network 'compact'.")
    return compact(size, fused=fused)


def efficientnet_network(size: int | None, weights: str | None, fused: bool) -> keras.Model:
    """``efficientnet_lite0`` from random weights, ImageNet's or a file's."""
    model = efficientnet_lite0(
        size, normalisation=FusedBatchNormalization if fused else layers.BatchNormalization
    )
    if weights not in (None, "none"):
        load_imagenet(model, str(weights))
    return model


def build(
    name: str, *, size: int | None = None, weights: str | None = None, fused: bool = False
) -> keras.Model:
    """A network by its name in ``catalogue.ARCHITECTURES``.

    Args:
        name: the network's.
        size: side of the input in pixels, None for any, or for its usual one.
        weights: ``none``, ``imagenet`` or a path, as its entry has it. To start from a detector see
            ``training.train.starting_network``.
        fused: use the fast training kernel for batch normalisation (TensorFlow backend only).

    Raises:
        ArchitectureError: code ``unknown_architecture``, and what the networks raise.
        WeightsError: as ``efficientnet.load_imagenet``.
    """
    module, function = architecture(name).builder.split(":")
    return getattr(importlib.import_module(module), function)(size=size, weights=weights, fused=fused)


def fake_logit(outputs: Any) -> Any:
    """The one place where a network's output becomes a score for Fake.

    Args:
        outputs: tensor or array, (N, 1) logits of Fake, or (N, 2) softmax in the order Fake, Real.

    Returns:
        (N,) float32 logits of Fake; the sigmoid of it is ``p_fake``.
    """
    outputs = keras.ops.cast(outputs, "float32")
    if outputs.shape[-1] == 1:
        return outputs[:, 0]
    tiny = np.finfo(np.float32).tiny
    logs: Any = keras.ops.log(keras.ops.maximum(outputs, tiny))
    return logs[:, 0] - logs[:, 1]


def last_dense(network: Any) -> Any:
    """The network's last dense layer."""
    return next(layer for layer in reversed(network.layers) if isinstance(layer, layers.Dense))


def embedding_of(network: Any) -> Any:
    """The tensor (N, D) that is an image's embedding: what the head, or the last dense layer, is given."""
    heads = [layer for layer in network.layers if layer.name == HIDDEN]
    return (heads or [last_dense(network)])[0].input
