"""A server of our own on this machine, and how a browser is started that looks at it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from deepfake.util.files import ROOT

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    *("--disable-component-update", "--disable-sync"),
]


def resident_mb(process: int) -> float:
    """Memory of a running process on Linux, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(
    script: str = "streamlit_app.py", on_start: Callable[[int], object] | None = None
) -> Iterator[str]:
    """A running app on a free port of this machine; gives its address once it answers.

    Args:
        script: what Streamlit runs.
        on_start: told the number of the process.
    """
    port = free_port()
    command = [
        *(sys.executable, "-m", "streamlit", "run", script, "--server.headless", "true"),
        *("--server.port", str(port), "--server.address", "127.0.0.1"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if on_start is not None:
        on_start(process.pid)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            time.sleep(0.05)
        else:
            raise RuntimeError("The server did not answer within 60 seconds.")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:  # in the middle of TensorFlow on a busy machine
            process.kill()
            process.wait()
