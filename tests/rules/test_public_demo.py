"""A demo for strangers: nothing is trained, no folder opened, and pictures are smaller."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from deepfake import settings
from deepfake.data import sets
from deepfake.images import load
from deepfake.runs import runs
from deepfake.settings import DEMO_EXPLANATION, is_demo
from deepfake.util.files import ROOT


@pytest.mark.parametrize(
    ("value", "demo"), [("1", True), ("On", True), ("0", False), ("", False), ("x", False)]
)
def test_switch(value: str, demo: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_DEMO", value)
    assert is_demo() == demo
    assert runs.training_allowed() != demo


def test_no_training_and_no_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_DATA", str(tmp_path))
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    (settings.own_sets_folder() / "drawn").mkdir()
    assert settings.allowed_roots()
    monkeypatch.setenv("DEEPFAKE_DEMO", "1")
    assert settings.allowed_roots() == settings.operator_roots() == []
    for act in (
        runs.check_allowed,
        lambda: settings.resolve_in_roots(str(tmp_path)),
        sets.make_demo,
        sets.fetch_kaggle,
    ):
        with pytest.raises(Exception, match="public demo"):
            act()


def test_dataset_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_DEMO", "1")
    app = AppTest.from_file(str(ROOT / "pages" / "dataset.py"), default_timeout=60).run()
    assert not app.exception
    assert "public demo" in app.info[0].value
    assert not app.button


def test_caps_are_smaller() -> None:
    code = (
        "from deepfake.api import uploads\nfrom deepfake.detection import batch, detector\n"
        "from deepfake.images import archives, load, video\n"
        "print(load.MAX_BYTES, load.MAX_PIXELS, uploads.MAX_BODY_BYTES, detector.JUDGING.most)\n"
        "print(archives.MAX_ARCHIVE_BYTES, video.MAX_VIDEO_BYTES, batch.MAX_IMAGES)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "DEEPFAKE_DEMO": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    pictures, many = (line.split() for line in done.stdout.splitlines())
    assert pictures == [str(8 * 2**20), "16000000", str(17 * 2**20), "12"]
    assert many == [str(32 * 2**20), str(32 * 2**20), "100"]
    assert load.MAX_BYTES == 32 * 2**20
    assert "DEEPFAKE_DEMO" in DEMO_EXPLANATION
