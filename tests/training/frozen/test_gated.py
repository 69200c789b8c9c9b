"""A head with a gate: silent on one source, as before elsewhere; with a hidden layer too."""

import numpy as np
import pytest

from deepfake.training.frozen import gated
from deepfake.training.frozen.gated import fit_gated
from deepfake.training.frozen.heads import balanced_weights, fit_logistic
from deepfake.training.frozen.hidden import HiddenHead
from tests.support.features import drawn_features as drawn


def test_a_gated_head_is_silent_on_one_source_and_as_before_elsewhere() -> None:
    features, labels = drawn()
    sources = np.where(np.arange(len(labels)) % 3 == 0, "known", "other")
    features[sources == "known", 5] += 60
    head = fit_gated(features, labels, sources, penalty=0.01, gate="known")
    plain = fit_logistic(features, labels, balanced_weights(sources, labels), 0.01)
    before, after = plain.logits(features), head.logits(features)
    assert np.allclose(head.head.logits(features), before)
    known = sources == "known"
    assert np.abs(after[known]).mean() < 0.1 * np.abs(before[known]).mean()
    assert np.abs(after[~known]).mean() > 0.9 * np.abs(before[~known]).mean()
    assert (np.sign(after) == np.sign(before)).all()
    ungated = fit_gated(features, labels, sources, penalty=0.01)
    assert ungated.gate is None and np.allclose(ungated.logits(features), before)


def test_units_ask_for_a_hidden_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = drawn()
    sources = np.where(np.arange(len(labels)) % 3 == 0, "known", "other")
    asked = []

    def noted(rows: np.ndarray, _labels: np.ndarray, weights: np.ndarray, units: int) -> HiddenHead:
        asked.append((len(rows), units, weights[sources == "known"].sum() / weights.sum()))
        return HiddenHead(
            np.ones((rows.shape[1], 1), np.float32), np.zeros(1, np.float32), np.ones(1, np.float32), 0.0
        )

    monkeypatch.setattr(gated, "fit_hidden", noted)
    head = fit_gated(
        features, labels, sources, penalty=0.01, units=7, shares={"known": 1, "other": 3}, gate="known"
    )
    assert asked == [(len(labels), 7, pytest.approx(0.25))]
    line = fit_logistic(features, labels, balanced_weights(sources, labels, {"known": 1, "other": 3}), 0.01)
    mean = (np.maximum(features.sum(1), 0) + line.logits(features)) / 2
    assert np.allclose(head.logits(features), mean * head.gates(features), atol=1e-3)
