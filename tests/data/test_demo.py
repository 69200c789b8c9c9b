"""The drawn data set."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from deepfake.data import sets
from deepfake.data.demo import DRAWN_SIDE, DemoError, draw_face, draw_fake, write_demo
from deepfake.data.index import index_dataset
from deepfake.images.load import load_image
from deepfake.util.files import ROOT


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    assert write_demo(folder, images=24) == 24
    return folder


def test_layout_and_balance(demo):
    index = index_dataset(demo)
    counts = index.table.groupby(["split", "label"]).size()
    assert set(counts.index) == {(s, c) for s in ("Train", "Validation", "Test") for c in (0, 1)}
    for split in ("Train", "Validation", "Test"):
        assert counts[(split, 0)] == counts[(split, 1)]
    assert index.notes == ()
    assert len(set(index.hashes())) == 24


def test_pictures_are_whole_and_of_one_size(demo):
    for path in index_dataset(demo).paths():
        image = load_image(path)
        assert image.pixels.shape == (DRAWN_SIDE, DRAWN_SIDE, 3)
        assert image.facts.format == "JPEG"


def test_same_seed_same_pixels():
    for draw in (lambda seed: draw_face(np.random.default_rng(seed)).pixels,
                 lambda seed: draw_fake(np.random.default_rng(seed))):  # fmt: skip
        assert np.array_equal(draw(3), draw(3))
        assert not np.array_equal(draw(3), draw(4))


def test_only_the_face_of_a_fake_is_another_ones():
    """The first drawing of a fake's randomness is its base: outside the face they are the same."""
    base, fake = draw_face(np.random.default_rng(5)), draw_fake(np.random.default_rng(5))
    apart = np.abs(base.pixels.astype(int) - fake).max(axis=2)
    y, x = np.mgrid[:DRAWN_SIDE, :DRAWN_SIDE]
    inside = ((x - base.centre[0]) / base.axes[0]) ** 2 + ((y - base.centre[1]) / base.axes[1]) ** 2
    assert apart[inside > 2].max() == 0
    assert (apart[inside < 0.3] > 8).mean() > 0.5


def test_landmarks_lie_on_the_face():
    face = draw_face(np.random.default_rng(1))
    points = face.landmarks * DRAWN_SIDE
    assert ((np.abs(points - face.centre) / face.axes) < 1).all()
    assert points[0, 0] < points[2, 0] < points[1, 0]
    assert points[:2, 1].max() < points[3:, 1].min()


@pytest.mark.parametrize(("images", "code"), [(11, "too_few_images"), (-4, "too_few_images")])
def test_too_few(tmp_path, images, code):
    with pytest.raises(DemoError) as caught:
        write_demo(tmp_path / "new", images=images)
    assert caught.value.code == code
    assert not (tmp_path / "new").exists()


def test_a_full_folder_and_a_file_are_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    for place in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(DemoError) as caught:
            write_demo(place, images=12)
        assert caught.value.code == "not_empty"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_demo_set_that_lost_images_is_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path))
    monkeypatch.setattr(sets, "DEMO_IMAGES", 12)
    monkeypatch.setattr(sets, "write_demo", partial(write_demo, images=12))
    folder = sets.make_demo()
    before = sorted(folder.rglob("*.jpg"))
    assert len(before) == 12
    times = [path.stat().st_mtime_ns for path in before]
    assert sets.make_demo() == folder
    assert [path.stat().st_mtime_ns for path in before] == times, "what is whole stays"
    before[3].unlink()
    sets.make_demo()
    assert sorted(folder.rglob("*.jpg")) == before
    shutil.rmtree(folder / "Train")
    sets.make_demo()
    assert sorted(folder.rglob("*.jpg")) == before
    assert [path.name for path in folder.parent.iterdir()] == ["demo"]


@pytest.mark.slow
def test_the_demo_set_is_learnt_with_the_defaults(tmp_path):
    """As its own command says: `demo DIR`, then `train DIR --run demo`; minutes on two cores."""
    write_demo(tmp_path / "set")
    words = ["train", str(tmp_path / "set"), "--run", "demo", "--runs", str(tmp_path / "runs")]
    done = subprocess.run(
        [sys.executable, "-m", "deepfake", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads((tmp_path / "runs" / "demo" / "result.json").read_text())
    assert result["best"]["clean"]["roc_auc"] >= 0.95
