"""The named networks: their shapes, their counts, and one score for Fake from either output."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from deepfake.detection.card import ModelError, load_card, load_model
from deepfake.networks import architectures
from deepfake.networks.architectures import (
    ArchitectureError,
    FusedBatchNormalization,
    build,
    compact,
    fake_logit,
    resnet50,
)
from deepfake.training.train import starting_network

TINY: dict[str, Any] = {"stages": ((8, 1), (12, 2)), "stem": 8}


def count(variables: list[Any]) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)


@pytest.fixture(scope="module")
def document_network() -> Any:
    return build("resnet50")


@pytest.fixture
def precision() -> Iterator[None]:
    """Gives the usual precision back after a test that changes it."""
    yield
    keras.mixed_precision.set_dtype_policy("float32")


def test_resnet50_has_the_starting_documents_counts(document_network: Any) -> None:
    assert document_network.count_params() == 24_639_874
    assert count(document_network.trainable_weights) == 24_585_730
    assert count(document_network.non_trainable_weights) == 54_144


def test_resnet50_has_the_starting_documents_layers(document_network: Any) -> None:
    assert document_network.input_shape == (None, 128, 128, 3)
    assert document_network.output_shape == (None, 2)
    pooling, hidden, normal, output = document_network.layers[-4:]
    assert isinstance(pooling, layers.GlobalAveragePooling2D)
    assert isinstance(hidden, layers.Dense)
    assert (hidden.units, hidden.activation.__name__) == (512, "relu")
    assert isinstance(normal, layers.BatchNormalization)
    assert isinstance(output, layers.Dense)
    assert (output.units, output.activation.__name__) == (2, "softmax")
    assert all(layer.trainable for layer in document_network.layers)


def test_resnet50_answers_with_probabilities(document_network: Any) -> None:
    images = np.random.default_rng(0).random((2, 128, 128, 3), np.float32)
    outputs = np.asarray(document_network(images, training=False))
    assert outputs.shape == (2, 2)
    assert np.allclose(outputs.sum(axis=1), 1, atol=1e-5)


def test_resnet50_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArchitectureError) as caught:
        resnet50(str(tmp_path / "notop.h5"))
    assert caught.value.code == "weights_not_found"
    assert "notop.h5" in caught.value.message


def test_resnet50_weights_file_that_is_none(tmp_path: Path) -> None:
    wrong = tmp_path / "notop.h5"
    wrong.write_bytes(b"not weights")
    with pytest.raises(ArchitectureError) as caught:
        resnet50(str(wrong), size=32)
    assert caught.value.code == "weights_not_loaded"
    assert "'none'" in caught.value.message


def test_resnet50_weights_without_a_network_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(keras.applications, "ResNet50", refuse)
    with pytest.raises(ArchitectureError) as caught:
        resnet50("imagenet")
    assert caught.value.code == "weights_not_loaded"
    assert "no route to host" in caught.value.message


@pytest.mark.parametrize("name", ["notop.weights.h5", "tf_kernels_notop.h5"])
def test_resnet50_takes_weights_by_path(name: str, tmp_path: Path, document_network: Any) -> None:
    """Keras' own form, and the older one of the published file (no ``.weights`` in its name)."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    network: Any = keras.applications.ResNet50  # whose weights are annotated as never None
    base = network(include_top=False, weights=None, input_shape=(64, 64, 3))
    known = np.random.default_rng(0).random(base.get_layer("conv1_conv").bias.shape, np.float32)
    base.get_layer("conv1_conv").bias.assign(known)
    path = tmp_path / name
    if name.endswith(".weights.h5"):
        base.save_weights(path)
    else:
        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, base)
    loaded: Any = build("resnet50", weights=str(path))
    for layer in ("conv1_conv", "conv3_block2_2_bn", "conv5_block3_3_conv"):
        for one, two in zip(
            base.get_layer(layer).get_weights(), loaded.get_layer(layer).get_weights(), strict=True
        ):
            assert np.array_equal(one, two)
    random_start = document_network.get_layer("conv1_conv").get_weights()[0]
    assert not np.array_equal(loaded.get_layer("conv1_conv").get_weights()[0], random_start)


def test_compact_is_small_and_takes_any_size() -> None:
    model: Any = build("compact")
    assert 1e6 < model.count_params() < 5e6
    assert model.input_shape == (None, None, None, 3)
    for size in (96, 130):
        assert model(np.zeros((1, size, size, 3), np.float32), training=False).shape == (1, 1)


def test_compact_gives_a_logit() -> None:
    model: Any = compact(**TINY)
    assert model.output_shape == (None, 1)
    assert model.layers[-1].activation.__name__ == "linear"
    assert model.layers[-1].dtype == "float32"


def test_fused_network_has_the_same_weights_and_answers() -> None:
    fused, plain = compact(fused=True, **TINY), compact(fused=False, **TINY)
    rng = np.random.default_rng(0)
    assert [w.path.split("/")[-1] for w in fused.weights] == [w.path.split("/")[-1] for w in plain.weights]
    values = [rng.uniform(0.1, 0.5, w.shape).astype(np.float32) for w in fused.weights]
    fused.set_weights(values)
    plain.set_weights(values)
    images = rng.uniform(-1, 1, (3, 48, 48, 3)).astype(np.float32)
    answers: Any = plain(images, training=False)
    assert np.allclose(fused(images, training=False), answers, rtol=1e-5)
    assert np.ptp(np.asarray(answers)) > 0


