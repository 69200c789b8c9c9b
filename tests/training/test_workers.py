"""One network trained by several processes: who takes what, equal weights, a worker that dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake.cli import main
from deepfake.networks.architectures import compact
from deepfake.training import train as training_train
from deepfake.training.samples import TrainingError
from deepfake.training.workers import check_parts, part_of_batches, place_of_this_process
from deepfake.util.files import ROOT
from tests.support.training import TINY, events, recipe

PROGRAM = """
import os, signal, sys
sys.path.insert(0, ".")
from deepfake.cli import main
from deepfake.networks.architectures import compact
from deepfake.training import train as training
from deepfake.training.callbacks import StepReporter

def build(name, *, size=None, weights=None, fused=False):
    return compact(size, stages=((8, 1),), stem=8, fused=fused, dropout=0.0)
training.build = build
real, steps = StepReporter.on_train_batch_end, []
def step(self, batch, logs=None):
    real(self, batch, logs)
    steps.append(batch)
    if len(steps) == int(os.environ.get("DIES_AFTER_STEPS", "0")):
        os.kill(os.getpid(), signal.SIGKILL)
StepReporter.on_train_batch_end = step
sys.exit(main(sys.argv[1:]))
"""
EPOCH_STEPS = 4


def command(data: Path, run: Path) -> list[str]:
    """The words after ``python -m deepfake``."""
    place = ["train", str(data), "--run", run.name, "--runs", str(run.parent)]
    return [*place, "--epochs", "2", "--batch-size", "8", "--image-size", "32", "--precision", "float32"]


def started(data: Path, run: Path, **variables: str) -> subprocess.Popen[str]:
    """The command with a tiny network, which drops nothing."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *command(data, run), "--resume"],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def two_workers(data: Path, run: Path, *, dies: bool = False) -> list[tuple[int, str]]:
    """Exit status and words of both, as a launcher that starts the same command again runs them."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        ports = [one.getsockname()[1] for one in sockets]
    workers = []
    for index in range(2):
        cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
        variables = {
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        }
        if dies and index == 1:
            variables["DIES_AFTER_STEPS"] = str(EPOCH_STEPS + 2)
        workers.append(started(data, run, **variables))
    said = [worker.communicate(timeout=900)[0] for worker in workers]
    return [(worker.returncode, text) for worker, text in zip(workers, said, strict=True)]


def weights(run: Path) -> dict[str, np.ndarray]:
    """Of the network, its optimiser and its average, at the end of a run."""
    with np.load(run / "state.npz") as state:
        return {name: state[name] for name in state.files if name != "kept"}


@pytest.mark.slow
def test_two_workers_reach_the_weights_of_one_process_though_one_dies(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(name: str, *, size: int | None = None, weights: Any = None, fused: bool = False) -> Any:
        return compact(size, stages=((8, 1),), stem=8, fused=fused, dropout=0.0)

    alone, together = tmp_path / "alone", tmp_path / "together"
    monkeypatch.setattr(training_train, "build", build)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert main(command(tiny_dataset, alone)) == 0

    (status, words), (died, _) = two_workers(tiny_dataset, together, dies=True)
    assert (status, died) == (1, -signal.SIGKILL), words
    assert "Another worker of this run ended" in words
    (status, words), (other_status, other_words) = two_workers(tiny_dataset, together)
    assert (status, other_status) == (0, 0), words + other_words
    assert "epoch 2/2" in words
    assert "epoch 2/2" not in other_words, "the chief alone speaks"

    first = [event["first_epoch"] for event in events(together) if event["type"] == "start"]
    assert first == [1, 2], "the second start went on from the state after the first epoch"
    assert json.loads((together / "result.json").read_text())["state"] == "finished"
    expected, found = weights(alone), weights(together)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        # Sums of floats in another order: 2.4e-7 were seen on weights around 1.
        np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-5, err_msg=name)


def test_each_batch_is_shared_out_whole() -> None:
    first = part_of_batches(20, 8, 4, index=0, count=2)
    second = part_of_batches(20, 8, 4, index=1, count=2)
    assert first == [0, 1, 2, 3, 8, 9, 10, 11]
    assert second == [4, 5, 6, 7, 12, 13, 14, 15], "the four that fill no batch are left out"


@pytest.mark.parametrize(("batch", "images"), [(9, 100), (8, 7)])
def test_batches_that_cannot_be_shared_are_refused(batch: int, images: int) -> None:
    with pytest.raises(TrainingError) as caught:
        check_parts(recipe(batch_size=batch), images, 2)
    assert caught.value.code == "bad_workers"
    check_parts(TINY, 32, 2)


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ("", None),
        ('{"task": {"type": "worker", "index": 0}}', None),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}', None),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}', (1, 2)),
        (
            '{"cluster": {"chief": ["c:1"], "worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
            (1, 2),
        ),
    ],
)
def test_the_place_is_read(
    monkeypatch: pytest.MonkeyPatch, config: str, place: tuple[int, int] | None
) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    assert place_of_this_process() == place


@pytest.mark.parametrize(
    "config",
    [
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": -1}}',
        '{"cluster": {"worker": ["a:1", "b:1"], "ps": ["c:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_wrong_place_is_refused(monkeypatch: pytest.MonkeyPatch, config: str) -> None:
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(TrainingError) as caught:
        place_of_this_process()
    assert caught.value.code == "bad_tf_config"
    assert config in caught.value.message
