"""Adversarial training: what the attack does to a batch, and that a network learns to stand it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from deepfake.images.pixels import InputSpec, scaled
from deepfake.networks.architectures import compact
from deepfake.training import optimise
from deepfake.training.optimise import adversarial, compile_for
from deepfake.training.recipe import RECIPES
from deepfake.training.samples import TrainingError

SPEC = InputSpec(32)
EPSILON = 4


def network() -> Any:
    keras.utils.set_random_seed(3)
    return compact(None, stages=((8, 1),), stem=8, fused=True)


def batch(count: int = 16) -> tuple[Any, Any]:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    targets = (np.arange(count) % 2).astype(np.float32)[:, None]
    return tf.constant(scaled(pixels, SPEC)), tf.constant(targets)


def margins(model: Any, images: Any, targets: Any) -> Any:
    return ((2 * targets - 1) * np.asarray(model(images, training=False)))[:, 0]


def test_the_attack_stays_within_reach_and_misleads() -> None:
    attacked, (images, targets) = adversarial(network(), EPSILON, SPEC), batch()
    found = np.asarray(attacked.attack(images, targets))
    assert np.abs(found - images).max() <= EPSILON / 127.5 + 1e-6
    assert found.min() >= -1
    assert found.max() <= 1
    before, after = (margins(attacked, some, np.asarray(targets)) for some in (images, found))
    assert (after < before).mean() > 0.9


def test_two_columns_are_attacked_away_from_what_they_are() -> None:
    hidden = keras.layers.GlobalAveragePooling2D()(inputs := keras.Input((32, 32, 3)))
    softmax = keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
    attacked, (images, targets) = adversarial(softmax, EPSILON, SPEC), batch()
    columns = tf.concat([targets, 1 - targets], axis=1)
    right = [
        (np.asarray(softmax(some)) * np.asarray(columns)).sum(axis=1)
        for some in (images, attacked.attack(images, columns))
    ]
    assert (right[1] < right[0]).all()


def test_half_of_a_batch_is_changed_and_the_weights_are_the_networks_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = network()
    attacked = adversarial(plain, EPSILON, SPEC)
    compile_for(attacked, RECIPES["compact"], 4)
    seen: list[Any] = []

    images, targets = batch()
    before = plain.get_weights()
    original = keras.Model.train_step

    def watched(self: Any, data: Any) -> Any:
        seen.append(data)
        return original(self, data)

    monkeypatch.setattr(keras.Model, "train_step", watched)
    attacked.train_step((images, targets))
    changed = np.abs(np.asarray(seen[0][0]) - np.asarray(images)).reshape(16, -1).max(axis=1)
    assert (changed[:8] > 0.01).all()
    assert (changed[8:] == 0).all()
    assert np.array_equal(seen[0][1], targets)
    assert any(not np.array_equal(a, b) for a, b in zip(before, plain.get_weights(), strict=True))


def test_a_network_that_trained_so_stands_what_another_does_not() -> None:
    """Fake has one of two traces: a faint pattern that epsilon can hide, and brightness, which it cannot."""
    rng = np.random.default_rng(5)
    count = 256
    fake = (np.arange(count) % 2).astype(np.float32)
    pattern = np.where(np.indices((32, 32)).sum(axis=0) % 2, 1.0, -1.0)[..., None]
    pixels = rng.normal(120, 12, (count, 1, 1, 3)) + rng.normal(0, 4, (count, 32, 32, 3))
    sign = (2 * fake - 1)[:, None, None, None]
    pixels = np.clip(pixels + sign * (3 * pattern + 10), 0, 255).astype(np.uint8)
    images, targets = tf.constant(scaled(pixels, SPEC)), tf.constant(fake[:, None])
    standing = []
    for hardened in (False, True):
        plain = network()
        model = adversarial(plain, 6, SPEC) if hardened else plain
        model.compile(keras.optimizers.Adam(5e-3), keras.losses.BinaryCrossentropy(from_logits=True))
        model.fit(images, targets, batch_size=32, epochs=6, verbose=0)
        attack = adversarial(plain, 6, SPEC).attack(images, targets)
        standing.append((margins(plain, attack, np.asarray(targets)) > 0).mean())
    assert standing[1] > standing[0] + 0.1


def test_keras_on_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimise.keras.backend, "backend", lambda: "jax")
    with pytest.raises(TrainingError, match="needs Keras on TensorFlow") as refused:
        adversarial(network(), EPSILON, SPEC)
    assert refused.value.code == "no_adversarial"
