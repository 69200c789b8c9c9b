"""What the tests of the HTTP interface share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepfake.util.files import ROOT


@pytest.fixture
def no_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """No face finder: it takes seconds, and drawn blotches have no faces."""
    from deepfake.detection import detector
    from deepfake.faces import finder

    monkeypatch.setattr(detector, "find_faces", lambda pixels: finder.FaceScan((), "no_face"))


class Running:
    """``python -m deepfake serve`` with a key, and what it says on standard error."""

    def __init__(self, *options: str, key: str | None = "k") -> None:
        command = [sys.executable, "-m", "deepfake", "serve", "--port", "0", *options]
        keys = {"DEEPFAKE_API_KEY": key} if key else {}
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **keys},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if options else None,
            text=True,
        )
        assert self.process.stdout
        self.address = self.process.stdout.readline().strip().removesuffix("/api/v1/openapi.json")

    def end(self) -> str:
        """Ends it; what it said on standard error, where options were given."""
        self.process.terminate()
        _, errors = self.process.communicate(timeout=90)
        assert self.process.returncode in (0, -signal.SIGTERM)  # uvicorn passes the signal on when it is done
        return errors or ""


@pytest.fixture
def address(use_tiny_models: Path) -> Iterator[str]:
    """Of a running server with the key k."""
    server = Running()
    try:
        yield server.address
    finally:
        server.end()
