"""Folders made of collections: frames of videos and pictures of one size, each made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepfake.data.collections import CollectionError
from deepfake.data.derived import RECORD, DerivedFolder, derive, read_derived
from deepfake.images.load import load_image
from deepfake.util.files import ROOT
from tests.support import videos
from tests.support.images import encoded, noise_image


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.name != RECORD)


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    for place, content in {
        "raw/a/one/x.png": encoded(noise_image(1, 80, 160)),
        "raw/a/two/y": encoded(noise_image(2, 80, 160)),  # without an ending, as some collections have it
        "raw/a/two/sums": b"no picture",
        "films/866_878.mp4": videos.clip(1.0),
        "films/183_253.mp4": videos.clip(1.0),
    }.items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(content)
    return tmp_path


def test_pictures_of_one_size_named_by_their_place(collections: Path) -> None:
    folders = [
        DerivedFolder("wide", "raw/a", size=(120, 60)),
        DerivedFolder("squares", "raw/a", square=48, only=("x",)),
        DerivedFolder("low", "raw/a", height=40, skip=("x",)),
    ]
    said: list[str] = []
    assert derive(folders, collections, say=said.append) == 3
    assert names(collections / "wide") == ["one~x.png", "two~y.png"]
    assert load_image(collections / "wide" / "one~x.png").pixels.shape == (60, 120, 3)
    assert names(collections / "squares") == ["one~x.png"]
    assert load_image(collections / "squares" / "one~x.png").pixels.shape == (48, 48, 3)
    assert names(collections / "low") == ["two~y.png"]
    assert load_image(collections / "low" / "two~y.png").pixels.shape == (40, 80, 3)
    assert said[0] == "wide: 2 images of raw/a"


def test_frames_are_taken_evenly(collections: Path) -> None:
    derive([DerivedFolder("frames", "films", frames=5, only=("866",))], collections, say=lambda line: None)
    assert names(collections / "frames") == [f"866_878-{number:03d}.png" for number in range(5)]
    reds = [
        load_image(file).pixels[:40, :, 0].mean() for file in sorted((collections / "frames").glob("*.png"))
    ]
    assert np.diff(reds).min() > 0, "the clip grows brighter"


def test_parts_of_the_names_take_each_file_once(collections: Path) -> None:
    for number in range(6):
        (collections / "raw/a" / f"{number}.png").write_bytes(encoded(noise_image(number, 80, 160)))
    halves = [DerivedFolder(f"half{at}", "raw/a", part=(at, at + 0.5)) for at in (0.0, 0.5)]
    derive(halves, collections, say=lambda line: None)
    taken = [names(collections / half.path) for half in halves]
    assert all(taken)
    assert sorted(name for part in taken for name in part) == [
        *(f"{number}.png" for number in range(6)),
        "one~x.png",
        "two~y.png",
    ]


def test_made_once_and_anew_where_the_plan_changed(collections: Path) -> None:
    folder = DerivedFolder("wide", "raw/a", size=(120, 60))
    assert derive([folder], collections, say=lambda line: None) == 1
    assert derive([folder], collections, say=lambda line: None) == 0
    assert derive([DerivedFolder("wide", "raw/a", height=40)], collections, say=lambda line: None) == 1
    assert load_image(collections / "wide" / "one~x.png").pixels.shape[0] == 40


def test_refusals(collections: Path, tmp_path: Path) -> None:
    (collections / "mine").mkdir()
    (collections / "mine" / "a.png").write_bytes(b"mine")
    for folder, code in (
        (DerivedFolder("new", "nowhere"), "no_folder"),
        (DerivedFolder("new", "raw/a", only=("z",)), "no_files"),
        (DerivedFolder("mine", "raw/a"), "not_ours"),
    ):
        with pytest.raises(CollectionError) as caught:
            derive([folder], collections, say=lambda line: None)
        assert caught.value.code == code
    assert (collections / "mine" / "a.png").read_bytes() == b"mine"
    (tmp_path / "plan.toml").write_text('[[derived]]\npath = "a"\ncolour = "red"\n', encoding="utf-8")
    with pytest.raises(CollectionError, match="colour"):
        read_derived(tmp_path / "plan.toml")


def test_our_plan_makes_what_its_folders_lie_in() -> None:
    made = {folder.path for folder in read_derived(ROOT / "models" / "faces.toml")}
    assert {"celeb128", "timit/Validation/Fake", "ffpp/Train/actors"} <= made
