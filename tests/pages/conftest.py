"""What the tests of several pages start from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.evaluations import change_card, record


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One detector with a one-class, an altered and a clean evaluation; the last is shown first."""
    folder = tmp_path / "models" / "tiny"
    shutil.copytree(tiny_models / "tiny", folder)
    entries = [
        record(folder, "Fakes", "all", lift=0),
        record(folder, "Set", "Test", lift=0.8, perturbed=True),
        record(folder, "Set", "Test", lift=3),
    ]
    change_card(folder, evaluations=entries)
    monkeypatch.setenv("DEEPFAKE_MODELS", str(folder.parent))
    monkeypatch.delenv("DEEPFAKE_DATA", raising=False)
    return folder
