"""The app in a real browser: deep link, upload, verdict, broken file, switch, clear, phone."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deepfake.detection.card import model_names, models_folder
from deepfake.util.files import ROOT
from tests.support.images import encoded, noise_image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Download, Locator, Page, Request
sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser

QUIET = ("background-networking", "component-update", "sync")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{what}" for what in QUIET)]
WAIT_MS = 120_000  # the first verdict loads TensorFlow


@pytest.fixture(scope="module")
def address(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh server, started from another working directory."""
    models = models_folder() if model_names() else tiny_models
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "streamlit_app.py")]
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    folder = tmp_path_factory.mktemp("elsewhere")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, *options],
            cwd=folder,
            env={**os.environ, "DEEPFAKE_MODELS": str(models.resolve())},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_up(f"http://127.0.0.1:{port}/_stcore/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def wait_until_up(url: str, server: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The server did not come up; exit status {server.poll()}.")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs Chromium: install the package 'chromium'")
    sync_api.expect.set_options(timeout=WAIT_MS)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that must not fail in the browser, nor talk to any other host."""
    faults: list[str] = []

    def note_strangers(request: Request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            faults.append(request.url)

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    tab = context.new_page()
    tab.set_default_timeout(WAIT_MS)
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", note_strangers)
    yield tab
    context.close()
    assert not faults


def photograph(folder: Path) -> Path:
    """A real portrait where the real data are there, else a drawn picture."""
    data = os.environ.get("DEEPFAKE_DATA")
    real = sorted((Path(data) / "photos").glob("photo_4.jpg")) if data else []
    if real:
        return real[0]
    drawn = folder / "drawn.jpg"
    drawn.write_bytes(encoded(noise_image(5, 400, 300), "JPEG"))
    return drawn


def verdict(page: Page) -> Locator:
    return page.get_by_role("heading", name=re.compile("Likely fake|Likely real|Uncertain|No face found"))


def upload(page: Page, *paths: Path) -> None:
    page.locator("input[type=file]").set_input_files(list(paths))


def idle(page: Page) -> None:
    """Waits until no run is under way, and none that a control or a fragment has just asked for begins."""
    for _ in range(2):
        page.locator("[data-test-script-state=notRunning]").wait_for(state="attached")
        page.wait_for_timeout(500)
    page.locator("[data-test-script-state=notRunning]").wait_for(state="attached")


def downloaded(page: Page, button: str | Locator) -> Download:
    """What the button saves. A run under way takes the button away under the click: such a click is made
    once more, as a person would."""
    save = page.get_by_role("button", name=button) if isinstance(button, str) else button
    for patience in (20_000, WAIT_MS):
        idle(page)
        with contextlib.suppress(sync_api.TimeoutError), page.expect_download(timeout=patience) as download:
            save.click()
            return download.value
    pytest.fail(f"Nothing was saved by {button}.")


def test_deep_link_on_a_fresh_server_then_the_whole_walk(page, address, tmp_path):
    expect = sync_api.expect
    page.goto(f"{address}/check")
    expect(page.get_by_role("heading", name="Check an image")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    expect(page.get_by_text("Nothing is stored")).to_be_visible()

    upload(page, photograph(tmp_path))
    expect(page.get_by_alt_text("The picture", exact=False)).to_be_visible()
    expect(verdict(page)).to_have_count(1, timeout=WAIT_MS)
    expect(page.get_by_text("Probability of fake:").first).to_be_visible()
    expect(page.get_by_text("Nothing to check yet")).to_have_count(0)

    broken = tmp_path / "<b>broken<b>.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    upload(page, broken)
    expect(page.get_by_text("<b>broken<b>.jpg", exact=True).last).to_be_visible()
    expect(page.get_by_test_id("stAlert").first).to_be_visible()
    expect(verdict(page)).to_have_count(1)  # the first picture keeps its own
    expect(page.get_by_text("Traceback")).to_have_count(0)

    page.get_by_text("Few false alarms").click()
    expect(page).to_have_url(re.compile(r"[?&]threshold=Few"))
    expect(verdict(page)).to_have_count(1, timeout=WAIT_MS)

    lines = Path(downloaded(page, "Verdicts as CSV").path()).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("file,verdict,p_fake")
    assert len(lines) == 3

    page.get_by_role("button", name="Clear all").click()
    expect(page.get_by_text("Nothing to check yet")).to_be_visible()
    expect(verdict(page)).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/check"])
def test_both_addresses_work_once_the_server_has_run(page, address, path):
    page.goto(f"{address}/")
    page.get_by_text("Nothing to check yet").wait_for()
    page.goto(f"{address}{path}?threshold=Few+false+alarms")
    page.get_by_text("Nothing to check yet").wait_for()
    sync_api.expect(page.get_by_text("Page not found")).to_have_count(0)
    sync_api.expect(page.get_by_role("radio", name="Few false alarms")).to_be_checked()


def test_picture_is_seen_before_the_verdict_and_fits_a_phone(page, address, tmp_path):
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(address)
    upload(page, photograph(tmp_path))
    verdict(page).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    picture = page.get_by_alt_text("The picture", exact=False).bounding_box()
    words = verdict(page).bounding_box()
    assert picture
    assert words
    assert picture["width"] <= 390
    assert picture["y"] + picture["height"] <= words["y"]  # stacked
