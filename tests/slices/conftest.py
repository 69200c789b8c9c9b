"""What the tests of slices start from."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.records.evaluations import three_evaluations


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the one detector, ``tiny``, with three evaluations."""
    folder = three_evaluations(tiny_models, tmp_path)
    monkeypatch.setenv("DEEPFAKE_MODELS", str(folder.parent))
    monkeypatch.delenv("DEEPFAKE_DATA", raising=False)
    return folder
