"""``events.jsonl`` as it grows -> columns of numbers, epochs and the end of a run."""

from __future__ import annotations

import json
import os
import threading
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MEASURED = ("time", "epoch", "step", "mean_loss", "mean_accuracy")
_OTHERS = ("learning_rate", "images_per_second", "cores", "memory_mb", "memory_free_mb")


@dataclass(frozen=True)
class History:
    """What a run told until now. Steps and epochs that a later resume went through again are left out.

    Attributes:
        start: the latest start event, empty before there is one.
        sessions: how often the run was started or resumed.
        first_time, session_time, last_time: seconds since 1970 of the first start, the latest start and the
            latest event; 0 before there is one.
        seconds: spent between starts and last events, pauses left out.
        steps: columns of equal length, NaN where unknown: ``total`` (steps since the run's beginning),
            ``time``, ``epoch``, ``step`` (both from 1), ``loss`` and ``accuracy`` (means over the steps since
            the row before), ``learning_rate``, ``images_per_second``, ``cores``, ``memory_mb``,
            ``memory_free_mb``.
        epochs: the epoch events in order.
        end: the end event of the latest session, empty while there is none.
        damaged: lines that could not be read.
    """

    start: dict[str, Any] = field(default_factory=dict)
    sessions: int = 0
    first_time: float = 0.0
    session_time: float = 0.0
    last_time: float = 0.0
    seconds: float = 0.0
    steps: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    epochs: tuple[dict[str, Any], ...] = ()
    end: dict[str, Any] = field(default_factory=dict)
    damaged: int = 0

    @property
    def best_epoch(self) -> int:
        """The epoch of the best network so far as the run judged it, else that of the highest ROC AUC; 0
        before there is one."""
        if self.end.get("best_epoch"):
            return int(self.end["best_epoch"])
        judged = [int(epoch["epoch"]) for epoch in self.epochs if epoch.get("best")]
        if judged or not self.epochs:
            return judged[-1] if judged else 0
        return int(max(self.epochs, key=lambda epoch: headline(epoch, "roc_auc"))["epoch"])


def headline(epoch: dict[str, Any], metric: str) -> float:
    """A validation number of an epoch event, perturbed where that was measured; NaN where it is missing."""
    validation = epoch.get("validation", {})
    part = validation.get("perturbed") or validation.get("clean") or {}
    return number(part.get(metric))


def number(value: Any) -> float:
    """The value as a float, NaN where it is none."""
    return float(value) if isinstance(value, (int, float)) else float("nan")


class HistoryReader:
    """Reads a run's events; what was read before is kept, so another ``read`` costs what was added.

    Safe to share between threads.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "events.jsonl"
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._offset, self._file = 0, (0, 0)
        self._columns = {name: array("d") for name in (*_MEASURED, *_OTHERS)}
        self._epochs: list[dict[str, Any]] = []
        self._start: dict[str, Any] = {}
        self._end: dict[str, Any] = {}
        self._sessions = self._damaged = 0
        self._first = self._session = self._last = self._spent = 0.0

    def read(self) -> History:
        """Everything up to the last whole line."""
        with self._lock:
            self._read_on()
            return History(
                start=self._start,
                sessions=self._sessions,
                first_time=self._first,
                session_time=self._session,
                last_time=self._last,
                seconds=self._spent + self._last - self._session,
                steps=self._steps(),
                epochs=tuple(self._epochs),
                end=self._end,
                damaged=self._damaged,
            )

    def _read_on(self) -> None:
        try:
            with self.path.open("rb") as file:
                facts = os.fstat(file.fileno())
                if (facts.st_dev, facts.st_ino) != self._file or facts.st_size < self._offset:
                    self._forget()
                    self._file = (facts.st_dev, facts.st_ino)
                file.seek(self._offset)
                new = file.read()
        except OSError:
            self._forget()
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            if line.strip():
                self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            kind, when = event["type"], float(event["time"])
            if kind == "step":
                # The log's numbers are means since the epoch's first step, as Keras keeps them.
                values = (when, event["epoch"], event["step"], event["loss"], event["accuracy"])
                row = [*(number(value) for value in values), *(number(event.get(name)) for name in _OTHERS)]
                for column, value in zip(self._columns.values(), row, strict=True):
                    column.append(value)
            elif kind == "epoch":
                whole = event["train"]["loss"], event["validation"]["clean"]["confusion_matrix"]
                if isinstance(event["epoch"], int) and None not in whole:
                    self._epochs.append(event)
            elif kind == "start":
                self._begin(event, when)
            elif kind == "end":
                self._end = event
            self._last = max(self._last, when)
        except (ValueError, TypeError, KeyError, AttributeError):
            self._damaged += 1

    def _begin(self, event: dict[str, Any], when: float) -> None:
        first = int(event["first_epoch"])
        int(event["steps_per_epoch"])
        self._epochs = [epoch for epoch in self._epochs if epoch["epoch"] < first]
        epochs = self._columns["epoch"]
        keep = len(epochs)
        while keep and epochs[keep - 1] >= first:
            keep -= 1
        for column in self._columns.values():
            del column[keep:]
        self._start, self._end = event, {}
        self._sessions += 1
        self._spent += self._last - self._session
        self._first, self._session, self._last = self._first or when, when, when

    def _steps(self) -> dict[str, NDArray[np.float64]]:
        columns = {name: np.array(values, dtype=float) for name, values in self._columns.items()}
        per_epoch = float(self._start.get("steps_per_epoch", 0))
        epoch, step = columns["epoch"], columns["step"]
        steps = {
            "total": (epoch - 1) * per_epoch + step,
            "time": columns["time"],
            "epoch": epoch,
            "step": step,
        }
        first = np.ones(len(epoch), bool)
        first[1:] = (np.diff(epoch) != 0) | (np.diff(step) <= 0)
        before = np.where(first, 0.0, np.r_[0.0, step[:-1]])
        for name in ("loss", "accuracy"):
            mean = columns[f"mean_{name}"]
            earlier = np.where(first, 0.0, np.r_[0.0, mean[:-1]])
            steps[name] = (mean * step - earlier * before) / np.maximum(step - before, 1)
        return steps | {name: columns[name] for name in _OTHERS}
