"""Detectors on disk: found, refused, and where a score becomes a verdict."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake.cli import main
from deepfake.detection.card import (
    KERAS,
    SERVED,
    ModelError,
    default_name,
    detector_title,
    load_card,
    load_model,
    load_served,
    model_names,
    models_folder,
)
from deepfake.detection.detector import Detector
from deepfake.types import OPERATING_POINTS, Thresholds
from deepfake.util import litert
from deepfake.util.files import ROOT
from tests.support.images import noise_image
from tests.support.records.cards import drawn_card

BAND = Thresholds(balanced=0.5, few_false_alarms=0.9, uncertain_low=0.3, uncertain_high=0.7)


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny models that a test may break."""
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def edit(models: Path, **changes: Any) -> None:
    """Changes the card; a value of ... takes the field out."""
    path = models / "tiny" / "card.json"
    card = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in card.items() if value is not ...}))


def refusal(name: str | None = None) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_card(name)
    return caught.value


def test_models_lie_beside_the_package_unless_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DEEPFAKE_MODELS", raising=False)
    assert models_folder() == ROOT / "models"
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    assert models_folder() == tmp_path


@pytest.mark.parametrize("there", [True, False])
def test_no_models(there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models"
    if there:
        folder.mkdir()
    monkeypatch.setenv("DEEPFAKE_MODELS", str(folder))
    assert model_names() == []
    error = refusal()
    assert error.code == "no_models"
    assert str(folder) in error.message
    assert "train" in error.message


def test_a_title_is_the_cards_or_the_name_and_tells_detectors_apart(models: Path) -> None:
    version = load_card("tiny").version
    assert (detector_title("tiny"), detector_title("gone")) == ("tiny", "gone")
    edit(models, title="Small")
    assert detector_title("tiny") == "Small"
    assert load_card("tiny").version == version  # no verdict follows from it
    shutil.copytree(models / "tiny", models / "twin")
    assert [detector_title(name) for name in ("tiny", "twin")] == ["Small (tiny)", "Small (twin)"]
    edit(models, title=3)
    assert (refusal("tiny").code, detector_title("tiny")) == ("bad_card", "tiny")


def test_names_need_a_card_and_a_file(models: Path) -> None:
    (models / "cardless").mkdir()
    (models / "cardless" / "model.keras").write_bytes(b"")
    (models / "fileless").mkdir()
    (models / "fileless" / "card.json").write_text("{}")
    assert model_names() == ["tiny"]


def test_default_is_what_the_file_names_or_without_it_the_first(models: Path) -> None:
    shutil.copytree(models / "tiny", models / "another")
    assert default_name() == "tiny"
    (models / "default.txt").write_text("another")
    assert default_name() == "another"
    (models / "default.txt").unlink()
    assert default_name() == load_card().name == "another"


@pytest.mark.parametrize("content", [b"gone\n", b"", b"../tiny", b"t\xffny"])
def test_a_default_that_is_no_detector_is_not_another_one(content: bytes, models: Path) -> None:
    (models / "default.txt").write_bytes(content)
    error = refusal()
    assert error.code == "bad_default"
    assert str(models / "default.txt") in error.message
    assert "Write the name" in error.message


@pytest.mark.parametrize("file", ["card.json", KERAS])
def test_a_detector_that_lacks_a_file_is_named_with_it(file: str, models: Path) -> None:
    shutil.copytree(models / "tiny", models / "another")
    (models / "tiny" / file).unlink()
    for name in ("tiny", None):  # it is the default one too
        error = refusal(name)
        assert error.code == "missing_file"
        assert str(models / "tiny" / file) in error.message
    assert load_card("another").name == "another"


def test_card_of_a_detector(models: Path) -> None:
    card = load_card("tiny")
    assert card == load_card()
    assert (card.input.size, card.input.offset) == (64, -1.0)
    assert card.temperature == 1.5
    assert card.thresholds.few_false_alarms == 0.9
    assert card.knows == ("nothing",)
    assert card.folder == models / "tiny"
    assert card.contents["description"] == card.description


@pytest.mark.parametrize(
    "name", ["other", "", ".", "..", "../models/tiny", "tiny/../tiny", "tiny/", "x" * 300, "\0"]
)
def test_unknown_detector(name: str, models: Path) -> None:
    error = refusal(name)
    assert error.code == "unknown_model"
    assert "Found: tiny" in error.message
    assert models.is_dir()


@pytest.mark.parametrize(
    "changes",
    [
        *({key: ...} for key in ("architecture", "input", "temperature", "thresholds", "sha256")),
        *({key: ...} for key in ("description", "knows", "does_not_know", "evaluations")),
        {"architecture": 3},
        {"input": {"scale": 1.0}},
        {"input": {"size": "64"}},
        {"input": {"size": 0}},
        {"input": {"size": 64, "colour": 1}},
        {"input": 64},
        {"temperature": "hot"},
        {"bias": "up"},
        {"bias": math.inf},
        {"temperature": 0},
        {"temperature": -1.5},
        {"temperature": math.nan},
        {"temperature": True},
        {"temperature": None},
        {"thresholds": {"balanced": 0.5}},
        {"thresholds": {**drawn_card()["thresholds"], "few_false_alarms": "0.9"}},
        {"thresholds": [0.5, 0.9, 0.4, 0.6]},
        {"sha256": None},
        {"description": ["a"]},
        {"knows": "faces"},
        {"evaluations": {"a": 1}},
    ],
    ids=str,
)
def test_bad_card(changes: dict[str, Any], models: Path) -> None:
    edit(models, **changes)
    error = refusal("tiny")
    assert error.code == "bad_card"
    assert "card.json" in error.message
    assert "Error(" not in error.message


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'"card"', b"\xff\xfe\x00"])
def test_card_that_is_none(content: bytes, models: Path) -> None:
    (models / "tiny" / "card.json").write_bytes(content)
    assert refusal("tiny").code == "bad_card"


