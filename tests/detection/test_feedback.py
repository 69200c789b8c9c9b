"""What is kept of an answer: what the person agreed to, whole lines only, within limits."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deepfake.detection import feedback
from deepfake.detection.card import Card, load_card
from deepfake.detection.feedback import FeedbackRefused, keep_feedback
from deepfake.detection.verdict import FaceVerdict, Verdict
from tests.support.images import encoded, noise_image

PNG = encoded(noise_image(1))
SHA = hashlib.sha256(PNG).hexdigest()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPFAKE_FEEDBACK", str(tmp_path / "answers"))
    return tmp_path / "answers"


@pytest.fixture
def card(use_tiny_models: Path) -> Card:
    return load_card("tiny")


def verdict() -> Verdict:
    face = FaceVerdict((1, 2, 3, 4), (0, 0, 9, 9), 0.75, "fake", 0.99)
    return Verdict(0.75, "fake", (face,), ("a warning",), "tiny", SHA, 96, 96, "faces", "balanced")


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "feedback.jsonl").read_text().splitlines()]


def test_hash_and_scores_are_kept_and_nothing_else(folder: Path, card: Card) -> None:
    keep_feedback(verdict(), card, "real")
    (line,) = lines(folder)
    assert line.pop("time")
    assert line == {
        "sha256": SHA,
        "truth": "real",
        "model": "tiny",
        "model_sha256": card.sha256,
        "verdict": "fake",
        "operating_point": "balanced",
        "p_fake": 0.75,
        "faces": [0.75],
        "picture": None,
    }
    assert {path.name for path in folder.iterdir()} == {"feedback.jsonl", "lock"}


def test_the_picture_is_kept_only_when_given_and_once(folder: Path, card: Card) -> None:
    for _ in range(2):
        keep_feedback(verdict(), card, "fake", PNG)
    assert [line["picture"] for line in lines(folder)] == [f"{SHA}.png"] * 2
    assert [path.read_bytes() for path in (folder / "pictures").iterdir()] == [PNG]


def test_many_at_once_write_whole_lines(folder: Path, card: Card) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: keep_feedback(verdict(), card, "real"), range(40)))
    assert len(lines(folder)) == 40


def test_nothing_without_a_folder(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPFAKE_FEEDBACK", raising=False)
    with pytest.raises(FeedbackRefused, match="DEEPFAKE_FEEDBACK names no folder"):
        keep_feedback(verdict(), card, "real")


def test_a_full_or_closed_folder_is_a_sentence(
    folder: Path, card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(feedback, "MAX_PICTURE_BYTES", len(PNG) - 1)
        with pytest.raises(FeedbackRefused, match="used up"):
            keep_feedback(verdict(), card, "real", PNG)
        patch.setattr(feedback, "MAX_FILE_BYTES", 10)
        with pytest.raises(FeedbackRefused, match="used up"):
            keep_feedback(verdict(), card, "real")
    assert lines(folder) == []
    folder.joinpath("feedback.jsonl").unlink()
    folder.joinpath("feedback.jsonl").mkdir()
    with pytest.raises(FeedbackRefused, match="cannot be written"):
        keep_feedback(verdict(), card, "real")
