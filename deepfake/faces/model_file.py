"""A small network as a ``.tflite`` file in memory, written layer by layer from its weights.

No converter is needed, and so no TensorFlow: the format's own classes come with LiteRT.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float32]


class ModelFile:
    """Layers one after the other, from one input to one output of 32-bit numbers.

    Layers: convolution, parametric ReLU, maximum of neighbours, dense. The sizes given are those of the file;
    LiteRT takes any other number, height and width that the layers allow.
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        """
        Args:
            shape: of the input: number, height, width, channels.
        """
        self._schema = _schema()
        self._model = self._schema.ModelT()
        self._model.version, self._model.description = 3, "mtcnn"
        self._model.operatorCodes, self._model.buffers = [], [self._schema.BufferT()]
        self._graph = self._schema.SubGraphT()
        self._graph.tensors, self._graph.operators, self._graph.name = [], [], "main"
        self._model.subgraphs = [self._graph]
        self._codes: dict[int, int] = {}
        self._shape: tuple[int, ...] = shape
        self._last = self._tensor(shape)
        self._graph.inputs = [self._last]

    def convolve(self, kernel: Weights, bias: Weights) -> None:
        """A convolution without a border.

        Args:
            kernel: (height, width, channels, new channels).
            bias: (new channels,).
        """
        number, height, width, _ = self._shape
        options = self._options("Conv2DOptions", padding=self._schema.Padding.VALID)
        options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
        shape = number, height - kernel.shape[0] + 1, width - kernel.shape[1] + 1, kernel.shape[3]
        self._layer("CONV_2D", shape, [kernel.transpose(3, 0, 1, 2), bias], options)

    def prelu(self, slopes: Weights) -> None:
        """Negative numbers times the slope of their channel."""
        self._layer("PRELU", self._shape, [slopes])

    def max_pool(self, side: int, *, border: bool) -> None:
        """The largest of each square, every second one; at the border also of part of a square."""
        number, height, width, channels = self._shape
        padding = self._schema.Padding.SAME if border else self._schema.Padding.VALID
        options = self._options("Pool2DOptions", padding=padding)
        options.strideH = options.strideW = 2
        options.filterHeight = options.filterWidth = side
        short = (height, width) if border else (height - side + 1, width - side + 1)
        self._layer("MAX_POOL_2D", (number, -(-short[0] // 2), -(-short[1] // 2), channels), [], options)

    def flatten(self) -> None:
        """All numbers of a picture in a row: by height, width and channel."""
        shape = self._shape[0], int(np.prod(self._shape[1:]))
        options = self._options("ReshapeOptions", newShape=[-1, shape[1]])
        self._layer("RESHAPE", shape, [np.array([-1, shape[1]], np.int32)], options)

    def dense(self, kernel: Weights, bias: Weights) -> None:
        """Every number of a row to every new one.

        Args:
            kernel: (numbers, new numbers).
            bias: (new numbers,).
        """
        options = self._options("FullyConnectedOptions")
        self._layer("FULLY_CONNECTED", (self._shape[0], kernel.shape[1]), [kernel.T, bias], options)

    def content(self) -> bytes:
        """The file."""
        import flatbuffers

        self._graph.outputs = [self._last]
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _options(self, name: str, **values: Any) -> Any:
        options = getattr(self._schema, f"{name}T")()
        for key, value in values.items():
            setattr(options, key, value)
        return options

    def _layer(
        self, name: str, shape: tuple[int, ...], weights: list[NDArray[Any]], options: Any = None
    ) -> None:
        layer = self._schema.OperatorT()
        layer.opcodeIndex = self._code(getattr(self._schema.BuiltinOperator, name))
        layer.inputs = [self._last, *(self._tensor(part.shape, part) for part in weights)]
        self._last, self._shape = self._tensor(shape), shape
        layer.outputs = [self._last]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            layer.builtinOptions = options
            layer.builtinOptionsType = getattr(self._schema.BuiltinOptions, kind)
        self._graph.operators.append(layer)

    def _code(self, kind: int) -> int:
        """The place of an operator in the file's list of those it uses."""
        if kind not in self._codes:
            code = self._schema.OperatorCodeT()
            code.version, code.builtinCode, code.deprecatedBuiltinCode = 1, kind, min(kind, 127)
            self._codes[kind] = len(self._model.operatorCodes)
            self._model.operatorCodes.append(code)
        return self._codes[kind]

    def _tensor(self, shape: tuple[int, ...], values: NDArray[Any] | None = None) -> int:
        """A new tensor's number in the file; with ``values`` a constant one."""
        tensor = self._schema.TensorT()
        tensor.shape, tensor.name = list(shape), f"tensor_{len(self._graph.tensors)}"
        integers = values is not None and values.dtype == np.int32
        tensor.type = self._schema.TensorType.INT32 if integers else self._schema.TensorType.FLOAT32
        if values is not None:
            buffer = self._schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            tensor.buffer = len(self._model.buffers)
            self._model.buffers.append(buffer)
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1


def _schema() -> ModuleType:
    """The classes of the format, from LiteRT or, where it has no wheel, from TensorFlow."""
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError:
        from deepfake.util.tensorflow import import_tensorflow

        import_tensorflow()
        from tensorflow.lite.python import schema_py_generated
    return schema_py_generated
