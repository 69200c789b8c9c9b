"""Weights as PyTorch saves them, today's form and the older one, read without it."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake.networks.torch_weights import WeightsError, read_weights
from tests.support.torch_files import save_as_torch

TABLES: dict[str, Any] = {
    "conv.weight": np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32),
    "conv.bias": np.arange(4, dtype=np.float16),
    "norm.num_batches_tracked": np.array(7, np.int64),
}


@pytest.mark.parametrize("old", [False, True])
def test_weights_come_back_as_they_were(tmp_path: Path, old: bool) -> None:
    file = tmp_path / "weights.pth"
    save_as_torch(file, TABLES, old=old)
    assert zipfile.is_zipfile(file) != old
    read = read_weights(file)
    assert list(read) == list(TABLES)
    for name, values in TABLES.items():
        assert read[name].dtype == np.float32
        assert read[name].shape == values.shape
        assert np.array_equal(read[name], values.astype(np.float32))


class _Runs:
    def __reduce__(self) -> Any:
        return (print, ("code ran",))


KINDS = ["code", "old code", "text", "missing", "short", "old short", "nothing", "huge", "before", "old huge"]


@pytest.mark.parametrize("what", KINDS)
def test_anything_but_tables_of_numbers_is_refused(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, whole = tmp_path / "weights.pth", tmp_path / "whole.pth"
    if what == "code":
        with zipfile.ZipFile(file, "w") as parts:
            parts.writestr("weights/data.pkl", pickle.dumps(_Runs()))
    elif what == "old code":
        file.write_bytes(pickle.dumps(_Runs()))
    elif what == "text":
        file.write_text("no weights")
    elif what == "nothing":
        with zipfile.ZipFile(file, "w"):
            pass
    elif what == "short":
        save_as_torch(whole, TABLES)
        with zipfile.ZipFile(whole) as old, zipfile.ZipFile(file, "w") as parts:
            for name in old.namelist():
                parts.writestr(name, old.read(name)[: None if name.endswith("pkl") else -8])
    elif what == "old short":
        save_as_torch(whole, TABLES, old=True)
        file.write_bytes(whole.read_bytes()[:-8])
    elif what != "missing":
        lies: dict[str, Any] = {"size": (10**9,), "offset": -1 if what == "before" else 0}
        save_as_torch(file, {"a": np.ones(4, np.float32)}, old=what == "old huge", **lies)
    with pytest.raises(WeightsError, match="cannot be read") as refused:
        read_weights(file)
    assert refused.value.code == "bad_weights"
    assert "code ran" not in capsys.readouterr().out
