"""The page Dataset without a browser."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from deepfake.data.audit import audit
from deepfake.data.demo import write_demo
from deepfake.data.inventory import cache_name, take_inventory
from deepfake.settings import own_sets_folder
from deepfake.util.files import ROOT
from deepfake.util.jobs import find_job, forget_job
from tests.support.images import noise_image
from tests.support.pages import press


@pytest.fixture
def data(tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with one data set that holds a leak."""
    root = tmp_path / "root"
    shutil.copytree(tiny_dataset, root / "drawn")
    shutil.copy(root / "drawn/Train/Real/real_3.png", root / "drawn/Test/Real/leak.png")
    monkeypatch.setenv("DEEPFAKE_DATA", str(root))
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "no models"))
    forget_job("demo")
    return root / "drawn"


def page(**address: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/dataset.py"), default_timeout=120)
    for name, value in address.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.warning, app.info, app.text, app.header, app.code)
    return "\n".join(str(element.value).replace("\\", "") for kind in kinds for element in kind)


def test_overview_counts(data):
    app = page()
    numbers = {element.label: element.value for element in app.metric}
    assert (numbers["Images"], numbers["Fake"], numbers["Real"]) == ("97", "48", "49")
    assert app.dataframe[0].value["Fake"].tolist() == [16, 16, 16]
    assert "class index 0" in shown(app)
    press(app, "Shuffle")


def wait_for_demo(app: AppTest) -> AppTest:
    deadline = time.monotonic() + 120
    while (job := find_job("demo")) is not None and job.running:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return app.run()


def test_the_first_visit_draws_a_set_and_shows_it(data, monkeypatch):
    """With no data at all; the other ways stand beside it all the while."""
    monkeypatch.setattr("deepfake.data.sets.DEMO_IMAGES", 24)
    monkeypatch.setattr(
        "deepfake.data.sets.write_demo", lambda folder, **more: write_demo(folder, images=24, **more)
    )
    monkeypatch.delenv("DEEPFAKE_DATA")
    app = page()
    said = shown(app)
    assert "A first dataset" in said
    for word in ("DEEPFAKE_DATA", "kagglehub", "manifest.csv"):
        assert word in said
    assert "Fetch from Kaggle" in {button.label for button in app.button}
    wait_for_demo(app)
    assert not app.exception
    assert {element.label: element.value for element in app.metric}["Images"] == "24"
    assert "cartoon faces, not photos" in shown(app)
    assert "Fetch from Kaggle" in {button.label for button in app.button}
    assert "Create demo dataset" not in {button.label for button in app.button}


def test_a_cache_that_cannot_be_written_is_a_sentence(data, monkeypatch, tmp_path):
    monkeypatch.delenv("DEEPFAKE_DATA")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "file" / "cache"))
    app = wait_for_demo(page())
    assert len(app.error) == 1
    assert "DEEPFAKE_CACHE" in app.error[0].value.replace("\\", "")
    assert "DEEPFAKE_DATA" in shown(app)
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "ui.choose.make_demo", lambda report: write_demo(own_sets_folder() / "demo", images=12)
    )
    wait_for_demo(press(app, "Try again"))
    assert {element.label: element.value for element in app.metric}["Images"] == "12"


