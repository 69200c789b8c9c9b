"""Model files whose large tables are stored as int8 with a scale for each column: a quarter of the size.

A network's variables stay float32 in memory and its activations too; only what is stored is rounded. Keras
cannot read such a file by itself: ``restored`` makes the usual one of it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from deepfake.util.files import write_whole

WEIGHTS = "model.weights.h5"


SCALE = "int8_scale"
"""An attribute of a table stored as int8: (columns,) float32, what its numbers are multiplied by."""
LEAST_NUMBERS = 4096
"""Smaller tables, biases and norms among them, stay float32."""


def quantise(file: Path) -> float:
    """Rewrites a ``.keras`` file with its large tables stored as int8.

    A table that was int8 with such scales before it came into the network is stored without any loss.

    Args:
        file: saved without the state of an optimizer.

    Returns:
        The largest rounding error, as a share of the largest number of its column (0.004 at most).
    """
    worst = [0.0]

    def stored(values: Any, made: Callable[..., Any]) -> None:
        numbers, scale = _rounded(values)
        error = np.abs(numbers * scale - values).max(tuple(range(values.ndim - 1)))
        worst[0] = max(worst[0], float((error / np.maximum(scale * 127, 1e-30)).max()))
        made(numbers).attrs[SCALE] = scale

    _rewrite(file, stored)
    return worst[0]


def is_quantised(file: Path) -> bool:
    """Whether a ``.keras`` file has tables stored as int8."""
    with zipfile.ZipFile(file) as archive, h5py.File(io.BytesIO(archive.read(WEIGHTS))) as weights:
        scaled: list[bool] = []
        weights.visititems(lambda _, item: scaled.append(SCALE in item.attrs))
    return any(scaled)


def restored(file: Path, target: Path) -> None:
    """Writes a ``.keras`` file that Keras reads from one that ``quantise`` wrote.

    Args:
        file: left as it is.
        target: the file to write.

    Raises:
        ValueError: a scale does not go with its table.
    """
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}

    def table(item: Any) -> Any:
        values = item[()]
        if SCALE not in item.attrs:
            return values
        scale = np.asarray(item.attrs[SCALE], np.float32)
        if values.dtype != np.int8 or scale.shape != values.shape[-1:]:
            raise ValueError(f"{item.name}: its scale does not go with its numbers.")
        return values.astype(np.float32) * scale

    contents[WEIGHTS] = _copied(contents[WEIGHTS], lambda item, made: made(table(item)))
    write_archive(contents, target)


def _rounded(values: Any) -> tuple[Any, Any]:
    """int8 numbers and the scale of each column; the scale that leaves no error, where there is one."""
    most = np.abs(values).max(tuple(range(values.ndim - 1)))
    scale = np.where(most > 0, most / 127, 1.0).astype(np.float32)
    return np.clip(np.rint(values / scale), -127, 127).astype(np.int8), scale


def _rewrite(file: Path, stored: Callable[[Any, Callable[..., Any]], None]) -> None:
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}

    def put(item: Any, made: Callable[..., Any]) -> None:
        values = item[()]
        if values.dtype == np.float32 and values.ndim > 1 and values.size >= LEAST_NUMBERS:
            stored(values, made)
        else:
            made(values)

    contents[WEIGHTS] = _copied(contents[WEIGHTS], put)
    write_archive(contents, file)


def write_archive(contents: dict[str, bytes], file: Path) -> None:
    """Writes a ``.keras`` file of its members; without dates, so that the same network is the same file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    write_whole(file, out.getvalue())


def _copied(weights: bytes, put: Callable[[Any, Callable[..., Any]], None]) -> bytes:
    out = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as source, h5py.File(out, "w") as target:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                target.require_group(name).attrs.update(item.attrs)
                return
            put(item, lambda values: target.create_dataset(name, data=values))
            target[name].attrs.update({key: item.attrs[key] for key in item.attrs if key != SCALE})

        target.attrs.update(source.attrs)
        source.visititems(copy)
    return out.getvalue()
