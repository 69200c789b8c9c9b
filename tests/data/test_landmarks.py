"""Landmarks kept beside a data set: looked for once, read back by path."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from deepfake.data.index import index_dataset
from deepfake.data.synthesis import landmarks
from deepfake.faces.finder import find_landmarks


def test_found_once_and_read_back(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    shutil.copytree(tiny_dataset / "Test", root / "Test")
    calls: list[int] = []
    face = np.linspace(0.1, 0.9, 10, dtype=np.float32).reshape(5, 2)

    def find(pixels: np.ndarray) -> np.ndarray | None:
        calls.append(1)
        return face if len(calls) % 2 else None

    monkeypatch.setattr(landmarks, "find_landmarks", find)
    data = index_dataset(root)
    assert landmarks.read_landmarks(root) == {}
    assert landmarks.write_landmarks(data) == 16
    assert len(calls) == 32
    assert landmarks.write_landmarks(data) == 16
    assert len(calls) == 32, "what was looked at is not looked at again"
    read = landmarks.read_landmarks(root)
    assert set(read) < set(data.table["path"])
    assert all(np.allclose(found, face, atol=1e-4) for found in read.values())


def test_no_landmarks_without_a_face() -> None:
    assert find_landmarks(np.full((120, 100, 3), 90, np.uint8)) is None


def test_landmarks_of_a_photograph(real_data: Path) -> None:
    from deepfake.images.load import load_image

    files = sorted((real_data / "faces140k" / "Validation" / "Real").iterdir())[:6]
    found = [found for file in files if (found := find_landmarks(load_image(file).pixels)) is not None]
    assert len(found) >= 4
    for points in found:
        assert points.shape == (5, 2)
        assert (points > 0.1).all()
        assert (points < 0.9).all()
        assert points[0, 0] < points[1, 0], "the eye on the left comes first"
        assert points[3:, 1].mean() > points[2, 1] > points[:2, 1].mean(), "eyes above nose above mouth"
