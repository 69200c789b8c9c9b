"""The page Check many as a person walks it: upload, check, filter, stop, another page and back, clear."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from deepfake.detection import batch as batch_module
from deepfake.detection.detector import get_detector
from deepfake.faces.finder import Face, FaceScan
from deepfake.images.archives import MAX_ARCHIVE_BYTES
from deepfake.images.load import load_image
from deepfake.util.files import ROOT
from tests.support.batches import two_detectors, zipped
from tests.support.images import encoded, noise_image
from tests.support.pages import button_labels, plain_label

PNG = encoded(noise_image(1))
NO_FACE = 88
SCORES = {64: 0.97, 72: 0.03, 80: 0.5, NO_FACE: 0.9}
"""By the picture's width, as the detector of these tests scores it."""


@pytest.fixture(autouse=True)
def scored(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fixes the scores; all tests share one session, so its batch is dropped afterwards."""
    monkeypatch.setattr("ui.page.load_everything", lambda: None)
    scan = FaceScan((Face((10, 10, 40, 60), (0, 0, 64, 64), 0.99),), "faces")
    monkeypatch.setattr(
        "deepfake.detection.detector.find_faces",
        lambda pixels: FaceScan((), "no_face") if pixels.shape[1] == NO_FACE else scan,
    )
    check = type(get_detector("tiny")).check

    def fixed(self, image, *rest, **more):
        monkeypatch.setattr(type(self), "p_fake", lambda self, crops: [SCORES[image.facts.width]])
        return check(self, image, *rest, **more)

    monkeypatch.setattr(type(get_detector("tiny")), "check", fixed)
    yield
    st.cache_resource.clear()


def picture(width: int) -> bytes:
    return encoded(noise_image(width, 64, width))


def start(*files: tuple[str, bytes]) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/batch.py"), default_timeout=300).run()
    app.file_uploader[0].set_value([(name, content, "image/png") for name, content in files]).run()
    return press(app, "Check")


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if plain_label(button).startswith(label)).click().run()
    assert not app.exception
    return app


def until(app: AppTest, ready: Callable[[], bool], seconds: float = 300) -> AppTest:
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "it does not end"
        time.sleep(0.05)
        app.run()
    assert not app.exception
    return app


def ended(app: AppTest) -> AppTest:
    for thread in threading.enumerate():
        if thread.name.startswith("batch-"):
            thread.join(300)
    app.run()
    assert any(button.label == "Clear results" for button in app.button)
    return app


def shown(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.warning, app.info, app.header)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def test_nothing_yet() -> None:
    app = AppTest.from_file(str(ROOT / "pages/batch.py"), default_timeout=120).run()
    assert not app.exception
    assert "Nothing to check yet" in shown(app)
    assert not app.dataframe


def test_the_server_takes_archives_of_the_size_promised() -> None:
    settings = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert settings["server"]["maxUploadSize"] * 2**20 == MAX_ARCHIVE_BYTES


def test_table_counts_filter_and_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Callable[[], bytes | str]] = {}
    button = st.download_button
    monkeypatch.setattr(
        st, "download_button", lambda label, data, *rest, **more: made.update({label: data}) or button(
            label, data, *rest, **more
        )
    )  # fmt: skip
    files = zipped(a=picture(64), b=b"text", c=picture(72))
    app = ended(start(("set.zip", files), ("<b>d</b>.png", picture(80)), ("e.png", picture(NO_FACE))))
    table = app.dataframe[0].value
    assert table["File"].tolist() == [
        "set.zip/a.png",
        "<b>d</b>.png",
        "e.png",
        "set.zip/c.png",
        "set.zip/b.png",
    ], "the most suspicious first"
    assert table["Verdict"].tolist() == [
        "Likely fake",
        "Uncertain",
        "No face found",
        "Likely real",
        "Not checked",
    ]
    assert "not an image" in table["Notes"][4]
    assert table["Faces"].tolist()[:4] == [1, 1, 0, 1]
    assert table["Image"][0].startswith("data:image/jpeg;base64,")
    counts = [element.value for element in app.markdown if "**1** " in element.value]
    assert [line.split("**1** ")[1].rstrip("]") for line in counts] == [
        "likely fake", "uncertain", "likely real", "no face found", "not checked",
    ]  # fmt: skip

    rows = list(csv.DictReader(io.StringIO(bytes(made["All 5 as CSV"]()).decode("utf-8-sig"))))  # pyright: ignore[reportArgumentType]
    assert [row["verdict"] for row in rows] == ["fake", "", "real", "uncertain", "uncertain"], (
        "the file stays as it was"
    )
    lines = [json.loads(line) for line in str(made["All 5 as JSON"]()).splitlines()]
    assert lines[1]["error"]["code"] == "not_an_image"
    expected = get_detector("tiny").check(load_image(picture(64)))
    names = {"path": "set.zip/a.png", "file": "set.zip/a.png"}
    assert lines[0] == json.loads(json.dumps({**names, **expected.to_dict()}))

    app.radio[0].set_value("few_false_alarms").run()
    next(group for group in app.button_group if group.label == "Show").set_value("Not checked").run()
    assert app.dataframe[0].value["File"].tolist() == ["set.zip/b.png"]
    next(group for group in app.button_group if group.label == "Show").set_value("No face found").run()
    assert app.dataframe[0].value["File"].tolist() == ["e.png"]
    press(app, "Clear results")
    assert "Nothing to check yet" in shown(app)


def test_stopping_keeps_what_is_done_and_other_pages_do_not_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, judge = threading.Semaphore(2), batch_module.judge_source

    def slow(*given, **more):
        gate.acquire()
        return judge(*given, **more)

    monkeypatch.setattr(batch_module, "judge_source", slow)
    app = start(*((f"{n}.png", picture(64)) for n in range(6)))
    until(app, lambda: bool(app.dataframe) and len(app.dataframe[0].value) == 2)
    assert not app.file_uploader  # one batch at a time
    away = AppTest.from_file(str(ROOT / "pages/about.py"), default_timeout=120).run()  # the same session
    assert not away.exception
    back = AppTest.from_file(str(ROOT / "pages/batch.py"), default_timeout=120).run()
    press(back, "Stop")
    gate.release(10)
    ended(back)
    assert "Stopped after 3 of 6 images" in shown(back)
    assert len(back.dataframe[0].value) == 3


def test_the_button_counts_images_not_files() -> None:
    app = AppTest.from_file(str(ROOT / "pages/batch.py"), default_timeout=120).run()
    files = (
        ("set.zip", zipped(a=picture(64), b=picture(72)), "application/zip"),
        ("c.png", picture(64), "image/png"),
    )
    app.file_uploader[0].set_value(list(files)).run()
    assert any(label.startswith("Check 3 images (") for label in button_labels(app))


def test_another_detector_checks_the_same_images_again(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_detectors(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    app = ended(start(("a.png", picture(64)), ("broken.png", b"text"), ("c.png", picture(72))))
    assert not [button for button in app.button if "again" in button.label], "the same would say the same"
    app.selectbox(key="detector").set_value("zebra").run()
    press(app, "Check 2 images again with zebra")
    ended(app)
    assert "2 of 3 images checked" in shown(app)
    assert "detector: zebra" in shown(app)
    assert app.dataframe[0].value["File"].tolist() == ["a.png", "c.png", "broken.png"]


def test_too_many_is_a_sentence_and_the_files_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "MAX_IMAGES", 1)
    app = start(("a.png", picture(64)), ("b.png", picture(64)))
    assert "2 images were received; at most 1" in app.error[0].value.replace("\\", "")
    assert len(app.file_uploader[0].value) == 2


def test_the_link_of_a_row_wins_over_what_the_boxes_hold(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch by one detector; then the boxes are moved; the link opens with the batch's, and once only."""
    two_detectors(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    asked: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(
        "ui.links.st.page_link",
        lambda page, label, icon=None, query_params=None: asked.update({label: query_params}),
    )
    monkeypatch.setattr("ui.check.batch.show_rows", lambda rows, wanted: 0)  # the tests cannot click on a row
    app = ended(start(("a.png", picture(64))))
    assert "Detector: tiny, balanced. Fake from 60%, real below 40%." in shown(app).replace("\\", "")
    app.radio(key="threshold").set_value("few_false_alarms").run()
    app.selectbox(key="detector").set_value("zebra").run()
    assert "Detector: tiny, few false alarms. Fake from 90%" in shown(app).replace("\\", "")
    link = asked["Explain it on the page Check an image"]

    check = AppTest.from_file(str(ROOT / "pages/check.py"), default_timeout=300).run()
    check.selectbox(key="detector").set_value("zebra").run()
    assert check.radio(key="threshold").value == "balanced"
    check.session_state["detector-page"] = "Check many"  # where the link stands
    # Streamlit drops what is named like a widget of the page that is left, if it binds it to the address.
    for name in set(link) - {"threshold"}:
        check.query_params[name] = link[name]
    check.run()
    assert not check.exception
    assert check.selectbox(key="detector").value == "tiny"
    assert check.radio(key="threshold").value == "few_false_alarms"
    assert "Detector: tiny, few false alarms. Fake from 90%" in shown(check).replace("\\", "")
    assert "Likely fake" in check.header[0].value
    check.selectbox(key="detector").set_value("zebra").run()
    assert check.selectbox(key="detector").value == "zebra", "the link is taken once"
    assert "Detector: zebra" in shown(check).replace("\\", "")

    fresh = AppTest.from_file(str(ROOT / "pages/check.py"), default_timeout=300)
    for name, value in link.items():  # in another tab
        fresh.query_params[name] = value
    fresh.run()
    assert (fresh.selectbox(key="detector").value, fresh.radio(key="threshold").value) == (
        "tiny",
        "few_false_alarms",
    )


@pytest.mark.parametrize("name", ["detector", "open-threshold"])
def test_of_what_a_link_names_that_is_no_choice_a_note_is_made(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    two_detectors(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    app = AppTest.from_file(str(ROOT / "pages/check.py"), default_timeout=300)
    app.query_params[name] = "../other"
    app.run()
    assert not app.exception
    assert app.selectbox(key="detector").value == "tiny"
    assert app.radio(key="threshold").value == "balanced"
    assert name not in app.query_params
    what = {"detector": "a detector", "open-threshold": "a sensitivity"}[name]
    assert [note.value for note in app.info] == [
        f"The link names {what} that is not here; the default is shown."
    ]


def test_a_picture_of_the_batch_opens_on_the_check_page() -> None:
    ended(start(("a.png", picture(64))))
    app = AppTest.from_file(str(ROOT / "pages/check.py"), default_timeout=300)
    app.query_params["in-batch"] = hashlib.sha256(picture(64)).hexdigest()
    app.run()
    assert not app.exception
    assert "An image of your batch" in shown(app)
    assert [element.value for element in app.text] == ["a.png"]
    assert "Likely fake" in app.header[0].value
    press(app, "Close this image")
    assert "Nothing to check yet" in shown(app)
    app.query_params["in-batch"] = "0" * 64
    app.run()
    assert "no longer in memory" in app.error[0].value
