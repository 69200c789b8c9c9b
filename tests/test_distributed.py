"""Several processes that train one network: what they share, how they find each other, how they end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake import following, leading
from deepfake.errors import UserError
from deepfake.following import Follower
from deepfake.group import Group, check_jax
from deepfake.leading import Leader
from deepfake.lines import Line, Place, free_port
from deepfake.pipeline import Sample

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
PROGRAM = """
import sys, time
from pathlib import Path
sys.path.insert(0, "tests")
import numpy as np
from test_training import TINY
from deepfake import callbacks, cli, epochs, following
from deepfake.architectures import compact
from deepfake.recipes import RECIPES

made = []
def build(name, *, size=None, weights=None, fused=False):
    made.append(compact(size, stages=((8, 1),), stem=8, fused=fused))
    return made[-1]
epochs.build = build
RECIPES["compact"] = TINY
count = callbacks.StepReporter.on_train_batch_end
def count_slowly(self, batch, logs=None):  # so that a signal finds an epoch under way on any machine
    count(self, batch, logs)
    time.sleep(0.7)
callbacks.StepReporter.on_train_batch_end = count_slowly
leave = following.leave
def leave_weights(sentence, status):
    variables = [*made[0].variables, *made[0].optimizer.variables]
    np.savez(Path(sys.argv[1]) / "follower.npz", *map(np.asarray, variables))
    leave(sentence, status)
following.leave = leave_weights
sys.exit(cli.main(sys.argv[2:]))
"""


def place(port: int, process: int = 0, processes: int = 2) -> Place:
    return Place(HOST, port, processes, process)


def samples(count: int) -> list[Sample]:
    return [Sample(f"{number}.png", 0.0, None, (0, 0, number)) for number in range(count)]


def quiet(_: str) -> None:
    """For those who do not wait."""


def begun(leader: Leader) -> list[UserError]:
    """Lets process 0 begin on a thread of its own; what it refused is in the list once it has ended."""
    refused: list[UserError] = []

    def begin() -> None:
        try:
            leader.begin({"seed": 0}, "the digest", 8)
        except UserError as error:
            refused.append(error)
            leader.end(error.message, well=False)

    threading.Thread(target=begin, daemon=True).start()
    return refused


def awaited(values: list[Any]) -> Any:
    deadline = time.monotonic() + 10
    while not values and time.monotonic() < deadline:
        time.sleep(0.01)
    return values[0]


def test_shares_make_up_every_batch_in_order() -> None:
    drawn = samples(22)
    shares = [Group(place(1, process, 4)).share(drawn, 8) for process in range(4)]
    assert [size for _, size in shares] == [2] * 4
    for batch in range(2):
        together = [sample for share, _ in shares for sample in share[2 * batch : 2 * batch + 2]]
        assert together == drawn[8 * batch : 8 * batch + 8]
    assert all(len(share) == 4 for share, _ in shares), "the incomplete batch is left out"


def test_less_than_a_batch_cannot_be_shared() -> None:
    with pytest.raises(UserError, match=r"7 training images .* one batch of 8"):
        Group(place(1)).share(samples(7), 8)


def test_a_line_carries_words_and_its_end() -> None:
    with socket.create_server((HOST, 0)) as server:
        one = Line(socket.create_connection(server.getsockname()))
        other = Line(server.accept()[0])
    one.tell(epoch=3)
    assert other.hear() == {"epoch": 3}
    one.close()
    assert other.hear() is None
    other.tell(epoch=4)  # no error: who is gone is noticed by hearing


def test_data_that_differ_are_refused_at_both_ends() -> None:
    port = free_port(HOST)
    refused = begun(Leader(place(port), quiet))
    follower = Follower(place(port, 1))
    assert follower.recipe() == {"seed": 0}
    with pytest.raises(UserError, match="does not have the same training images"):
        follower.begin("another digest")
    assert awaited(refused).code == "different_data"


def test_strangers_and_doubles_do_not_take_a_place() -> None:
    port = free_port(HOST)
    refused = begun(Leader(place(port, processes=3), quiet))
    for stranger in (
        b"GET / HTTP/1.1\r\n\r\n",
        b"",
        b'{"process": true}\n',
        b'{"process": 9, "processes": 3}\n',
    ):
        with _connection(port) as connection:
            connection.sendall(stranger)
    first = Follower(place(port, 1, 3))
    with pytest.raises(UserError, match="There is a process 1 already"):
        Follower(place(port, 1, 3)).recipe()
    with pytest.raises(UserError, match="expects --processes 3"):
        Follower(place(port, 2, 4)).recipe()
    second = Follower(place(port, 2, 3))
    assert first.recipe() == second.recipe() == {"seed": 0}
    second.leave("The test ends.")
    first.leave("The test ends.")
    assert awaited(refused).code == "process_lost"
    assert "The test ends" in refused[0].message


def _connection(port: int) -> socket.socket:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection((HOST, port))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def test_nobody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leading, "JOIN_SECONDS", 0.05)
    monkeypatch.setattr(following, "JOIN_SECONDS", 0.05)
    with pytest.raises(UserError, match="Only 0 of 1 other processes came"):
        Leader(place(free_port(HOST)), quiet).begin({}, "", 8)
    with pytest.raises(UserError, match="Process 0 was not found"):
        Follower(place(free_port(HOST), 1))


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen at {HOST}:{port}"):
            Leader(place(port), quiet).begin({}, "", 8)


def test_jax_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras  # noqa: F401  # which looks for JAX itself when it is imported

    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(UserError, match="pip install jax"):
        check_jax()
    monkeypatch.setitem(sys.modules, "jax", types.ModuleType("jax"))
    with pytest.raises(UserError, match="needs KERAS_BACKEND=jax; it is tensorflow"):
        check_jax()


class Processes:
    """Starts processes of one run, which share a folder for what they say."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.data, self.folder, self.started = data, folder, []

    def start(self, log: str, *words: str) -> subprocess.Popen[bytes]:
        small = ["--epochs", "2", "--batch-size", "8"]  # TINY's, which would else be fitted to the set
        train = ["train", str(self.data), "--runs", str(self.folder / "runs"), "--at-once", *small, *words]
        with (self.folder / log).open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-u", "-c", PROGRAM, str(self.folder), *train],
                cwd=ROOT,
                env={**os.environ, "KERAS_BACKEND": "jax"},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        return process

    def both(self, *words: str) -> list[subprocess.Popen[bytes]]:
        address = f"{HOST}:{free_port(HOST)}"
        common = [*words, "--distributed", address, "--processes", "2"]
        return [self.start(f"{number}.log", *common, "--process", str(number)) for number in range(2)]

    def said(self, log: str) -> str:
        return (self.folder / log).read_text(errors="replace")

    def wait_for(self, log: str, words: str) -> None:
        deadline = time.monotonic() + 600
        while words not in self.said(log):
            assert time.monotonic() < deadline, self.said(log)[-3000:]
            assert all(process.poll() is None for process in self.started[-2:]), self.said(log)[-3000:]
            time.sleep(0.05)


