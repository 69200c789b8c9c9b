"""Archives and detectors for tests of batches."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.png", content)
    return buffer.getvalue()


def two_detectors(tiny_models: Path, folder: Path) -> None:
    """``tiny``, the default, and ``zebra``, which is the same under another name."""
    for name in ("tiny", "zebra"):
        shutil.copytree(tiny_models / "tiny", folder / name)
        card = json.loads((folder / name / "card.json").read_text())
        (folder / name / "card.json").write_text(json.dumps({**card, "name": name}))
    (folder / "default.txt").write_text("tiny\n")
