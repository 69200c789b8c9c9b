"""Memory of the server: ``python -m benchmarks.memory [--uploads 1000] [--judged 200]``. Linux only.

One server takes uploads one after the other through the check page's own protocol; it should hold no more
after 1,000 than after 100. Another is walked through in a browser: every page with every tab, then images
with every panel of their verdicts opened. Memory is what the process holds in main memory.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.support.images import photo_file
from benchmarks.support.server import CHROMIUM, FLAGS, resident_mb, server
from benchmarks.support.visitor import Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PAGES = ("batch", "video", "dataset", "training", "evaluation", "robustness", "about")
SIDE = 480
WAIT_MS = 300_000


def measure_uploads(uploads: int, detector: str | None) -> dict[str, float]:
    """MB after 1, 10, 100, 200, ... uploads, each in the place of the one before."""
    memory, pids = {}, []
    with server(on_start=pids.append) as address, Visitor(address, detector=detector) as person:
        for number in range(1, uploads + 1):
            seen = person.upload(f"{number}.jpg", photo_file(number, SIDE))
            if not seen.outcome:
                raise RuntimeError(f"Upload {number} has no verdict: {seen.texts}")
            if number in (1, 10) or not number % 100:
                memory[f"{number} uploads"] = report(f"{number} uploads", pids[0])
    return memory


def measure_tour(judged: int, panels: int) -> dict[str, float]:
    """MB after every page and tab, and after images were judged with their panels opened."""
    from playwright.sync_api import sync_playwright

    memory, pids = {}, []

    def note(words: str) -> None:
        memory[words] = report(words, pids[0])

    with (
        sync_playwright() as play,
        play.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
        server(on_start=pids.append) as address,
    ):
        page = browser.new_page()
        page.set_default_timeout(WAIT_MS)
        for name in PAGES:
            page.goto(f"{address}/{name}")
            open_tabs(page, page.locator("body"))
            note(name)
        page.goto(address)
        for number in range(1, judged + 1):
            judge(page, number)
            if number <= panels:
                open_panels(page)
            if number in (1, panels, judged) or not number % 50:
                note(f"{number} images, {min(number, panels)} with every panel open")
            page.get_by_role("button", name="Clear all").click()
            idle(page)
    return memory


def judge(page: Page, number: int) -> None:
    """Hands an image to the check page and waits until all of its verdict stands there."""
    file = {"name": f"{number}.jpg", "mimeType": "image/jpeg", "buffer": photo_file(number, SIDE)}
    page.locator("input[type=file]").first.set_input_files([file])  # pyright: ignore[reportArgumentType]
    page.get_by_text("Verdicts as CSV").wait_for()
    idle(page)


def open_panels(page: Page) -> None:
    """Every expander of the one verdict on the page, every tab in it, and the report."""
    for words in ("Details", "Explain this verdict", "File forensics"):
        page.get_by_text(words, exact=True).first.click()
        idle(page)
    open_tabs(page, page.locator("body"))
    page.get_by_role("tab", name="Compare", exact=True).first.click()
    idle(page)
    for words in ("Noise", "Spectrum"):
        page.get_by_role("radio", name=words).or_(page.get_by_role("button", name=words)).first.click()
        idle(page)
    page.get_by_role("button", name="Make a report").click()
    page.get_by_role("button", name="Report as PDF").wait_for()
    idle(page)


def open_tabs(page: Page, within: Locator) -> None:
    """Each tab in turn, those that only show once another was opened too."""
    idle(page)
    opened: set[str] = set()
    while True:
        tabs = within.get_by_role("tab")
        fresh = [tab for tab in tabs.all() if tab.inner_text() not in opened]
        if not fresh:
            return
        opened.add(fresh[0].inner_text())
        fresh[0].click()
        idle(page)


def idle(page: Page) -> None:
    """Waits until no run of the page is under way, and none begins within half a second."""
    for _ in range(2):
        page.locator("[data-test-script-state=notRunning]").wait_for(state="attached")
        page.wait_for_timeout(250)


def report(words: str, process: int) -> float:
    """Prints a line; gives MB."""
    held = resident_mb(process)
    print(f"{words:45} {held:6.0f} MB", flush=True)
    return held


def growth(memory: dict[str, float]) -> Iterator[str]:
    """How much more is held at the end than after 100 uploads, in words."""
    values = {int(words.split()[0]): held for words, held in memory.items()}
    if 100 in values and max(values) > 100:
        share = values[max(values)] / values[100] - 1
        yield f"from 100 to {max(values):,} uploads: {share:+.1%} (goal: at most 5%)"


def main() -> None:
    """Prints a line for each measurement."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--judged", type=int, default=200, help="images in the browser, after every page")
    parser.add_argument("--panels", type=int, help="of these, with every panel opened (default: all)")
    parser.add_argument("--detector", metavar="NAME", help="for the uploads (default: the default one)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers as JSON")
    options = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    if options.uploads:
        results["uploads"] = measure_uploads(options.uploads, options.detector)
        print(*growth(results["uploads"]), sep="\n")
    if options.judged:
        panels = options.judged if options.panels is None else options.panels
        results["tour"] = measure_tour(options.judged, panels)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