@pytest.fixture(scope="module")
def processes(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("jax", reason="needs JAX: pip install jax")
    found = Processes(tiny_dataset, tmp_path_factory.mktemp("distributed"))
    yield found
    for process in found.started:
        if process.poll() is None:
            process.kill()


def state(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "state.npz") as saved:
        return {name: saved[name] for name in saved.files if name != "kept"}


@pytest.mark.slow
def test_two_processes_reach_the_same_weights(processes: Processes) -> None:
    for process, number in zip(processes.both("--run", "two"), range(2), strict=True):
        assert process.wait(900) == 0, processes.said(f"{number}.log")[-3000:]
    assert processes.start("one.log", "--run", "one").wait(900) == 0, processes.said("one.log")[-3000:]
    runs = processes.folder / "runs"
    two, one = state(runs / "two"), state(runs / "one")
    with np.load(processes.folder / "follower.npz") as saved:
        followed = [saved[name] for name in saved.files]
    led = [two[f"variable_{number}"] for number in range(len(followed))]
    assert len(led) > 10
    assert all(np.array_equal(mine, theirs) for mine, theirs in zip(led, followed, strict=True))
    assert two.keys() == one.keys()
    apart = max(float(np.abs(two[name].astype(float) - one[name]).max()) for name in two)
    print(f"largest difference from one process: {apart:.2e}")
    assert apart < 1e-5
    assert json.loads((runs / "two" / "result.json").read_text())["state"] == "finished"


@pytest.mark.slow
def test_one_end_ends_both_and_resuming_goes_on(processes: Processes) -> None:
    """Runs after the one above, to whose result it must come."""
    leader, follower = processes.both("--run", "halved")
    processes.wait_for("1.log", "epoch 2/2")
    follower.send_signal(signal.SIGKILL)
    assert leader.wait(180) == 1
    assert "Process 1 has ended (it was killed" in processes.said("0.log")
    folder = processes.folder / "runs" / "halved"
    end = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()][-1]
    assert (end["type"], end["state"], end["code"], end["epochs"]) == ("end", "failed", "process_lost", 1)

    leader, follower = processes.both("--run", "halved", "--resume")
    processes.wait_for("1.log", "epoch 2/2")
    leader.send_signal(signal.SIGINT)
    assert follower.wait(180) == 0
    assert leader.wait(180) == 130
    assert "The run has ended" in processes.said("1.log")
    assert json.loads((folder / "result.json").read_text())["state"] == "stopped"

    for process in processes.both("--run", "halved", "--resume"):
        assert process.wait(900) == 0, processes.said("0.log")[-3000:]
    whole, halved = state(processes.folder / "runs" / "two"), state(folder)
    assert all(np.allclose(whole[name], halved[name], rtol=1e-4, atol=1e-5) for name in whole)
