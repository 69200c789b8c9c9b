"""The README's pictures, made anew with a real browser: ``python -m benchmarks.pictures``.

Writes ``docs/check-page.png``, the check page with an example and its verdict, and ``docs/walk.webp``, a walk
through the app. Only what ships with the project is shown: the home folder is empty, there is no dataset, and
the images are the examples. Needs Chromium; CHROMIUM names another than the path's.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from benchmarks.support.server import CHROMIUM, FLAGS, server
from deepfake.util.files import ROOT

PICTURE, WALK = ROOT / "docs" / "check-page.png", ROOT / "docs" / "walk.webp"
WIDTH, HEIGHT, PICTURE_HEIGHT = 1280, 800, 1060
WALK_WIDTH = 960
MAX_WALK_BYTES = 3_000_000
EXAMPLE = "Altered"
WAIT_MS = 600_000
SETTINGS = ("DATA", "CACHE", "MODELS", "RUNS", "DEMO", "FEEDBACK", "TRAINING")
"""Of what an operator may set, by ``DEEPFAKE_...``; none of it shall change the pictures."""
MARK = (15, 118, 110)
"""Colour of the ring round a click."""


@dataclass
class Film:
    """Screenshots in their order, each with how long it stands.

    Attributes:
        page: of Playwright, at 1280 x 800 pixels.
        frames, durations: what was taken so far; in milliseconds.
    """

    page: Any
    frames: list[Image.Image] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)

    def shot(self) -> Image.Image:
        """The window as it is now."""
        return Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")

    def take(self, milliseconds: int, image: Image.Image | None = None) -> None:
        """Adds the window, or an image of it."""
        image = image or self.shot()
        size = WALK_WIDTH, round(image.height * WALK_WIDTH / image.width)
        self.frames.append(image.resize(size, Image.Resampling.LANCZOS))
        self.durations.append(milliseconds)

    def click(self, target: Any) -> None:
        """Shows where the click goes, then clicks."""
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        image = self.shot()
        draw = ImageDraw.Draw(image)
        for radius in (17, 18, 19, 20):
            draw.ellipse([m + sign * radius for sign in (-1, 1) for m in middle], outline=MARK, width=2)
        self.take(600, image)
        target.click()

    def scroll_to(self, target: Any, steps: int = 5) -> None:
        """Brings an element to the top of the window, step by step."""
        place = target.evaluate(
            "e => e.getBoundingClientRect().top - 90"  # below the navigation
        )
        for _ in range(steps):
            scroll(self.page, place / steps)
            self.page.wait_for_timeout(60)
            self.take(70)


def scroll(page: Any, pixels: float) -> None:
    """Scrolls the page's own container; the mouse stays where it is."""
    page.evaluate("d => document.querySelector('[data-testid=stMain]').scrollBy(0, d)", pixels)


def settle(page: Any) -> None:
    """Waits until the page is drawn: no run is under way, and no place is held free for what is to come."""
    for _ in range(2):
        page.locator("[data-test-script-state=notRunning]").wait_for(state="attached")
        page.wait_for_timeout(500)
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    page.wait_for_timeout(500)


@contextlib.contextmanager
def untouched() -> Iterator[None]:
    """An empty home folder, and nothing that an operator has set."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as home:
        for name in (*(f"DEEPFAKE_{name}" for name in SETTINGS), "XDG_CACHE_HOME"):
            os.environ.pop(name, None)
        os.environ["HOME"] = os.environ["USERPROFILE"] = home
        os.environ["DEEPFAKE_RUNS"] = str(Path(home) / "runs")
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def draw(page: Any, address: str) -> Film:
    """Walks through the app; writes the still picture on the way, gives the film."""
    film = Film(page)
    page.goto(address)
    page.get_by_role("button", name="Try all").wait_for()
    settle(page)
    film.take(1400)
    film.click(page.get_by_role("button", name=EXAMPLE, exact=True))
    page.get_by_text("Explain this verdict").wait_for()
    settle(page)
    take_picture(page)
    film.take(2600)
    film.click(page.get_by_text("Explain this verdict"))
    page.get_by_text(re.compile("^(Stable|Partly stable|Not stable)")).last.wait_for()
    settle(page)
    film.scroll_to(page.get_by_role("tab", name="Stability"))
    film.take(1800)
    film.click(page.get_by_role("tab", name="Heat maps"))
    page.get_by_text("rank correlation").wait_for()
    settle(page)
    film.take(2000)
    scroll(page, -100_000)
    page.get_by_role("link", name="Evaluation").first.click()
    page.get_by_text(re.compile("A forced choice at")).wait_for()
    settle(page)
    film.take(1500)
    film.scroll_to(page.get_by_role("heading", name="Confusion matrix"))
    film.take(1600)
    return film


def take_picture(page: Any) -> None:
    """The still picture: the window, high enough for a whole verdict."""
    page.set_viewport_size({"width": WIDTH, "height": PICTURE_HEIGHT})
    settle(page)
    page.screenshot(path=PICTURE)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    settle(page)


def save(film: Film, path: Path = WALK) -> None:
    """Writes the film; of lower quality where it would be too large."""
    first, *others = film.frames
    for quality in (80, 65, 50, 35):
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=film.durations,
            loop=0,
            quality=quality,
            method=6,
        )
        if path.stat().st_size < MAX_WALK_BYTES:
            return


def main() -> None:
    """The command."""
    from playwright.sync_api import sync_playwright

    with (
        untouched(),
        sync_playwright() as play,
        play.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser,
        server() as address,
    ):
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.set_default_timeout(WAIT_MS)
        film = draw(page, address)
    save(film)
    seconds = sum(film.durations) / 1000
    for path in (PICTURE, WALK):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.2f} MB")
    print(f"The walk takes {seconds:.0f} s.")


if __name__ == "__main__":
    main()
