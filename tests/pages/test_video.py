"""The page Check a video, and the answer under a verdict of the page Check an image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from deepfake.faces.finder import Face, FaceScan
from deepfake.util.files import ROOT
from tests.pages.test_batch import shown
from tests.support.images import encoded, noise_image
from tests.support.videos import clip


def upload(page: str, name: str, content: bytes) -> AppTest:
    app = AppTest.from_file(str(ROOT / page), default_timeout=300).run()
    assert not app.exception
    value = (name, content, "application/octet-stream")
    uploader = app.file_uploader[0]
    uploader.set_value([value] if page.endswith("check.py") else value).run()
    assert not app.exception
    return app


def test_a_clip_gets_a_timeline_and_a_verdict(use_tiny_models: Path) -> None:
    app = upload("pages/video.py", "<b>a</b>.mp4", clip(0.4))
    assert "No face found: not analyzed" in app.header[0].value
    assert "No face was found in any frame" in shown(app).replace("\\", "")
    assert "Audio, motion and consistency" in shown(app).replace("\\", "")
    assert [element.value for element in app.text] == ["<b>a</b>.mp4"]
    table = app.dataframe[0].value
    assert len(table) == 10
    assert set(table["Verdict"]) == {"No face found"}


def scored(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> AppTest:
    """A video with a face in each frame, which score so."""
    face = FaceScan((Face((0, 0, 60, 60), (0, 0, 90, 90), 0.99),), "faces")
    left = iter(scores)
    monkeypatch.setattr("ui.page.load_everything", lambda: None)  # which looks at a grey square
    monkeypatch.setattr("deepfake.detection.detector.find_faces", lambda pixels: face)
    monkeypatch.setattr("deepfake.detection.detector.looks_drawn", lambda crop: False)
    monkeypatch.setattr("deepfake.detection.detector.Detector.p_fake", lambda self, crops: [next(left)])
    return upload("pages/video.py", "a.mp4", clip(0.4))


def test_several_fake_stretches_are_all_named(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = scored(monkeypatch, [0.9] * 3 + [0.1] * 3 + [0.9] * 4)
    assert "Likely fake: 0.0 to 0.1 s and 0.2 to 0.4 s look fake" in app.header[0].value
    assert "in the longest stretch, median of 4 frames" in shown(app)


def test_a_fake_stretch_is_the_headline(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = scored(monkeypatch, [0.1] * 6 + [0.9] * 4)
    assert "Likely fake: 0.2 to 0.4 s looks fake" in app.header[0].value
    numbers = "in this stretch, median of 4 frames: **90%**; of all 10 frames that could be scored: 10%"
    assert numbers in shown(app).replace("\\", "")


def test_no_video_is_a_sentence(use_tiny_models: Path) -> None:
    app = upload("pages/video.py", "a.mp4", b"no video")
    assert "not a video" in app.error[0].value
    assert not app.header
    cut = upload("pages/video.py", "a.mp4", clip(0.4)[:400])
    assert cut.error
    assert not [button for button in cut.button if "Check a video" in button.label], "it is this page"


def answered(tick: bool) -> AppTest:
    app = upload("pages/check.py", "a.png", encoded(noise_image(1)))
    next(radio for radio in app.radio if "actually" in radio.label).set_value("It is real")
    if tick:
        next(box for box in app.checkbox if box.label.startswith("Leave the image")).check()
    next(button for button in app.button if button.label == "Send").click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize("tick", [False, True])
def test_an_answer_leaves_what_was_agreed_to(
    use_tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tick: bool
) -> None:
    monkeypatch.setenv("DEEPFAKE_FEEDBACK", str(tmp_path))
    app = answered(tick)
    assert f"Your answer was kept{' with' if tick else ', without'} the image" in shown(app)
    assert not any(button.label == "Send" for button in app.button)
    (line,) = (tmp_path / "feedback.jsonl").read_text().splitlines()
    assert json.loads(line)["truth"] == "real"
    assert "a.png" not in line
    assert (tmp_path / "pictures").is_dir() == tick


def test_no_answers_without_a_folder(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPFAKE_FEEDBACK", raising=False)
    app = upload("pages/check.py", "a.png", encoded(noise_image(1)))
    assert not any(button.label == "Send" for button in app.button)
    assert "kept" not in shown(app)
