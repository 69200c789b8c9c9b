"""Two detectors compared in a real browser, an evaluation run from the page, a picture opened from it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support.server import server
from tests.support.browser import WAIT_MS, idle, sync_api, verdict
from tests.support.records.comparisons import tables, two_detectors

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def models(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        return two_detectors(tiny_models, tmp_path_factory.mktemp("compared") / "models", patch)


@pytest.fixture(scope="module")
def address(models: Path, tiny_dataset: Path) -> Iterator[str]:
    """A fresh server whose operator opened the drawn data set."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MODELS", str(models))
        patch.setenv("DEEPFAKE_DATA", str(tiny_dataset))
        with server() as place:
            yield place


def test_two_detectors_then_thresholds_then_false_alarms(page, address, models):
    expect = sync_api.expect
    page.goto(f"{address}/evaluation")
    page.get_by_text("Compare detectors", exact=True).click()
    said = page.get_by_text(re.compile(r"Of 200 images, tiny calls .* correctly and zebra"))
    expect(said).to_be_visible(timeout=WAIT_MS)
    before = said.inner_text()
    expect(page).to_have_url(re.compile("view=Compare"), timeout=WAIT_MS)

    idle(page)
    slider = page.get_by_role("slider", name="tiny")
    slider.focus()
    for _ in range(3):
        slider.press("PageDown")
    expect(page).to_have_url(re.compile(r"[?&]t-tiny=0.2\b"), timeout=WAIT_MS)
    expect(page.get_by_text(before)).to_have_count(0, timeout=WAIT_MS)
    idle(page)

    page.get_by_role("tab", name="Curves").click()
    expect(page.locator(".js-plotly-plot")).to_have_count(3, timeout=WAIT_MS)
    page.get_by_role("tab", name="Where detectors differ").click()
    only = page.get_by_role("radio", name="Only zebra right").or_(
        page.get_by_role("button", name="Only zebra right")
    )
    only.click()
    real = page.get_by_role("radio", name="Real", exact=True)
    real.or_(page.get_by_role("button", name="Real", exact=True)).click()
    a, b = tables(models)
    alarms = int(((a["label"] == 0) & (a["p_fake"] >= 0.2) & (b["p_fake"] < 0.4)).sum())
    expect(page.get_by_text(f"Only zebra right: {alarms}.")).to_be_visible(timeout=WAIT_MS)
    page.goto(page.url)  # the link alone leads here
    expect(page.get_by_text(f"Only zebra right: {alarms}.")).to_be_visible(timeout=WAIT_MS)


def test_run_reload_record_and_open_a_picture(page, address):
    expect = sync_api.expect
    page.goto(f"{address}/evaluation?view=Run+an+evaluation")
    page.get_by_label("Evaluation name").fill("Drawn faces")
    page.get_by_label("Evaluation name").press("Tab")
    idle(page)
    page.get_by_role("button", name="Evaluate", exact=True).click()
    expect(page.get_by_text("Continues if you leave or reload this page.")).to_be_visible(timeout=WAIT_MS)
    page.reload()
    expect(page.get_by_text("Measured 32 images in")).to_be_visible(timeout=2 * WAIT_MS)
    page.get_by_role("button", name="Show the result").click()
    expect(page.get_by_text(re.compile("Evaluated on Drawn faces, .*: 32 images"))).to_be_visible(
        timeout=WAIT_MS
    )

    page.get_by_role("tab", name="Images").click()
    idle(page)
    cell = "called fake" if page.get_by_text("(misses 0)").count() else "Fakes missed"
    page.get_by_role("radio", name=re.compile(cell)).click()
    link = page.get_by_role("link", name="Check it").first
    expect(link).to_be_visible(timeout=WAIT_MS)
    link.click()
    expect(page.get_by_text(re.compile("An image of the evaluation Drawn faces"))).to_be_visible(
        timeout=WAIT_MS
    )
    expect(verdict(page).first).to_be_visible(timeout=2 * WAIT_MS)
    page.get_by_role("button", name="Close this image").click()
    expect(page.get_by_text("Nothing to check yet")).to_be_visible(timeout=WAIT_MS)


@pytest.mark.parametrize("tab", ["Numbers", "Curves", "Where detectors differ"])
def test_every_tab_fits_a_phone(page, address, tab):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/evaluation?view=Compare+detectors&compare-tab={tab.replace(' ', '+')}")
    page.get_by_role("tab", name=tab, selected=True).wait_for(timeout=WAIT_MS)
    page.get_by_role("button", name=re.compile("as CSV")).first.wait_for(timeout=WAIT_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