def test_served_network_holds_no_layer_of_ours(tmp_path: Path) -> None:
    compact(fused=False, **TINY).save(tmp_path / "model.keras")
    model: Any = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    assert {type(layer).__module__.partition(".")[0] for layer in model.layers} == {"keras"}
    assert not any(isinstance(layer, FusedBatchNormalization) for layer in model.layers)


def test_fused_normalisation_trains_as_keras_does() -> None:
    """Same outputs, gradients and running mean.

    Keras' running variance is that of the batch; the fused kernel's is the unbiased estimate, larger by
    n / (n - 1) for n values a channel: 0.01% for a batch of training.
    """
    rng = np.random.default_rng(0)
    batch = tf.constant(rng.normal(3, 2, (4, 5, 6, 7)).astype(np.float32))
    fused, plain = FusedBatchNormalization(momentum=0.9), layers.BatchNormalization(momentum=0.9)
    towards = tf.constant(rng.normal(size=(4, 5, 6, 7)).astype(np.float32))
    results: list[tuple[Any, Any]] = []
    both: tuple[Any, Any] = (fused, plain)
    for layer in both:
        layer.build(batch.shape)
        layer.gamma.assign(np.linspace(0.5, 2, 7))
        with tf.GradientTape() as tape:
            tape.watch(batch)
            outputs = layer(batch, training=True)
            loss = tf.reduce_sum(outputs * towards)
        results.append((outputs, tape.gradient(loss, batch)))
    for one, two in zip(*results, strict=True):
        assert np.allclose(one, two, atol=1e-4)
    assert np.allclose(fused.moving_mean, plain.moving_mean, rtol=1e-4)
    n = 4 * 5 * 6
    gained = (np.asarray(fused.moving_variance) - 0.9) / (np.asarray(plain.moving_variance) - 0.9)
    assert np.allclose(gained, n / (n - 1), rtol=1e-3)
    assert np.allclose(fused(batch, training=False), plain(batch, training=False), rtol=0.02, atol=0.02)


def test_frozen_fused_normalisation_stays_put() -> None:
    layer = FusedBatchNormalization()
    layer.build((None, 4, 4, 3))
    layer.trainable = False
    batch = np.random.default_rng(0).normal(5, 2, (2, 4, 4, 3)).astype(np.float32)
    assert np.allclose(layer(batch, training=True), batch, rtol=1e-3)
    assert not np.asarray(layer.moving_mean).any()


@pytest.mark.usefixtures("precision")
def test_compact_trains_in_bfloat16() -> None:
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    model: Any = compact(fused=True, stages=((8, 1),), stem=8)
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 32, 32, 3)).astype(np.float32)
    before = model.get_weights()
    loss = model.train_on_batch(images, np.array([0, 1] * 4, np.float32)[:, None])
    assert np.isfinite(loss)
    assert all(value.dtype == np.float32 for value in model.get_weights())
    moved = [not np.array_equal(one, two) for one, two in zip(before, model.get_weights(), strict=True)]
    assert sum(moved) > len(moved) * 0.8


def test_unknown_names_and_weights_are_refused() -> None:
    with pytest.raises(ArchitectureError) as caught:
        build("vgg")
    assert caught.value.code == "unknown_architecture"
    assert "'vgg'" in caught.value.message
    assert build("compact", weights="none").name == "compact"


def test_compact_starts_from_a_detector(monkeypatch: pytest.MonkeyPatch, tiny_models: Path) -> None:
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tiny_models))
    with pytest.raises(ModelError) as unknown:
        starting_network("compact", weights="imagenet")
    assert unknown.value.code == "unknown_model"
    with pytest.raises(ArchitectureError) as other_shape:
        starting_network("compact", weights="tiny")
    assert other_shape.value.code == "weights_not_loaded"
    assert "'tiny'" in other_shape.value.message
    small = partial(architectures.compact, stages=((8, 1),), stem=8)
    monkeypatch.setattr(architectures, "compact", small)
    started = starting_network("compact", weights="tiny", fused=True)
    for ours, theirs in zip(started.get_weights(), load_model(load_card("tiny")).get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_score_of_a_logit_is_itself() -> None:
    outputs = np.array([[-2.5], [0.0], [700.0]], np.float32)
    assert np.asarray(fake_logit(outputs)).tolist() == [-2.5, 0.0, 700.0]


def test_score_of_a_softmax_is_the_log_odds_of_the_first_column() -> None:
    p_fake = np.array([0.9, 0.5, 0.2], np.float32)
    logits = np.asarray(fake_logit(np.stack([p_fake, 1 - p_fake], axis=1)))
    assert logits.dtype == np.float32
    assert np.allclose(1 / (1 + np.exp(-logits)), p_fake, atol=1e-6)


def test_score_of_a_certain_softmax_is_finite() -> None:
    logits = np.asarray(fake_logit(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)))
    assert np.isfinite(logits).all()
    assert logits[0] == -logits[1] > 80


def test_default_stages_are_what_compact_says() -> None:
    kinds = [type(layer).__name__ for layer in compact().layers]
    assert kinds.count("Add") == sum(blocks for _, blocks in architectures.COMPACT_STAGES)
