"""Of two networks the first is shown at once; what it did is not done again for the verdict."""

from __future__ import annotations

import threading

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from deepfake.detection import detector
from deepfake.detection.card import load_card
from deepfake.detection.detector import get_detector, scan_of
from deepfake.examples.images import read_examples
from deepfake.images.load import load_image
from deepfake.types import Pixels
from deepfake.util.files import ROOT

PICTURE = read_examples().images[0].content


def test_faces_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    find = detector.find_faces

    def find_faces(pixels: Pixels):
        seen.append(pixels.shape)
        return find(pixels)

    monkeypatch.setattr(detector, "find_faces", find_faces)
    monkeypatch.setattr("ui.page.load_everything", lambda: None)  # which looks at a grey square
    assert load_card(None).second, "the default detector has two networks"
    app = AppTest.from_file(str(ROOT / "pages/check.py"), default_timeout=120).run()
    app.file_uploader[0].set_value([("a.jpg", PICTURE, "image/jpeg")]).run()
    assert not app.exception
    assert len(app.header) == 1, "the first look has made way for the verdict"
    assert seen == [load_image(PICTURE).pixels.shape]


def test_the_words_of_a_verdict_do_not_wait_for_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui.check import verdict

    came: list[str] = []

    class Tables(threading.Thread):
        def join(self, timeout: float | None = None) -> None:
            came.append("tables")

    def section(title: str) -> None:
        came.append("words")
        st.header(title)

    monkeypatch.setattr(verdict, "warm_up", Tables)
    monkeypatch.setattr(verdict, "section", section)
    monkeypatch.setattr("ui.page.load_everything", lambda: None)
    app = AppTest.from_file(str(ROOT / "pages/check.py"), default_timeout=120).run()
    app.file_uploader[0].set_value([("a.jpg", PICTURE, "image/jpeg")]).run()
    assert not app.exception
    assert came == ["words", "words", "tables"], "a first look, the verdict, what such a score meant"


def test_a_known_scan_gives_the_same_verdict() -> None:
    image, both = load_image(PICTURE), get_detector()
    assert both.check(image, scan=scan_of(image)) == both.check(image)


def test_a_network_that_two_detectors_have_is_in_memory_once() -> None:
    both = get_detector()
    assert both.card.second
    first = get_detector(both.card.second.main)
    assert both is not first
    assert both._first is first._first
