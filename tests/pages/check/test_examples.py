"""Examples on the page Check an image: one click checks one, and nothing else breaks without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from deepfake.examples.images import Examples, read_examples
from tests.support.pages import button_labels, page, press, shown
from ui.check import examples as ui_examples
from ui.uploads import IMAGES, SHELVES

PATH = "pages/check.py"


@pytest.fixture(autouse=True)
def small(use_tiny_models: Path) -> None:
    """A small detector; what is known of the default one does not concern it."""
    ui_examples.opened.clear()


def names(app: AppTest) -> list[str]:
    """Of the files that have a card on the page."""
    return [element.value for element in app.text]


def open_examples(app: AppTest) -> AppTest:
    """As a click does on the folded row that stands above verdicts."""
    app.session_state["examples"] = True
    return app.run()


def test_one_click_checks_one_and_the_next_takes_its_place() -> None:
    app = page(PATH)
    assert "Try an example" in shown(app)
    press(app, "Photo")
    assert names(app) == ["astronaut.jpg"]
    assert "actually real" in shown(app)
    assert len(app.header) == 1
    press(open_examples(app), "Generated")
    assert names(app) == ["generated-1.jpg"]
    assert "actually fake" in shown(app)


def test_above_verdicts_the_row_costs_nothing_until_it_is_opened() -> None:
    app = page(PATH)
    titles = {example.title for example in read_examples().images}
    assert titles <= set(button_labels(app))
    assert not titles & set(button_labels(press(app, "Photo")))
    assert titles <= set(button_labels(open_examples(app)))
    assert titles <= set(button_labels(press(app, "Generated"))), "it stays open"


def test_try_all_then_clear() -> None:
    app = press(page(PATH), "Try all")
    assert names(app) == [example.file for example in read_examples().images]
    press(app, "Clear all")
    assert names(app) == []
    assert "Nothing to check yet" in shown(app)


def test_an_example_goes_the_way_of_an_upload() -> None:
    """The same bytes give the same verdict, whichever way they came."""
    app = press(page(PATH), "Photo")
    clicked = [element.value for element in app.header]
    content = app.session_state[SHELVES][IMAGES].uploads[0].content
    other = page(PATH)
    other.file_uploader[0].set_value([("mine.jpg", content, "image/jpeg")]).run()
    assert [element.value for element in other.header] == clicked
    press(open_examples(other), "Generated")
    assert names(other) == ["mine.jpg", "generated-1.jpg"], "one's own upload stays"


def test_why_is_said_of_the_detector_and_sensitivity_that_it_was_measured_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shipped = read_examples().images
    first = next(example for example in shipped if example.known and example.known.why)
    assert first.known is not None
    press(app := page(PATH), first.title)
    assert first.known.why not in shown(app), "tiny was not asked"
    as_if = replace(first, known=replace(first.known, detector="tiny"))
    monkeypatch.setattr(ui_examples, "read_examples", lambda: Examples((as_if,)))
    ui_examples.opened.clear()
    app.run()
    assert first.known.why in shown(app)
    app.radio(key="threshold").set_value("few_false_alarms").run()
    assert first.known.why not in shown(app)


def test_without_examples_the_page_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui_examples, "read_examples", lambda: Examples((), ("One is missing.",)))
    app = page(PATH)
    assert not app.exception
    assert "One is missing." in shown(app)
    assert "Try an example" not in shown(app)
    assert "Nothing to check yet" in shown(app)


def test_a_cache_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "file" / "cache"))
    app = press(page(PATH), "Photo")
    assert len(app.header) == 1
