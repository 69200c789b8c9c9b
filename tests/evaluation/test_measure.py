"""An evaluation in a process of its own: what comes of it, one at a time, cancelled, failed, not written."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from deepfake.detection.card import load_card
from deepfake.errors import UserError
from deepfake.evaluation import measure
from deepfake.evaluation.kept import add_to_card, kept_evaluations
from deepfake.util.jobs import find_job, forget_job

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
    job = find_job(measure.JOB)
    if job is not None:
        job.stop()
        until(lambda: not job.running)
        forget_job(measure.JOB)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.05)


def test_kept_apart_as_the_command_line_does(
    tiny_dataset: Path, models: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPFAKE_DATA", str(tiny_dataset.parent))
    broken, temporary = models / "set", tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    shutil.copytree(tiny_dataset / "Test", broken / "Test")
    (broken / "Test" / "Fake" / "broken.png").write_bytes(b"broken")
    job = measure.start(measure.EvaluationRequest("tiny", broken, "--odd title", "Test", perturbed=True))
    with pytest.raises(UserError, match="one runs at a") as caught:
        measure.start(measure.EvaluationRequest("tiny", tiny_dataset, "other"))
    assert caught.value.code == "busy"
    assert job.state == "running"
    assert job.line("images").startswith(
        "Evaluating tiny on --odd title, Test, perturbed copies: loading the net"
    )
    until(lambda: not job.running)
    result = job.result
    assert (job.state, job.done, job.total, job.message, result.not_kept) == ("finished", 33, 33, "", "")
    assert len(result.left_out) == 1
    assert result.left_out[0].startswith("Test/Fake/broken.png: ")
    ((one,), complaints) = kept_evaluations(load_card("tiny"))
    assert (one.title, one.n) == ("--odd title, Test, perturbed copies, run here", 32)
    assert complaints == ()
    assert one.verdict_rule["balanced"].decided.n == 32
    assert result.scores == one.scores.read_bytes()
    seconds = job.seconds
    assert job.seconds == seconds

    # A cache that cannot be written: the scores are there all the same.
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_bytes(b"no folder")
    again = measure.start(measure.EvaluationRequest("tiny", broken, "--odd title", "Test", perturbed=True))
    until(lambda: not again.running)
    assert again.state == "finished"
    assert "cannot be written" in again.result.not_kept
    assert len(pd.read_csv(io.BytesIO(again.result.scores))) == 32
    assert not list(temporary.iterdir())
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
    assert (job.state, job.result.not_kept) == ("finished", "")
    assert git("status", "--porcelain", "--ignored") == ""
    ((one,), _) = kept_evaluations(load_card("tiny"))
    assert add_to_card(load_card("tiny"), one) == "Set, Test"
    assert git("status", "--porcelain").split() == ["M", "tiny/card.json", "??", "tiny/scores-set-test.csv"]


def test_cancelled_and_failed(tiny_dataset: Path, models: Path) -> None:
    job = measure.start(measure.EvaluationRequest("tiny", tiny_dataset, "t"))
    job.stop()
    until(lambda: not job.running)
    assert (job.state, job.result) == ("stopped", None)
    forget_job(measure.JOB)
    assert find_job(measure.JOB) is None
    job = measure.start(measure.EvaluationRequest("none", tiny_dataset, "t"))
    until(lambda: not job.running)
    assert job.state == "failed"
    assert "There is no detector called 'none'" in job.message
    assert json.loads((models / "tiny" / "card.json").read_text())["evaluations"] == []


@pytest.mark.parametrize(
    ("title", "code"), [("  ", "no_title"), ("a\nb", "bad_title"), ("x" * 81, "bad_title")]
)
def test_titles(title: str, code: str, tiny_dataset: Path) -> None:
    with pytest.raises(UserError) as caught:
        measure.start(measure.EvaluationRequest("tiny", tiny_dataset, title))
    assert caught.value.code == code
    assert find_job(measure.JOB) is None
