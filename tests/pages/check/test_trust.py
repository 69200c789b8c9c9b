"""Check's folded parts: how far to trust a verdict, what would change it, and what was seen before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from deepfake.detection.card import load_card
from deepfake.evaluation.records import recorded_evaluations
from deepfake.evaluation.scores import read_scores
from deepfake.images.load import load_image
from deepfake.perturbations.primitives import jpeg
from deepfake.slices.held_out import facts_path
from deepfake.slices.shortcuts import fit_shortcuts, write_shortcuts
from deepfake.util.files import ROOT
from tests.support.images import encoded
from tests.support.pages import page, shown
from tests.support.records.slices import drawn_table, write_drawn_facts
from ui.check.seen import SEEN
from ui.uploads import IMAGES, SHELVES

PORTRAIT = (ROOT / "deepfake" / "examples" / "images" / "generated-1.jpg").read_bytes()
TRUST, CHANGES = "How far to trust this", "What would change it"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def measured(models: Path) -> Path:
    """The detector's folder with facts of one evaluation and a meter of shortcuts."""
    card = load_card("tiny")
    recorded = recorded_evaluations(card)[0][-1]
    write_drawn_facts(read_scores(recorded.scores), facts_path(recorded))
    write_shortcuts(fit_shortcuts(drawn_table(2000)), card)
    return models


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Uploads files and opens the expander of that title of the first of them."""

    def run(*files: tuple[str, bytes], opened: str = "") -> AppTest:
        app = page("pages/check.py")
        app.file_uploader[0].set_value([(name, content, "image/jpeg") for name, content in files]).run()
        assert not app.exception
        if opened:  # the tests cannot click on an expander
            name = {TRUST: "trust", CHANGES: "changes"}[opened]
            app.session_state[f"{name}-{app.session_state[SHELVES][IMAGES].uploads[0].file_id}"] = True
            app.run()
            assert not app.exception
        return app

    return run


def titles(app: AppTest) -> list[str]:
    return [element.label for element in app.expander]


def test_parts_are_folded_and_cost_nothing_at_first(
    measured: Path, check: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    def worked_out(*_: object) -> None:
        raise AssertionError("nobody asked for it")

    monkeypatch.setattr("ui.check.trust.show_alike", worked_out)
    monkeypatch.setattr("ui.check.changes.show_flips", worked_out)
    app = check(("a.jpg", PORTRAIT))
    assert {TRUST, CHANGES} <= set(titles(app))
    assert not [title for title in titles(app) if "near-duplicate" in title]


def test_held_out_images_like_this_one_are_counted(measured: Path, check: Callable[..., AppTest]) -> None:
    app = check(("a.jpg", PORTRAIT), opened=TRUST)
    said = shown(app)
    assert "held-out images like this one" in said or "Fewer than 30 held-out images" in said
    assert "Of all 300: " in said
    table = next(frame.value for frame in app.dataframe if "Held-out images" in frame.value)
    assert table["Held-out images"].iloc[-1] == "All held-out images"
    assert table["Images"].iloc[-1] == 300
    assert "The face has 3" in said, "388 pixels, give or take"


def test_a_detector_without_facts_says_how_to_measure_them(
    models: Path, check: Callable[..., AppTest]
) -> None:
    said = shown(check(("a.jpg", PORTRAIT), opened=TRUST))
    assert "python -m deepfake facts DATA --model tiny" in said


def test_damaged_shortcuts_are_said_and_the_rest_stays(measured: Path, check: Callable[..., AppTest]) -> None:
    (measured / "shortcuts.json").write_text(json.dumps({"clues": 3}))
    said = shown(check(("a.jpg", PORTRAIT), opened=TRUST))
    assert "shortcuts.json of 'tiny' cannot be read" in said
    assert "Of all 300: " in said


def test_what_would_change_it_waits_for_the_stress_test(
    measured: Path, check: Callable[..., AppTest]
) -> None:
    app = check(("a.jpg", PORTRAIT), opened=CHANGES)
    assert "is not known yet" in shown(app)
    assert "has no index of its training images" in shown(app)
    next(button for button in app.button if button.label == "Test small changes").click().run()
    assert not app.exception
    said = shown(app)
    assert "is not known yet" not in said
    assert "tested change" in said
    assert "has no index" in said


def test_a_copy_of_an_image_is_recognized(measured: Path, check: Callable[..., AppTest]) -> None:
    """Cropped by a twentieth and recompressed; the file's name is text whatever it holds."""
    pixels = load_image(PORTRAIT).pixels
    edge = len(pixels) // 20
    cut = encoded(jpeg(pixels[edge:-edge, edge:-edge], 60), "JPEG")
    app = check(("a.jpg", PORTRAIT), ("<b>*b*</b>.jpg", cut))
    found = [title for title in titles(app) if "near-duplicate" in title]
    assert found == [f"1 near-duplicate checked in this session (image {number})" for number in (1, 2)]
    assert "<b>*b*</b>.jpg" in [element.value for element in app.code]
    assert "Its 2 forms scored from" in shown(app) or "Every form got the same score" in shown(app)
    next(button for button in app.button if button.label == "Clear all").click().run()
    assert SEEN not in app.session_state


def test_another_image_is_no_copy(measured: Path, check: Callable[..., AppTest]) -> None:
    other = (ROOT / "deepfake" / "examples" / "images" / "generated-2.jpg").read_bytes()
    app = check(("a.jpg", PORTRAIT), ("b.jpg", other))
    assert not [title for title in titles(app) if "near-duplicate" in title]
