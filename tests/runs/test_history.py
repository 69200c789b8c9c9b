"""Events of a run: read as they grow, through resumes, and with damaged lines; what is drawn of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake.runs.figures import (
    POINTS,
    column_figure,
    epochs_figure,
    overlay_figure,
    rate_figure,
    smoothed,
    sources_figure,
    steps_figure,
    strip_figure,
    thinned,
)
from deepfake.runs.history import History, HistoryReader
from deepfake.runs.progress import divergence_warnings, progress, step_rates
from deepfake.training.log import RunLog
from deepfake.util.text import format_duration
from tests.support.records.runs import STEP, epoch, start, step, write


def test_losses_are_those_of_the_steps_in_between(tmp_path: Path) -> None:
    losses = [4.0, 2.0, 3.0, 1.0]
    means = np.cumsum(losses) / np.arange(1, 5)
    write(tmp_path, start(), step(101, 1, 1, means[0]), step(102, 1, 2, means[1]), step(103, 1, 4, means[3]))
    write(tmp_path, epoch(1), step(111, 2, 1, 7.0))
    columns = HistoryReader(tmp_path).read().steps
    assert columns["loss"] == pytest.approx([4.0, 2.0, 2.0, 7.0]), "the third row covers two steps"
    assert columns["total"].tolist() == [1, 2, 4, 5]
    assert columns["memory_mb"].tolist() == [900] * 4


def test_reader_goes_on_where_it_was(tmp_path: Path) -> None:
    reader = HistoryReader(tmp_path)
    assert reader.read() == History() or reader.read().sessions == 0
    write(tmp_path, start(), step(101, 1, 1, 1.0))
    assert len(reader.read().steps["total"]) == 1
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"type": "step", "ti')
    half = reader.read()
    assert (len(half.steps["total"]), half.damaged) == (1, 0), "a line that is being written is waited for"
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('me": 102, "epoch": 1, "step": 2, "loss": null, "accuracy": 1}\n')
    whole = reader.read()
    assert whole.steps["total"].tolist() == [1, 2]
    assert math.isnan(whole.steps["loss"][-1])
    (tmp_path / "events.jsonl").unlink()
    assert reader.read().sessions == 0
    write(tmp_path, start())
    assert reader.read().sessions == 1, "another file of the same name is read from its beginning"


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "null", "7", '{"type": "step"}', '{"type": "epoch", "time": 1, "epoch": 1}', "\x00\x00", "ü"],
)
def test_damaged_lines_are_counted_and_passed_over(line: str, tmp_path: Path) -> None:
    write(tmp_path, start())
    with (tmp_path / "events.jsonl").open("a", encoding="latin-1") as file:
        file.write(line + "\n")
    write(tmp_path, epoch(1))
    told = HistoryReader(tmp_path).read()
    assert (told.damaged, len(told.epochs), told.sessions) == (1, 1, 1)


def test_log_of_a_killed_process_is_gone_on_with_on_a_new_line(tmp_path: Path) -> None:
    write(tmp_path, start())
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"type": "step", "time": 1')
    heard: list[dict[str, Any]] = []
    log = RunLog(tmp_path, [heard.append])
    log.add("start", first_epoch=1, steps_per_epoch=4)
    told = HistoryReader(tmp_path).read()
    assert (told.damaged, told.sessions) == (1, 2)
    assert heard[0]["type"] == "start"


def test_what_a_resume_repeats_counts_once(tmp_path: Path) -> None:
    write(tmp_path, start(), step(101, 1, 4, 1.0), epoch(1), step(112, 2, 2, 9.0), epoch(2, best=True))
    write(tmp_path, {"type": "end", "time": 130.0, "state": "stopped", "best_epoch": 1})
    assert HistoryReader(tmp_path).read().end["state"] == "stopped"
    write(tmp_path, start(1000.0, first=2), step(1001, 2, 1, 2.0))
    told = HistoryReader(tmp_path).read()
    assert [each["epoch"] for each in told.epochs] == [1]
    assert told.steps["total"].tolist() == [4, 5]
    assert (told.end, told.sessions, told.first_time) == ({}, 2, 100.0)
    assert told.seconds == pytest.approx(30 + 1), "the pause does not count"


def test_best_epoch_is_the_one_that_the_run_kept(tmp_path: Path) -> None:
    write(tmp_path, start(), epoch(1, hard=0.7), epoch(2, hard=0.9), epoch(3, hard=0.8))
    assert HistoryReader(tmp_path).read().best_epoch == 2
    write(tmp_path, epoch(4, hard=0.1, best=True))
    assert HistoryReader(tmp_path).read().best_epoch == 4
    write(tmp_path, {"type": "end", "time": 200.0, "state": "finished", "best_epoch": 3})
    assert HistoryReader(tmp_path).read().best_epoch == 3


# What is drawn


def test_smoothing_is_right_at_both_ends() -> None:
    assert smoothed(np.full(50, 3.0), 0.99) == pytest.approx(np.full(50, 3.0)), (
        "no pull towards 0 at the start"
    )
    values, weight = np.random.default_rng(0).normal(size=200), 0.9
    average, wanted = 0.0, []
    for index, value in enumerate(values, 1):
        average = weight * average + (1 - weight) * value
        wanted.append(average / (1 - weight**index))
    assert smoothed(values, weight) == pytest.approx(wanted)
    assert smoothed(values, 0.0) == pytest.approx(values)
    gap = smoothed(np.array([1.0, np.nan, 3.0]), 0.5)
    assert gap[1] == pytest.approx(1.0)
    assert gap[2] == pytest.approx((0.25 * 1 * 0.5 + 0.5 * 3) / (0.125 + 0.5))
    assert smoothed(np.array([]), 0.9).size == 0


def test_thinning_keeps_what_stands_out() -> None:
    y = np.random.default_rng(1).normal(size=100_000)
    y[12_345], y[77_777], y[50_000:50_100] = 99.0, -99.0, np.nan
    x = np.arange(100_000.0)
    few_x, few_y = thinned(x, y)
    assert len(few_x) <= POINTS + 1
    assert (np.nanmax(few_y), np.nanmin(few_y)) == (99.0, -99.0)
    assert few_x[-1] == x[-1]
    assert np.all(np.diff(few_x) > 0)
    assert np.array_equal(y[few_x.astype(int)], few_y, equal_nan=True)
    assert thinned(x[:10], y[:10])[0].size == 10


def traces(figure: Any) -> list[Any]:
    return list(figure.data)


def test_figures_of_a_run(tmp_path: Path) -> None:
    sources = {"a": 0.7, "b<i>": 0.9}
    second = epoch(2, hard=0.85)
    second["validation"]["perturbed"]["source_roc_auc"] = sources
    write(
        tmp_path, start(), step(101, 1, 1, 3.0), step(102, 1, 4, 2.0), epoch(1), step(111, 2, 2, 1.0), second
    )
    told = HistoryReader(tmp_path).read()
    raw, smooth = traces(steps_figure(told, "loss", 0.5))
    assert list(raw.y) == pytest.approx([3.0, 5 / 3, 1.0])
    assert smooth.line.width > raw.line.width
    assert raw.opacity < 1
    per_epoch = {trace.name: list(trace.y) for trace in traces(epochs_figure(told, "roc_auc"))}
    assert per_epoch == {"Validation, clean": [0.9, 0.9], "Validation, perturbed": [0.8, 0.85]}
    assert len(traces(epochs_figure(told, "loss"))) == 3
    by_source = sources_figure(told)
    assert by_source is not None
    assert [trace.name for trace in traces(by_source)] == ["a", "b&lt;i&gt;"]
    both = traces(overlay_figure({"one": told, "none": History()}, "roc_auc", 0.9))
    assert [list(trace.y) for trace in both] == [[0.8, 0.85], []]
    assert not traces(steps_figure(History(), "loss", 0.9))


def test_speed_is_that_between_two_steps_of_an_epoch(tmp_path: Path) -> None:
    write(tmp_path, start(), step(101, 1, 1, 3.0), step(103, 1, 4, 2.0), epoch(1), step(130, 2, 2, 1.0))
    told = HistoryReader(tmp_path).read()
    assert step_rates(told) == pytest.approx([math.nan, 8 * 3 / 2, math.nan], nan_ok=True)
    assert traces(rate_figure(told))[1].y[1] == pytest.approx(12)
    old = {name: value for name, value in start().items() if name != "batch_size"}
    (tmp_path / "old").mkdir()
    write(tmp_path / "old", old, step(101, 1, 1, 3.0))
    assert step_rates(HistoryReader(tmp_path / "old").read()) == pytest.approx([10])


def test_images_keep_the_colour_of_their_class() -> None:
    told = [{"epoch": n, "strip": {"clean": [0.1 * n, 0.9, 0.2]}} for n in (1, 2)]
    lines = traces(strip_figure(told, [1, 1, 0]))
    assert [list(line.y) for line in lines] == [[0.1, 0.2], [0.9, 0.9], [0.2, 0.2]]
    assert lines[0].line.color == lines[1].line.color != lines[2].line.color
    assert [line.name for line in lines if line.showlegend] == ["Actually fake", "Actually real"]


# Progress and warnings


def test_progress(tmp_path: Path) -> None:
    assert progress(History(), 3, active=True) is None
    write(tmp_path, start(), step(102, 1, 2, 1.0), step(104, 1, 3, 1.0), epoch(1), step(112, 2, 1, 1.0))
    far = progress(HistoryReader(tmp_path).read(), 3, active=False)
    assert far
    assert (far.epoch, far.step, far.steps, far.share) == (2, 1, 4, 5 / 12)
    assert far.seconds == pytest.approx(12)
    live = progress(HistoryReader(tmp_path).read(), 3, active=True)
    assert live
    assert live.seconds_left == pytest.approx(12 / 5 * 7)
    assert "images/s" in live.sentence()
    assert "images/s" not in far.sentence(), "it is over"
    write(tmp_path, epoch(2), epoch(3))
    done = progress(HistoryReader(tmp_path).read(), 3, active=False)
    assert done
    assert (done.epoch, done.step, done.share) == (3, 4, 1.0)
    assert "Epoch 3 of 3" in done.sentence()
    assert [format_duration(seconds) for seconds in (5, 400, 6000, math.nan)] == [
        "5 s", "7 min", "1 h 40 min", "unknown",
    ]  # fmt: skip


def parted(tmp_path: Path, *epochs: dict[str, Any]) -> tuple[str, ...]:
    write(tmp_path, start(), *epochs)
    return divergence_warnings(HistoryReader(tmp_path).read())


def test_warning_when_training_is_learnt_by_heart(tmp_path: Path) -> None:
    losses = ((0.6, 0.6), (0.4, 0.5), (0.3, 0.55), (0.2, 0.6))
    (said,) = parted(tmp_path, *(epoch(n, train=t, loss=v) for n, (t, v) in enumerate(losses, 1)))
    assert "since epoch 2" in said


def test_warning_when_perturbed_images_fall_behind(tmp_path: Path) -> None:
    aucs = ((0.90, 0.85), (0.92, 0.88), (0.94, 0.86), (0.96, 0.84))
    (said,) = parted(tmp_path, *(epoch(n, auc=c, hard=p) for n, (c, p) in enumerate(aucs, 1)))
    assert "Clean and perturbed" in said
    assert "0.960" in said


def test_nothing_is_said_of_what_a_network_leans_on_that_has_learnt_nothing(tmp_path: Path) -> None:
    """The demo set with the defaults of old: clean 0.74, perturbed 0.50."""
    aucs = ((0.47, 0.54), (0.47, 0.51), (0.59, 0.52), (0.70, 0.48), (0.70, 0.51), (0.74, 0.50))
    assert parted(tmp_path, *(epoch(n, auc=c, hard=p) for n, (c, p) in enumerate(aucs, 1))) == ()


@pytest.mark.parametrize("hard", [0.8, None])
def test_no_warning_while_all_goes_well(hard: float | None, tmp_path: Path) -> None:
    learning = [epoch(n, train=0.6 / n, loss=0.7 / n, hard=hard) for n in range(1, 7)]
    assert parted(tmp_path, *learning) == ()


def axis(figure: Any) -> tuple[float, float] | None:
    found = figure.layout.yaxis.range
    return None if found is None else (float(found[0]), float(found[1]))


def test_a_constant_curve_stands_at_its_number(tmp_path: Path) -> None:
    """Plotly's own axis reaches one unit up and down: there 0.001 looks like 0."""
    rate = STEP["learning_rate"]
    write(tmp_path, start(), step(101, 1, 1, 2.0), step(102, 1, 2, 2.0), epoch(1, hard=None))
    history = HistoryReader(tmp_path).read()
    assert axis(column_figure(history, "learning_rate", "Learning rate")) == (0, 2 * rate)
    assert axis(column_figure(history, "cores", "Cores")) == (0, 3)
    assert axis(steps_figure(history, "loss", 0.0)) == (0, 4)
    assert axis(epochs_figure(history, "roc_auc")) == pytest.approx((-0.02, 1.02))
    assert axis(steps_figure(history, "accuracy", 0.9)) == pytest.approx((-0.02, 1.02))
    assert axis(overlay_figure({"a": history}, "loss", 0.0)) == (0, 1)
    dot = rate_figure(history).data[1].to_plotly_json()
    assert dot["mode"] == "markers", "one number is a dot, not a line without length"
    write(tmp_path, {**step(111, 2, 1, 1.0), "learning_rate": rate / 2})
    other = HistoryReader(tmp_path).read()
    assert axis(column_figure(other, "learning_rate", "Learning rate")) is None, (
        "what moves is Plotly's to frame"
    )
