"""The page Evaluation in a real browser: deep link, another threshold, the false alarms behind it."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from tests.support.browser import downloaded, idle, sync_api
from tests.support.records.evaluations import SLIDER

pytestmark = pytest.mark.browser
WAIT_MS = 60_000  # a fresh server on a busy machine


@pytest.fixture(scope="module")
def address(evaluation_address: str) -> str:
    """The server with an evaluation."""
    return evaluation_address


def test_deep_link_then_threshold_then_false_alarms(page, address, evaluated):
    expect = sync_api.expect
    page.goto(f"{address}/evaluation")
    expect(page.get_by_role("heading", name="Evaluation")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("A forced choice at 0.500 finds")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".js-plotly-plot")).to_have_count(1, timeout=WAIT_MS)

    slider = page.get_by_role("slider", name=SLIDER)
    # A run still under way would set the slider back between the presses.
    idle(page)
    slider.focus()
    for _ in range(4):
        slider.press("PageDown")  # a tenth of the range each
    expect(page.get_by_text("A forced choice at 0.500 finds")).to_have_count(0, timeout=WAIT_MS)
    expect(page).to_have_url(re.compile(r"[?&]t=0.1\b"))  # all four presses have arrived
    expect(page.get_by_text("A forced choice at 0.100 finds")).to_be_visible(timeout=WAIT_MS)
    said = page.get_by_text(re.compile(r"A forced choice at 0\.\d+ finds")).inner_text()
    threshold = float(re.findall(r"forced choice at (0\.\d+)", said)[0])
    assert threshold < 0.5
    expect(page).to_have_url(re.compile(rf"[?&]t={threshold:g}\b"), timeout=WAIT_MS)

    table = pd.read_csv(evaluated / "scores-set-test.csv")
    alarms = int(((table["label"] == "Real") & (table["p_fake"] >= threshold)).sum())
    assert f"calls {alarms} of 150 real images fake" in said

    page.get_by_role("tab", name="Images").click()
    page.get_by_role("radio", name="Real called fake").or_(
        page.get_by_role("button", name="Real called fake")
    ).click()
    expect(page.get_by_text(f"Real called fake: {alarms}.")).to_be_visible(timeout=WAIT_MS)
    expect(page).to_have_url(re.compile("cell=Real"), timeout=WAIT_MS)
    got = pd.read_csv(downloaded(page, f"All {alarms} as CSV").path())
    assert len(got) == alarms
    assert set(got["label"]) == {"Real"}
    assert got["p_fake"].is_monotonic_decreasing

    page.goto(page.url)  # the link alone leads here
    expect(page.get_by_text(f"Real called fake: {alarms}.")).to_be_visible(timeout=WAIT_MS)


def click(page, chart: int, across: float, down: float) -> None:
    """Clicks into a chart's plot, at shares of its width and height."""
    idle(page)
    plot = page.locator(".js-plotly-plot .nsewdrag").nth(chart)
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    at = box["x"] + across * box["width"], box["y"] + down * box["height"]
    page.mouse.move(*at)  # a click chooses what the mouse hovers over
    page.wait_for_timeout(300)
    page.mouse.click(*at)


def test_cells_bars_and_points_open_their_images(page, address, evaluated):
    """By a click; by keyboard; and the link leads there again."""
    expect = sync_api.expect
    table = pd.read_csv(evaluated / "scores-set-test.csv")
    page.goto(f"{address}/evaluation")
    expect(page.locator(".js-plotly-plot")).to_have_count(1, timeout=WAIT_MS)
    click(page, 0, 0.7, 0.2)  # not on the cell's middle
    missed = int(((table["label"] == "Fake") & (table["p_fake"] < 0.5)).sum())
    expect(page.get_by_text(f"Fakes missed: {missed}.")).to_be_visible()
    expect(page).to_have_url(re.compile("cell=Fakes"))

    page.get_by_role("tab", name="Curves").click()
    expect(page.locator(".js-plotly-plot")).to_have_count(4, timeout=WAIT_MS)
    click(page, 3, 0.98, 0.95)
    last = re.compile(r"(Fake|Real), score 0\.975 to 1\.000")
    expect(page.get_by_text(last).last).to_be_visible()
    expect(page).to_have_url(re.compile(r"behind=histogram(~|%7E)39"))
    page.goto(page.url)
    expect(page.get_by_text(last).last).to_be_visible()
    click(page, 0, 0.2, 0.2)
    expect(page).to_have_url(re.compile(r"behind=roc"))
    expect(page.get_by_text("Called wrongly by tiny at").last).to_be_visible()

    idle(page)
    page.get_by_label("Open the images behind ROC or Precision and recall").focus()
    page.keyboard.type("threshold now")
    page.keyboard.press("Enter")
    wrong = int(((table["label"] == "Fake") != (table["p_fake"] >= 0.5)).sum())
    expect(page.get_by_text(f"Called wrongly by tiny at 0.500. {wrong} images").first).to_be_visible()


@pytest.mark.parametrize(
    "tab", ["Overview", "Curves", "Operating point", "Calibration", "By dataset", "Images"]
)
def test_every_tab_fits_a_phone(page, address, tab):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/evaluation?tab={tab.replace(' ', '+')}")
    page.get_by_role("tab", name=tab, selected=True).wait_for()
    page.get_by_role("button", name=re.compile("as CSV")).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_navigation_leads_to_both_pages(page, address):
    expect = sync_api.expect
    page.goto(address)
    page.get_by_role("link", name="Evaluation").first.click()
    expect(page.get_by_role("heading", name="Evaluation")).to_be_visible(timeout=WAIT_MS)
    expect(page).to_have_url(re.compile("/evaluation"), timeout=WAIT_MS)
    page.get_by_role("link", name="Check an image").first.click()
    expect(page.get_by_text("Nothing to check yet")).to_be_visible(timeout=WAIT_MS)
