"""What a run writes about itself: settings, append-only events, event files for TensorBoard."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deepfake.errors import UserError
from deepfake.training.recipe import Recipe

_KINDS = {"name": str, "architecture": str, "epochs": int, "batch_size": int, "learning_rate": (int, float)}


class RunLog:
    """Appends events to ``events.jsonl``: one JSON object a line with ``type`` and ``time`` (seconds).

    Args:
        folder: the run's.
        listeners: told of each event too.
    """

    def __init__(self, folder: Path, listeners: Sequence[Callable[[dict[str, Any]], None]] = ()) -> None:
        self.path, self.listeners = folder / "events.jsonl", listeners
        self._close_last_line()

    def add(self, kind: str, **values: Any) -> None:
        """Appends one event; each line is complete on disk before the next."""
        event = {"type": kind, "time": round(time.time(), 3), **values}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(event) + "\n")
        for listener in self.listeners:
            listener(event)

    def _close_last_line(self) -> None:
        """What a killed process left of a line becomes a line of its own, which readers pass over."""
        if not self.path.exists() or not self.path.stat().st_size:
            return
        with self.path.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")


def read_settings(folder: Path) -> Recipe:
    """The recipe of a run.

    Raises:
        UserError: code ``no_run``, where there is no run in ``folder``; ``bad_settings``, where its
            settings cannot be read.
    """
    try:
        recipe = Recipe.from_dict(_read(folder)["recipe"])
        for name, kinds in _KINDS.items():
            if not isinstance(value := getattr(recipe, name), kinds):
                raise TypeError(f"{name} is {value!r}")
        return recipe
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _bad_settings(folder, error) from error


def read_data_folder(folder: Path) -> Path:
    """The folder of the data set that a run was trained on.

    Raises:
        UserError: as ``read_settings``.
    """
    try:
        return Path(_read(folder)["data"])
    except (KeyError, TypeError) as error:
        raise _bad_settings(folder, error) from error


def read_data_digest(folder: Path) -> str:
    """``samples.data_digest`` of the images a run was started with; empty for runs of older versions.

    Raises:
        UserError: as ``read_settings``.
    """
    contents = _read(folder)
    return str(contents.get("data_sha256", "")) if isinstance(contents, dict) else ""


def _read(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            "no_run", f"There is no run in {folder}. Expected a folder with settings.json."
        ) from error
    except (OSError, ValueError) as error:
        raise _bad_settings(folder, error) from error


def _bad_settings(folder: Path, error: Exception) -> UserError:
    return UserError(
        "bad_settings",
        f"{folder}/settings.json is damaged and cannot be read ({type(error).__name__}: {error}). Restore it "
        "from a copy, or start a new run.",
    )


class EventFiles:
    """Writes scalars of step and epoch events below a folder, made with the first of them.

    Steps go to ``steps``, epochs to ``train``, ``validation_clean`` and ``validation_perturbed``, which
    TensorBoard shows as curves of one chart.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, Any] = {}
        self._per_epoch = 0

    def add(self, event: dict[str, Any]) -> None:
        """Takes an event as ``RunLog`` writes it."""
        if event["type"] == "start":
            self._per_epoch = int(event["steps_per_epoch"])
        elif event["type"] == "step":
            at = (event["epoch"] - 1) * self._per_epoch + event["step"]
            names = ("loss", "accuracy", "learning_rate", "images_per_second", "cores", "memory_mb")
            self._write("steps", {f"step_{name}": event.get(name) for name in names}, at)
        elif event["type"] == "epoch":
            parts = {f"validation_{name}": part for name, part in event["validation"].items()}
            for name, part in {"train": event["train"], **parts}.items():
                self._write(name, {f"epoch_{key}": value for key, value in part.items()}, event["epoch"])

    def _write(self, name: str, values: dict[str, Any], step: int) -> None:
        import tensorflow as tf

        # tf.summary.scalar is TensorBoard's own; this is what it writes.
        metadata = tf.compat.v1.SummaryMetadata(
            plugin_data={"plugin_name": "scalars"}, data_class=1  # DATA_CLASS_SCALAR
        )  # fmt: skip
        if name not in self._writers:
            self._writers[name] = tf.summary.create_file_writer(str(self.folder / name))
        with self._writers[name].as_default():
            for tag, value in values.items():
                if isinstance(value, (int, float)):
                    tf.summary.write(tag, tf.constant(value, tf.float32), step=step, metadata=metadata)
        self._writers[name].flush()
