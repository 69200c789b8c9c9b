"""Served files whose large tables are int8 with a scale for each output: a quarter of the size and memory.

Dense layers on tokens are multiplied as int8 too: the engine rounds what comes into them, each token by its
own scale ("dynamic range quantization"), in half the time. A dense layer on one row, such as a head's, costs
next to nothing and reads numbers of very different sizes, which one scale would blur: its table is made
32-bit numbers when the file is loaded, and so are those of convolutions.
"""

from __future__ import annotations

import importlib
from typing import Any

import flatbuffers
import numpy as np

schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
LEAST_NUMBERS = 4096
"""Smaller tables stay as they are."""
DENSE_VERSION = 12
"""Of the dense layer's operator: the first with int8 tables that have a scale for each output, on float32."""


def with_int8_tables(content: bytes) -> bytes:
    """Makes the large tables of dense layers and convolutions of a ``.tflite`` file int8.

    A table that was int8 with a scale for each output before it came into the network keeps its numbers.

    Args:
        content: of a file whose tables are float32.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph, stored, first = model.subgraphs[0], {}, []
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        if code.builtinCode not in (schema.BuiltinOperator.FULLY_CONNECTED, schema.BuiltinOperator.CONV_2D):
            continue
        index = int(operator.inputs[1])
        if index not in stored:
            if not _is_large_table(model, graph.tensors[index]):
                continue
            stored[index] = _stored_as_int8(model, graph, index)
        if _is_on_tokens(model, graph, operator):
            operator.inputs = np.array([operator.inputs[0], stored[index], *operator.inputs[2:]], np.int32)
            code.version = max(code.version, DENSE_VERSION)
        else:
            first.append(_dequantize(model, stored[index], index))
    graph.operators = first + graph.operators
    builder = flatbuffers.Builder(len(content) // 3)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def with_float_tables(content: bytes) -> bytes:
    """The same network whose dense layers are reckoned in 32 bits, from their int8 tables: slower, unrounded.

    Args:
        content: of a file that ``with_int8_tables`` made; another is given back as it is.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph, first, whole = model.subgraphs[0], [], {}
    for operator in graph.operators:
        dense = _is_dense(model, operator)
        index = int(operator.inputs[1]) if dense else -1
        if not dense or graph.tensors[index].type != schema.TensorType.INT8:
            continue
        if index not in whole:
            tensor = schema.TensorT()
            tensor.name, tensor.shape = graph.tensors[index].name + b"_float", graph.tensors[index].shape
            tensor.type, tensor.buffer = schema.TensorType.FLOAT32, 0
            graph.tensors.append(tensor)
            whole[index] = len(graph.tensors) - 1
            first.append(_dequantize(model, index, whole[index]))
        operator.inputs = np.array([operator.inputs[0], whole[index], *operator.inputs[2:]], np.int32)
    if not first:
        return content
    graph.operators = first + graph.operators
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _is_dense(model: Any, operator: Any) -> bool:
    return model.operatorCodes[operator.opcodeIndex].builtinCode == schema.BuiltinOperator.FULLY_CONNECTED


def _is_on_tokens(model: Any, graph: Any, operator: Any) -> bool:
    """Whether an operator is a dense layer on many rows."""
    return _is_dense(model, operator) and bool(np.prod(graph.tensors[operator.inputs[0]].shape[:-1]) > 1)


def _is_large_table(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    large = data is not None and len(data) >= 4 * LEAST_NUMBERS
    return large and tensor.type == schema.TensorType.FLOAT32


def _stored_as_int8(model: Any, graph: Any, index: int) -> int:
    """Adds the int8 form of a tensor, whose own numbers go."""
    tensor = graph.tensors[index]
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float32).reshape(tensor.shape)
    most = np.abs(values).max(tuple(range(1, values.ndim)))
    scale = np.where(most > 0, most / 127, 1.0).astype(np.float32)
    numbers = np.rint(values / scale.reshape(-1, *[1] * (values.ndim - 1))).clip(-127, 127).astype(np.int8)
    stored, buffer = schema.TensorT(), schema.BufferT()
    buffer.data = np.frombuffer(numbers.tobytes(), np.uint8)
    model.buffers.append(buffer)
    stored.name, stored.shape, stored.type = tensor.name + b"_int8", tensor.shape, schema.TensorType.INT8
    stored.buffer = len(model.buffers) - 1
    stored.quantization = schema.QuantizationParametersT()
    stored.quantization.scale, stored.quantization.quantizedDimension = scale, 0
    stored.quantization.zeroPoint = np.zeros(len(scale), np.int64)
    graph.tensors.append(stored)
    model.buffers[tensor.buffer].data = None
    tensor.buffer = 0
    return len(graph.tensors) - 1


def _dequantize(model: Any, source: int, target: int) -> Any:
    """An operator that makes float32 of a table."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = 5  # the first with a scale for each output
    model.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(model.operatorCodes) - 1
    operator.inputs, operator.outputs = np.array([source], np.int32), np.array([target], np.int32)
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    return operator
