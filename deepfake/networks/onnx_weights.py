"""Weights in an ONNX file, read without the ``onnx`` package and de-quantised to float32.

Only the tables of numbers and the matrix products that use them are read; nothing of the file is run.
The format is that of Protocol Buffers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.networks.torch_weights import WeightsError

_KINDS = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64}
_GRAPH, _NODE, _TABLE = 7, 1, 5  # field numbers: ModelProto.graph, GraphProto.node and .initializer


@dataclass(frozen=True)
class Quantised:
    """A table of int8 numbers with a scale for each column.

    Attributes:
        values: (rows, columns) int8.
        scale: (columns,) float32; ``values * scale`` is the table.
    """

    values: NDArray[np.int8]
    scale: NDArray[np.float32]

    def numbers(self) -> NDArray[np.float32]:
        """The table as float32, (rows, columns)."""
        return self.values.astype(np.float32) * self.scale


def read_onnx(file: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, Quantised]]:
    """The float tables of an ONNX file by name, and the quantised ones by the matrix product that uses them.

    Args:
        file: as ONNX Runtime's dynamic quantisation writes it: weights int8, signed and symmetric.

    Returns:
        Tables by name; quantised tables by the name of their ``MatMulInteger`` node, without ``_quant``.

    Raises:
        WeightsError: code ``bad_weights``: it is no such file, or is damaged.
    """
    try:
        graph = next(value for field, value in _fields(memoryview(file.read_bytes())) if field == _GRAPH)
        tables: dict[str, NDArray[Any]] = {}
        products: dict[str, list[str]] = {}
        for field, value in _fields(graph):
            if field == _TABLE:
                name, table = _table(value)
                tables[name] = table
            elif field == _NODE:
                parts = list(_fields(value))
                words = {number: bytes(text).decode() for number, text in parts if number in (3, 4)}
                if words.get(4) == "MatMulInteger":
                    inputs = [bytes(text).decode() for number, text in parts if number == 1]
                    products[words[3].removesuffix("_quant")] = inputs
        quantised = {name: _quantised(inputs[1], tables) for name, inputs in products.items()}
    except (StopIteration, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise WeightsError(
            "bad_weights", f"{file} cannot be read as an ONNX file with int8 weights ({error!r})."
        ) from error
    return {name: table for name, table in tables.items() if table.dtype == np.float32}, quantised


def _quantised(name: str, tables: dict[str, NDArray[Any]]) -> Quantised:
    """A table of a matrix product; refuses one whose zero is not 0."""
    stem = name.removesuffix("_quantized")
    values, scale, zero = tables[name], tables[f"{stem}_scale"], tables[f"{stem}_zero_point"]
    if values.dtype != np.int8 or values.ndim != 2 or scale.shape != (values.shape[1],) or zero.any():
        raise ValueError(f"{name}: expected int8 with a scale for each column and zero at 0")
    return Quantised(values, scale)


def _table(message: memoryview) -> tuple[str, NDArray[Any]]:
    """A TensorProto: its name and numbers."""
    shape: list[int] = []
    kind, name, raw = 0, "", memoryview(b"")
    loose: list[memoryview] = []
    for field, value in _fields(message):
        if field == 1:
            shape += [value] if isinstance(value, int) else _numbers(value)
        elif field == 2:
            kind = value
        elif field == 8:
            name = bytes(value).decode()
        elif field == 9:
            raw = value
        elif field in (4, 5, 7) and not isinstance(value, int):
            loose.append(value)
    if kind not in _KINDS:
        return name, np.empty(0, bool)
    if not raw and loose:  # numbers packed by kind in place of raw bytes
        if kind != 1:
            listed = [number for part in loose for number in _numbers(part)]
            return name, np.array(listed, np.int64).astype(_KINDS[kind]).reshape(shape)
        raw = memoryview(b"".join(loose))
    return name, np.frombuffer(raw, np.dtype(_KINDS[kind]).newbyteorder("<")).reshape(shape)


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and content of each field: an int, or a part of the message."""
    index = 0
    while index < len(message):
        key, index = _varint(message, index)
        form = key & 7
        if form == 0:
            value, index = _varint(message, index)
            yield key >> 3, value
            continue
        if form == 2:
            length, index = _varint(message, index)
        elif form in (1, 5):
            length = 8 if form == 1 else 4
        else:
            raise ValueError(f"field of form {form}")
        if index + length > len(message):
            raise ValueError("cut short")
        yield key >> 3, message[index : index + length]
        index += length


def _numbers(packed: memoryview) -> list[int]:
    """Packed varints."""
    offset, numbers = 0, []
    while offset < len(packed):
        number, offset = _varint(packed, offset)
        numbers.append(number)
    return numbers


def _varint(message: memoryview, offset: int) -> tuple[int, int]:
    """A number of variable length and the place after it."""
    value = shift = 0
    while shift < 70:
        byte = message[offset]
        offset += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, offset
        shift += 7
    raise ValueError("a number is too long")
