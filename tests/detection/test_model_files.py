"""The files of a detector's network: only those that its card names are loaded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepfake.cli import main
from deepfake.detection.card import KERAS, SERVED, ModelError, load_card
from deepfake.detection.detector import Detector
from deepfake.detection.model_files import load_model, load_served
from deepfake.util import litert
from deepfake.util.files import ROOT
from tests.support.images import noise_image


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny models that a test may break."""
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


BATCH = np.stack([noise_image(seed, 64, 64) for seed in range(5)])


def test_network_of_a_card(models: Path) -> None:
    network = load_model(load_card("tiny"))
    assert network(np.zeros((2, 64, 64, 3), np.float32)).shape == (2, 1)


@pytest.mark.parametrize(("file", "load"), [(KERAS, load_model), (SERVED, load_served)])
@pytest.mark.parametrize("damage", ["other", "cut", "gone"])
def test_only_the_cards_file_is_loaded(file, load, damage, models: Path) -> None:
    card, path = load_card("tiny"), models / "tiny" / file
    content = path.read_bytes()
    path.write_bytes(content + b"\0" if damage == "other" else content[: len(content) // 2])
    if damage == "gone":
        path.unlink()
    with pytest.raises(ModelError) as caught:
        load(card)
    assert caught.value.code == ("missing_file" if damage == "gone" else "wrong_hash")
    assert str(path) in caught.value.message
    if file == SERVED:
        assert "python -m deepfake convert tiny" in caught.value.message


def test_a_served_file_of_another_input_is_refused(models: Path) -> None:
    path = models / "tiny" / "card.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "input": {**card["input"], "size": 32}}))
    with pytest.raises(ModelError) as caught:
        load_served(load_card("tiny"))
    assert caught.value.code == "unreadable"


def test_convert_makes_the_served_file_again(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "tiny" / SERVED).unlink()
    assert main(["convert", "tiny"]) == 0
    assert "tiny: served from" in capsys.readouterr().out
    served = load_served(load_card("tiny"))
    assert served is not None
    assert served.logits(BATCH).shape == (5,)


def test_a_detector_without_a_served_file_gives_the_same(models: Path) -> None:
    quick = Detector(load_card("tiny"))
    path = models / "tiny" / "card.json"
    card = json.loads(path.read_text())
    del card["served_sha256"]
    path.write_text(json.dumps(card))
    slow = Detector(load_card("tiny"))
    for one, other in zip(quick.read_batch(BATCH), slow.read_batch(BATCH), strict=True):
        assert np.allclose(one, other, atol=1e-5)


def test_without_a_wheel_tensorflow_runs_the_same_file(
    models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = Detector(load_card("tiny")).p_fake(list(BATCH))
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setattr(litert, "_engines", [])
    assert np.allclose(Detector(load_card("tiny")).p_fake(list(BATCH)), expected, atol=1e-5)
    assert caplog.text.count("LiteRT cannot be used here") == 1


def test_scores_come_without_tensorflow_and_without_its_notes(models: Path) -> None:
    code = """
import sys
import numpy as np
from deepfake.detection.detector import get_detector
print(get_detector("tiny").judge([np.zeros((64, 64, 3), np.uint8)])[0][0] >= 0)
print(sorted({"tensorflow", "keras"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["True", "[]"]
    assert done.stderr == ""
