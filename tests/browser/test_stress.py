"""The check page in a real browser: a verdict that flips, what the face resembles, and the report to save."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support.server import free_port
from deepfake.util.files import ROOT
from tests.support.browser import WAIT_MS, downloaded, sync_api, upload, wait_until_up
from tests.support.images import encoded, noise_image

pytestmark = pytest.mark.browser

APP = """
import runpy

import deepfake.detection.detector
import deepfake.faces.finder
import numpy as np

# A face in a picture that shows none, and a score that any change turns round.
face = deepfake.faces.finder.Face((9, 9, 90, 90), (0, 0, 96, 96), 0.9)
find = lambda pixels: deepfake.faces.finder.FaceScan((face,), "face_crop")
deepfake.faces.finder.find_faces = deepfake.detection.detector.find_faces = find
score_crops = lambda self, crops: ([0.97] * len(crops), [False] * len(crops), [])
deepfake.detection.detector.Detector.score_crops = score_crops
deepfake.detection.detector.Detector.p_fake = lambda self, crops: np.array([0.97] + [0.03] * (len(crops) - 1))
runpy.run_path({page!r}, run_name="__main__")
"""


@pytest.fixture(scope="module")
def address(indexed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The check page with a face that is not there; the training set lies in a folder that may be read."""
    app, port = tmp_path_factory.mktemp("app") / "app.py", free_port()
    app.write_text(APP.format(page=str(ROOT / "pages" / "check.py")))
    options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
    server = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(app), *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_up(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def test_flip_then_lookalikes_then_report(page, address, tmp_path):
    expect = sync_api.expect
    (tmp_path / "a.png").write_bytes(encoded(noise_image(1)))
    page.goto(address)
    upload(page, tmp_path / "a.png")
    expect(page.get_by_role("heading", name="Likely fake")).to_be_visible(timeout=WAIT_MS)

    page.get_by_text("Explain this verdict").click()
    expect(page.get_by_role("heading", name="Uncertain")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("heading", name="Likely fake")).to_have_count(0)
    expect(page.get_by_text("would be called likely fake by its score alone")).to_be_visible()

    page.get_by_role("tab", name="Similar training images").click()
    expect(page.get_by_text("of the 8 most similar training images are fakes")).to_be_visible(timeout=WAIT_MS)
    shown = page.get_by_alt_text("A training image", exact=False)
    expect(shown).to_have_count(8, timeout=WAIT_MS)

    page.get_by_role("button", name="Make a report").click()
    for form, start in (("PDF", b"%PDF-"), ("HTML", b"<!doctype html>")):
        save = page.get_by_role("button", name=f"Report as {form}")
        expect(save).to_be_visible(timeout=WAIT_MS)
        download = downloaded(page, save)
        assert download.suggested_filename.endswith(f".{form.lower()}")
        content = Path(download.path()).read_bytes()
        assert content.startswith(start)
    assert b"Uncertain after the stress test" in content

    tab = page.context.browser.new_page()  # the saved page, opened as a file
    (tmp_path / "report.html").write_bytes(content)
    tab.set_viewport_size({"width": 390, "height": 844})
    tab.goto((tmp_path / "report.html").as_uri())
    assert tab.evaluate("[...document.images].filter(image => image.naturalWidth).length") == 5
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.close()
