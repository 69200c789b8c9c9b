"""The choice of a data set: what one page offers stands on every page, and a path may be typed on each."""

from __future__ import annotations

import shutil

import pytest
from streamlit.testing.v1 import AppTest

from deepfake.data.sets import list_sets
from tests.support.pages import page, shown

PAGES = {
    "pages/dataset.py": ("set", {}),
    "pages/training.py": ("new-data", {"tab": "New run"}),
    "pages/evaluation.py": ("data-folder", {"view": "Run an evaluation"}),
    "pages/robustness.py": ("measure-data", {"tab": "Measure"}),
}


@pytest.fixture(params=PAGES)
def opened(request, models, tiny_dataset, tmp_path, monkeypatch):
    """Draws a page on folders that the five listings of before did not all find; gives its choice's key."""
    root = tmp_path / "data"
    shutil.copytree(tiny_dataset, root / "a/b/deep")
    for source in ("one", "other"):
        shutil.copytree(tiny_dataset / "Test", root / "sources" / source)
    monkeypatch.setenv("DEEPFAKE_DATA", str(root))
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEEPFAKE_RUNS", str(tmp_path / "runs"))
    key, address = PAGES[request.param]

    def draw(typed: str | None = None) -> AppTest:
        app = page(request.param, **address, **({} if typed is None else {key: typed}))
        assert not app.exception
        return app

    return key, draw, root


def test_every_page_offers_every_set(opened):
    key, draw, _ = opened
    names = ["data/a/b/deep", "data/sources", "data/sources/one", "data/sources/other"]
    assert list(list_sets()) == names
    choice = draw().selectbox(key=key)
    assert choice.options == names
    assert choice.value == "data/a/b/deep"


@pytest.mark.parametrize("form", ["{root}/sources/one", "sources/one", "data/sources/one"])
def test_a_set_is_named_as_offered_or_typed(opened, form):
    key, draw, root = opened
    app = draw(form.format(root=root))
    said = shown(app) + "".join(metric.value for metric in app.metric)
    if key == "new-data":
        assert "Train and Validation need both" in said
    else:
        assert not app.error
        assert "16" in said


@pytest.mark.parametrize(
    ("typed", "words"), [("/etc", "lies outside"), ("../..", "lies outside"), ("x", "no folder")]
)
def test_what_is_not_open_is_a_sentence(opened, typed, words):
    _, draw, _ = opened
    assert words in shown(draw(typed))


def test_links_of_before_open_the_same_folder(models, tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_DATA", str(tiny_dataset.parent))
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    app = page("pages/dataset.py", folder=f"{tiny_dataset.name}/Test")
    assert {metric.label: metric.value for metric in app.metric}["Images"] == "32"
    assert app.selectbox(key="set").value == f"{tiny_dataset.name}/Test"
    assert "folder" not in app.query_params


def test_without_any_set_each_page_says_how_to_get_one(opened, monkeypatch, tmp_path):
    key, draw, _ = opened
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("DEEPFAKE_DATA", str(tmp_path / "empty"))
    drawn = []
    monkeypatch.setattr("ui.choose.draw_demo", lambda: drawn.append(key))
    app = draw()
    assert f"No such folder was found in {tmp_path / 'empty'}." in [element.value for element in app.text]
    assert "Fetch from Kaggle" in {button.label for button in app.button}
    if key == "set":  # the page Dataset draws one unasked
        assert drawn == [key]
        assert "A first dataset" in shown(app)
    else:
        assert drawn == []
        assert "No dataset yet" in shown(app)
        assert "Create demo dataset" in {button.label for button in app.button}
