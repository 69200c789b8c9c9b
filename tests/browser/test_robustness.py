"""The page Robustness in a real browser: detectors, a perturbation, and the link that leads there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.support.server import server
from tests.support.browser import WAIT_MS, downloaded, sync_api
from tests.support.records.sweeps import publish_two

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh server with two detectors and their results."""
    folder = publish_two(tiny_models, tmp_path_factory.mktemp("robust") / "models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MODELS", str(folder))
        patch.delenv("DEEPFAKE_DATA", raising=False)
        with server() as place:
            yield place


def test_choice_of_detector_then_of_perturbation_then_its_link(page, address):
    expect = sync_api.expect
    page.goto(f"{address}/robustness")
    expect(page.get_by_text("tiny loses most to messenger apps")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("weak loses most to messenger apps")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".js-plotly-plot")).to_have_count(1, timeout=WAIT_MS)

    page.get_by_test_id("stButtonGroup").first.get_by_text("tiny", exact=True).click()
    expect(page.get_by_text("tiny loses most")).to_have_count(0, timeout=WAIT_MS)
    expect(page).to_have_url(re.compile("detectors=weak"), timeout=WAIT_MS)

    page.get_by_role("tab", name="One perturbation").click()
    expect(page.get_by_role("img", name="JPEG compression: JPEG quality")).to_have_count(5, timeout=WAIT_MS)
    page.get_by_role("combobox", name="Perturbation").click()
    page.get_by_role("option", name="Rain").click()
    expect(page.get_by_role("img", name="Rain: Streaks of rain")).to_have_count(4, timeout=WAIT_MS)
    expect(page).to_have_url(re.compile("perturbation=Rain"), timeout=WAIT_MS)
    got = pd.read_csv(downloaded(page, "These numbers as CSV").path())
    assert set(got["detector"]) == {"weak"}
    assert set(got["perturbation"]) == {"clean", "rain"}

    page.goto(page.url)  # the link alone leads here
    expect(page.get_by_role("img", name="Rain: Streaks of rain")).to_have_count(4, timeout=WAIT_MS)
    page.get_by_role("tab", name="All perturbations").click()
    expect(page.get_by_text("weak loses most")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("tiny loses most")).to_have_count(0, timeout=WAIT_MS)


@pytest.mark.parametrize("tab", ["All perturbations", "One perturbation", "Attacks", "Measure"])
def test_every_tab_fits_a_phone(page, address, tab):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/robustness?tab={tab.replace(' ', '+')}")
    page.get_by_role("tab", name=tab, selected=True).wait_for()
    if tab == "Measure":
        page.get_by_text("No dataset yet").wait_for()
    else:
        page.get_by_role("button", name=re.compile("as CSV")).first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
