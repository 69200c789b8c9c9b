"""The app in a real browser: deep link, upload, verdict, broken file, switch, clear, phone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.browser import WAIT_MS, downloaded, photograph, sync_api, upload, verdict

pytestmark = pytest.mark.browser


def test_deep_link_on_a_fresh_server_then_the_whole_walk(page, address, tmp_path):
    expect = sync_api.expect
    page.goto(f"{address}/check")
    expect(page.get_by_role("heading", name="Check an image")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    expect(page.get_by_text("Nothing is stored")).to_be_visible()

    upload(page, photograph(tmp_path))
    expect(page.get_by_alt_text("The picture", exact=False)).to_be_visible()
    expect(verdict(page)).to_have_count(1, timeout=WAIT_MS)
    number = page.get_by_text("Probability of fake:").or_(page.get_by_text("No face found"))
    expect(number.first).to_be_visible()
    expect(page.get_by_text("Nothing to check yet")).to_have_count(0)

    broken = tmp_path / "<b>broken<b>.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    upload(page, broken)
    expect(page.get_by_text("<b>broken<b>.jpg", exact=True).last).to_be_visible()
    expect(page.get_by_test_id("stAlert").first).to_be_visible()
    expect(verdict(page)).to_have_count(1)  # the first picture keeps its own
    expect(page.get_by_text("Traceback")).to_have_count(0)

    page.get_by_text("Few false alarms").click()
    expect(page).to_have_url(re.compile(r"[?&]threshold=Few"))
    expect(verdict(page)).to_have_count(1, timeout=WAIT_MS)

    lines = Path(downloaded(page, "Verdicts as CSV").path()).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("file,verdict,p_fake")
    assert len(lines) == 3

    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    expect(verdict(page)).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/check"])
def test_both_addresses_work_once_the_server_has_run(page, address, path):
    page.goto(f"{address}/")
    page.get_by_text("Nothing to check yet").wait_for()
    page.goto(f"{address}{path}?threshold=Few+false+alarms")
    page.get_by_text("Nothing to check yet").wait_for()
    sync_api.expect(page.get_by_text("Page not found")).to_have_count(0)
    sync_api.expect(page.get_by_role("radio", name="Few false alarms")).to_be_checked()


def test_picture_is_seen_before_the_verdict_and_fits_a_phone(page, address, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    upload(page, photograph(tmp_path))
    verdict(page).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture = page.get_by_alt_text("The picture", exact=False).bounding_box()
    words = verdict(page).bounding_box()
    assert picture
    assert words
    assert picture["width"] <= 390
    assert picture["y"] + picture["height"] <= words["y"]  # stacked
