"""What the tests of several pages start from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deepfake.robustness.text import (
    Entry,
)
from tests.support.records.cards import drawn_card
from tests.support.records.comparisons import two_detectors
from tests.support.records.evaluations import three_evaluations
from tests.support.records.sweeps import made_result


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """See ``three_evaluations``."""
    folder = three_evaluations(tiny_models, tmp_path)
    monkeypatch.setenv("DEEPFAKE_MODELS", str(folder.parent))
    monkeypatch.delenv("DEEPFAKE_DATA", raising=False)
    return folder


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder with two detectors that scored the same drawn images; no network is loaded."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps(drawn_card()))
    (folder / "model.keras").write_bytes(b"none")
    return two_detectors(tmp_path, tmp_path / "models", monkeypatch)


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return [Entry("one", made_result("one"), "cmd"), Entry("other", made_result("other", gain=1.0), "cmd")]
