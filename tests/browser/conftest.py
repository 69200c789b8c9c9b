"""Chromium, and servers that the tests of this folder share."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.support.server import server
from deepfake.detection.card import model_names, models_folder
from deepfake.util.files import ROOT
from tests.support.browser import WAIT_MS, wait_until_up
from tests.support.records.evaluations import change_card, record

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Request


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the server of ``address`` keeps answers in."""
    return tmp_path_factory.mktemp("answers")


@pytest.fixture(scope="session")
def address(tiny_models: Path, answers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
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
            env={
                **os.environ,
                "DEEPFAKE_MODELS": str(models.resolve()),
                "DEEPFAKE_FEEDBACK": str(answers),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until_up(f"http://127.0.0.1:{port}/_stcore/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


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


@pytest.fixture(scope="module")
def evaluated(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a detector with one recorded evaluation."""
    folder = tmp_path_factory.mktemp("evaluated") / "tiny"
    shutil.copytree(tiny_models / "tiny", folder)
    change_card(folder, evaluations=[record(folder, "Set", "Test", lift=1.5)])
    return folder


@pytest.fixture(scope="module")
def evaluation_address(evaluated: Path) -> Iterator[str]:
    """A fresh server that nobody has visited."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MODELS", str(evaluated.parent))
        patch.delenv("DEEPFAKE_DATA", raising=False)
        with server() as place:
            yield place
