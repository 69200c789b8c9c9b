"""Served files as ONNX, and what docs/model-files.md says of both."""

from __future__ import annotations

import importlib.util
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepfake.cli import main
from deepfake.detection.detector import Detector
from deepfake.images.load import load_image
from deepfake.images.pixels import InputSpec
from deepfake.networks import onnx_file as module
from deepfake.networks.onnx_file import ExportError, drawn_images, onnx_file, onnx_logits
from deepfake.networks.served import ServedNetwork
from deepfake.util.files import ROOT

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "model-files.md").read_text(), re.DOTALL)
SQUARES = {"shrunk": (122, 0, 321, 199), "enlarged": (145, 20, 305, 180)}
"""Around the face of the example astronaut."""
SPEC = InputSpec(64)
"""Of the detector tiny."""
needs_exporter = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("tf2onnx", "onnxruntime")),
    reason="needs tf2onnx and onnxruntime: pip install '.[onnx]'",
)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the detectors that ship, in which the examples run."""
    monkeypatch.delenv("DEEPFAKE_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    return tmp_path


def expected(folder: Path, square: tuple[int, int, int, int]) -> float:
    """p_fake of a part of an example image by the package, which is left in crop.png."""
    image = Image.fromarray(load_image(ROOT / "deepfake" / "examples" / "images" / "astronaut.jpg").pixels)
    part = image.crop(square)
    part.save(folder / "crop.png")
    return float(Detector.load("faces-clip").p_fake([np.asarray(part)])[0])


def of_example(text: str, folder: Path) -> float:
    (folder / "example.py").write_text(text)
    return float(runpy.run_path(str(folder / "example.py"))["p_fake"])


@pytest.mark.parametrize("square", SQUARES.values(), ids=SQUARES)
def test_the_example_gives_the_packages_own_answer(
    square: tuple[int, int, int, int], elsewhere: Path
) -> None:
    wanted = expected(elsewhere, square)
    assert of_example(EXAMPLES[0], elsewhere) == pytest.approx(wanted, abs=0.05)  # two pixels differ by one


@pytest.mark.slow
@needs_exporter
def test_both_networks_give_the_same_answer_in_onnx(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "faces-clip", "onnx"]) == 0
    said = capsys.readouterr().out
    assert len(re.findall(r"logits within [\d.e-]+, as run [\d.e-]+$", said, re.MULTILINE)) == 2
    wanted = expected(elsewhere, SQUARES["shrunk"])
    text = EXAMPLES[0].replace("first, second =", f"{EXAMPLES[1]}first, second =")
    text = re.sub(r'f?"models/[^"]*(model|second)\.tflite"', r'"onnx/\1.onnx"', text)
    assert text.count("onnx/") == 2
    assert of_example(text, elsewhere) == pytest.approx(wanted, abs=0.05)


@needs_exporter
def test_a_served_file_is_the_same_in_onnx(
    use_tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "tiny", str(tmp_path / "new" / "onnx")]) == 0
    assert "logits within" in capsys.readouterr().out
    (file,) = (tmp_path / "new" / "onnx").iterdir()
    assert file.name == "model.onnx"
    images = drawn_images(SPEC.size)
    served = ServedNetwork((use_tiny_models / "tiny" / "model.tflite").read_bytes(), SPEC)
    assert onnx_logits(file.read_bytes(), images) == pytest.approx(served.logits(images), abs=0.001)


@needs_exporter
def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ExportError) as caught:
        onnx_file(b"no network", SPEC)
    assert caught.value.code == "not_converted"


def test_other_logits_are_refused(
    use_tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(module, "_converted", lambda content: b"")
    for difference in (0.002, float("nan")):
        monkeypatch.setattr(module, "_difference", lambda *_, exact, found=difference: found)
        assert main(["export", "tiny", str(tmp_path / "onnx")]) == 1
        assert "Expected at most 0.001" in capsys.readouterr().err
    assert not (tmp_path / "onnx").exists()


def test_without_the_packages_it_says_what_to_install(
    use_tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert main(["export", "tiny", str(tmp_path)]) == 1
    assert "pip install tf2onnx onnxruntime" in capsys.readouterr().err
    assert main(["export", "none", str(tmp_path)]) == 1
    assert "There is no detector called 'none'" in capsys.readouterr().err
