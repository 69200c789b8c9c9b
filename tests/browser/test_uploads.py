"""In a real browser: what was uploaded and judged outlives a change of page, and nothing blinks meanwhile."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support import videos
from tests.support.browser import WAIT_MS, idle, sync_api, upload, verdict
from tests.support.images import encoded, noise_image

pytestmark = pytest.mark.browser

WATCH = """() => {
    window.seen = []
    const look = () => {
        const words = [...document.querySelectorAll("h2, h3")].map(each => each.innerText).join(" | ")
        const busy = document.querySelector("[data-testid=stSpinner]")
        const now = (busy ? "busy: " : "") + words
        if (window.seen.at(-1) !== now) window.seen.push(now)
        requestAnimationFrame(look)
    }
    look()
}"""
"""Notes for each frame from now on which verdicts the page shows, and whether it is at work."""


def two_pictures(folder: Path) -> list[Path]:
    paths = [folder / "one.png", folder / "two.png"]
    for seed, path in enumerate(paths):
        path.write_bytes(encoded(noise_image(seed, 120, 120)))
    return paths


def open_page(page: Any, name: str) -> None:
    page.get_by_role("link", name=name, exact=True).first.click()
    page.get_by_role("heading", name=name, exact=True).wait_for()
    idle(page)


def test_uploads_and_verdicts_outlive_a_change_of_page(page, address, tmp_path):
    expect = sync_api.expect
    page.goto(address)
    upload(page, *two_pictures(tmp_path))
    expect(verdict(page)).to_have_count(2, timeout=WAIT_MS)
    expect(page.get_by_role("button", name=re.compile("^Remove image"))).to_have_count(0)
    open_page(page, "About")
    page.go_back()
    expect(verdict(page)).to_have_count(2)
    open_page(page, "Check many")
    open_page(page, "Check an image")
    expect(verdict(page)).to_have_count(2)

    expect(page.get_by_role("button", name=re.compile("^Remove image"))).to_have_count(2)
    page.get_by_role("button", name="Remove image 1").click()
    expect(verdict(page)).to_have_count(1)
    expect(page.get_by_text("two.png", exact=True)).to_be_visible()
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    open_page(page, "About")
    page.go_back()
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()


def test_explain_and_report_leave_the_verdict_standing(page, address, tmp_path):
    page.goto(address)
    upload(page, two_pictures(tmp_path)[0])
    verdict(page).wait_for()
    idle(page)
    page.evaluate(WATCH)
    page.get_by_text("Explain this verdict").click()
    page.get_by_role("tab", name="Stability").wait_for()
    idle(page)
    page.get_by_role("button", name="Make a report").click()
    page.get_by_role("button", name="Report as PDF").wait_for()
    idle(page)
    page.get_by_role("button", name="Options").click()
    page.get_by_text("Few false alarms").click()
    idle(page)
    assert not re.search("detector=", page.url), "another sensitivity is no other detector"
    seen = page.evaluate("window.seen")
    assert any(each.startswith("busy: ") for each in seen), "the work is said to be going on"
    assert all(re.search("Likely fake|Likely real|Uncertain|No face found", each) for each in seen), seen


def test_a_new_file_never_stands_beside_the_old_words(page, address, tmp_path):
    """A second video takes the first one's place: while it is judged, no verdict stands there."""
    for name, seconds in (("a.mp4", 0.4), ("b.mp4", 3.0)):
        (tmp_path / name).write_bytes(videos.clip(seconds))
    page.goto(f"{address}/video")
    page.get_by_text("Nothing to check yet").wait_for()
    upload(page, tmp_path / "a.mp4")
    verdict(page).wait_for()
    idle(page)
    page.evaluate(
        """() => {
            window.seen = {alone: 0, mixed: 0}
            const look = () => {
                const heads = [...document.querySelectorAll("h2, h3")].map(each => each.innerText)
                const words = heads.some(each => /Likely|Uncertain|No face/.test(each))
                if (document.querySelector("[data-testid=stProgress]"))
                    window.seen[words ? "mixed" : "alone"] += 1
                requestAnimationFrame(look)
            }
            look()
        }"""
    )
    upload(page, tmp_path / "b.mp4")
    sync_api.expect(page.get_by_text("b.mp4", exact=True).last).to_be_visible()
    page.get_by_text("3.0 seconds, 128 x 96").wait_for()
    seen = page.evaluate("window.seen")
    assert seen["alone"] > 0, f"the progress is shown: {seen}"
    assert seen["mixed"] == 0


def test_a_video_finds_its_page_and_stays_there(page, address, tmp_path):
    expect = sync_api.expect
    (tmp_path / "a.mp4").write_bytes(videos.clip(0.4))
    page.goto(address)
    upload(page, tmp_path / "a.mp4")
    expect(page.get_by_text("it is a video")).to_be_visible()
    page.get_by_role("button", name="Check it on the page Check a video").click()
    expect(page.get_by_role("heading", name="Check a video")).to_be_visible()
    expect(verdict(page)).to_have_count(1, timeout=WAIT_MS)
    open_page(page, "About")
    expect(page).not_to_have_url(re.compile("detector="))  # nobody chose another than the default one
    page.go_back()
    expect(verdict(page)).to_have_count(1)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    open_page(page, "Check an image")
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
