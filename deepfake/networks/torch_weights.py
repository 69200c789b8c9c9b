"""Weights that PyTorch saved, read without PyTorch.

A ``.pth`` file is a pickle; only what a table of numbers needs is unpickled, so a file cannot run code.
"""

from __future__ import annotations

import collections
import math
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from deepfake.errors import UserError

_KINDS: dict[str, Any] = {"FloatStorage": np.float32, "HalfStorage": np.float16, "LongStorage": np.int64}
_OLD_MAGIC = 0x1950A86A20F9469CFC6C


class WeightsError(UserError):
    """A file holds no weights that can be used."""


def read_weights(file: Path) -> dict[str, NDArray[np.float32]]:
    """Tables of numbers by name, from a file of a network's state.

    The file is a pickle: today's form (a zip), or that before 2020.

    Raises:
        WeightsError: code ``bad_weights``: it is no such file, or asks for anything but numbers.
    """
    try:
        if not zipfile.is_zipfile(file):
            return _read_old(file)
        with zipfile.ZipFile(file) as parts:
            folder = parts.namelist()[0].split("/")[0]

            def numbers(kind: Any, key: str, count: int) -> NDArray[Any]:
                return np.frombuffer(parts.read(f"{folder}/data/{key}"), kind)[:count]

            with parts.open(f"{folder}/data.pkl") as index:
                return _tables(_Unpickler(index, numbers).load())
    except Exception as error:  # a damaged or hostile pickle raises nearly anything
        raise WeightsError(
            "bad_weights", f"{file} cannot be read as a .pth file of weights ({error})."
        ) from error


def _read_old(file: Path) -> dict[str, NDArray[np.float32]]:
    """Five pickles (magic number, version, machine, state, keys), then the numbers of every key."""
    counts: dict[str, tuple[Any, int]] = {}
    held: dict[str, NDArray[Any]] = {}

    def note(kind: Any, key: str, count: int) -> str:
        counts[key] = (kind, count)
        return key

    with file.open("rb") as stream:
        if _Unpickler(stream, note).load() != _OLD_MAGIC:
            raise ValueError("its first number is not PyTorch's")
        for _ in range(2):
            _Unpickler(stream, note).load()
        state = _Unpickler(stream, note).load()
        for key in _Unpickler(stream, note).load():
            kind, count = counts[key]
            stream.read(8)  # the count again
            held[key] = np.frombuffer(stream.read(count * np.dtype(kind).itemsize), kind)
    return _tables(state, held)


class _Unpickler(pickle.Unpickler):
    def __init__(self, index: IO[bytes], numbers: Callable[[Any, str, int], Any]) -> None:
        super().__init__(index)
        self.numbers = numbers

    def find_class(self, module: str, name: str) -> Any:
        """The few things that a table is made of; all else is refused."""
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Table
        if module == "torch" and name in _KINDS:
            return _KINDS[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """The numbers that a table lies on, or their key."""
        _, kind, key, _, count = pid[:5]
        return self.numbers(kind, key, count)


class _Table:
    """Where a table lies in its numbers."""

    def __init__(self, numbers: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any):
        self.numbers, self.offset, self.size, self.stride = numbers, offset, size, stride

    def values(self, numbers: NDArray[Any]) -> NDArray[np.float32]:
        """The table itself; refuses one that reaches beyond its numbers."""
        reach = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride, strict=True))
        if min(self.offset, *self.size, *self.stride, 0) < 0 or max(reach + 1, math.prod(self.size)) > len(
            numbers
        ):
            raise ValueError("a table reaches beyond its numbers")
        steps = [step * numbers.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.size, steps).astype(np.float32)


def _tables(state: Any, held: dict[str, NDArray[Any]] | None = None) -> dict[str, NDArray[np.float32]]:
    return {
        str(name): table.values(table.numbers if held is None else held[table.numbers])
        for name, table in state.items()
    }
