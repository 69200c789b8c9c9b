"""When a person at the browser sees something, to the frame.

Playwright's own waiting looks again after up to half a second, which is as long as what is timed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

UPLOADER = "[data-testid=stFileUploaderDropzone]"
LONG_MS = 120_000
_SHOWN = """([selector, words, count]) => [...document.querySelectorAll(selector)]
    .filter(each => each.checkVisibility() && each.textContent.includes(words)).length >= count"""


def wait_to_see(page: Page, selector: str, words: str = "", count: int = 1) -> None:
    """Returns at the first frame in which as many elements are shown.

    Args:
        page: of the browser.
        selector: CSS of the elements.
        words: part of the text of each.
        count: how many there must be.

    Raises:
        playwright.sync_api.TimeoutError: they were not there within two minutes.
    """
    page.wait_for_function(_SHOWN, arg=[selector, words, count], polling="raf", timeout=LONG_MS)
