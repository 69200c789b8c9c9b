"""What a run writes about itself: append-only events, and lines for the person who waits."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

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


class StepReporter(keras.callbacks.Callback):
    """Logs and says how the steps go, at a bounded rate."""

    LOG_SECONDS = 2.0
    SAY_SECONDS = 30.0

    def __init__(self, log: RunLog, recipe: Recipe, steps: int, say: Callable[[str], None]) -> None:
        super().__init__()
        self.log, self.recipe, self.steps, self.say = log, recipe, steps, say
        self.epoch = 0
        self._started = time.monotonic()
        self._done = 0
        self._logged = self._said = self._started

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Counts a step; now and then tells about it."""
        self._done += 1
        now = time.monotonic()
        if now - self._logged < self.LOG_SECONDS:
            return
        self._logged = now
        logs = logs or {}
        network: Any = self.model
        loss, accuracy = float(logs.get("loss", 0.0)), float(logs.get("accuracy", 0.0))
        rate = self._done * self.recipe.batch_size / (now - self._started)
        self.log.add(
            "step",
            epoch=self.epoch + 1,
            step=batch + 1,
            loss=loss if math.isfinite(loss) else None,  # JSON knows no NaN
            accuracy=accuracy,
            learning_rate=float(network.optimizer.learning_rate),
            images_per_second=round(rate, 1),
        )
        if now - self._said >= self.SAY_SECONDS:
            self._said = now
            left = (self.recipe.epochs - self.epoch) * self.steps - batch - 1
            seconds = left * self.recipe.batch_size / rate
            self.say(
                f"epoch {self.epoch + 1}/{self.recipe.epochs}, step {batch + 1}/{self.steps}: "
                f"loss {loss:.4f}, accuracy {accuracy:.4f}, {rate:.0f} images/s, {seconds / 60:.0f} min left"
            )


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
