"""A vision transformer small enough for a test."""

from __future__ import annotations

import keras
import numpy as np

from deepfake.networks.clip_vit import Shape, backbone

TINY = Shape(given=32, size=32, patch=8, width=16, heads=2, blocks=3, pooled=(1, 2))


def tiny(shape: Shape = TINY, seed: int = 0) -> keras.Model:
    """A tower with drawn weights, biases and norms too."""
    model = backbone(shape)
    rng = np.random.default_rng(seed)
    model.set_weights([values + rng.normal(0, 0.3, values.shape) for values in model.get_weights()])
    return model


def pictures(count: int = 3, size: int = 32) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (count, size, size, 3)).astype(np.float32)
