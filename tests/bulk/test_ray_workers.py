"""Ray's workers: the same rows as one process, whoever dies. Real Ray is slow to start; a stand-in is not."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deepfake.bulk import ray_workers
from deepfake.bulk.engines import OneProcess
from deepfake.bulk.items import Item, Shard
from deepfake.bulk.locations import LocalFolder
from deepfake.bulk.ray_workers import HELD, RayError, RayWorkers
from deepfake.bulk.results import open_results
from deepfake.bulk.run import Summary, run_bulk
from deepfake.errors import UserError
from deepfake.util.files import ROOT
from tests.support.bulk import Lengths, brief, contents, image_folder, rows_in

PLAIN = Lengths()


class Answer:
    """What Ray gives at once for work that is under way."""

    def __init__(self, value: Any = None, error: Exception | None = None, *, silent: bool = False) -> None:
        self.value, self.error, self.silent = value, error, silent


class Died(Exception):
    """What Ray says of a worker that ended."""


class Failed(Died):
    """What Ray says of a worker whose code raised."""


class StandIn:
    """Ray as far as it is used; a worker is ``ok``, ``silent`` (gives no answer) or ``absent``."""

    exceptions = SimpleNamespace(RayError=Died, RayTaskError=Failed)

    def __init__(self, conduct: Sequence[str], task: Lengths) -> None:
        self.given: list[tuple[int, list[str]]] = []
        self.at_work = self.most_at_work = self.judging = 0
        self.actors = [self._actor(number, each, task) for number, each in enumerate(conduct)]

    def _actor(self, number: int, conduct: str, task: Lengths) -> Any:
        worker = ray_workers._Worker(task)

        def judge(batch: Sequence[Item]) -> Answer:
            self.given.append((number, [item.name for item in batch]))
            self.at_work += 1
            self.most_at_work = max(self.most_at_work, self.at_work)
            if conduct == "silent":
                return Answer(silent=True)
            company, self.judging = self.judging, self.judging + 1
            if any(item.name == "deadly" or (item.name == "unlucky" and company) for item in batch):
                return Answer(error=Died("It died.\nA long story."))
            return Answer(worker.judge(batch))

        def start() -> Answer:
            return Answer(error=Died("no such node")) if conduct == "absent" else Answer(worker.start())

        return SimpleNamespace(judge=SimpleNamespace(remote=judge), start=SimpleNamespace(remote=start))

    def wait(self, answers: list[Answer], *, num_returns: int, timeout: float) -> tuple[list[Answer], None]:
        there = [answer for answer in answers if not answer.silent]
        there.sort(key=lambda answer: isinstance(answer.value, tuple))  # who starts comes before who works
        return there[:num_returns], None

    def get(self, answer: Answer) -> Any:
        self.at_work -= 1
        self.judging -= answer.value is not None or answer.error is not None
        if answer.error is not None:
            raise answer.error
        return answer.value


class Spread:
    """What came of items that were spread over workers."""

    def __init__(self, *conduct: str, items: Sequence[Item], task: Lengths = PLAIN) -> None:
        self.ray, self.said, self.read = StandIn(conduct, task), [], 0
        workers, judged = RayWorkers(say=self.said.append), []
        todo = ray_workers._Open(self._batches(items))
        for batch in workers._spread(self.ray, self.ray.actors, todo):
            judged += batch
            assert self.read - len(judged) <= 2 * HELD * len(conduct), "no more is read than is at work"
        self.rows = brief(sorted((each.row for each in judged), key=lambda row: row["file"]))

    def _batches(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        for start in range(0, len(items), 2):
            self.read += 2
            yield list(items[start : start + 2])


def alone(items: Sequence[Item]) -> list[tuple[str, str]]:
    (judged,) = OneProcess().run(PLAIN, iter([list(items)]))
    return brief([each.row for each in judged if each.row])


def test_each_image_once_whoever_does_it() -> None:
    spread = Spread("ok", "ok", "ok", items=contents(21))
    assert spread.rows == alone(contents(21))
    assert {number for number, _ in spread.ray.given} == {0, 1, 2}
    assert sorted(name for _, names in spread.ray.given for name in names) == [
        name for name, _ in spread.rows
    ]
    assert spread.said == []


def test_an_image_that_kills_workers_is_refused_alone() -> None:
    items = [*contents(5), Item("deadly", content=b"x")]
    spread = Spread("ok", "ok", items=items)
    assert spread.rows == [*alone(contents(5)), ("deadly", "worker_died")]
    tries = [names for _, names in spread.ray.given if "deadly" in names]
    assert tries == [["004", "deadly"], ["deadly"], ["deadly"]]


def test_an_image_that_waited_at_a_worker_that_died_is_not_refused() -> None:
    items = [*contents(5), Item("unlucky", content=contents(1)[0].content), *contents(8)[6:]]
    spread = Spread("ok", "ok", items=items)
    assert spread.rows == sorted(alone(items))
    assert [names for _, names in spread.ray.given][-1] == ["unlucky"], "tried with nothing else at work"


def test_what_a_silent_worker_has_others_get_as_well() -> None:
    """A machine that is gone, say."""
    spread = Spread("ok", "silent", items=contents(21))
    assert spread.rows == alone(contents(21))
    twice = [names for number, names in spread.ray.given if number == 1]
    assert len(twice) == HELD
    assert all((0, names) in spread.ray.given for names in twice)


def test_workers_that_do_not_start_are_left_out() -> None:
    spread = Spread("absent", "ok", items=contents(7))
    assert spread.rows == alone(contents(7))
    assert spread.said == ["A worker was left out (worker_died): It did not start: no such node"]
    with pytest.raises(UserError) as caught:
        Spread("ok", "ok", items=contents(7), task=Lengths(refuses="other_detector"))
    assert caught.value.code == "other_detector"


def test_a_cluster_that_cannot_be_joined_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(*, address: str, **_: Any) -> None:
        asked.append(address)
        raise ConnectionError("Nobody answers.\nA long story.")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=refuse, shutdown=lambda: None))
    monkeypatch.setenv("PYTHONPATH", "")  # a start here changes it
    with pytest.raises(RayError) as caught:
        list(RayWorkers(2, "10.0.0.1:6379").run(PLAIN, iter([])))
    assert caught.value.code == "no_cluster"
    assert caught.value.message == "The Ray cluster at 10.0.0.1:6379 cannot be joined: Nobody answers."
    with pytest.raises(RayError, match="Ray cannot be started here: Nobody answers"):
        list(RayWorkers(2).run(PLAIN, iter([])))
    assert asked == ["10.0.0.1:6379", "local", "local", "local"], (
        "never another's cluster that happens to run"
    )


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray cluster of two processors on this machine."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs ray: pip install 'ray>=2.40'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}", "--num-cpus=2"]
    words += [
        "--include-dashboard=false",
        "--node-ip-address=127.0.0.1",
        f"--object-store-memory={100 * 2**20}",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_AUTH_MODE"] = "disabled"  # nobody but this machine can reach it
    process = subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "Ray runtime started" in line:
            break
    else:
        pytest.fail("".join(lines))
    yield f"127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def run(folder: Path, items: Sequence[Item], engine: RayWorkers, task: Lengths = PLAIN) -> Summary:
    with open_results(LocalFolder(folder), task.spec, shard=Shard(), resume=True, rows_a_part=4) as results:
        return run_bulk(task, iter(items), results, engine)


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_nothing(cluster: str, tmp_path: Path) -> None:
    """And an image over which every worker dies costs itself."""
    said: list[str] = []
    items = contents(40)
    items[11] = Item("011", content=b"kill")
    items[30] = Item("030", content=b"poison")
    engine = RayWorkers(2, cluster, said.append)
    summary = run(tmp_path / "out", items, engine, Lengths(once=str(tmp_path / "once"), pause=0.01))
    rows = brief(rows_in(tmp_path / "out"))
    assert rows[30] == ("030", "worker_died")
    assert [*rows[:30], *rows[31:]] == alone([*items[:30], *items[31:]])
    assert (tmp_path / "once").exists()
    assert engine.restarts >= 1
    assert any("was started again" in line for line in said)
    assert summary.rows["refused"] == 1
    again = [*items[:30], Item("030", content=b"no poison"), *items[31:]]
    assert run(tmp_path / "out", again, engine).skipped == 39
    assert dict(brief(rows_in(tmp_path / "out")))["030"] == "fake", "it was no fault of the file"


@pytest.mark.slow
def test_the_command_by_ray_gives_what_one_process_gives(tiny_models: Path, tmp_path: Path) -> None:
    """Ray started by the command itself; a worker is killed in the middle, then all of it, and resumed."""
    pytest.importorskip("ray", reason="needs ray: pip install 'ray>=2.40'")
    images, out = image_folder(tmp_path / "in", 200), tmp_path / "out"
    environment = {**os.environ, "DEEPFAKE_MODELS": str(tiny_models), "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "deepfake", "predict", str(images), "--output", str(out)]
    words += ["--part-rows", "16"]
    by_ray = [*words, "--resume", "--engine", "ray", "--workers", "2"]

    def parts() -> int:
        return len(list(out.glob("part-*")))

    def started() -> subprocess.Popen[str]:
        return subprocess.Popen(
            by_ray, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    process = started()
    _until(lambda: parts() >= 2, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert len(rows_in(out)) < 200
    before, process = parts(), started()
    _until(lambda: parts() > before, process)
    os.kill(_worker_of(process.pid), signal.SIGKILL)
    said, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "200 images" in said
    words[words.index(str(out))] = str(tmp_path / "once")
    subprocess.run(words, env=environment, check=True, capture_output=True, timeout=300)
    assert rows_in(out) == rows_in(tmp_path / "once")
    ours = ("was started again; what it had is checked again.", " a second")
    assert [line for line in err.splitlines() if not line.endswith(ours)] == []


def _until(true: Any, process: subprocess.Popen[str], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def _worker_of(driver: int) -> int:
    """The process of one of the workers that a run started; Linux only."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = status.read_text()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(text.rpartition(")")[2].split()[1])
    for process in parents:
        above, title = process, Path(f"/proc/{process}/cmdline")
        while above not in (0, driver):
            above = parents.get(above, 0)
        if above == driver and title.read_bytes().startswith(b"ray::_Worker"):
            return process
    raise AssertionError("there is no worker")
