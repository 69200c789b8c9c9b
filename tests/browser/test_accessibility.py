"""Every page for people who use a screen reader or no mouse: axe-core, alternative texts, the keyboard."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import videos
from tests.support.browser import WAIT_MS, idle, photograph, sync_api, upload, verdict
from ui.page import PAGES

if TYPE_CHECKING:
    from playwright.sync_api import Page
axe_core = pytest.importorskip("axe_playwright_python.sync_playwright")
pytestmark = pytest.mark.browser

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"],
    "resultTypes": ["violations"],
}

FOCUSED = """() => {
    const at = document.activeElement
    return [at.tagName, at.type || '', (at.innerText || at.ariaLabel || '').slice(0, 40)].join(' ')
}"""
"""What has the focus, in words."""


def barriers(page: Page) -> list[str]:
    """Serious findings, by axe-core."""
    found: list[dict[str, Any]] = axe_core.Axe().run(page, options=RULES).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:200]}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize(
    ("file", "query"),
    [*((file, "") for file in PAGES), ("pages/evaluation.py", "?view=Compare+detectors")],
)
def test_a_page_has_no_serious_barrier(page, address, file, query):
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{address}/{re.sub(r'pages/|.py', '', file)}{query}")
        page.get_by_role("heading", name=PAGES[file], exact=True).wait_for()
        idle(page)
        assert barriers(page) == [], f"{file}, {scheme}"
    assert_in_order(levels(page))


def levels(page: Page) -> list[int]:
    """The level of each heading that is seen, from above."""
    return page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].filter(each => each.offsetParent)"
        ".map(each => Number(each.tagName[1]))"
    )


def assert_in_order(found: list[int]) -> None:
    """One heading of level 1 comes first, and no level is left out below it."""
    assert found[:1] == [1]
    assert found.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(found)), found


def test_a_verdict_has_no_serious_barrier_and_pictures_have_words(page, address, tmp_path):
    page.goto(f"{address}/check")
    upload(page, photograph(tmp_path))
    verdict(page).wait_for()
    idle(page)
    assert barriers(page) == []
    assert_in_order(levels(page))
    pictures = page.locator("[data-testid=stMain] img")
    words = [pictures.nth(number).get_attribute("alt") for number in range(pictures.count())]
    assert words
    assert all(words)


def test_the_check_page_by_keyboard_alone(page, address):
    """Tab reaches the upload button, then the options; Enter opens them, and an arrow chooses."""
    page.goto(f"{address}/check")
    page.get_by_text("Nothing to check yet").wait_for()
    idle(page)
    seen: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
        if "Options" in seen[-1]:
            page.keyboard.press("Enter")
            page.get_by_role("radio", name="Few false alarms").wait_for()
        if "radio" in seen[-1]:
            break
    assert any("BUTTON" in line and ("pload" in line or "rowse" in line) for line in seen), seen
    assert "radio" in seen[-1], seen
    page.keyboard.press("ArrowDown")
    sync_api.expect(page).to_have_url(re.compile(r"[?&]threshold=Few"))


def press_until(page: Page, wanted: str, *, most: int = 60) -> None:
    """Tab until what has the focus matches a pattern."""
    seen: list[str] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
        if re.search(wanted, seen[-1]):
            return
    raise AssertionError(f"{wanted} was not reached: {seen}")


def to_next_tab(page, before: str, name: str) -> None:
    """An arrow moves the focus to a tab; where something drawn anew took it away, one goes there again."""
    wanted = page.get_by_role("tab", name=name)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(500)
        if name in page.evaluate(FOCUSED):
            break
        press_until(page, f"^DIV +({before}|{name})")
        if name in page.evaluate(FOCUSED):
            break
    sync_api.expect(wanted).to_be_focused()  # Enter opens what has the focus by then


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_why_a_verdict_by_keyboard_alone(page, address, tmp_path, scheme):
    """Every part of an explanation is reached and opened without a mouse, and none has a serious barrier."""
    expect = sync_api.expect
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}/check")
    upload(page, photograph(tmp_path))
    verdict(page).wait_for()
    idle(page)

    press_until(page, "Explain this verdict")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Stability")).to_be_visible()
    idle(page)
    assert barriers(page) == []

    press_until(page, "Stability")
    for before, name, sign in (
        ("Stability", "Heat maps", "rank correlation"),
        ("Heat maps", "Similar training images", "training images"),
    ):
        to_next_tab(page, before, name)
        page.keyboard.press("Enter")
        tab = page.get_by_role("tabpanel", name=name)
        expect(tab.get_by_text(sign).first).to_be_visible(timeout=WAIT_MS)
        idle(page)  # what is drawn anew meanwhile could take the focus away
        idle(page)
        assert barriers(page) == [], name

    press_until(page, "File forensics")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Compare")).to_be_visible(timeout=WAIT_MS)
    idle(page)
    assert barriers(page) == []
    press_until(page, "Make a report")
    pictures = page.locator("[data-testid=stMain] img")
    words = [pictures.nth(number).get_attribute("alt") for number in range(pictures.count())]
    assert words
    assert all(words)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_results_of_a_batch_and_a_video_have_no_serious_barrier(page, address, tmp_path, scheme):
    page.emulate_media(color_scheme=scheme)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    page.goto(f"{address}/batch")
    page.get_by_text("Nothing to check yet").wait_for()
    upload(page, photograph(tmp_path), tmp_path / "bad.jpg")
    check = page.get_by_role("button", name=re.compile("Check 2 images"))
    check.wait_for()
    idle(page)
    assert barriers(page) == [], "a filled button"
    check.click()
    page.get_by_text("1 of 2 images checked").wait_for()
    page.get_by_role("button", name="Clear results").wait_for()
    idle(page)
    assert barriers(page) == []

    (tmp_path / "a.mp4").write_bytes(videos.clip(0.4))
    page.goto(f"{address}/video")
    page.get_by_text("Nothing to check yet").wait_for()
    upload(page, tmp_path / "a.mp4")
    verdict(page).wait_for()
    idle(page)
    assert barriers(page) == []
    pictures = page.locator("[data-testid=stMain] img")
    words = [pictures.nth(number).get_attribute("alt") for number in range(pictures.count())]
    assert len(words) == 8
    assert all(word and word.startswith("Frame at") for word in words)
