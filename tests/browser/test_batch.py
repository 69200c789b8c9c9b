"""The page Check many in a real browser: a zip, a folder, a filter, a row, the check page and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support.server import server
from tests.support.batches import two_detectors, zipped
from tests.support.browser import WAIT_MS, downloaded, idle, sync_api, upload, verdict
from tests.support.images import encoded, noise_image
from tests.support.records.evaluations import change_card

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh server that nobody has visited, with ``tiny``, the default detector, and ``zebra``, which has a
    title."""
    folder = tmp_path_factory.mktemp("two") / "models"
    two_detectors(tiny_models, folder)
    change_card(folder / "zebra", title="Striped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MODELS", str(folder))
        with server() as place:
            yield place


def test_a_zip_then_a_row_then_the_check_page_and_back(page, address, tmp_path):
    expect = sync_api.expect
    good = [encoded(noise_image(n, 120, 90), "JPEG") for n in range(3)]
    (tmp_path / "set.zip").write_bytes(zipped(a=good[0], b=b"no picture", c=good[1], d=good[2]))
    page.goto(f"{address}/batch")
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    upload(page, tmp_path / "set.zip")
    page.get_by_role("button", name="Check 4 images").click()
    expect(page.get_by_role("button", name="Clear results")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("3 of 4 images checked")).to_be_visible()

    page.get_by_role("link", name="About").first.click()
    expect(page.get_by_role("heading", name="About")).to_be_visible()
    page.get_by_role("link", name="Check many").first.click()
    expect(page.get_by_text("3 of 4 images checked")).to_be_visible()  # kept for the session

    lines = Path(downloaded(page, "All 4 as CSV").path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 5
    assert lines[0].startswith("file,verdict,p_fake,faces")

    page.get_by_role("radio", name="Not checked").or_(page.get_by_role("button", name="Not checked")).click()
    expect(page).to_have_url(re.compile("show=Not"))

    page.get_by_role("radio", name="No face").or_(page.get_by_role("button", name="No face")).click()
    expect(page).to_have_url(re.compile("show=No.face"))
    choose_first_row(page).click()
    expect(page.get_by_text("An image of your batch")).to_be_visible()
    expect(verdict(page)).to_have_count(1, timeout=WAIT_MS)


def test_a_row_opens_with_the_detector_that_judged_it(page, address, tmp_path):
    """Also after the Detector box was moved. The box shows titles; the address and links hold names."""
    expect = sync_api.expect
    (tmp_path / "a.jpg").write_bytes(encoded(noise_image(1, 120, 90), "JPEG"))
    page.goto(f"{address}/batch")
    upload(page, tmp_path / "a.jpg")
    page.get_by_role("button", name="Check 1 image").click()
    expect(page.get_by_text("1 of 1 images checked (detector: tiny)")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("button", name="Options").click()
    box = page.get_by_role("combobox", name=re.compile("Detector"))
    box.click()
    page.get_by_role("option", name="Striped").click()
    expect(page).to_have_url(re.compile("detector=zebra"))
    expect(page.get_by_text("Balanced, Striped")).to_be_visible()
    page.get_by_text("Few false alarms", exact=True).click()
    expect(page).to_have_url(re.compile("threshold=Few"))
    page.keyboard.press("Escape")
    choose_first_row(page).click()
    expect(page.get_by_text("An image of your batch")).to_be_visible()
    page.get_by_text("Details", exact=True).click()
    expect(page.get_by_text("Detector: tiny, few false alarms. Fake from 90%")).to_be_visible(timeout=WAIT_MS)
    expect(page).to_have_url(re.compile("threshold=Few"))
    assert not re.search("open-|detector=", page.url)

    page.goto(f"{address}/check?detector=zebra")
    expect(page.get_by_text("Balanced, Striped")).to_be_visible()
    expect(page).to_have_url(re.compile("detector=zebra"))


def choose_first_row(page):
    """Chooses the table's first row; gives the link that then stands below it."""
    idle(page)
    page.wait_for_timeout(1000)  # the filtered table takes the place of the whole one
    explain = page.get_by_role("link", name="Explain it on the page Check an image")
    for _ in range(5):  # a click on a table that is being replaced is lost
        canvas = page.get_by_test_id("stDataFrame").locator("canvas").first
        canvas.scroll_into_view_if_needed()
        grid = canvas.bounding_box()
        assert grid
        page.mouse.click(grid["x"] + 12, grid["y"] + 60)  # the box that chooses the first row
        try:
            explain.wait_for(timeout=15_000)
            break
        except sync_api.TimeoutError:
            continue
    return explain


def test_a_folder_fits_a_phone(page, address, tmp_path):
    expect = sync_api.expect
    folder = tmp_path / "pictures" / "deeper"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(encoded(noise_image(number), "JPEG"))
    (folder / "notes.txt").write_text("not sent")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/batch?what=A+folder")
    page.locator("input[type=file]").set_input_files(tmp_path / "pictures")
    page.get_by_role("button", name="Check 3 images").click()
    expect(page.get_by_text("3 of 3 images checked")).to_be_visible(timeout=WAIT_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
