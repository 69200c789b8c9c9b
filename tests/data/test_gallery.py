"""What a gallery shows, thumbnails, sheets, scores and jobs; no page."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from deepfake.cli import main
from deepfake.data.contact_sheet import contact_sheet, sample_rows, strengths, training_samples
from deepfake.data.figures import bytes_figure, counts_figure, counts_table, sizes_table
from deepfake.data.gallery import Query, gallery_table, neighbours, select, suspects
from deepfake.data.image_stats import measure_images
from deepfake.data.index import DatasetError, index_dataset
from deepfake.data.inventory import take_inventory
from deepfake.data.sets import FetchError, fetch_kaggle, list_sets, make_demo
from deepfake.detection.card import load_card
from deepfake.errors import UserError
from deepfake.evaluation.measure import compute_scores, kept_scores, recorded_scores
from deepfake.images import thumbnails
from deepfake.images.thumbnails import thumbnail
from deepfake.types import Thresholds
from deepfake.util.cache import cache_folder, prune
from deepfake.util.jobs import Stopped, find_job, forget_job, start_job
from tests.support.images import noise_image

THRESHOLDS = Thresholds(0.5, 0.9, 0.4, 0.6)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("DEEPFAKE_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def table(tiny_dataset: Path) -> pd.DataFrame:
    inventory = take_inventory(tiny_dataset)
    p_fake = np.linspace(0, 1, len(inventory))
    p_fake[3] = np.nan
    return gallery_table(inventory, measure_images(inventory), p_fake)


def test_filters(table):
    def paths(**query: object) -> list[str]:
        return list(table["path"].iloc[select(table, Query(**query), THRESHOLDS)])  # pyright: ignore

    assert len(paths()) == 96
    assert len(paths(split="Test", label=1)) == 16
    assert all(path.startswith("Test/Fake/") for path in paths(split="Test", label=1))
    assert paths(text="TRAIN/real/REAL_7") == ["Train/Real/real_7.png"]
    assert paths(text="(.*") == []
    assert paths(source="nowhere") == []
    fake, wrong = paths(verdict="fake"), paths(wrong=True)
    calls = THRESHOLDS.decide_all(table["p_fake"].to_numpy())
    assert len(fake) == (calls == "fake").sum() == (table["p_fake"] >= 0.6).sum()
    expected = ((calls == "fake") & (table["label"] == 0)) | ((calls == "real") & (table["label"] == 1))
    assert len(wrong) == expected.sum() > 0
    assert calls[3] == ""


@pytest.mark.parametrize("sort", ["n_bytes", "pixels", "brightness", "sharpness", "p_fake"])
def test_orders(table, sort):
    rising = table[sort].to_numpy(float)[select(table, Query(sort=sort))]
    falling = table[sort].to_numpy(float)[select(table, Query(sort=sort, descending=True))]
    for values, sign in ((rising, 1), (falling, -1)):
        known = values[~np.isnan(values)]
        assert (sign * np.diff(known) >= 0).all()
        assert np.isnan(values[len(known) :]).all()  # without a value: last, either way


def test_order_by_name_and_by_what_is_not_there(table):
    rows = select(table.drop(columns="brightness"), Query(sort="brightness"))
    assert rows.tolist() == list(range(96))
    assert select(table, Query(descending=True)).tolist() == list(range(96))[::-1]


def test_neighbours_are_the_nearest(tiny_dataset):
    measures = measure_images(take_inventory(tiny_dataset))
    near = neighbours(measures, 5, most=4)
    words = measures.perceptual.view(np.uint64).ravel()
    apart = np.bitwise_count(words ^ words[5]).astype(int)
    apart[5] = 99
    assert [bits for _, bits in near] == sorted(apart.tolist())[:4]
    assert all(apart[row] == bits for row, bits in near)


def test_suspects_are_the_surest_mistakes(tiny_dataset):
    inventory = take_inventory(tiny_dataset)
    labels = inventory.table["label"].to_numpy()
    scores = np.where(labels == 1, 0.7, 0.3)
    fake, real = np.flatnonzero(labels == 1)[4], np.flatnonzero(labels == 0)[7]
    scores[fake], scores[real], scores[0] = 0.001, 0.97, np.nan
    found = suspects(inventory.table, scores)
    assert found["path"].tolist() == inventory.table["path"].iloc[[fake, real]].tolist()
    assert found["p_fake"].tolist() == [0.001, 0.97]


def test_calls_agree_with_the_card():
    values = np.array([0, 0.399, 0.4, 0.5, 0.599, 0.6, 1.0])
    assert THRESHOLDS.decide_all(values).tolist() == [THRESHOLDS.call(value) for value in values]


def test_thumbnails_are_kept_outside_the_data_set_and_renewed(tmp_path, cache):
    path = tmp_path / "a.png"
    Image.fromarray(noise_image(1, 900, 600)).save(path)
    first = thumbnail(path)
    assert first is not None
    kept = list((cache / "thumbnails").rglob("*.jpg"))
    assert [file.read_bytes() for file in kept] == [first]
    with Image.open(kept[0]) as small:
        assert max(small.size) == thumbnails.CACHED_SIDE
    kept[0].write_bytes(b"from the cache")
    assert thumbnail(path) == b"from the cache"
    Image.fromarray(noise_image(2, 100, 100)).save(path)
    assert thumbnail(path) not in (b"from the cache", first)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.png", "cache"]
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert thumbnail(tmp_path / "broken.png") is None
    assert thumbnail(tmp_path / "none.png") is None


def test_the_cache_is_bounded(cache):
    import os

    folder = cache_folder("part")
    for number in range(10):
        (folder / str(number)).write_bytes(bytes(100))
        os.utime(folder / str(number), (number, number))
    assert prune(folder, 350) == 7
    assert sorted(file.name for file in folder.iterdir()) == ["7", "8", "9"]
    assert prune(folder, 350) == 0


def test_contact_sheet_fits_whole_pictures():
    wide, high = np.full((50, 100, 3), 200, np.uint8), np.full((100, 50, 3), 90, np.uint8)
    sheet = contact_sheet([wide, high, wide], 2, cell=40)
    assert sheet.shape == (84, 84, 4)
    assert sheet[:40, :40, 3].mean() == pytest.approx(255 / 2)  # half of the square is the picture
    assert (sheet[20, 64, :3] == 90).all()
    assert not sheet[44:, 44:].any()


def test_samples_and_strengths(table):
    rows = sample_rows(table, 1, draw=0)
    assert len(set(rows.tolist())) == 9
    assert (table["label"].to_numpy()[rows] == 1).all()
    assert rows.tolist() == sample_rows(table, 1, draw=0).tolist() != sample_rows(table, 1, draw=1).tolist()
    pixels = noise_image(1, 160, 160)
    strip = (
        strengths(pixels, "noise", "gaussian").astype(int) if False else strengths(pixels, "blur", "defocus")
    )
    cells = [strip[:, 164 * index : 164 * index + 160, :3].astype(int) for index in range(4)]
    apart = [np.abs(cell - pixels).mean() for cell in cells]
    assert apart[0] < apart[1] < apart[2] < apart[3]
    assert training_samples(pixels, 0).shape == (324, 652, 4)


def test_tables_and_figures(tiny_dataset):
    inventory = take_inventory(tiny_dataset)
    counts = counts_table(inventory.table)
    assert counts[["split", "Fake", "Real"]].to_numpy().tolist() == [
        ["Train", 16, 16], ["Validation", 16, 16], ["Test", 16, 16],
    ]  # fmt: skip
    assert counts["n_bytes"].sum() == sum(path.stat().st_size for path in tiny_dataset.rglob("*.png"))
    assert sizes_table(inventory.table).to_dict("records") == [
        {"size": "64 x 64", "format": "PNG", "Fake": 48, "Real": 48}
    ]
    bars: Any = counts_figure(counts, "split").data
    assert [list(bar["x"]) for bar in bars] == [[16] * 3, [16] * 3]
    lines: Any = bytes_figure(inventory.table).data
    assert [sum(line["y"]) for line in lines] == [96, 96]  # each bin twice: steps


def test_jobs_report_stop_and_fail():
    go = threading.Event()

    def work(report, stopped):
        report(3, 10)
        go.wait(10)
        if stopped():
            raise Stopped
        return 7

    job = start_job("one", "Working", work)
    assert start_job("one", "Working", work) is job  # it runs already
    while job.done != 3:
        time.sleep(0.001)
    assert job.line("images") == "Working: 3 of 10 images"
    job.stop()
    assert (job.stopping, job.line("images")) == (True, "Working: stopping")
    go.set()
    wait(job)
    assert (job.state, job.done, job.total) == ("stopped", 3, 10)
    again = start_job("one", "Working", work)
    wait(again)
    assert (again.state, again.result) == ("finished", 7)
    forget_job("one")
    assert find_job("one") is None

    def refuse(report, stopped):
        raise UserError("code", "A sentence.")

    def crash(report, stopped):
        raise ZeroDivisionError("not for people")

    refused, crashed = start_job("two", "x", refuse), start_job("three", "x", crash)
    wait(refused)
    wait(crashed)
    assert (refused.state, refused.message) == ("failed", "A sentence.")
    assert crashed.state == "failed"
    assert "not for people" not in crashed.message


def wait(job) -> None:
    end = time.monotonic() + 20
    while job.state == "running":
        assert time.monotonic() < end
        time.sleep(0.002)


def test_sets_below_the_roots(tmp_path, monkeypatch):
    places = (
        "one/Train/Fake",
        "two/deep/Real",
        "two/.hidden/Real",
        "three/other",
        "a/b/c/Fake",
        "a/b/c/d/Fake",
    )
    for place in (*places, "many/x/Real", "many/y/Fake", "a/b/deepest/further/Real"):
        (tmp_path / "roots" / place).mkdir(parents=True)
    (tmp_path / "roots/four").mkdir()
    (tmp_path / "roots/four/manifest.csv").write_text("path,split,label\n")
    (tmp_path / "outside" / "Fake").mkdir(parents=True)
    (tmp_path / "roots" / "link").symlink_to(tmp_path / "outside")
    monkeypatch.setenv("DEEPFAKE_DATA", str(tmp_path / "roots"))
    names = ["a/b/c", "four", "many", "many/x", "many/y", "one", "two/deep"]
    assert list(list_sets().items()) == [(f"roots/{name}", tmp_path / "roots" / name) for name in names]
    monkeypatch.setenv("DEEPFAKE_DATA", f"{tmp_path}/roots/one:{tmp_path}/roots/a/b:{tmp_path}/other/one")
    (tmp_path / "other/one/Real").mkdir(parents=True)  # two roots of one name: neither hides the other
    assert list(list_sets()) == ["one", "b/c", "b/c/d", "b/deepest/further", str(tmp_path / "other/one")]


def test_the_demo_is_a_set_of_its_own(monkeypatch):
    monkeypatch.setattr(
        "deepfake.data.sets.write_demo", lambda folder, on_progress: (folder / "Fake").mkdir(parents=True)
    )
    assert list_sets() == {}
    folder = make_demo()
    assert list_sets() == {"sets/demo": folder}
    assert make_demo() == folder


def test_kaggle_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kagglehub", None)
    with pytest.raises(FetchError, match="pip install kagglehub") as caught:
        fetch_kaggle()
    assert caught.value.code == "not_installed"


def test_kaggle_offline_and_there(monkeypatch, tmp_path):
    import sys
    import types

    def offline(name: str) -> str:
        raise ConnectionError("no route to host")

    hub = types.ModuleType("kagglehub")
    monkeypatch.setitem(sys.modules, "kagglehub", hub)
    hub.dataset_download = offline  # pyright: ignore
    with pytest.raises(FetchError, match=r"kaggle\.com") as caught:
        fetch_kaggle()
    assert caught.value.code == "not_fetched"
    (tmp_path / "down" / "Dataset" / "Train").mkdir(parents=True)
    hub.dataset_download = lambda name: str(tmp_path / "down")  # pyright: ignore
    assert (fetch_kaggle() / "Train").is_dir()


def test_scores_recorded_and_computed(tiny_dataset, use_tiny_models, tmp_path, monkeypatch):
    import shutil

    from deepfake.evaluation.scores import write_scores
    from deepfake.evaluation.statistics.metrics import evaluate_scores
    from tests.support.records.evaluations import change_card

    inventory = take_inventory(tiny_dataset)
    folder = tmp_path / "models" / "tiny"
    shutil.copytree(use_tiny_models / "tiny", folder)
    monkeypatch.setenv("DEEPFAKE_MODELS", str(folder.parent))
    test = inventory.table[inventory.table["split"] == "Test"]
    p = np.linspace(0.1, 0.9, len(test))
    rows = {
        "image_id": test["path"],
        "split": "Test",
        "source": "x",
        "label": test["label"].to_numpy(int),
        "p_fake": p,
    }
    write_scores(pd.DataFrame(rows), folder / "scores-t.csv")
    entry = {"data": "T", "split": "Test", "perturbed": False, "scores": "scores-t.csv"}
    numbers = evaluate_scores(test["label"].to_numpy(int), p, n_bootstrap=50).to_dict()
    assert recorded_scores(inventory, load_card("tiny")) is None
    change_card(folder, evaluations=[{**entry, **numbers}])
    card = load_card("tiny")
    recorded = recorded_scores(inventory, card)
    assert recorded is not None
    known = ~np.isnan(recorded)
    assert known.sum() == 32
    assert recorded[known] == pytest.approx(p, abs=1e-5)
    assert kept_scores(inventory, card) is None
    with pytest.raises(Stopped):
        compute_scores(inventory, card, stopped=lambda: True)
    computed = compute_scores(inventory, card)
    assert ((computed > 0) & (computed < 1)).all()
    kept = kept_scores(inventory, card)
    assert kept is not None
    assert np.array_equal(kept, computed)


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (lambda root: None, "not_found", "no folder"),
        (lambda root: root.write_text("x"), "not_a_folder", "is a file"),
        (lambda root: root.mkdir(), "no_images", "0 image files"),
        (lambda root: [(root / f"class {n}").mkdir(parents=True) for n in range(10)], "no_images", "class 3"),
    ],
)
def test_folders_that_are_no_data_set(tmp_path, make, code, words):
    make(tmp_path / "set")
    with pytest.raises(DatasetError, match=words) as caught:
        take_inventory(tmp_path / "set")
    assert caught.value.code == code


def test_ten_classes_of_images_name_what_was_found(tmp_path):
    for number in range(10):
        (tmp_path / f"digit {number}").mkdir()
        Image.fromarray(noise_image(number)).save(tmp_path / f"digit {number}" / "a.png")
    with pytest.raises(DatasetError, match=r"10 image files.*digit 0 \(1\), digit 1 \(1\).*Train/Fake"):
        index_dataset(tmp_path)


def test_a_missing_class_and_loops_of_links(tmp_path):
    (tmp_path / "Train" / "Fake").mkdir(parents=True)
    Image.fromarray(noise_image()).save(tmp_path / "Train" / "Fake" / "a.png")
    (tmp_path / "Train" / "Fake" / "loop").symlink_to(tmp_path)
    (tmp_path / "Train" / "self").symlink_to(tmp_path / "Train" / "self")
    inventory = take_inventory(tmp_path)
    assert list(inventory.table["path"]) == ["Train/Fake/a.png"]
    assert any("Fake images only" in note for note in inventory.notes)


def test_an_unreadable_folder_is_named(tiny_dataset, monkeypatch):
    import os

    usual = os.scandir

    def denied(place):
        if str(place).endswith("Train/Real"):
            raise PermissionError(13, "denied")
        return usual(place)

    monkeypatch.setattr("deepfake.images.walk.os.scandir", denied)
    index = index_dataset(tiny_dataset)
    assert len(index) == 80
    assert any("Train/Real may not be read" in note for note in index.notes)
    monkeypatch.setattr("deepfake.images.walk.os.scandir", lambda place: denied("Train/Real"))
    with pytest.raises(DatasetError, match="permission") as caught:
        index_dataset(tiny_dataset)
    assert caught.value.code == "unreadable_folder"


def test_command_data(tiny_dataset, capsys):
    assert main(["data", str(tiny_dataset), "--json", "--audit"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["images"], found["class_indices"]) == (96, {"Fake": 0, "Real": 1})
    assert [row["images"] for row in found["splits"]] == [32, 32, 32]
    assert found["audit"]["unreadable"] == 0
    assert main(["data", str(tiny_dataset), "--audit"]) == 0
    said = capsys.readouterr().out
    assert "96 images" in said
    assert "All 96 files can be read" in said
    assert main(["data", str(tiny_dataset / "none")]) == 1
    assert "There is no folder" in capsys.readouterr().err


def test_command_demo(tmp_path, capsys):
    assert main(["demo", str(tmp_path / "d"), "--images", "12", "--seed", "3"]) == 0
    assert "12 drawings" in capsys.readouterr().out
    assert len(index_dataset(tmp_path / "d")) == 12
    assert main(["demo", str(tmp_path / "d")]) == 1
    assert "not an empty folder" in capsys.readouterr().err
    assert main(["demo", str(tmp_path / "e"), "--seed", "-1"]) == 1
