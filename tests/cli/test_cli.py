"""The command line, in process; one test starts it as a person would."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import pytest

from deepfake import __version__
from deepfake.cli import main
from deepfake.detection import detector as detector_module
from deepfake.detection.card import load_card
from deepfake.evaluation.scores import read_scores
from deepfake.faces.finder import Face, FaceScan
from deepfake.networks.architectures import compact
from deepfake.training import train as training
from deepfake.training import train as training_train
from deepfake.training.log import read_settings
from deepfake.util.files import ROOT
from deepfake.util.interrupts import was_interrupted
from tests.support.images import encoded, noise_image

METRICS = {
    "verdict_rule",
    "model",
    "n",
    "accuracy",
    "roc_auc",
    "average_precision",
    "balanced_accuracy",
    "confusion_matrix",
    "report",
    "tpr_at_fpr_1pct",
    "ece",
    "brier",
    "seed_protocol",
}

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the tiny models; no face finder but one that finds the middle."""
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))

    def middle(pixels: Any) -> FaceScan:
        height, width = pixels.shape[:2]
        box = (0, 0, min(height, width), min(height, width))
        return FaceScan((Face(box, box, 0.9),), "faces")

    monkeypatch.setattr(detector_module, "find_faces", middle)
    return tmp_path / "models"


