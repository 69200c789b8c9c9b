"""In a real browser: a clip judged frame by frame, on a phone too, and an answer to a verdict."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support import videos
from tests.support.browser import WAIT_MS, downloaded, idle, photograph, sync_api, upload, verdict

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1280, 390])
def test_a_clip_from_upload_to_table(page, address, tmp_path, width):
    expect = sync_api.expect
    page.set_viewport_size({"width": width, "height": 844})
    (tmp_path / "<b>a<b>.mp4").write_bytes(videos.clip(0.4))
    page.goto(f"{address}/video")
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    upload(page, tmp_path / "<b>a<b>.mp4")
    expect(verdict(page)).to_have_text(re.compile("No face found"), timeout=WAIT_MS)
    expect(page.get_by_text("<b>a<b>.mp4", exact=True).last).to_be_visible()
    expect(page.get_by_text("Audio, motion and consistency between frames are not analyzed")).to_be_visible()
    expect(page.get_by_test_id("stPlotlyChart")).to_be_visible()
    expect(page.get_by_alt_text("Frame at")).to_have_count(8)
    page.get_by_text("Show all 10 frames").click()
    expect(page.get_by_alt_text("Frame at")).to_have_count(10)
    assert page.evaluate("document.documentElement.scrollWidth") <= width

    page.get_by_text("Table of the frames").click()
    lines = Path(downloaded(page, "Frames as CSV").path()).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "Second,Probability of fake,Faces,Verdict,Notes"
    assert len(lines) == 11


def test_what_is_no_video_is_a_sentence(page, address, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    page.goto(f"{address}/video")
    page.get_by_text("Nothing to check yet").wait_for()
    upload(page, tmp_path / "a.mp4")
    sync_api.expect(page.get_by_text("The file is not a video")).to_be_visible(timeout=WAIT_MS)


def test_an_answer_is_kept_without_the_picture(page, address, tmp_path, answers):
    expect = sync_api.expect
    page.goto(f"{address}/check")
    upload(page, photograph(tmp_path))
    expect(verdict(page)).to_have_count(1, timeout=WAIT_MS)
    idle(page)  # what is drawn above meanwhile would push the open form out of the window
    page.get_by_role("button", name="This verdict is wrong").click()
    page.get_by_text("It is fake").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Your answer was kept, without the image.")).to_be_visible()
    expect(page.get_by_role("button", name="This verdict is wrong")).to_have_count(0)
    (line,) = (answers / "feedback.jsonl").read_text().splitlines()
    answer = json.loads(line)
    assert answer["truth"] == "fake"
    assert answer["picture"] is None
    assert not (answers / "pictures").exists()