@pytest.mark.parametrize(
    ("p_fake", "balanced", "few_false_alarms"),
    [
        (0.0, "real", "real"),
        (0.2999, "real", "real"),
        (0.3, "uncertain", "uncertain"),
        (0.5, "uncertain", "uncertain"),
        (0.6999, "uncertain", "uncertain"),
        (0.7, "fake", "uncertain"),
        (0.8999, "fake", "uncertain"),
        (0.9, "fake", "fake"),
        (1.0, "fake", "fake"),
    ],
)
def test_calls(p_fake: float, balanced: str, few_false_alarms: str) -> None:
    assert BAND.call(p_fake) == BAND.call(p_fake, "balanced") == balanced
    assert BAND.call(p_fake, "few_false_alarms") == few_false_alarms


def test_fewer_false_alarms_never_calls_more_fakes() -> None:
    assert OPERATING_POINTS == ("balanced", "few_false_alarms")
    lower = Thresholds(balanced=0.5, few_false_alarms=0.2, uncertain_low=0.5, uncertain_high=0.5)
    for p_fake in np.linspace(0, 1, 101):
        for band in (BAND, lower):
            if band.call(p_fake, "few_false_alarms") == "fake":
                assert band.call(p_fake) == "fake"
    assert {lower.call(p) for p in np.linspace(0, 1, 101)} == {"real", "fake"}


def test_nothing_is_called_fake_where_nothing_can_be() -> None:
    never = Thresholds(0.5, 0.9, 0.0, float(np.nextafter(1.0, 2.0)))
    assert {never.call(p) for p in (0.0, 0.5, 1.0)} == {"uncertain"}


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
    monkeypatch.setattr("deepfake.detection.card._shared", {})  # as in a new process
    assert np.allclose(Detector(load_card("tiny")).p_fake(list(BATCH)), expected, atol=1e-5)
    assert caplog.text.count("LiteRT cannot be used here") == 1


def test_scores_come_without_tensorflow_and_without_its_notes(models: Path) -> None:
    code = """
import sys
import numpy as np
from deepfake.detection.detector import get_detector
print(get_detector("tiny").score_crops([np.zeros((64, 64, 3), np.uint8)])[0][0] >= 0)
print(sorted({"tensorflow", "keras"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["True", "[]"]
    assert done.stderr == ""