@pytest.fixture
def small_training(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Training builds a network of one small stage; what `train` does to the process is undone."""

    def build(name: str, *, size: int | None = None, weights: Any = None, fused: bool = False) -> Any:
        return compact(size, stages=((8, 1),), stem=8, fused=fused)

    monkeypatch.setattr(training_train, "build", build)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)
    keras.mixed_precision.set_dtype_policy("float32")


def call(capsys: Capture, *words: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    capsys.readouterr()
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def usage(capsys: Capture, *words: object) -> str:
    """The complaint about wrong usage."""
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    assert caught.value.code == 2
    return capsys.readouterr().err


# train and publish


@pytest.mark.usefixtures("small_training")
def test_train_publish_evaluate_predict(
    tiny_dataset: Path, models: Path, tmp_path: Path, capsys: Capture
) -> None:
    runs = tmp_path / "runs"
    words = ["train", tiny_dataset, "--recipe", "compact", "--run", "first", "--runs", runs, "--epochs", 1]
    status, out, err = call(capsys, *words, "--batch-size", 8, "--precision", "float32", "--publish", "mine")
    assert (status, err) == (0, "")
    assert "finished after 1 epoch; kept epoch 1" in out
    recipe = read_settings(runs / "first")
    assert (recipe.name, recipe.epochs, recipe.batch_size, recipe.precision) == ("compact", 1, 8, "float32")
    card = load_card("mine")
    assert card.input.size == 192
    assert (models / "default.txt").read_text() == "tiny\n", "the default is not taken over"

    status, out, err = call(capsys, *words)
    assert status == 1
    assert "already holds a run" in err

    resume = ["train", tiny_dataset, "--run", "first", "--runs", runs, "--resume"]
    for change in (["--epochs", 5], ["--recipe", "seed"], ["--learning-rate", "1e-4"], ["--seed", 1]):
        status, out, err = call(capsys, *resume, *change)
        assert status == 1
        assert f"Leave out: {change[0].removeprefix('--').replace('-', '_')}" in str(err)
    assert read_settings(runs / "first") == recipe
    status, out, err = call(capsys, *resume, "--recipe", "compact")
    assert (status, err) == (0, "")
    assert "finished after 1 epoch" in out

    for taken in (["publish", runs / "first", "mine"], [*words, "--resume", "--publish", "mine"]):
        status, out, err = call(capsys, *taken)
        assert (status, out) == (1, "")
        assert "'mine' is taken" in str(err) and "--replace" in str(err)
    words = ["--description", "For tests.", "--knows", "squares", "--knows", "dots", "--licence", "None."]
    words.append("--replace")
    status, out, err = call(capsys, "publish", runs / "first", "mine", *words)
    assert (status, err) == (0, "")
    assert re.search(
        r"Published as .*; fake from \d\.\d{3}, real below \d\.\d{3}, forced choice at \d\.\d{3}$", out, re.M
    )
    assert load_card("mine").knows == ("squares", "dots")
    assert load_card("mine").sha256 == card.sha256

    status, out, err = call(capsys, "evaluate", tiny_dataset, "--split", "test", "--model", "mine")
    assert (status, err) == (0, "")
    assert out.startswith("32 images (16 fake, 16 real)")


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "../up", "a b", "a\\b", "/etc", "a\n"])
def test_bad_run_names(name: str, tiny_dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    status, _, err = call(capsys, "train", tiny_dataset, "--run", name, "--runs", tmp_path / "runs")
    assert status == 1
    assert "cannot be a name" in err
    assert not (tmp_path / "runs").exists()


def test_wrong_usage(tiny_dataset: Path, capsys: Capture) -> None:
    train = ["train", tiny_dataset, "--run", "a"]
    assert "at least 1" in usage(capsys, *train, "--epochs", 0)
    assert "at least 1" in usage(capsys, *train, "--batch-size", -3)
    assert "above 0" in usage(capsys, *train, "--learning-rate", 0)
    assert "above 0" in usage(capsys, *train, "--learning-rate", "nan")
    assert "must be a number, received fast" in usage(capsys, *train, "--learning-rate", "fast")
    assert "invalid choice" in usage(capsys, *train, "--recipe", "other")
    assert "--run" in usage(capsys, "train", tiny_dataset)
    assert "COMMAND" in usage(capsys)
    assert "invalid choice" in usage(capsys, "fly")


def test_what_training_refuses(tiny_dataset: Path, tmp_path: Path, capsys: Capture) -> None:
    runs = ["--run", "a", "--runs", tmp_path / "runs"]
    status, _, err = call(capsys, "train", tmp_path / "none", *runs)
    assert (status, err.startswith("deepfake: There is no folder")) == (1, True)
    status, _, err = call(capsys, "train", tiny_dataset, *runs, "--resume")
    assert (status, err.startswith("deepfake: There is no run in")) == (1, True)
    status, _, err = call(capsys, "train", tiny_dataset, *runs, "--recipe", "seed", "--weights", "none.h5")
    assert (status, err.startswith("deepfake: There is no weights file none.h5")) == (1, True)
    assert not (tmp_path / "runs" / "a" / "settings.json").exists(), "another try may take the name"
    status, _, err = call(capsys, "publish", tmp_path / "none", "name")
    assert (status, "There is no run" in err) == (1, True)


# evaluate


def test_evaluate_json(tiny_dataset: Path, models: Path, tmp_path: Path, capsys: Capture) -> None:
    file, scores = tmp_path / "out.json", tmp_path / "scores.csv"
    words = ["evaluate", tiny_dataset, "--split", "Test", "--json", file, "--scores", scores]
    status, out, err = call(capsys, *words)
    assert (status, err) == (0, "")
    numbers = json.loads(file.read_text())
    assert set(numbers) >= METRICS
    assert numbers["model"] == "tiny"
    assert numbers["n"] == 32
    assert numbers["confusion_matrix"]["labels"] == ["Fake", "Real"]
    assert f"ROC AUC                           {numbers['roc_auc']:.4f}" in out
    table = read_scores(scores)
    assert len(table) == 32
    assert set(table["split"]) == {"Test"}
    called = (table["p_fake"] >= numbers["threshold"]) == (table["label"] == 1)
    assert called.mean() == pytest.approx(numbers["accuracy"])
    verdicts = [load_card("tiny").thresholds.call(p) for p in table["p_fake"]]
    rule = numbers["verdict_rule"]["balanced"]
    assert rule["decided"]["k"] == sum(verdict != "uncertain" for verdict in verdicts)
    assert rule["false_positive_rate"]["n"] == 16
    assert "verdict rule balanced: fake from 0.600, real below 0.400, uncertain between" in out
    assert f"({rule['decided']['k']} of 32)" in out
    assert load_card("tiny").evaluations == (), "recorded only on request"


def test_evaluate_to_the_terminal(tiny_dataset: Path, models: Path, capsys: Capture) -> None:
    status, out, _ = call(capsys, "evaluate", tiny_dataset, "--split", "val", "--perturbed", "--json", "-")
    assert status == 0
    assert set(json.loads(out)) >= METRICS


def test_evaluate_record(tiny_dataset: Path, models: Path, capsys: Capture) -> None:
    words = ["evaluate", tiny_dataset, "--split", "Test", "--record", "Tiny set"]
    assert call(capsys, *words)[0] == 0
    assert call(capsys, *words, "--perturbed")[0] == 0
    assert call(capsys, *words, "--perturbed")[0] == 0
    plain, perturbed = load_card("tiny").evaluations
    assert (plain["data"], plain["perturbed"], perturbed["perturbed"]) == ("Tiny set", False, True)
    command = "python -m deepfake evaluate DATA --split Test --perturbed --model tiny"
    assert perturbed["command"] == command
    assert plain["roc_auc"] != perturbed["roc_auc"] or plain["brier"] != perturbed["brier"]
    for entry in (plain, perturbed):
        assert set(entry) >= METRICS - {"model"}
        assert len(read_scores(models / "tiny" / entry["scores"])) == 32


def test_evaluate_says_what_it_left_out(models: Path, tmp_path: Path, capsys: Capture) -> None:
    for label in ("Fake", "Real"):
        (tmp_path / "set" / label).mkdir(parents=True)
        (tmp_path / "set" / label / "a.png").write_bytes(encoded(noise_image(len(label))))
    (tmp_path / "set" / "Fake" / "b.png").write_bytes(b"broken")
    status, out, err = call(capsys, "evaluate", tmp_path / "set")
    assert status == 0
    assert out.startswith("2 images")
    assert "left out Fake/b.png" in err


def test_what_evaluation_refuses(tiny_dataset: Path, models: Path, tmp_path: Path, capsys: Capture) -> None:
    status, _, err = call(capsys, "evaluate", tiny_dataset, "--split", "Cross")
    assert (status, "Found: Test, Train, Validation" in err) == (1, True)
    status, _, err = call(capsys, "evaluate", tiny_dataset, "--model", "other")
    assert (status, "no detector called 'other'" in err) == (1, True)
    status, _, err = call(capsys, "evaluate", tiny_dataset, "--scores", tmp_path / "none" / "scores.csv")
    assert (status, "There is no folder" in err) == (1, True)
    (models / "tiny" / "model.tflite").write_bytes(b"other")
    status, _, err = call(capsys, "evaluate", tiny_dataset)
    assert (status, "SHA-256" in err) == (1, True)


@pytest.fixture
def no_scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever scores anything has begun too early."""
    monkeypatch.setattr("deepfake.evaluation.measure.score_files", lambda *_, **__: pytest.fail("worked"))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            ["Fake/a.png,Test,Fake", "Real/a.png,Test,Real", "Fake/a.png,Test,Fake"],
            "row 2 ('Fake/a.png'), row 4",
        ),
        (["Fake/a.png,Test,Fake", "Real/gone.png,Test,Real"], "row 3 ('Real/gone.png')"),
        (["Fake/a\0.png,Test,Fake", "Real/a.png,Test,Real"], "null character in row 2"),
        (["Fake\\a.png,Test,Fake", "Fake/a.png,Test,Real"], "row 2 ('Fake/a.png'), row 3 ('Fake/a.png')"),
        (["Fake/a.png,Test,Fake", "Real,Test,Real"], "row 3 ('Real')"),
    ],
)
@pytest.mark.usefixtures("models", "no_scoring")
def test_a_manifest_is_checked_before_anything_is_scored(
    rows: list[str], told: str, tmp_path: Path, capsys: Capture
) -> None:
    for label in ("Fake", "Real"):
        (tmp_path / "set" / label).mkdir(parents=True)
        (tmp_path / "set" / label / "a.png").write_bytes(encoded(noise_image(len(label))))
    (tmp_path / "set" / "manifest.csv").write_text("\n".join(["path,split,label", *rows]) + "\n")
    for command in (["evaluate"], ["robustness"], ["train", "--run", "a", "--runs", tmp_path / "runs"]):
        status, _, err = call(capsys, command[0], tmp_path / "set", *command[1:])
        assert (status, "Traceback" in err) == (1, False)
        assert told in err


