"""Weights as PyTorch saves them, read without it; and what the networks make of pictures."""

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
import pytest

from deepfake.autoencoder import Autoencoder, AutoencoderError, read_weights

CHANNELS, LATENTS = 8, 4


class _Tensor:
    def __init__(self, values: np.ndarray) -> None:
        self.values = values


def save_as_torch(
    file: Path, tables: dict[str, np.ndarray], *, size: tuple[int, ...] | None = None, offset: int = 0
) -> None:
    """A file laid out as ``torch.save`` lays out a state dict; ``size`` and ``offset`` lie about tables."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def rebuild(*_: Any) -> None:
        raise AssertionError("writing only")

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    kinds: dict[str, Any] = {}
    for kind in ("FloatStorage", "HalfStorage"):
        kinds[kind] = type(kind, (), {"__module__": "torch"})
        setattr(torch, kind, kinds[kind])
    utils._rebuild_tensor_v2 = rebuild  # type: ignore[attr-defined]
    numbers: list[np.ndarray] = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            if not isinstance(obj, np.ndarray):
                return None
            numbers.append(obj)
            kind = kinds["HalfStorage" if obj.dtype == np.float16 else "FloatStorage"]
            return ("storage", kind, str(len(numbers) - 1), "cpu", obj.size)

        def reducer_override(self, obj: Any) -> Any:
            if not isinstance(obj, _Tensor):
                return NotImplemented
            values = np.ascontiguousarray(obj.values)
            strides = tuple(step // values.itemsize for step in values.strides)
            told = (offset, size or values.shape, (0,) if size else strides)
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
    with zipfile.ZipFile(file, "w") as parts:
        parts.writestr("weights/data.pkl", index.getvalue())
        for place, values in enumerate(numbers):
            parts.writestr(f"weights/data/{place}", values.tobytes())


def network(
    steps: str, first: int, last: int, kind: Any = np.float32, pooled: bool = False
) -> dict[str, Any]:
    """Random weights of a network, named by the places of its steps: (c)onv, (b)lock, (h)alf, (t)wice, -."""
    rng = np.random.default_rng(0)
    tables: dict[str, Any] = {}

    def conv(name: str, inputs: int, outputs: int, bias: bool = True, side: int = 3) -> None:
        kernel = rng.normal(0, 1 / np.sqrt(inputs * side * side), (outputs, inputs, side, side))
        tables[f"{name}.weight"] = kernel.astype(kind)
        if bias:
            tables[f"{name}.bias"] = rng.normal(0, 0.1, outputs).astype(kind)

    for place, step in enumerate(steps):
        if step == "c":
            inputs = first if place < 2 and not any(s == "c" for s in steps[:place]) else CHANNELS
            conv(str(place), inputs, last if place == len(steps) - 1 else CHANNELS)
        elif step == "h":
            conv(str(place), CHANNELS, CHANNELS, bias=False)
        elif step == "b":
            for inner in (0, 2, 4):
                conv(f"{place}.conv.{inner}", CHANNELS, CHANNELS)
            if pooled and place in (11, 12, 13):
                conv(f"{place}.pool.0", CHANNELS, 4 * CHANNELS, bias=False, side=1)
                conv(f"{place}.pool.3", 4 * CHANNELS, CHANNELS, bias=False, side=1)
                tables[f"{place}.pool.1.weight"] = np.ones(4 * CHANNELS, kind)
                tables[f"{place}.pool.1.bias"] = np.zeros(4 * CHANNELS, kind)
    return tables


ENCODER, DECODER = "cbhbbbhbbbhbbbc", "-c-bbb-cbbb-cbbb-cbc"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    encoder, decoder = tmp_path / "encoder.pth", tmp_path / "decoder.pth"
    save_as_torch(encoder, network(ENCODER, 3, LATENTS, pooled=True))
    save_as_torch(decoder, network(DECODER, LATENTS, 3, kind=np.float16))
    return encoder, decoder


def test_weights_come_back_as_they_were(files: tuple[Path, Path]) -> None:
    for file, tables in zip(
        files,
        (network(ENCODER, 3, LATENTS, pooled=True), network(DECODER, LATENTS, 3, kind=np.float16)),
        strict=True,
    ):
        read = read_weights(file)
        assert list(read) == list(tables)
        for name, values in tables.items():
            assert read[name].dtype == np.float32
            assert np.array_equal(read[name], values.astype(np.float32))


def test_latents_are_an_eighth_as_wide_and_pictures_stay_in_range(files: tuple[Path, Path]) -> None:
    autoencoder = Autoencoder(*files)
    pictures = np.random.default_rng(1).random((2, 32, 48, 3), np.float32)
    latents = autoencoder.encode(pictures)
    assert latents.shape == (2, 4, 6, LATENTS)
    assert latents.std() > 0
    drawn = autoencoder.decode(latents)
    assert drawn.shape == pictures.shape
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert not np.allclose(drawn, autoencoder.decode(latents[::-1].copy())), "the picture follows the latents"


def test_the_last_step_is_a_convolution_as_pytorch_does_it(tmp_path: Path) -> None:
    """A network that hands its picture on until the last kernel, which moves it one pixel to the left."""
    tables = network(ENCODER, 3, 3)
    for name, values in tables.items():
        values[...] = 0
        if name.endswith("weight") and "." not in name[:-7]:
            for channel in range(3):
                values[channel, channel, 1, 1] = 1
    tables["14.weight"][...] = 0
    for channel in range(3):
        tables["14.weight"][channel, channel, 1, 2] = 1
    save_as_torch(tmp_path / "encoder.pth", tables)
    save_as_torch(tmp_path / "decoder.pth", network(DECODER, LATENTS, 3))
    pictures = np.random.default_rng(1).integers(0, 2, (1, 32, 32, 3)).astype(np.float32)
    latents = Autoencoder(tmp_path / "encoder.pth", tmp_path / "decoder.pth").encode(pictures)
    expected = np.zeros((4, 4, 3), np.float32)
    expected[:, :-1] = pictures[0, ::8, ::8][:, 1:]
    assert np.array_equal(latents[0], expected)


def test_encoder_and_decoder_in_each_others_place(files: tuple[Path, Path]) -> None:
    with pytest.raises(AutoencoderError, match=r"encoder\.pth is no decoder"):
        Autoencoder(files[0], files[0])
    with pytest.raises(AutoencoderError, match=r"decoder\.pth is no encoder"):
        Autoencoder(files[1], files[1])


class _Runs:
    def __reduce__(self) -> Any:
        return (print, ("code ran",))


@pytest.mark.parametrize("what", ["code", "text", "missing", "short", "nothing", "huge", "before"])
def test_anything_but_tables_of_numbers_is_refused(
    what: str, tmp_path: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "weights.pth"
    if what == "code":
        with zipfile.ZipFile(file, "w") as parts:
            parts.writestr("weights/data.pkl", pickle.dumps(_Runs()))
    elif what == "text":
        file.write_text("no weights")
    elif what in ("huge", "before"):
        save_as_torch(
            file, {"a": np.ones(4, np.float32)}, size=(10**9,), offset=-1 if what == "before" else 0
        )
    elif what == "nothing":
        with zipfile.ZipFile(file, "w"):
            pass
    elif what == "short":
        with zipfile.ZipFile(files[0]) as old, zipfile.ZipFile(file, "w") as parts:
            for name in old.namelist():
                parts.writestr(name, old.read(name)[: None if name.endswith("pkl") else -8])
    with pytest.raises(AutoencoderError, match="cannot be read") as refused:
        read_weights(file)
    assert refused.value.code == "bad_weights"
    assert "code ran" not in capsys.readouterr().out
