"""The page Training at first start: a recorded run to look at, and two runs ready to be started."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepfake.data.demo import write_demo
from deepfake.data.sets import demo_set
from deepfake.runs.estimate import Estimate
from deepfake.settings import own_sets_folder
from deepfake.util.jobs import find_job, forget_job
from tests.support.pages import button_labels, page, press, shown
from tests.support.records.runs import a_run, epoch, start
from ui.training import first

PATH = "pages/training.py"
KEYS = (first.SMALL, first.BASELINE, first.ESTIMATE)


@pytest.fixture(autouse=True)
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """An empty home without data; notes what would be launched instead of launching it."""
    for name in ("RUNS", "CACHE", "MODELS"):
        monkeypatch.setenv(f"DEEPFAKE_{name}", str(tmp_path / name.lower()))
    for name in ("DEEPFAKE_TRAINING", "DEEPFAKE_DATA", "DEEPFAKE_DEMO"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "runs").mkdir()
    calls: list[tuple[Any, ...]] = []

    def launch(name: str, data: Path, options: Any) -> Path:
        calls.append((name, data, tuple(options)))
        return a_run(tmp_path / "runs", name, start(), epoch(1))

    monkeypatch.setattr("deepfake.runs.runs.launch", launch)
    monkeypatch.setattr(
        first, "make_demo", lambda report=None: demo_set() or small_demo(own_sets_folder() / "demo")
    )
    yield calls
    for key in KEYS:
        wait(key)
        forget_job(key)


def small_demo(folder: Path) -> Path:
    write_demo(folder, images=12)
    return folder


def wait(key: str) -> None:
    deadline = time.monotonic() + 60
    while (job := find_job(key)) is not None and job.running:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("view", ["Curves", "Confusion matrix", "Images", "Machine", "Settings", "Log"])
def test_a_recorded_run_is_shown_like_any_other_but_cannot_be_changed(view: str) -> None:
    app = page(PATH, view=view)
    assert not app.exception
    assert "recorded earlier: 16 epochs" in shown(app)
    assert {metric.label: metric.value for metric in app.metric}["Best epoch"] == "16"
    assert not {"Stop", "Resume", "Publish"} & set(button_labels(app))
    if view == "Images":
        assert "Open the page Dataset once" in shown(app)


def test_its_images_are_shown_once_the_demo_set_is_there() -> None:
    write_demo(own_sets_folder() / "demo")
    app = page(PATH, view="Images")
    assert "Open the page Dataset once" not in shown(app)
    assert len(app.get("image")) == 8


def test_one_click_draws_the_set_starts_the_run_and_opens_it(launched: list[tuple[Any, ...]]) -> None:
    app = press(page(PATH), "Train a small detector")
    wait(first.SMALL)
    app.run()
    assert not app.exception
    assert launched == [("demo-1", demo_set(), first.SMALL_OPTIONS)]
    assert app.selectbox(key="run").value == "demo-1"
    assert "Train a small detector" not in button_labels(app), "the page shows one's own run now"
    assert "Train a small detector" in button_labels(page(PATH, tab="New run"))


def test_what_keeps_it_from_starting_is_a_sentence(
    launched: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "file" / "cache"))
    app = press(page(PATH), "Train a small detector")
    wait(first.SMALL)
    app.run()
    assert not app.exception
    assert len(app.error) == 1
    assert "DEEPFAKE_CACHE" in app.error[0].value.replace("\\", "")
    assert launched == []


def test_the_baseline_says_what_it_takes_and_starts(
    launched: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def measure(data: Path, options: Any, **more: Any) -> Estimate:
        asked.append((data, tuple(options)))
        return Estimate(320, 80, 23_000_000, 5, 2, 3.0, 20.0, 70.0, 2048.0, 350.0)

    monkeypatch.setattr(first, "measure_elsewhere", measure)
    app = press(page(PATH), "Estimate the baseline")
    wait(first.ESTIMATE)
    app.run()
    assert asked == [(demo_set(), first.BASELINE_OPTIONS)]
    values = {metric.label: metric.value for metric in app.metric}
    assert (values["Steps"], values["Memory"]) == ("10", "2.0 GB")
    press(app, "Train the baseline")
    wait(first.BASELINE)
    app.run()
    assert launched == [("baseline-1", demo_set(), first.BASELINE_OPTIONS)]


def test_where_training_is_off_the_recorded_run_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_TRAINING", "off")
    app = page(PATH)
    assert "Train a small detector" not in button_labels(app)
    assert "recorded earlier" in shown(app)
