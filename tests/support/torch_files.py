"""Files of weights as PyTorch writes them, written without it."""

from __future__ import annotations

import collections
import io
import pickle
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

_KINDS = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}


class _Tensor:
    def __init__(self, values: np.ndarray) -> None:
        self.values = values


def save_as_torch(
    file: Path,
    tables: dict[str, Any],
    *,
    size: tuple[int, ...] | None = None,
    offset: int = 0,
    old: bool = False,
) -> None:
    """A file laid out as ``torch.save`` lays out a state dict; ``size`` and ``offset`` lie about tables.

    ``old`` gives the form that it had before 1.6: pickles one after the other, then the numbers.
    """
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*_: Any) -> None:
        raise AssertionError("writing only")

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    kinds: dict[str, Any] = {}
    for kind in _KINDS.values():
        kinds[kind] = type(kind, (), {"__module__": "torch"})
        setattr(torch, kind, kinds[kind])
    utils._rebuild_tensor_v2 = rebuild  # type: ignore[attr-defined]
    numbers: list[np.ndarray] = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            if not isinstance(obj, np.ndarray):
                return None
            numbers.append(obj)
            told = ("storage", kinds[_KINDS[obj.dtype.name]], str(len(numbers) - 1), "cpu", obj.size)
            return (*told, None) if old else told

        def reducer_override(self, obj: Any) -> Any:
            if not isinstance(obj, _Tensor):
                return NotImplemented
            values = np.asarray(obj.values, order="C")
            strides = tuple(step // values.itemsize for step in values.strides)
            told = (offset, values.shape if size is None else size, (0,) if size else strides)
            return rebuild, (values.ravel(), *told, False, collections.OrderedDict())

    index = io.BytesIO()
    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules.update({"torch": torch, "torch._utils": utils})
    try:
        Pickler(index).dump(collections.OrderedDict((k, _Tensor(v)) for k, v in tables.items()))
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    if old:
        head = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
        tail = pickle.dumps([str(place) for place in range(len(numbers))])
        blocks = [np.int64(values.size).tobytes() + values.tobytes() for values in numbers]
        file.write_bytes(b"".join([*map(pickle.dumps, head), index.getvalue(), tail, *blocks]))
        return
    with zipfile.ZipFile(file, "w") as parts:
        parts.writestr("weights/data.pkl", index.getvalue())
        for place, values in enumerate(numbers):
            parts.writestr(f"weights/data/{place}", values.tobytes())
