"""A served network: one row an image, whoever else asks."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest

from deepfake.detection.card import load_card
from deepfake.images.pixels import InputSpec, scaled
from deepfake.networks.architectures import compact, resnet50
from deepfake.networks.clip_vit import Shape, backbone, with_head
from deepfake.networks.conversion import served_file
from deepfake.networks.grad_cam import compiled_mapper
from deepfake.networks.int8_served import LEAST_NUMBERS, schema, with_float_tables
from deepfake.networks.scoring import compiled_reader
from deepfake.networks.served import ServedNetwork
from deepfake.util import litert
from tests.support.clip import tiny
from tests.support.images import noise_image

BATCH = np.stack([noise_image(seed, 64, 64) for seed in range(6)])


@pytest.mark.parametrize("processors", [1, 2, 6, 16])
@pytest.mark.usefixtures("use_tiny_models")
def test_any_number_of_processors_and_threads(processors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litert, "processors", lambda: processors)
    card = load_card("tiny")
    served = ServedNetwork((card.folder / "model.tflite").read_bytes(), card.input)
    logits, vectors = served(BATCH)
    assert logits.shape == (6,)
    assert logits.dtype == vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(served.logits, [BATCH[index : index + 1] for index in range(6)] * 4))
    assert np.concatenate(again).tolist() == logits.tolist() * 4


def test_softmax_of_two_becomes_one_logit() -> None:
    """As the starting document's network has it."""
    network, spec = resnet50(size=32), InputSpec(32, 1 / 255, 0.0)
    images = np.stack([noise_image(seed, 32, 32) for seed in range(3)])
    served = ServedNetwork(served_file(network, spec), spec)
    assert not served.has_map, "LiteRT has no gradient of the ReLU between its dense layers"
    logits, vectors = served(images)
    expected_logits, expected_vectors = compiled_reader(network, spec)(images)
    assert np.allclose(logits, expected_logits, atol=1e-4)
    assert np.allclose(vectors, expected_vectors, atol=1e-4)


def test_maps_are_served_too() -> None:
    network, spec = compact(96, stages=((8, 1), (12, 1)), stem=8), InputSpec(96)
    images = np.stack([noise_image(seed, 96, 96) for seed in range(3)])
    served = ServedNetwork(served_file(network, spec), spec)
    maps = served.maps(images)
    assert served.has_map
    assert maps.shape == (3, 12, 12)
    assert np.allclose(maps, compiled_mapper(network, spec)(images), atol=1e-5)


def test_a_network_without_feature_maps_has_no_map() -> None:
    shape = Shape(given=32, size=40, patch=8, width=16, heads=2, blocks=1, pooled=(0,))
    kernel = np.ones(32) / 32
    deep = (np.random.default_rng(0).normal(0, 0.2, (32, 7)), np.linspace(-1, 1, 7))
    spec, images = InputSpec(32), np.stack([noise_image(seed, 32, 32) for seed in range(3)])
    for int8, gate, hidden in itertools.product((False, True), (None, (-kernel, 1.5)), (None, deep)):
        network = with_head(
            tiny(shape), shape, blocks=(0,), deviation=True, kernel=kernel[:7] if hidden else kernel,
            bias=0.5, hidden=hidden, gate=gate,
        )  # fmt: skip
        served = ServedNetwork(served_file(network, spec, int8=int8), spec)
        assert not served.has_map and served.has_gate == (gate is not None)
        assert np.allclose(served.logits(images), compiled_reader(network, spec)(images)[0], atol=0.02)
        logits, embeddings, gates = served.with_gates(images)
        assert embeddings.shape == (3, 32), "the statistics, with a hidden layer too"
        assert np.allclose(logits, served.logits(images)) and np.allclose(
            np.linalg.norm(embeddings, axis=1), 1, atol=1e-5
        )
        if gate is None:
            assert (gates == 1).all()
        else:
            opened = keras.Model(network.input, network.get_layer("gate").output)
            assert np.allclose(gates, opened(scaled(images, spec))[:, 0], atol=0.02) and (gates < 1).all()


def test_dense_tables_on_tokens_are_multiplied_as_int8() -> None:
    shape = Shape(given=32, size=32, patch=8, width=64, heads=2, blocks=1, pooled=(0,), deviation=False)
    keras.utils.set_random_seed(0)
    tower = backbone(shape)
    kernel = np.random.default_rng(0).normal(0, 1, 64).astype(np.float32)
    units, share = np.stack([kernel, -kernel] * 40, axis=1), np.tile([1, -1], 40) / 40  # a line, in 80 units
    network = with_head(
        tower, shape, blocks=(0,), deviation=False, kernel=share, bias=0.5, hidden=(units, np.zeros(80))
    )
    plain, small = (served_file(network, InputSpec(32), int8=int8) for int8 in (False, True))
    assert len(small) < len(plain) / 2
    model = schema.ModelT.InitFromPackedBuf(small, 0)
    tensors = model.subgraphs[0].tensors
    large = {
        (bool(np.prod(tensors[given].shape[:-1]) > 1), tensors[table].type)
        for given, table in (
            operator.inputs[:2].tolist()
            for operator in model.subgraphs[0].operators
            if model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.FULLY_CONNECTED
        )
        if np.prod(tensors[table].shape) >= LEAST_NUMBERS
    }
    # On tokens int8; on one row, a head's, in 32 bits: one scale would blur numbers of unlike sizes.
    assert large == {(True, schema.TensorType.INT8), (False, schema.TensorType.FLOAT32)}
    images = np.random.default_rng(1).integers(0, 256, (8, 32, 32, 3), np.uint8)
    one, other = (ServedNetwork(content, InputSpec(32)).logits(images) for content in (plain, small))
    assert not np.array_equal(one, other) and np.abs(one - other).max() < 0.1 * np.std(one)
    assert with_float_tables(plain) is plain
    unrounded = ServedNetwork(with_float_tables(small), InputSpec(32)).logits(images)
    assert not np.array_equal(unrounded, other) and np.abs(unrounded - other).max() < 0.1 * np.std(one)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"buffer|model"):
        ServedNetwork(b"no model", InputSpec(64))


def test_another_input_is_refused() -> None:
    content = served_file(compact(None, stages=((8, 1),), stem=8), InputSpec(64))
    with pytest.raises(ValueError, match="64"):
        ServedNetwork(content, InputSpec(32))
