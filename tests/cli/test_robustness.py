"""The command `robustness`, in process."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

import pytest

from deepfake.cli import main
from deepfake.detection.card import load_card
from deepfake.perturbations.graded import KINDS
from deepfake.robustness import sweep
from deepfake.robustness.record import read_robustness
from deepfake.robustness.table import CONDITION_COLUMNS

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_lines_json_and_record_hold_the_same(
    models: Path, tiny_dataset: Path, tmp_path: Path, capsys: Capture
):
    file = tmp_path / "out.json"
    words = ["robustness", str(tiny_dataset), "--split", "Test", "--images", "4", "--model", "tiny"]
    assert main([*words, "--json", str(file), "--record"]) == 0
    captured = capsys.readouterr()
    numbers = json.loads(file.read_text())["tiny"]
    assert numbers["columns"] == list(CONDITION_COLUMNS)
    assert (numbers["n_fake"], numbers["n_real"]) == (2, 2)
    amounts = {(row[0], row[2]) for row in numbers["rows"]}
    assert {(kind.name, amount) for kind in KINDS for amount in kind.amounts} <= amounts
    assert {("fgsm", 1), ("pgd", 8)} <= amounts
    lines = captured.out.splitlines()
    assert lines[0].startswith(f"tiny on {tiny_dataset.name}, Test: 2 fake, 2 real")
    assert len(lines) == 2 + len(numbers["rows"])
    assert f"{4 * len(numbers['rows'])} copies scored in" in captured.err
    found = read_robustness(load_card("tiny"))
    assert found is not None
    assert found.command == (
        "python -m deepfake robustness DATA --split Test --model tiny --images 4 --record"
    )
    assert len(found.result.table) == len(numbers["rows"])


def test_numbers_are_shown_before_they_are_written(
    models: Path, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    words = ["robustness", str(tiny_dataset), "--split", "Test", "--images", "2", "--model", "tiny"]
    assert main([*words, "--json", str(tmp_path / "out.json")]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("tiny on ")
    assert "No space left" in captured.err


def test_a_kind_is_added_to_what_is_recorded(models: Path, tiny_dataset: Path, capsys: Capture) -> None:
    words = [
        "robustness",
        str(tiny_dataset),
        "--split",
        "Test",
        "--images",
        "4",
        "--model",
        "tiny",
        "--record",
    ]
    assert main(words) == 0
    file = models / "tiny" / "robustness.json"
    whole = json.loads(file.read_text())
    without = {**whole, "rows": [row for row in whole["rows"] if row[0] not in ("text", "sticker")]}
    file.write_text(json.dumps(without))
    assert main([*words, "--kind", "sticker", "--kind", "text"]) == 0
    assert json.loads(file.read_text()) == whole
    capsys.readouterr()
    assert main([*words[:5], "2", *words[6:], "--kind", "text"]) == 1
    assert "differs in: n_fake, n_real" in capsys.readouterr().err
    assert main([*words, "--kind", "tears"]) == 1
    assert "There is no perturbation 'tears'" in capsys.readouterr().err
    assert json.loads(file.read_text()) == whole


@pytest.fixture
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object, **options: object) -> None:
        raise AssertionError("worked")

    monkeypatch.setattr(sweep, "sweep", never)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--images", "1"], "--images must be 2 or more"),
        (["--model", "nobody"], "no detector called 'nobody'"),
        (["--split", "Dream"], "No image of split 'Dream'"),
        (["--json", "nowhere/at/all.json"], "There is no folder"),
        (["--json", "/"], "it is a folder"),
    ],
)
@pytest.mark.usefixtures("models", "no_sweep")
def test_what_cannot_be_done_is_said_before_any_work(
    tiny_dataset: Path, capsys: Capture, words: list[str], said: str
) -> None:
    assert main(["robustness", str(tiny_dataset), *words]) == 1
    assert said in capsys.readouterr().err
