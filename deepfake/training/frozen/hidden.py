"""A head with one hidden layer on features of a frozen network: it knows kinds apart that a line cannot.

A whole face by a GAN and a face swapped into a video leave unlike traces; one row of weights must find a
compromise between them, hidden units need not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from deepfake.training.frozen.heads import Head, standardised

MEMBERS = 3
"""Networks whose logits are averaged; together they are one layer so many times as wide."""
EPOCHS, BATCH = 12, 256
RATE, DECAY = 5e-4, 0.02
"""Of AdamW; the rate falls to 0 along a cosine."""
DROPPED = 0.3
"""Share of features, and of hidden units, that each step leaves out."""
HEAVIEST = 20.0
"""An image counts at most so many times as much as the average one: a step must not hang on it alone."""


@dataclass(frozen=True)
class HiddenHead:
    """Features -> hidden units (ReLU) -> logit of Fake.

    Attributes:
        hidden: (D, H) float32.
        hidden_bias: (H,) float32.
        kernel: (H,) float32.
        bias: added.
    """

    hidden: NDArray[np.float32]
    hidden_bias: NDArray[np.float32]
    kernel: NDArray[np.float32]
    bias: float

    def logits(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(N, D) features -> (N,) logits of Fake."""
        units = np.maximum(features.astype(np.float32) @ self.hidden + self.hidden_bias, 0)
        return units @ self.kernel + np.float32(self.bias)


def fit_hidden(
    features: NDArray[np.floating],
    labels: ArrayLike,
    weights: ArrayLike,
    units: int,
    *,
    members: int = MEMBERS,
    epochs: int = EPOCHS,
) -> HiddenHead:
    """A head of ``members`` small networks, each from another start, averaged.

    Args:
        features: (N, D).
        labels: (N,) 1 Fake, 0 Real.
        weights: (N,) how much each image counts, 1 on average.
        units: of each network's hidden layer.
        members: networks.
        epochs: how often each goes through the images.
    """
    rows, mean, deviation = standardised(features, weights)
    targets = np.asarray(labels, np.float32)
    counted = np.minimum(np.asarray(weights, np.float32), HEAVIEST)
    fitted = [
        _fit_one(rows, targets, counted, units=units, epochs=epochs, seed=seed) for seed in range(members)
    ]
    hidden = np.concatenate([each[0] for each in fitted], axis=1) / deviation[:, None]
    hidden_bias = np.concatenate([each[1] for each in fitted]) - mean @ hidden
    kernel = np.concatenate([each[2][:, 0] for each in fitted]) / members
    bias = float(np.mean([each[3] for each in fitted]))
    hidden, hidden_bias, kernel = (values.astype(np.float32) for values in (hidden, hidden_bias, kernel))
    return HiddenHead(hidden, hidden_bias, kernel, bias)


def averaged(line: Head, deep: HiddenHead) -> HiddenHead:
    """The mean of both heads' logits: ``line`` knows unseen kinds better, ``deep`` those that it was shown.

    A line is the difference of two hidden units, so that the network stays of one form.
    """
    hidden = np.column_stack([deep.hidden, line.kernel, -line.kernel])
    hidden_bias = np.append(deep.hidden_bias, [line.bias, -line.bias])
    kernel = np.append(deep.kernel / 2, [0.5, -0.5])
    return HiddenHead(hidden, hidden_bias.astype(np.float32), kernel.astype(np.float32), deep.bias / 2)


def _fit_one(
    rows: NDArray[np.float32],
    targets: NDArray[np.float32],
    counted: NDArray[np.float32],
    *,
    units: int,
    epochs: int,
    seed: int,
) -> list[Any]:
    """The four arrays of weights of one network on standardised features."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    network = keras.Sequential([
        keras.Input((rows.shape[1],)), layers.Dropout(DROPPED), layers.Dense(units, "relu"),
        layers.Dropout(DROPPED), layers.Dense(1),
    ])  # fmt: skip
    rate: Any = keras.optimizers.schedules.CosineDecay(RATE, epochs * -(-len(rows) // BATCH))
    network.compile(
        keras.optimizers.AdamW(rate, weight_decay=DECAY),
        keras.losses.BinaryCrossentropy(from_logits=True),
    )
    network.fit(rows, targets, sample_weight=counted, batch_size=BATCH, epochs=epochs, verbose=0)  # type: ignore[arg-type]
    return network.get_weights()
