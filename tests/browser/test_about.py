"""The page About in a real browser: deep link, another share of fakes, a phone."""

from __future__ import annotations

import re

import pytest

from tests.support.browser import idle, sync_api

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(evaluation_address: str) -> str:
    """The server with an evaluation."""
    return evaluation_address


def test_deep_link_then_another_share(page, address):
    expect = sync_api.expect
    page.goto(f"{address}/about")
    page.get_by_role("heading", name="About").wait_for()
    page.get_by_text("If 1% of images are fake").wait_for()
    idle(page)
    page.get_by_role("slider").press("ArrowRight")
    page.get_by_text("If 2% of images are fake").wait_for()
    expect(page).to_have_url(re.compile(r"[?&]share=2\b"))
    page.get_by_text("Few false alarms", exact=True).click()
    expect(page).to_have_url(re.compile(r"[?&]threshold=Few"))
    expect(page.get_by_text("If 2% of images are fake")).to_be_visible()


def test_it_fits_a_phone(page, address):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/about")
    page.get_by_role("heading", name="What it cannot do").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
