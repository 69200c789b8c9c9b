"""Model files with weights of 16 bits: half the size, and Keras reads them as it reads the others.

A network's variables stay float32 in memory; only what is stored is rounded, to 11 bits of precision.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from deepfake.networks.int8_weights import WEIGHTS
from deepfake.util.cache import write_whole


def halve(file: Path) -> None:
    """Rewrites a ``.keras`` file with its float32 weights stored as float16.

    Args:
        file: saved without the state of an optimizer.

    Raises:
        ValueError: a weight is beyond what float16 holds (65,504); the file is left as it was.
    """
    with zipfile.ZipFile(file) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents[WEIGHTS] = _halved(contents[WEIGHTS])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)  # no date: the same network, the same file
    write_whole(file, out.getvalue())


def _halved(weights: bytes) -> bytes:
    out = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as source, h5py.File(out, "w") as target:

        def copy(name: str, item: Any) -> None:
            group = isinstance(item, h5py.Group)
            made = (
                target.require_group(name) if group else target.create_dataset(name, data=_rounded(item[()]))
            )
            made.attrs.update(item.attrs)

        target.attrs.update(source.attrs)
        source.visititems(copy)
    return out.getvalue()


def _rounded(values: Any) -> Any:
    if np.asarray(values).dtype != np.float32:
        return values
    with np.errstate(over="ignore"):  # said below
        half = np.asarray(values).astype(np.float16)
    if not np.isfinite(half).all():
        raise ValueError("A weight is too large for 16 bits.")
    return half