def test_a_public_demo_draws_nothing(data, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_DEMO", "1")
    assert "public demo" in page().info[0].value
    assert find_job("demo") is None


@pytest.mark.parametrize(
    ("folder", "words"),
    [("/etc", "lies outside"), ("../..", "lies outside"), ("nowhere", "no folder"),
     ("drawn/Train/Fake/fake_1.png", "is a file"), ("<b>bold</b>", "no folder")],
)  # fmt: skip
def test_refused_folders_are_a_sentence(data, folder, words):
    app = page(folder=folder)
    assert len(app.error) == 1
    assert words in app.error[0].value.replace("\\", "")
    assert not app.metric


def test_a_folder_below_a_root(data):
    app = page(folder="drawn/Test")
    assert {element.label: element.value for element in app.metric}["Images"] == "33"


def test_filter_sort_and_link(data):
    app = page(tab="Images")
    assert "1 to 24 of 97 images" in shown(app)
    app = page(tab="Images", split="Test", text="LEAK")
    app.selectbox(key="class").set_value("Real").run()
    assert "1 to 1 of 1 images" in shown(app)
    assert "leak.png" in [element.value for element in app.text]
    app.selectbox(key="class").set_value("Fake").run()
    assert "No images match" in shown(app)
    app = page(tab="Images", sort="File size", down="true")
    largest = sorted(data.rglob("*.png"), key=lambda path: (-path.stat().st_size, str(path)))
    assert [element.value for element in app.text] == [path.name for path in largest[:24]]


def test_open_a_picture_then_go_back(data):
    app = page(tab="Images", text="leak")
    next(button for button in app.button if button.label.startswith("Real")).click().run()
    assert not app.exception
    assert "Test/Real/leak.png" in [element.value for element in app.text]
    assert "Split Test" in shown(app)
    assert "64 x 64 pixels, PNG" in shown(app)
    assert app.query_params["picture"] in ("Test/Real/leak.png", ["Test/Real/leak.png"])
    linked = page(tab="Images", picture="Test/Real/leak.png")
    assert "64 x 64 pixels, PNG" in shown(linked)
    press(linked, "All images")
    assert "of 97 images" in shown(linked)


def test_a_link_to_a_picture_that_is_not_there(data):
    assert "not in the dataset" in shown(page(tab="Images", picture="../../etc/passwd.png"))


def test_audit_runs_and_shows_the_leak(data):
    app = page(tab="Audit")
    press(app, "Start the audit")
    job = find_job(f"audit-{cache_name(data)}")
    assert job is not None
    end = time.monotonic() + 240
    while job.state == "running":  # the page asks once a second; here nobody draws meanwhile
        assert time.monotonic() < end
        time.sleep(0.05)
    assert (job.state, job.done, job.total) == ("finished", 97, 97)
    app.run()
    assert "Leak: 1 content in more than one split" in shown(app)
    assert "All 97 files can be read" in shown(app)
    table = app.dataframe[-1].value
    assert set(table["path"]) == {"Train/Real/real_3.png", "Test/Real/leak.png"}
    fresh = page(tab="Audit")  # kept: no second run
    assert "Leak: 1 content" in shown(fresh)
    assert "Audit again" in {button.label for button in fresh.button}


def test_a_finding_opens_its_picture(data):
    audit(take_inventory(data))
    app = page(tab="Audit", list="Leaks")
    next(button for button in app.button if button.label == "Test Real").click().run()
    assert not app.exception
    assert app.session_state["tab"] == "Images"
    assert "Test/Real/leak.png" in [element.value for element in app.text]


def test_only_one_page_of_pixels_is_read(data, tmp_path):
    page(tab="Images")
    assert 0 < len(list((tmp_path / "cache" / "thumbnails").rglob("*.jpg"))) <= 24
    page(tab="Images", page="2")
    assert len(list((tmp_path / "cache" / "thumbnails").rglob("*.jpg"))) <= 48


def test_after_an_audit_pictures_have_neighbours(data):
    audit(take_inventory(data))
    app = page(tab="Images", picture="Test/Real/leak.png")
    assert "Similar images" in shown(app)
    assert next(button.label for button in app.button if "bits" in button.label) == "Real, 0 bits"


@pytest.mark.parametrize("kind", ["Color", "JPEG compression"])
def test_augmentations(data, kind):
    app = page(tab="Augmentations", kind=kind)
    assert "Eight augmented versions" in shown(app)
    assert "quality 75" in shown(app)
    press(app, "Another image")


def test_a_changed_folder_is_noticed(data):
    page()
    Image.fromarray(noise_image(5)).save(data / "Test" / "Fake" / "late.png")
    import os

    os.utime(data / "Test" / "Fake", ns=(1, 10**18))
    assert {element.label: element.value for element in page().metric}["Images"] == "98"


def test_names_are_not_markup(data):
    name = "<img src=x onerror=alert(1)> **b** :smile: \n x.png"
    Image.fromarray(noise_image(6)).save(data / "Test" / "Fake" / name.replace("/", ""))
    app = page(tab="Images", text="onerror")
    assert name in [element.value for element in app.text]
    assert not any(
        "onerror" in str(element.value) for kind in (app.markdown, app.caption) for element in kind
    )


def test_broken_pictures_do_not_break_the_page(data):
    for path in (data / "Test" / "Fake").iterdir():
        path.write_bytes(b"")
    app = page(tab="Images", split="Test")
    assert "Cannot be read" in shown(app)
    app = page(tab="Images", picture="Test/Fake/fake_0.png")
    assert "empty" in app.error[0].value
