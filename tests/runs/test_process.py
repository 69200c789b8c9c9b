"""What a training process does for those who watch it: reasons, early stopping, damage, kill -9, resume."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deepfake.cli import main
from deepfake.data.index import DatasetIndex, index_dataset
from deepfake.errors import UserError
from deepfake.runs import runs
from deepfake.runs.estimate import estimate, measure_elsewhere
from deepfake.runs.history import HistoryReader
from deepfake.runs.process import run_session
from deepfake.training import train as training
from deepfake.training.train import train
from deepfake.util import files
from deepfake.util.files import ROOT
from deepfake.util.jobs import Stopped
from tests.support.training import TINY, events, quiet, recipe

pytestmark = pytest.mark.usefixtures("tiny_network")


@pytest.fixture(scope="module")
def data(tiny_dataset: Path) -> DatasetIndex:
    return index_dataset(tiny_dataset)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of all runs."""
    monkeypatch.setenv("DEEPFAKE_RUNS", str(tmp_path))
    return tmp_path


def attend(data: DatasetIndex, folder: Path, **changes: Any) -> None:
    """A run as the command line does it."""
    with run_session(folder, recipe(**changes), data.root):
        train(data, recipe(**changes), folder, say=quiet)


def test_events_hold_what_the_page_shows(data: DatasetIndex, folder: Path) -> None:
    attend(data, folder / "a", epochs=1)
    start, *steps, epoch, end = events(folder / "a")
    assert start["batch_size"] == 8
    strip = start["strip"]
    assert [image["label"] for image in strip] == [1] * 4 + [0] * 4
    assert all((data.root / image["path"]).is_file() for image in strip)
    assert all("Validation" in image["path"] for image in strip)
    assert epoch["best"] is True
    assert set(epoch["strip"]) == {"clean", "perturbed"}
    assert all(
        len(values) == 8 and 0 <= min(values) <= max(values) <= 1 for values in epoch["strip"].values()
    )
    assert all(step["cores"] >= 0 and step["memory_mb"] > 50 for step in steps)
    assert "code" not in end
    assert runs.open_run("a").state.code == "finished"


