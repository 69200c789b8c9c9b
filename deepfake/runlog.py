"""What a run writes about itself: settings, and append-only events."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from deepfake.errors import UserError
from deepfake.recipes import Recipe


class RunLog:
    """Appends events to ``events.jsonl``: one JSON object a line with ``type`` and ``time`` (seconds)."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.jsonl"

    def add(self, kind: str, **values: Any) -> None:
        """Appends one event; each line is complete on disk before the next."""
        line = json.dumps({"type": kind, "time": round(time.time(), 3), **values})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def write_json(path: Path, value: Any) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never half of one."""
    waiting = path.with_suffix(".part")
    waiting.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    waiting.replace(path)


def read_settings(folder: Path) -> Recipe:
    """The recipe of a run.

    Raises:
        UserError: code ``no_run``, where there is no run in ``folder``.
    """
    return Recipe.from_dict(_read(folder)["recipe"])


def read_data_folder(folder: Path) -> Path:
    """The folder of the data set that a run was trained on.

    Raises:
        UserError: code ``no_run``, where there is no run in ``folder``.
    """
    return Path(_read(folder)["data"])


def _read(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            "no_run", f"There is no run in {folder}. Expected a folder with settings.json."
        ) from error
