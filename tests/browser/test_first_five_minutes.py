"""The first five minutes of a stranger: a fresh checkout, an empty home folder, no data; page after page.

One walk through one server, as docs/demo.md describes it: what a page shows rests on the pages before it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.support.server import server
from deepfake.detection.card import model_names
from deepfake.examples.images import read_examples
from tests.support.browser import idle, sync_api, verdict

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
WAIT_MS = 300_000  # on a busy machine; on a quiet one the whole walk takes a minute or two
EXAMPLES = read_examples().images
FORGOTTEN = ("DATA", "CACHE", "MODELS", "DEMO", "TRAINING", "FEEDBACK")
"""Of what an operator may set, by ``DEEPFAKE_...``: a stranger has set none of it."""
CALLS = {"Likely fake": "fake", "Likely real": "real", "Uncertain": "uncertain"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that runs go to: in a checkout it would be ``runs``, which may hold those of others."""
    return tmp_path_factory.mktemp("stranger") / "runs"


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    """A fresh server with the shipped detectors, for one who has an empty home folder and nothing else."""
    if not model_names():
        pytest.skip("needs the detectors that ship with the project")
    with pytest.MonkeyPatch.context() as patch:
        for name in FORGOTTEN:
            patch.delenv(f"DEEPFAKE_{name}", raising=False)
        patch.delenv("XDG_CACHE_HOME", raising=False)
        home = runs.parent / "home"
        home.mkdir()
        patch.setenv("HOME", str(home))
        patch.setenv("DEEPFAKE_RUNS", str(runs))
        with server() as place:
            yield place


def test_the_first_five_minutes(page: Page, address: str, runs: Path) -> None:
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    try_all_examples(page)
    explain_one(page)
    look_at_the_data(page)
    watch_a_recorded_run(page)
    train_a_small_detector(page, runs)
    open_images_behind_a_bar(page)


def go_to(page: Page, title: str) -> None:
    """Follows the navigation, as a visitor does."""
    page.get_by_role("link", name=title, exact=True).first.click()
    page.get_by_role("heading", name=title, exact=True, level=1).wait_for()


def expect_numbers(page: Page, numbers: dict[str, str]) -> None:
    """On cards, by their titles."""
    for title, number in numbers.items():
        shown = page.get_by_test_id("stMetric").filter(
            has_text=re.compile(rf"^{title}\s*{re.escape(number)}$")
        )
        sync_api.expect(shown).to_be_visible()


def try_all_examples(page: Page) -> None:
    """Every example has the verdict that the table of examples says, and the strip counts them."""
    expect = sync_api.expect
    expect(page.get_by_role("heading", name="Check an image", level=1)).to_be_visible()
    shown = page.get_by_role("img", name=re.compile("|".join(re.escape(each.about) for each in EXAMPLES)))
    expect(shown).to_have_count(len(EXAMPLES))
    page.get_by_role("button", name="Try all").click()
    expect(verdict(page)).to_have_count(len(EXAMPLES), timeout=WAIT_MS)
    idle(page)
    heads = [
        next(call for words, call in CALLS.items() if words in head)
        for head in verdict(page).all_inner_texts()
    ]
    assert heads == [each.known.verdict for each in EXAMPLES if each.known]
    for call, number in Counter(heads).items():
        expect(page.get_by_text(f"{number} {call}", exact=True).first).to_be_visible()


