"""An evaluation in a process of its own: what comes of it, one at a time, cancelled, failed, not written."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from deepfake.detection.card import load_card
from deepfake.errors import UserError
from deepfake.evaluation import measure
from deepfake.evaluation.kept import add_to_card, kept_evaluations

PATIENCE = 300


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    job = measure.current()
    if job is not None:
        job.cancel()
        measure.forget()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def test_kept_apart_as_the_command_line_does(
    tiny_dataset: Path, models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPFAKE_DATA", str(tiny_dataset.parent))
    broken = models / "set"
    shutil.copytree(tiny_dataset / "Test", broken / "Test")
    (broken / "Test" / "Fake" / "broken.png").write_bytes(b"broken")
    job = measure.start(measure.EvaluationRequest("tiny", broken, "--odd title", "Test", perturbed=True))
    with pytest.raises(UserError, match="one runs at a") as caught:
        measure.start(measure.EvaluationRequest("tiny", tiny_dataset, "other"))
    assert caught.value.code == "busy"
    assert job.progress().state == "running"
    until(lambda: not job.running)
    progress = job.progress()
    assert (progress.state, progress.done, progress.total, progress.message) == ("kept", 33, 33, "")
    assert len(progress.left_out) == 1
    assert progress.left_out[0].startswith("Test/Fake/broken.png: ")
    ((one,), complaints) = kept_evaluations(load_card("tiny"))
    assert (one.title, one.n) == ("--odd title, Test, altered copies, run here", 32)
    assert complaints == ()
    assert one.verdict_rule["balanced"].decided.n == 32
    scores = job.scores()
    assert scores == one.scores.read_bytes()
    assert job.progress().seconds == progress.seconds

    # A cache that cannot be written: the scores are there all the same.
    folder = job.folder
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_bytes(b"no folder")
    again = measure.start(measure.EvaluationRequest("tiny", broken, "--odd title", "Test", perturbed=True))
    assert not folder.exists()
    until(lambda: not again.running)
    progress = again.progress()
    assert progress.state == "not_kept"
    assert "cannot be written" in progress.message
    kept = again.scores()
    assert kept
    assert len(pd.read_csv(again.folder / "scores.csv")) == 32
    assert kept_evaluations(load_card("tiny")) == ((), ())


def test_git_sees_nothing_of_an_evaluation_from_the_page(tiny_dataset: Path, models: Path) -> None:
    def git(*words: str) -> str:
        person = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(
            ["git", *person, *words], cwd=models, capture_output=True, text=True, check=True
        )
        return done.stdout

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "As shipped")
    job = measure.start(measure.EvaluationRequest("tiny", tiny_dataset, "Set", "Test"))
    until(lambda: not job.running)
    assert job.progress().state == "kept"
    assert git("status", "--porcelain", "--ignored") == ""
    ((one,), _) = kept_evaluations(load_card("tiny"))
    assert add_to_card(load_card("tiny"), one) == "Set, Test"
    assert git("status", "--porcelain").split() == ["M", "tiny/card.json", "??", "tiny/scores-set-test.csv"]


def test_cancelled_and_failed(tiny_dataset: Path, models: Path) -> None:
    job = measure.start(measure.EvaluationRequest("tiny", tiny_dataset, "t"))
    job.cancel()
    assert job.progress().state == "cancelled"
    assert job.scores() is None
    measure.forget()
    assert measure.current() is None
    job = measure.start(measure.EvaluationRequest("none", tiny_dataset, "t"))
    until(lambda: not job.running)
    assert job.progress().state == "failed"
    assert "There is no detector called 'none'" in job.progress().message
    assert json.loads((models / "tiny" / "card.json").read_text())["evaluations"] == []


@pytest.mark.parametrize(
    ("title", "code"), [("  ", "no_title"), ("a\nb", "bad_title"), ("x" * 81, "bad_title")]
)
def test_titles(title: str, code: str, tiny_dataset: Path) -> None:
    with pytest.raises(UserError) as caught:
        measure.start(measure.EvaluationRequest("tiny", tiny_dataset, title))
    assert caught.value.code == code
    assert measure.current() is None
