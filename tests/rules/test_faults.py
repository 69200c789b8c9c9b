"""What the machine can do to us: a full disk, a folder that cannot be written, a killed server."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from deepfake.cli import main
from deepfake.detection.card import default_name, load_card
from deepfake.errors import UserError
from deepfake.util.files import ROOT, write_whole
from tests.support.browser import wait_until_up

FULL = Path("/dev/full")
Capture = pytest.CaptureFixture[str]
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@needs_full
def test_a_full_disk_is_a_sentence_on_the_command_line(
    tiny_dataset: Path, models: Path, capsys: Capture
) -> None:
    assert main(["evaluate", str(tiny_dataset), "--split", "Test", "--json", str(FULL)]) == 1
    err = capsys.readouterr().err
    assert err.startswith("deepfake: ")
    assert "No space left on device" in err
    assert "Traceback" not in err


def refusing(code: int, folder: Path, real: Callable[..., Any]) -> Callable[..., Any]:
    """``Path.open`` that lets nothing below a folder be written."""

    def opened(path: Path, mode: str = "r", *rest: Any, **options: Any) -> Any:
        if path.is_relative_to(folder) and set(mode) & set("wax+"):
            raise OSError(code, os.strerror(code), str(path))
        return real(path, mode, *rest, **options)

    return opened


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_an_evaluation_that_cannot_be_recorded_changes_nothing(
    code: int, models: Path, monkeypatch: pytest.MonkeyPatch, tiny_dataset: Path, capsys: Capture
) -> None:
    before = {path: path.read_bytes() for path in models.rglob("*") if path.is_file()}

    def write(table: Any, path: Path) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr("deepfake.evaluation.records.write_scores", write)
    assert main(["evaluate", str(tiny_dataset), "--split", "Test", "--record", "Tiny set"]) == 1
    assert "cannot be recorded" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in models.rglob("*") if path.is_file()} == before
    assert load_card("tiny").evaluations == ()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_cache_that_cannot_be_written_keeps_the_old_file(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    write_whole(kept, b"old")
    monkeypatch.setattr(Path, "open", refusing(code, tmp_path, Path.open))
    with pytest.raises(OSError, match=r"."):
        write_whole(kept, b"new")
    monkeypatch.undo()
    assert kept.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_default_that_is_missing_gives_way_to_no_other(models: Path) -> None:
    (models / "default.txt").write_text("gone\n")
    with pytest.raises(UserError, match="names 'gone'"):
        default_name()


@pytest.mark.parametrize(
    ("file", "page"), [("card.json", "about"), ("card.json", "evaluation"), ("model.keras", "robustness")]
)
def test_a_corrupted_detector_leaves_the_pages_open(file: str, page: str, models: Path) -> None:
    path = models / "tiny" / file
    path.write_bytes(path.read_bytes()[:-20] + bytes(20))
    app = AppTest.from_file(str(ROOT / "pages" / f"{page}.py"), default_timeout=120).run()
    assert not app.exception
    if file == "card.json":
        said = " ".join(str(e.value) for kind in (app.error, app.warning, app.info) for e in kind)
        assert "card" in said or "detector" in said.lower()


@pytest.mark.slow
def test_a_killed_server_leaves_nothing_that_stops_the_next(tiny_models: Path, tmp_path: Path) -> None:
    """Both at once on the same folders too."""
    env = {
        **os.environ,
        "DEEPFAKE_MODELS": str(tiny_models),
        "DEEPFAKE_RUNS": str(tmp_path / "runs"),
        "DEEPFAKE_CACHE": str(tmp_path / "cache"),
    }
    servers = []
    try:
        for kill in (True, False, False):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "streamlit_app.py")]
            options = ["--server.headless=true", "--server.address=127.0.0.1", f"--server.port={port}"]
            server = subprocess.Popen(
                [*command, *options], cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            servers.append(server)
            wait_until_up(f"http://127.0.0.1:{port}/_stcore/health", server)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                assert answer.status == 200
            if kill:
                server.send_signal(signal.SIGKILL)
                server.wait(20)
    finally:
        for server in servers:
            server.kill()
            server.wait(20)
