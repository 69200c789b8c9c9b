"""Faces of a generator: seeded, taken up where they stopped, refused by a sentence."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from deepfake.data.synthesis.stylegan import STORED_SIDE, RandomFacesError, make_faces
from deepfake.images.walk import list_image_files


def mapping(noise: Any) -> Any:
    return np.tanh(noise)


def synthesis(style: Any) -> Any:
    """A picture whose red is the first number of the style, whose blue is dark."""
    picture = np.full((1, 3, 64, 64), -1, np.float32)
    picture[:, 0] = style[0, 0]
    picture[:, 1] = np.linspace(-2, 2, 64)
    return picture


def test_faces_follow_from_seed_and_number(tmp_path: Path) -> None:
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert make_faces(tmp_path / folder, 3, seed=seed, networks=(mapping, synthesis)) == 3
    one, again, other = (
        [file.read_bytes() for file in sorted((tmp_path / folder).iterdir())] for folder in "abc"
    )
    assert one == again
    assert len(set(one)) == 3
    assert not set(one) & set(other)
    pixels = cv2.imread(str(tmp_path / "a" / "3-00001.png"))
    assert pixels is not None
    assert pixels.shape == (STORED_SIDE, STORED_SIDE, 3)
    blue, green, red = pixels.reshape(-1, 3).T.astype(int)
    assert blue.max() == 0
    assert (green.min(), green.max()) == (0, 255), "what the network draws beyond its range is clipped"
    assert np.ptp(red) == 0
    assert red[0] > 0


def test_what_is_there_stays_and_a_face_cut_short_is_made_anew(tmp_path: Path) -> None:
    make_faces(tmp_path, 2, networks=(mapping, synthesis))
    whole = (tmp_path / "0-00001.png").read_bytes()
    (tmp_path / "0-00000.png").write_bytes(b"kept")
    (tmp_path / "0-00001.png").unlink()
    (tmp_path / ".0-00001.1-2.part.png").write_bytes(whole[:100])
    told: list[int] = []
    assert make_faces(tmp_path, 3, networks=(mapping, synthesis), on_progress=told.append) == 2
    assert (tmp_path / "0-00000.png").read_bytes() == b"kept"
    assert (tmp_path / "0-00001.png").read_bytes() == whole
    assert told == [1, 2, 3]
    assert len(list_image_files(tmp_path)) == 3


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RandomFacesError) as none:
        make_faces(tmp_path, 0, networks=(mapping, synthesis))
    assert none.value.code == "no_images"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RandomFacesError, match="pip install random-face openvino") as absent:
        make_faces(tmp_path / "out", 1)
    assert absent.value.code == "no_package"
    assert not (tmp_path / "out").exists()


def test_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from deepfake.cli import main
    from deepfake.data.synthesis import stylegan

    monkeypatch.setattr(stylegan, "_load", lambda: (mapping, synthesis))
    assert main(["generate", str(tmp_path / "faces"), "--images", "2", "--seed", "5"]) == 0
    assert {file.name for file in (tmp_path / "faces").iterdir()} == {"5-00000.png", "5-00001.png"}
    assert "2 faces made" in capsys.readouterr().out
    assert main(["generate", str(tmp_path / "faces"), "--images", "0"]) == 1
    assert "At least 1 image" in capsys.readouterr().err
