"""A head with a hidden layer: what it learns, what it is made of."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from deepfake.training.frozen import hidden
from deepfake.training.frozen.heads import fit_logistic
from deepfake.training.frozen.hidden import HEAVIEST, fit_hidden


def crossed(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features of unlike scales whose label no line tells: whether two of them have the same sign."""
    features = np.random.default_rng(seed).normal(size=(rows, 6))
    labels = (features[:, 0] * features[:, 1] > 0).astype(int)
    return features * np.linspace(0.1, 9, 6) + np.linspace(-3, 8, 6), labels


def test_it_tells_what_no_line_tells() -> None:
    (features, labels), (new, truth) = crossed(3000, 0), crossed(1000, 1)
    head = fit_hidden(features, labels, np.ones(len(labels)), 64, members=2, epochs=40)
    assert head.hidden.shape == (6, 128) and head.hidden.dtype == np.float32
    assert roc_auc_score(truth, head.logits(new)) > 0.9
    line = fit_logistic(features, labels, np.ones(len(labels)), 0.01)
    assert roc_auc_score(truth, line.logits(new)) < 0.6


def test_members_are_averaged_and_features_come_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean and scale of the features are part of the weights; each member counts alike."""
    features, labels = crossed(200, 0)
    made = []

    def one(rows: np.ndarray, targets: np.ndarray, counted: np.ndarray, *, units: int, seed: int, **_: int):
        rng = np.random.default_rng(seed)
        weights = [rng.normal(size=(6, units)), rng.normal(size=units), rng.normal(size=(units, 1)), [seed]]
        weights = [np.asarray(values, np.float32) for values in weights]
        made.append(np.maximum(rows @ weights[0] + weights[1], 0) @ weights[2][:, 0] + seed)
        assert counted.max() == HEAVIEST and abs(rows.mean(0)).max() < 3 and len(targets) == 200
        return [*weights[:3], float(seed)]

    monkeypatch.setattr(hidden, "_fit_one", one)
    weights = np.ones(200)
    weights[0] = 50
    head = fit_hidden(features, labels, weights, 5, members=3)
    assert np.allclose(head.logits(features), np.mean(made, axis=0), atol=1e-3)


def test_the_same_twice() -> None:
    features, labels = crossed(300, 0)
    one, other = (fit_hidden(features, labels, np.ones(300), 4, members=1, epochs=2) for _ in range(2))
    assert np.array_equal(one.hidden, other.hidden) and one.bias == other.bias
