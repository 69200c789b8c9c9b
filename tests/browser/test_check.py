"""The app in a real browser: deep link, upload, verdict, broken file, switch, clear, phone."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from PIL import Image

from deepfake.util.files import ROOT
from tests.support.browser import WAIT_MS, downloaded, idle, photograph, sync_api, upload, verdict
from tests.support.images import encoded, noise_image

pytestmark = pytest.mark.browser

EXAMPLES = ROOT / "deepfake" / "examples" / "images"
VERDICT = re.compile("Likely fake|Likely real|Uncertain|No face found")


def test_deep_link_on_a_fresh_server_then_the_whole_walk(page, address, tmp_path):
    expect = sync_api.expect
    page.goto(f"{address}/check")
    expect(page.get_by_role("heading", name="Check an image")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    expect(page.get_by_text("Nothing is stored")).to_be_visible()

    upload(page, photograph(tmp_path))
    expect(page.get_by_alt_text("The image", exact=False).first).to_be_visible()
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

    page.get_by_role("button", name="Options").click()
    page.get_by_text("Few false alarms").click()
    expect(page).to_have_url(re.compile(r"[?&]threshold=Few"))
    page.keyboard.press("Escape")
    expect(verdict(page)).to_have_count(1, timeout=WAIT_MS)

    lines = Path(downloaded(page, "Verdicts as CSV").path()).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("file,verdict,p_fake")
    assert len(lines) == 3

    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    expect(verdict(page)).to_have_count(0)


def test_a_face_in_the_picture_and_its_mark_lead_to_the_face(page, address, tmp_path):
    """By a click, and by keyboard; eight faces, of which two are folded away."""
    expect = sync_api.expect
    portraits = [Image.open(EXAMPLES / name).convert("RGB") for name in ("astronaut.jpg", "generated-1.jpg")]
    group = Image.new("RGB", (1200, 600))
    for number in range(8):
        portrait = portraits[number % 2].resize((300, 300))
        group.paste(portrait, (number % 4 * 300, number // 4 * 300))
    group.save(tmp_path / "group.png")
    page.goto(f"{address}/check")
    page.get_by_text("Nothing to check yet").wait_for()
    upload(page, tmp_path / "group.png")
    links = page.get_by_role("group", name="Faces in the image").get_by_role("link")
    links.first.wait_for()
    idle(page)
    places = links.evaluate_all("links => links.map(each => each.getAttribute('href'))")
    assert len(places) == len(set(places)) >= 2
    assert page.evaluate(
        "places => places.every(each => document.querySelectorAll(each).length == 1)", places
    )
    links.nth(0).click()
    expect(page).to_have_url(re.compile(f"{places[0]}$"))
    expect(page.locator(places[0])).to_be_in_viewport()
    links.nth(1).focus()
    page.keyboard.press("Enter")
    expect(page.locator(places[1])).to_be_in_viewport()

    mark = page.locator(".js-plotly-plot .scatterlayer path.point").first
    mark.scroll_into_view_if_needed()
    idle(page)
    before = page.get_by_alt_text(re.compile(r"^Face \d+$")).count()
    mark.hover(force=True)
    page.wait_for_timeout(300)
    mark.click(force=True)
    expect(page.get_by_alt_text(re.compile(r"^Face \d+$"))).to_have_count(before + 1)


@pytest.mark.parametrize("path", ["/", "/check"])
def test_both_addresses_work_once_the_server_has_run(page, address, path):
    page.goto(f"{address}/")
    page.get_by_text("Nothing to check yet").wait_for()
    page.goto(f"{address}{path}?threshold=Few+false+alarms")
    page.get_by_text("Nothing to check yet").wait_for()
    sync_api.expect(page.get_by_text("Page not found")).to_have_count(0)
    page.get_by_role("button", name="Options").click()
    sync_api.expect(page.get_by_role("radio", name="Few false alarms")).to_be_checked()


def test_on_a_phone_the_verdict_stands_above_the_fold(page, address, tmp_path):
    """Words, then where the score lies, then the image: all of one width, and the words first."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    upload(page, photograph(tmp_path))
    verdict(page).wait_for()
    idle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture = page.get_by_alt_text("The image", exact=False).first.bounding_box()
    words = verdict(page).bounding_box()
    assert picture
    assert words
    assert picture["width"] <= 390
    assert words["y"] + words["height"] < 700, "seen without scrolling"
    assert words["y"] + words["height"] <= picture["y"], "stacked, the words first"
    sync_api.expect(page.get_by_role("status").filter(has_text=VERDICT)).to_have_count(1)


def test_an_image_is_pasted_from_the_clipboard(page, address):
    expect = sync_api.expect
    page.goto(address)
    page.get_by_text("Nothing to check yet").wait_for()
    page.get_by_text("Paste", exact=True).click()
    box = page.get_by_test_id("stChatInputTextArea")
    box.click()
    content = base64.b64encode(encoded(noise_image(4, 120, 120))).decode()
    box.evaluate(
        """(box, content) => {
            const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0))
            const held = new DataTransfer()
            held.items.add(new File([bytes], "image.png", {type: "image/png"}))
            const given = {clipboardData: held, bubbles: true, cancelable: true}
            box.dispatchEvent(new ClipboardEvent("paste", given))
        }""",
        content,
    )
    expect(page.get_by_text("image.png")).to_be_visible()
    expect(page.get_by_test_id("stChatInputSubmitButton")).to_be_enabled()  # once it is uploaded
    box.press("Enter")
    expect(verdict(page)).to_have_count(1, timeout=WAIT_MS)
    page.get_by_role("link", name="About", exact=True).first.click()
    page.get_by_role("heading", name="About", exact=True).wait_for()
    page.go_back()
    expect(verdict(page)).to_have_count(1)
    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()


def test_of_several_images_no_two_controls_have_one_name_and_links_lead_to_each(page, address, tmp_path):
    files = [tmp_path / f"{n}.png" for n in range(3)]
    for seed, path in enumerate(files):
        path.write_bytes(encoded(noise_image(seed, 120, 120)))
    page.goto(address)
    upload(page, *files)
    sync_api.expect(verdict(page)).to_have_count(3, timeout=WAIT_MS)
    idle(page)
    names = page.locator("[data-testid=stMain]").evaluate(
        """main => [...main.querySelectorAll("summary, button, a[href], input[type=checkbox]")]
            .filter(each => !each.closest("[data-testid=stElementToolbar], [data-testid=stFileUploader]"))
            .map(each => (each.ariaLabel || each.innerText || each.closest("label")?.innerText || "").trim())
            .filter(name => name)"""
    )
    assert len(names) > 12
    assert [name for name in names if names.count(name) > 1] == []
    page.get_by_role("link", name="image 3").click()
    sync_api.expect(page.get_by_text("Image 3", exact=True)).to_be_in_viewport()
    assert page.locator("h1").count() == 1
