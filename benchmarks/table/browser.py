"""What a person at the browser waits for: the first paint, and the verdict after an upload.

The baseline's desktop window imports TensorFlow and loads its model before it shows, and checks an image with
``load_img`` and ``model.predict``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.support.images import photo_file
from benchmarks.support.server import CHROMIUM, FLAGS, resident_mb, server
from benchmarks.support.sight import UPLOADER, wait_to_see
from benchmarks.table.baseline import Result, baseline_network, baseline_verdict
from deepfake.util.files import ROOT

_DESKTOP_START = """
import tensorflow
from deepfake.networks.architectures import resnet50
resnet50(None)
"""


UPLOADS = 6
memory: dict[str, float] = {}
"""Of the server in MB, after its ``first`` verdict and its ``last``; filled by ``run``."""


def run(uploads: int = UPLOADS) -> list[Result]:
    """First paint of a cold server, then uploads to the warm one; each beside the desktop way."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play, play.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
        page = browser.new_page()
        start, pids = time.perf_counter(), []
        with server(on_start=pids.append) as address:
            page.goto(address)
            wait_to_see(page, UPLOADER)
            painted = time.perf_counter() - start
            waits = upload_waits(page, 1)
            memory["first"] = resident_mb(pids[0])
            page.get_by_role("button", name="Clear all").click()
            page.get_by_text("Nothing to check yet").wait_for()  # a new uploader is there
            waits += upload_waits(page, uploads)[1:]
            memory["last"] = resident_mb(pids[0])
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", _DESKTOP_START], cwd=ROOT, check=True, capture_output=True)
    desktop = time.perf_counter() - start
    first = painted + waits[0]
    ours, theirs = statistics.median(waits[1:]), _desktop_verdict()
    return [
        Result(
            "cold start to first paint",
            painted,
            desktop,
            desktop / painted,
            "start of the server process to the upload field on the page; against import and model",
        ),
        Result(
            "cold start to first verdict",
            first,
            desktop + theirs,
            (desktop + theirs) / first,
            "start of the server process to the verdict on an image handed over at the first paint; "
            "against import, model and predict",
        ),
        Result(
            "upload to verdict, warm",
            ours,
            theirs,
            theirs / ours,
            f"median of {uploads - 1} photographs of 1,000 px through a browser, face finding included; "
            "against load_img and predict of the whole",
        ),
    ]


def upload_waits(page: Any, uploads: int) -> list[float]:
    """Seconds from handing a file over to its verdict; the first one waits for the warm-up."""
    waits = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(uploads):
            path = Path(folder) / f"{number}.jpg"
            path.write_bytes(photo_file(number))
            start = time.perf_counter()
            page.locator("input[type=file]").first.set_input_files(path)
            # Below every verdict, of an image without a face too; a first look has none.
            wait_to_see(page, "summary", "Explain this verdict", number + 1)
            waits.append(time.perf_counter() - start)
    return waits


def _desktop_verdict() -> float:
    network = baseline_network()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.jpg"
        path.write_bytes(photo_file(0))
        times = []
        for _ in range(5):
            start = time.perf_counter()
            baseline_verdict(network, path)
            times.append(time.perf_counter() - start)
    return statistics.median(times[1:])
