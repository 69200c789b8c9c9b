"""The page Training in a real browser: a run from its start to a detector that judges a picture."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.support.server import server
from tests.support.browser import idle, photograph, sync_api, upload, verdict

pytestmark = pytest.mark.browser
WAIT_MS = 300_000  # several processes load TensorFlow, one after the other


@pytest.fixture(scope="module")
def places(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of runs and of detectors that the server may fill."""
    root = tmp_path_factory.mktemp("training")
    shutil.copytree(tiny_models, root / "models")
    return root / "runs", root / "models"


@pytest.fixture(scope="module")
def address(places: tuple[Path, Path], tiny_dataset: Path) -> Iterator[str]:
    """A fresh server that may train on the tiny data set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_RUNS", str(places[0]))
        patch.setenv("DEEPFAKE_MODELS", str(places[1]))
        patch.setenv("DEEPFAKE_DATA", str(tiny_dataset))
        patch.delenv("DEEPFAKE_TRAINING", raising=False)
        with server() as place:
            yield place


def fill(page: Any, label: str, value: str) -> None:
    """Types a number and waits until it has arrived."""
    field = page.get_by_role("spinbutton", name=label)
    field.fill(value)
    field.press("Enter")
    idle(page)


def stop(page: Any) -> None:
    """Presses the run's button; Streamlit's own of that name stands in the header while the page is drawn."""
    page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()


def badge(page: Any, word: str) -> Any:
    """The run's state: an icon, then the word."""
    return page.locator(".stMarkdownBadge").filter(has_text=re.compile(rf"{word}$"))


def told(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_start_watch_reload_stop_resume_publish_check(page, address, places, tmp_path):
    expect = sync_api.expect
    runs, models = places
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/training?tab=New+run")
    page.get_by_text("Train: 16 fake, 16 real").wait_for()
    page.get_by_text("More settings").click()
    for label, value in (("Epochs", "500"), ("Batch size", "8"), ("Image size (pixels)", "32")):
        fill(page, label, value)
    name = page.get_by_role("textbox", name="Name of the run")
    name.fill("seen")
    name.press("Enter")

    page.get_by_role("button", name="Estimate time and memory").click()
    start = page.get_by_role("button", name="Start training")
    expect(start).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    expect(page.get_by_text("500 epochs of 4 steps")).to_be_visible()
    start.click()

    expect(badge(page, "Running")).to_be_visible()
    expect(page.get_by_text("Validation ROC AUC per epoch")).to_be_visible()
    drawn = page.locator(".js-plotly-plot").nth(2)
    before = drawn.inner_html()
    expect(page.get_by_text(re.compile(r"Epoch ([3-9]|\d\d+) of 500"))).to_be_visible()
    page.wait_for_function(
        "before => document.querySelectorAll('.js-plotly-plot')[2].innerHTML !== before", arg=before
    )

    page.reload()
    expect(badge(page, "Running")).to_be_visible()
    stop(page)
    expect(badge(page, "Stopped")).to_be_visible()
    expect(page.get_by_text("Stopped. ", exact=False)).to_be_visible()
    stopped = told(runs / "seen")
    assert stopped[-1]["state"] == "stopped"

    page.get_by_role("button", name="Resume").click()
    expect(badge(page, "Running")).to_be_visible()
    done = sum(event["type"] == "epoch" for event in stopped)
    page.wait_for_function(
        "done => Number((/Epoch (\\d+) of 500/.exec(document.body.innerText) || [0, 0])[1]) > done + 2",
        arg=done,
    )
    stop(page)
    expect(badge(page, "Stopped")).to_be_visible()
    resumed = told(runs / "seen")
    starts = [event for event in resumed if event["type"] == "start"]
    assert [event["first_epoch"] for event in starts] == [1, done + 1]

    page.get_by_role("button", name="Publish as detector").click()
    page.get_by_role("textbox", name="Name of the detector").fill("seen-detector")
    page.get_by_role("textbox", name="Name of the detector").press("Enter")
    idle(page)
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_text("Published as the detector", exact=False)).to_be_visible()
    assert (models / "seen-detector" / "card.json").is_file()

    page.goto(f"{address}/check?detector=seen-detector")
    upload(page, photograph(tmp_path))
    expect(verdict(page)).to_have_count(1)
    expect(page.get_by_text("Detector: seen-detector, balanced")).to_be_attached()


@pytest.mark.parametrize("tab", ["Watch", "New run", "All runs"])
def test_every_tab_fits_a_phone(page, address, tab):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/training?tab={tab.replace(' ', '+')}")
    page.get_by_role("tab", name=tab, selected=True).wait_for()
    idle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
