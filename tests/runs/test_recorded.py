"""Recorded runs: read like any other, changed by nobody, and light enough to ship."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepfake.errors import UserError
from deepfake.runs import runs
from deepfake.runs.recorded import RECORDED, recorded_names
from deepfake.runs.table import run_settings, runs_table
from deepfake.training.log import read_settings
from tests.support.records.runs import a_run, end, epoch, own_runs, start

NAME = "demo-16-epochs"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of one's own runs."""
    return own_runs(tmp_path, monkeypatch)


def test_it_is_a_whole_run_and_says_that_it_is_recorded() -> None:
    assert NAME in recorded_names()
    run = runs.open_run(NAME)
    assert run.recorded
    assert (run.state.code, run.state.resumable, run.state.stoppable) == ("recorded", False, False)
    assert run.state.word == "Recorded run (read-only)"
    assert "16 epochs" in run.state.sentence
    assert len(run.history.epochs) == read_settings(run.folder).epochs == 16
    assert len(run.history.steps["total"]) > 16
    assert run.history.end["state"] == "finished"
    assert all(epoch["validation"]["clean"]["confusion_matrix"] for epoch in run.history.epochs)
    row = runs_table([run]).iloc[0]
    assert (row["recipe"], row["data"]) == ("compact", "demo")


def test_only_light_logs_ship_and_no_place_of_the_machine_that_made_them() -> None:
    files = [path for path in RECORDED.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= {".json", ".jsonl", ".txt"}
    assert sum(path.stat().st_size for path in files) < 200_000
    assert run_settings(RECORDED / NAME)["data"] == "demo"
    assert not any((RECORDED / NAME / name).exists() for name in ("process.json", "log.txt", "best.keras"))


def test_nothing_changes_it(folder: Path) -> None:
    before = {path: path.read_bytes() for path in (RECORDED / NAME).iterdir()}
    actions = (
        lambda: runs.stop(NAME),
        lambda: runs.resume(NAME),
        lambda: runs.rename(NAME, "mine"),
        lambda: runs.delete(NAME),
        lambda: runs.launch_publishing(NAME, "mine"),
    )
    for action in actions:
        with pytest.raises(UserError) as refusal:
            action()
        assert refusal.value.code == "recorded"
    assert {path: path.read_bytes() for path in (RECORDED / NAME).iterdir()} == before


def test_ones_own_run_of_that_name_comes_first(folder: Path) -> None:
    assert runs.shown_names() == recorded_names()
    a_run(folder, "mine", start(), epoch(1), end("finished"))
    a_run(folder, NAME, start(), epoch(1), end("finished"))
    assert sorted(runs.shown_names()) == sorted({NAME, "mine", *recorded_names()})
    assert not runs.open_run(NAME).recorded


def test_a_package_without_any(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("deepfake.runs.recorded.RECORDED", tmp_path / "none")
    assert runs.shown_names() == []
    with pytest.raises(UserError, match="no run called"):
        runs.open_run(NAME)