def explain_one(page: Page) -> None:
    """One example alone: its verdict is in the window, and the stress test says what became of it."""
    expect = sync_api.expect
    page.get_by_role("button", name="Clear all").click()
    expect(verdict(page)).to_have_count(0)
    example = next(each for each in EXAMPLES if each.known and each.known.verdict == each.truth == "fake")
    page.get_by_role("button", name=example.title, exact=True).click()
    expect(verdict(page)).to_have_count(1)
    expect(verdict(page)).to_be_in_viewport()
    expect(page.get_by_text(f"actually {example.truth}. {example.about}")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^Probability of fake: .*\d%$"))).to_be_visible()
    idle(page)
    page.get_by_text("Explain this verdict").click()
    stability = page.get_by_role("tabpanel", name="Stability")
    expect(stability.get_by_text(re.compile("^(Stable|Partly stable|Not stable)"))).to_be_visible(
        timeout=WAIT_MS
    )
    expect(stability.locator(".js-plotly-plot")).to_contain_text("JPEG")


def look_at_the_data(page: Page) -> None:
    """The demo set is drawn without being asked for, and its images are seen."""
    expect = sync_api.expect
    go_to(page, "Dataset")
    expect(page.get_by_role("img", name="9 fake images at random")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("img", name="9 real images at random")).to_be_visible()
    expect_numbers(page, {"Images": "480", "Fake": "240", "Real": "240"})
    expect(page.get_by_text("cartoon faces, not photos")).to_be_visible()


def watch_a_recorded_run(page: Page) -> None:
    """A whole run can be watched before anybody has trained anything."""
    expect = sync_api.expect
    go_to(page, "Training")
    expect(page.get_by_text(re.compile("recorded earlier: 16 epochs"))).to_be_visible()
    idle(page)
    expect_numbers(page, {"Best epoch": "16"})
    expect(page.locator(".js-plotly-plot").nth(2)).to_be_visible()
    curve = page.locator(".js-plotly-plot").last.locator(".trace.scatter").first.locator("path.js-line")
    assert len(re.findall(r"[LC]", curve.get_attribute("d") or "")) >= 10, "an empty chart"


def train_a_small_detector(page: Page, runs: Path) -> None:
    """One click starts a run of eight epochs on the demo set; it learns, and stops when asked to."""
    expect = sync_api.expect
    page.get_by_role("button", name="Train a small detector").click()
    expect(page.get_by_text(re.compile(r"Epoch [2-8] of 8|Training finished"))).to_be_visible(timeout=WAIT_MS)
    stop = page.get_by_test_id("stMain").get_by_role("button", name="Stop", exact=True)
    done = page.locator(".stMarkdownBadge").filter(has_text=re.compile("(Stopped|Finished)$"))
    if not done.is_visible():
        stop.click()
    expect(done).to_be_visible(timeout=WAIT_MS)
    folder = next(runs.glob("demo*"))
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    epochs = [event for event in events if event["type"] == "epoch"]
    assert epochs
    assert 0 <= epochs[0]["validation"]["clean"]["accuracy"] <= 1
    assert events[-1]["state"] in ("stopped", "finished")


def open_images_behind_a_bar(page: Page) -> None:
    """A chart of the default detector is there, and its last bar opens the images it counts."""
    expect = sync_api.expect
    go_to(page, "Evaluation")
    expect(page.get_by_text(re.compile(r"A forced choice at 0\.\d+ finds \d"))).to_be_visible()
    expect(page.get_by_label(re.compile("Confusion matrix at threshold")).first).to_be_visible()
    page.get_by_role("tab", name="Curves").click()
    histogram = page.locator(".js-plotly-plot").nth(3)
    expect(histogram).to_be_visible(timeout=WAIT_MS)
    idle(page)
    plot = histogram.locator(".nsewdrag")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    at = box["x"] + 0.98 * box["width"], box["y"] + 0.95 * box["height"]
    page.mouse.move(*at)  # a click chooses what the mouse hovers over
    page.wait_for_timeout(300)
    page.mouse.click(*at)
    title = page.get_by_text(re.compile(r"(Fake|Real), score 0\.975 to 1\.000\. [\d,]+ images?")).first
    expect(title).to_be_visible()
    said = re.search(r"\. ([\d,]+) images?", title.inner_text())
    assert said
    expect(page.get_by_role("button", name=f"All {said[1]} as CSV")).to_be_visible()
