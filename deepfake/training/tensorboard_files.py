"""A run's events as TensorBoard event files; TensorBoard itself is not needed to write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any


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
        """Takes an event as ``runlog.RunLog`` writes it."""
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