def test_a_windows_manifest_is_evaluated(models: Path, tmp_path: Path, capsys: Capture) -> None:
    for label in ("Fake", "Real"):
        (tmp_path / "set" / label).mkdir(parents=True)
        (tmp_path / "set" / label / "a.png").write_bytes(encoded(noise_image(len(label))))
    rows = "path,split,label\r\nFake\\a.png,Test,Fake\r\nReal\\a.png,Test,Real\r\n"
    (tmp_path / "set" / "manifest.csv").write_text(rows)
    status, out, err = call(capsys, "evaluate", tmp_path / "set", "--scores", tmp_path / "scores.csv")
    assert (status, err) == (0, "")
    assert out.startswith("2 images (1 fake, 1 real)")
    assert read_scores(tmp_path / "scores.csv")["image_id"].tolist() == ["Fake/a.png", "Real/a.png"]


@pytest.mark.parametrize("option", ["--json", "--scores", "--progress"])
@pytest.mark.usefixtures("models", "no_scoring")
def test_a_path_that_cannot_be_written_is_refused_before_the_work(
    option: str, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    words = ["evaluate", tiny_dataset, option]
    for place, told in ((tmp_path, "it is a folder"), (tmp_path / "none" / "x", "There is no folder")):
        status, out, err = call(capsys, *words, place)
        assert (status, out) == (1, "")
        assert told in err
    monkeypatch.setattr("os.access", lambda *_: False)
    status, out, err = call(capsys, *words, tmp_path / "x")
    assert (status, "cannot be written" in err) == (1, True)
    status, out, err = call(capsys, "evaluate", tiny_dataset, "--record", "T")
    assert (status, "card.json cannot be written" in err) == (1, True)


@pytest.mark.usefixtures("models")
def test_results_are_shown_before_they_are_written(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "scores.csv")

    monkeypatch.setattr("deepfake.evaluation.scores.write_scores", full)
    words = ["evaluate", tiny_dataset, "--split", "Test"]
    status, out, err = call(capsys, *words, "--scores", tmp_path / "scores.csv")
    assert status == 1
    assert "ROC AUC" in out
    assert "No space left" in err


@pytest.mark.usefixtures("small_training")
def test_a_stopped_run_is_not_published(
    tiny_dataset: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    real = training._Run.finish_epoch

    def finish(self: Any, *arguments: Any) -> None:
        real(self, *arguments)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training._Run, "finish_epoch", finish)
    words = ["train", tiny_dataset, "--run", "a", "--runs", tmp_path / "runs", "--epochs", 3]
    words += ["--batch-size", 16, "--precision", "float32", "--publish", "mine"]
    status, out, err = call(capsys, *words)
    assert (status, err) == (130, "")
    assert "stopped after 1 epoch; kept epoch 1" in out
    assert f"python -m deepfake publish {tmp_path / 'runs' / 'a'} mine" in out
    assert "Not published as mine" in out
    assert not (models / "mine").exists()
    status, out, _ = call(capsys, "publish", tmp_path / "runs" / "a", "mine")
    assert (status, "Published as" in out) == (0, True)


def test_what_would_fail_after_training_is_refused_before(
    tiny_dataset: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(training, "train", lambda *_, **__: pytest.fail("worked"))
    words = ["train", tiny_dataset, "--run", "a", "--runs"]
    status, _, err = call(capsys, *words, tmp_path / "runs", "--publish", "no/name")
    assert (status, "'no/name' cannot be a name" in err) == (1, True)
    status, _, err = call(capsys, *words, tmp_path / "runs", "--publish", "")
    assert (status, "cannot be a name" in err) == (1, True)
    (tmp_path / "file").write_text("kept")
    status, _, err = call(capsys, *words, tmp_path / "file" / "runs")
    assert (status, "file is no folder" in err) == (1, True)
    monkeypatch.setattr("os.access", lambda place, _: not str(place).startswith(str(models)))
    status, _, err = call(capsys, *words, tmp_path / "runs", "--publish", "mine")
    assert (status, f"may not write into {models}" in err) == (1, True)
    assert not (tmp_path / "runs").exists()


# predict


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two pictures, one broken file between them, and a text."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    (folder / "a picture ü.png").write_bytes(encoded(noise_image(1, 96, 120)))
    (folder / "b.jpg").write_bytes(b"not a picture")
    (folder / "deeper" / "c.jpg").write_bytes(encoded(noise_image(2, 100, 100), "JPEG"))
    (folder / "notes.txt").write_text("not looked at")
    return folder


def test_predict_json(photos: Path, models: Path, capsys: Capture) -> None:
    status, out, err = call(capsys, "predict", "--json", photos, photos / "gone.png", photos / "notes.txt")
    assert status == 1
    assert err == ""
    lines = [json.loads(line) for line in out.splitlines()]
    names = ["a picture ü.png", "b.jpg", "c.jpg", "gone.png", "notes.txt"]
    assert [Path(line["path"]).name for line in lines] == names
    good, broken, other, gone, text = lines
    keys = {"path", "sha256", "width", "height", "verdict", "p_fake", "faces", "warnings", "model"}
    for line in (good, other):
        assert keys <= set(line)
        assert line["verdict"] in {"real", "fake", "uncertain"}
        assert 0 <= line["p_fake"] <= 1
        assert {"box", "p_fake", "verdict"} <= set(line["faces"][0])
        assert line["model"] == "tiny"
        assert len(line["sha256"]) == 64
    assert (good["width"], good["height"]) == (120, 96)
    assert good["faces"][0]["box"] == [0, 0, 96, 96]
    for line in (broken, gone, text):
        assert set(line) == {"file", "path", "error"}
        assert line["file"] == line["path"]
        assert set(line["error"]) == {"code", "message"}
    assert gone["error"]["code"] == "not_found"


def test_predict_csv(photos: Path, models: Path, capsys: Capture) -> None:
    (photos / "-b.png").write_bytes(encoded(noise_image(3)))
    status, out, err = call(capsys, "predict", "--csv", photos)
    assert (status, err) == (1, "")
    rows = list(csv.DictReader(out.splitlines()))
    assert [Path(row["file"]).name for row in rows] == ["-b.png", "a picture ü.png", "b.jpg", "c.jpg"]
    lines = [json.loads(line) for line in call(capsys, "predict", "--json", photos)[1].splitlines()]
    for row, line in zip(rows, lines, strict=True):
        assert row["file"] == line["path"]
        error = line.get("error", {"code": "", "message": ""})
        assert row["refusal"] == row["error_message"] == error["message"]
        assert row["error_code"] == error["code"]
        assert row["p_fake"] == (f"{line['p_fake']:.4f}" if "p_fake" in line else "")
    assert rows[0]["operating_point"] == "balanced"
    with pytest.raises(SystemExit):
        main(["predict", "--csv", "--json", str(photos)])


def test_predict_one_file(photos: Path, models: Path, capsys: Capture) -> None:
    picture = photos / "a picture ü.png"
    status, out, err = call(capsys, "predict", picture)
    assert (status, err) == (0, "")
    assert re.match(r"(real|fake|uncertain) +p_fake [01]\.\d{3}  1 face ", out)
    assert str(picture) in out
    assert len(out.splitlines()) == 1


def test_predict_goes_on_after_a_broken_file(photos: Path, models: Path, capsys: Capture) -> None:
    status, out, err = call(capsys, "predict", photos)
    assert status == 1
    assert len(out.splitlines()) == 2
    assert "refused" in err
    assert "b.jpg" in err


def test_predict_with_few_false_alarms(
    photos: Path, models: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_module.Detector, "p_fake", lambda self, crops: [0.8] * len(crops))
    picture = photos / "a picture ü.png"
    assert call(capsys, "predict", picture)[1].startswith("fake")
    assert call(capsys, "predict", "--few-false-alarms", picture)[1].startswith("uncertain")


def test_predict_an_empty_folder(models: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "empty").mkdir()
    status, out, _ = call(capsys, "predict", "--json", tmp_path / "empty")
    assert status == 1
    assert json.loads(out)["error"]["code"] == "no_images"


def test_predict_cannot_be_steered_by_a_file_name(models: Path, tmp_path: Path, capsys: Capture) -> None:
    evil = tmp_path / "a\x1b[31m\nreal  p_fake 0.000.png"
    evil.write_bytes(encoded(noise_image(1)))
    status, out, _ = call(capsys, "predict", evil)
    assert status == 0
    assert "\x1b" not in out
    assert len(out.splitlines()) == 1
    _, out, _ = call(capsys, "predict", "--json", evil)
    assert json.loads(out)["path"] == str(evil)
    assert "\x1b" not in out


def test_predict_without_a_detector(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "none"))
    status, _, err = call(capsys, "predict", photos)
    assert (status, "There is no detector" in err) == (1, True)


def test_interrupt_is_no_traceback(
    photos: Path, models: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(detector_module.Detector, "check", stop)
    assert call(capsys, "predict", photos)[0] == 130


@pytest.mark.usefixtures("small_training")
@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without asking it")
def test_kill_stops_training_as_an_interrupt_does(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def wait(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
        raise AssertionError("went on")

    monkeypatch.setattr(training, "train", wait)
    status, _, err = call(capsys, "train", tiny_dataset, "--run", "a", "--runs", tmp_path)
    assert (status, err) == (130, "Stopped.\n")


# as a person would


def test_module_is_a_command() -> None:
    def start(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deepfake", *words], cwd=ROOT, capture_output=True, text=True, check=False
        )

    version = start("--version")
    assert (version.returncode, version.stdout.strip()) == (0, __version__)
    shown = start("--help")
    assert shown.returncode == 0
    for command in ("train", "publish", "evaluate", "predict"):
        assert command in shown.stdout
    assert start("predict").returncode == 2


@pytest.mark.parametrize("command", ["train", "publish", "evaluate", "predict"])
def test_help_describes_every_command(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert "usage: python -m deepfake" in capsys.readouterr().out


def test_ctrl_c_while_the_modules_load(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    code = "import os, signal, sys, importlib.abc\n"
    code += "class Stop(importlib.abc.MetaPathFinder):\n"
    code += "    def find_spec(self, name, path, target=None):\n"
    code += "        if name == 'deepfake.cli.train': os.kill(os.getpid(), signal.SIGINT)\n"
    code += "sys.meta_path.insert(0, Stop())\nfrom deepfake.cli import main\nsys.exit(main(['--version']))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "Stopped.\n")


def test_ctrl_c_that_a_module_in_c_turned_into_its_own_error() -> None:
    failed = ImportError("initialization failed")
    assert not was_interrupted(failed)
    failed.__cause__ = KeyboardInterrupt()
    assert was_interrupted(failed)


def test_a_pipe_that_nobody_writes_is_not_waited_for(tmp_path: Path, models: Path, capsys: Capture) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    said = "This is not an ordinary file. Give the path of one"
    for words in (["predict"], ["video"], ["predict", "--output", tmp_path / "out", "--json"]):
        status, out, err = call(capsys, *words, tmp_path / "pipe.jpg")
        if "--output" in words:
            assert json.loads(out)["rows"] == {"refused": 1}
        else:
            assert (status, said in str(err)) == (1, True)
    status, _, err = call(capsys, "video", tmp_path)
    assert (status, "This is a folder. Give the path of one video file." in err) == (1, True)
