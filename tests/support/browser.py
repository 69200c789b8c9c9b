"""Driving the app in a real browser."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.images import encoded, noise_image

if TYPE_CHECKING:
    from playwright.sync_api import Download, Locator, Page


sync_api = pytest.importorskip("playwright.sync_api")


QUIET = ("background-networking", "component-update", "sync")


FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", *(f"--disable-{what}" for what in QUIET)]


WAIT_MS = 120_000  # the first verdict loads TensorFlow


def wait_until_up(url: str, server: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"The server did not come up; exit status {server.poll()}.")


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
