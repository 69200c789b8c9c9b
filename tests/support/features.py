"""Drawn features of a frozen network."""

import numpy as np


def drawn_features(rows: int = 300, width: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features with other scales and means in every column, and labels that two of them tell."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, width))
    labels = (features[:, 0] - features[:, 1] + rng.normal(size=rows) > 0).astype(int)
    return features * np.linspace(0.1, 9, width) + np.linspace(-3, 8, width), labels
