"""The page Dataset in a real browser: filter, page, click, audit, and a phone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from benchmarks.support.server import server
from deepfake.data.demo import write_demo
from tests.support.browser import idle, sync_api

pytestmark = pytest.mark.browser
WAIT_MS = 120_000


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh server with one drawn set of 96 pictures and a planted leak."""
    root = tmp_path_factory.mktemp("data")
    write_demo(root / "drawn", images=96)
    shutil.copy(root / "drawn/Train/Real/drawn_train_real_0003.jpg", root / "drawn/Test/Real/a <b>leak.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_DATA", str(root))
        patch.setenv("DEEPFAKE_CACHE", str(tmp_path_factory.mktemp("cache")))
        with server() as place:
            yield place


def test_filter_page_click_audit(page, address):
    expect = sync_api.expect
    page.set_default_timeout(WAIT_MS)
    page.goto(f"{address}/dataset?tab=Images")
    said = page.get_by_text(re.compile(r"^1 to 24 of 97 images$"))
    expect(said).to_be_visible(timeout=WAIT_MS)

    page.get_by_label("Next page").first.click()
    expect(page.get_by_text("25 to 48 of 97 images")).to_be_visible(timeout=WAIT_MS)
    expect(page).to_have_url(re.compile("page=2"), timeout=WAIT_MS)

    page.get_by_label("File name contains").fill("LEAK")
    page.get_by_label("File name contains").press("Enter")
    expect(page.get_by_text("1 to 1 of 1 images")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("a <b>leak.jpg", exact=True)).to_be_visible(timeout=WAIT_MS)
    expect(page).to_have_url(re.compile("text=LEAK"), timeout=WAIT_MS)

    page.get_by_role("button", name="Real", exact=True).click()
    expect(page.get_by_text("Test/Real/a <b>leak.jpg", exact=True)).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text(re.compile("192 x 192 pixels, JPEG"))).to_be_visible(timeout=WAIT_MS)
    expect(page).to_have_url(re.compile("picture="), timeout=WAIT_MS)
    page.goto(page.url)  # the link alone leads here
    expect(page.get_by_text("Test/Real/a <b>leak.jpg", exact=True)).to_be_visible(timeout=WAIT_MS)

    page.get_by_role("tab", name="Audit").click()
    page.get_by_role("button", name="Start the audit").click()
    expect(page.get_by_text("Leak: 1 content in more than one split")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("All 97 files can be read.")).to_be_visible(timeout=WAIT_MS)
    page.reload()  # kept: there at once, with no second run
    expect(page.get_by_text("Leak: 1 content in more than one split")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("button", name="Audit again")).to_be_visible(timeout=WAIT_MS)


@pytest.mark.parametrize("tab", ["Overview", "Images", "Audit", "Augmentations"])
def test_every_tab_fits_a_phone(page, address, tab):
    page.set_default_timeout(WAIT_MS)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/dataset?tab={tab}")
    page.get_by_role("tab", name=tab, selected=True).wait_for()
    idle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