def test_early_stopping(data: DatasetIndex, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aucs = iter([0.6, 0.8, 0.7, 0.8, 0.9, 0.9])
    real = training._Run.measure

    def measured(self: Any, *arguments: Any, **named: Any) -> Any:
        return {**real(self, *arguments, **named), "roc_auc": next(aucs)}

    monkeypatch.setattr(training._Run, "measure", measured)
    result = train(data, recipe(epochs=6, patience=2, perturbed=None), folder / "a", say=quiet)
    assert (result.state, result.epochs, result.best_epoch) == ("finished", 4, 2)
    assert events(folder / "a")[-1]["early"] is True
    assert "ended early" in runs.open_run("a").state.sentence
    again = train(data, recipe(epochs=6, patience=2, perturbed=None), folder / "a", resume=True, say=quiet)
    assert again.epochs == 4, "there is no patience left"


def test_no_patience_no_early_end(data: DatasetIndex, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "selection_score", lambda *_: 0.0)
    assert train(data, recipe(epochs=3), folder / "a", say=quiet).epochs == 3
    assert "early" not in events(folder / "a")[-1]


def test_full_disk(data: DatasetIndex, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    full, usual = folder / "full.npz", files._partial
    full.symlink_to("/dev/full")  # writing the state finds no room
    monkeypatch.setattr(files, "_partial", lambda path: full if path.name == "state.npz" else usual(path))
    with pytest.raises(UserError) as caught:
        attend(data, folder / "a")
    assert caught.value.code == "disk_full"
    assert events(folder / "a")[-1]["code"] == "disk_full"
    state = runs.open_run("a").state
    assert state.code == "failed"
    assert "disk with the runs is full" in state.sentence


def test_data_set_that_vanishes(data: DatasetIndex, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(data.root, folder / "set")
    real = training._Run.finish_epoch

    def finish(self: Any, *arguments: Any) -> None:
        real(self, *arguments)
        shutil.rmtree(folder / "set")

    monkeypatch.setattr(training._Run, "finish_epoch", finish)
    with pytest.raises(UserError) as caught:
        attend(index_dataset(folder / "set"), folder / "a")
    assert caught.value.code == "data_gone"
    state = runs.open_run("a").state
    assert (state.code, state.resumable) == ("failed", True)
    assert "is not there any more" in state.sentence
    assert "Best epoch: 1" in state.sentence


def test_no_memory(data: DatasetIndex, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError("Unable to allocate 7 GiB")

    monkeypatch.setattr(training._Run, "measure", fail)
    with pytest.raises(UserError) as caught:
        attend(data, folder / "a")
    assert caught.value.code == "out_of_memory"
    assert "not enough memory" in runs.open_run("a").state.sentence


def test_diverged_run_ends_at_once(data: DatasetIndex, folder: Path) -> None:
    with pytest.raises(UserError):
        attend(data, folder / "a", learning_rate=1e30, schedule="constant", optimizer="adam", batch_size=2)
    told = HistoryReader(folder / "a").read()
    assert len(told.steps["total"]) < 16, "the epoch's other steps are not done in vain"
    state = runs.open_run("a").state
    assert (state.code, state.resumable) == ("diverged", False)
    assert "smaller learning rate" in state.sentence


def test_unexpected_error_is_noted_and_raised(
    data: DatasetIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training._Run, "measure", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        attend(data, folder / "a")
    assert events(folder / "a")[-1]["code"] == "unexpected"
    assert "ZeroDivisionError" in runs.open_run("a").state.sentence


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from deepfake.training import train as training
    from deepfake.networks.architectures import compact
    from deepfake.training.callbacks import StepReporter, WeightAverage
    from deepfake.data.index import index_dataset
    from deepfake.runs.process import run_session
    from tests.support.training import TINY
    training.build = lambda name, *, size=None, weights=None, fused=False: compact(
        size, stages=((8, 1),), stem=8, fused=fused)
    StepReporter.LOG_SECONDS = 0.0
    real = WeightAverage.on_train_batch_end
    def step(self, batch, logs=None):
        real(self, batch, logs)
        if self.steps == 6:  # the second step of epoch 2
            os.kill(os.getpid(), signal.SIGKILL)
    WeightAverage.on_train_batch_end = step
    folder = Path(sys.argv[2])
    with run_session(folder, TINY, Path(sys.argv[1])):
        training.train(index_dataset(sys.argv[1]), TINY, folder)
"""


def test_kill_9_and_resume_equal_an_uninterrupted_run(data: DatasetIndex, folder: Path) -> None:
    words = [sys.executable, "-c", textwrap.dedent(KILLED), str(data.root), str(folder / "a")]
    path = str(ROOT)
    done = subprocess.run(words, env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr.decode()[-2000:]
    state = runs.open_run("a").state
    assert (state.code, state.resumable) == ("killed", True)
    assert "Best epoch: 1" in state.sentence
    with (folder / "a" / "events.jsonl").open("a") as file:
        file.write('{"type": "step", "ti')  # killed within a line

    with run_session(folder / "a", TINY, data.root):
        train(data, TINY, folder / "a", resume=True, say=quiet)
    train(data, TINY, folder / "whole", say=quiet)
    one, two = np.load(folder / "a" / "state.npz"), np.load(folder / "whole" / "state.npz")
    assert set(one.files) == set(two.files)
    for name in one.files:
        if name != "kept":
            assert np.allclose(one[name], two[name], rtol=1e-4, atol=1e-5), name
    told = runs.open_run("a")
    assert told.state.code == "finished"
    assert (told.history.damaged, told.history.sessions) == (1, 2)
    assert told.history.steps["total"].tolist() == list(range(1, 9)), "each step counts once"


def test_damaged_state_is_said(data: DatasetIndex, folder: Path) -> None:
    train(data, recipe(epochs=1), folder / "a", say=quiet)
    for content in (b"", b"PK\x03\x04 no more", (folder / "a" / "state.npz").read_bytes()[:5000]):
        (folder / "a" / "state.npz").write_bytes(content)
        with pytest.raises(UserError) as caught:
            train(data, recipe(epochs=2), folder / "a", resume=True, say=quiet)
        assert caught.value.code == "bad_state"


# The command line


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    status = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return status, out, err


def test_resume_takes_the_same_values_and_refuses_others(
    data: DatasetIndex, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["train", data.root, "--run", "a", "--precision", "float32"]
    words = [*common, "--epochs", 1, "--batch-size", 8, "--image-size", 32, "--perturbed", 0.5, "--seed", 3]
    status, _, err = call(capsys, *words)
    assert (status, err) == (0, "")
    status, _, err = call(capsys, *words, "--resume")
    assert (status, err) == (0, "")
    for change in (["--seed", 4], ["--image-size", 40], ["--perturbed", "none"], ["--patience", 2]):
        status, _, err = call(capsys, *words, "--resume", *change)
        assert status == 1
        assert change[0][2:].replace("-", "_") in err
    status, _, err = call(capsys, *common, "--leave-out", "celeba")
    assert (status, "celeba cannot be left out" in err) == (1, True)
    (folder / "a" / "settings.json").write_text('{"recipe": ')
    status, _, err = call(capsys, *words, "--resume")
    assert status == 1
    assert "settings.json is damaged" in err
    assert "Traceback" not in err
    status, _, err = call(capsys, "publish", folder / "a", "mine")
    assert (status, "settings.json is damaged" in err) == (1, True)


def test_an_estimate_elsewhere_ends_when_it_is_cancelled(data: DatasetIndex) -> None:
    asked: list[float] = []

    def stopped() -> bool:
        asked.append(time.monotonic())
        return len(asked) > 1

    begin = time.monotonic()
    with pytest.raises(Stopped):
        measure_elsewhere(data.root, ["--recipe", "compact"], stopped=stopped)
    assert len(asked) == 2
    assert time.monotonic() - begin < 60


def test_estimate(data: DatasetIndex) -> None:
    told: list[tuple[int, int]] = []
    found = estimate(data, dataclasses.replace(TINY, epochs=3), on_progress=lambda *far: told.append(far))
    assert told[0][0] == 0
    assert told[-1][0] == told[-1][1], "it ends where it said it would"
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert (found.train_images, found.validation_images, found.steps_per_epoch) == (32, 16, 4)
    assert 0 < found.seconds_per_step < 10
    each = 4 * found.seconds_per_step + found.seconds_per_validation
    assert found.seconds == pytest.approx(3 * each)
    assert found.memory_mb > 100
    assert found.disk_mb > 0


def test_tensorboard_files_hold_the_events(data: DatasetIndex, folder: Path) -> None:
    import tensorflow as tf

    from deepfake.training.log import EventFiles

    listeners = [EventFiles(folder / "a" / "tensorboard").add]
    train(data, recipe(epochs=1), folder / "a", say=quiet, listeners=listeners)
    found: dict[str, dict[str, float]] = {}
    for path in sorted((folder / "a" / "tensorboard").rglob("events.out.*")):
        for record in tf.compat.v1.train.summary_iterator(str(path)):
            for value in record.summary.value:
                assert value.metadata.plugin_data.plugin_name == "scalars"
                number = float(tf.make_ndarray(value.tensor))
                found.setdefault(path.parent.name, {})[f"{value.tag} {record.step}"] = number
    assert set(found) == {"steps", "train", "validation_clean", "validation_perturbed"}
    epoch = next(event for event in events(folder / "a") if event["type"] == "epoch")
    assert found["validation_clean"]["epoch_roc_auc 1"] == pytest.approx(
        epoch["validation"]["clean"]["roc_auc"]
    )
    assert "step_loss 4" in found["steps"]


def test_stop_while_the_best_network_is_saved(
    data: DatasetIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    real = training._Run.keep_best

    def keep(self: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        real(self)

    monkeypatch.setattr(training._Run, "keep_best", keep)
    try:
        result = train(data, recipe(epochs=3), folder / "a", say=quiet)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (result.state, result.epochs, result.best_epoch) == ("stopped", 1, 1)
    with np.load(folder / "a" / "state.npz") as state:
        assert json.loads(str(state["kept"]))["epoch"] == 1
    assert keras.saving.load_model(folder / "a" / "best.keras", compile=False) is not None
