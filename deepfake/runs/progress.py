"""How far a run is, what looks wrong with it, and times in words."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepfake.runs.history import History, number
from deepfake.util.text import format_duration

_PATIENCE = 2
"""Epochs without a better one before two curves count as parted."""
_LEARNT = 0.8
"""ROC AUC on clean images below which a network has learnt too little to say what it leans on."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        epoch, epochs: the one under way (from 1), and all.
        step, steps: within the epoch.
        share: of the whole run, 0..1.
        images_per_second: of the latest steps, NaN while unknown and once it has ended.
        seconds: spent until now.
        seconds_left: NaN while unknown.
        measuring: the epoch's steps are done and the validation images are being scored.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    share: float
    images_per_second: float
    seconds: float
    seconds_left: float
    measuring: bool

    def sentence(self) -> str:
        """For a person."""
        where = f"Epoch {self.epoch} of {self.epochs}, step {self.step:,} of {self.steps:,}"
        if self.measuring:
            where = f"Epoch {self.epoch} of {self.epochs}, scoring the validation images"
        parts = [where]
        if not math.isnan(self.images_per_second):
            parts.append(f"{self.images_per_second:.0f} images/s")
        parts.append(f"{format_duration(self.seconds)} spent")
        if not math.isnan(self.seconds_left):
            parts.append(f"about {format_duration(self.seconds_left)} left")
        return " · ".join(parts)


def progress(history: History, epochs: int, *, active: bool) -> Progress | None:
    """How far the run is; None before its first start event.

    Args:
        history: the run's.
        epochs: of the whole run.
        active: a process works on it, so time passes.
    """
    if not history.start:
        return None
    start, columns = history.start, history.steps
    steps = int(start["steps_per_epoch"])
    epochs = max(epochs, len(history.epochs), 1)
    last = int(columns["total"][-1]) if len(columns["total"]) else 0
    done = max(last, len(history.epochs) * steps)
    whole = done == len(history.epochs) * steps
    epoch = min(epochs, len(history.epochs) + 1)
    step = 0 if whole else done - (epoch - 1) * steps
    if whole and len(history.epochs) == epochs:
        step = steps
    now = time.time() if active else history.last_time
    mine = done - (int(start["first_epoch"]) - 1) * steps
    left = float("nan")
    if active and mine > 0:
        left = (history.last_time - history.session_time) / mine * (epochs * steps - done)
    return Progress(
        epoch=epoch,
        epochs=epochs,
        step=step,
        steps=steps,
        share=min(1.0, done / (epochs * steps)),
        images_per_second=_recent_rate(history) if active else float("nan"),
        seconds=history.seconds + max(0.0, now - history.last_time),
        seconds_left=left,
        measuring=active and step > 0.95 * steps and now - history.last_time > 5,
    )


def _recent_rate(history: History, rows: int = 15) -> float:
    """Images a second over the latest rows of one epoch."""
    columns, batch = history.steps, history.start.get("batch_size")
    if batch is None:
        known = columns["images_per_second"]
        return float(known[-1]) if len(known) else float("nan")
    epoch = columns["epoch"][-rows:]
    if len(epoch) == 0:
        return float("nan")
    same = epoch == epoch[-1]
    step, when = columns["step"][-rows:][same], columns["time"][-rows:][same]
    if len(step) < 2 or when[-1] <= when[0]:
        return float(columns["images_per_second"][-1])
    return float(batch * (step[-1] - step[0]) / (when[-1] - when[0]))


def step_rates(history: History) -> NDArray[np.float64]:
    """Images a second between each logged step and the one before in the same epoch; NaN at an epoch's first.

    What runs of an older version noted, a mean since their start, where they did not tell the batch size.
    """
    columns, batch = history.steps, history.start.get("batch_size")
    if batch is None:
        return columns["images_per_second"]
    rates = np.full(len(columns["step"]), np.nan)
    seconds, steps = np.diff(columns["time"]), np.diff(columns["step"])
    within = (np.diff(columns["epoch"]) == 0) & (steps > 0) & (seconds > 0)
    rates[1:][within] = batch * steps[within] / seconds[within]
    return rates


def divergence_warnings(history: History) -> tuple[str, ...]:
    """Warnings in words: training and validation part ways, or clean and perturbed validation do.

    The first means that validation loss has risen by a tenth above its lowest value for at least two epochs
    while training loss fell on; the second that perturbed images have become harder for at least two epochs
    while clean ones became easier, or that their ROC AUC lies 0.1 apart and further than at first. It is not
    said of a network that tells clean images hardly better than by guessing.
    """
    epochs, warnings = history.epochs, []
    if len(epochs) < _PATIENCE + 1:
        return ()
    clean = [number(epoch["validation"]["clean"].get("loss")) for epoch in epochs]
    train = [number(epoch["train"].get("loss")) for epoch in epochs]
    lowest = min(range(len(clean)), key=lambda index: clean[index])
    if len(clean) - 1 - lowest >= _PATIENCE and clean[-1] > 1.1 * clean[lowest] and train[-1] < train[lowest]:
        warnings.append(
            f"Training and validation part ways since epoch {lowest + 1}: training loss fell from "
            f"{train[lowest]:.3f} to {train[-1]:.3f} while validation loss rose from {clean[lowest]:.3f} to "
            f"{clean[-1]:.3f}. The network learns its training images by heart; more epochs will hardly help."
        )
    pairs = [(_auc(epoch, "clean"), _auc(epoch, "perturbed")) for epoch in epochs]
    gaps = [easy - hard for easy, hard in pairs]
    if math.isnan(gaps[-1]) or pairs[-1][0] < _LEARNT:
        return tuple(warnings)
    best = max(range(len(pairs)), key=lambda index: pairs[index][1])
    falls = len(pairs) - 1 - best >= _PATIENCE and pairs[-1][0] > pairs[best][0]
    if (falls and gaps[-1] > gaps[best] + 0.01) or (gaps[-1] > 0.1 and gaps[-1] > gaps[0] + 0.02):
        warnings.append(
            f"Clean and perturbed validation part ways: ROC AUC {pairs[-1][0]:.3f} on clean images, "
            f"{pairs[-1][1]:.3f} on perturbed ones. The detector leans on traces that compression, blur and "
            "noise wipe out; stronger augmentation may help."
        )
    return tuple(warnings)


def _auc(epoch: dict, part: str) -> float:
    return number((epoch["validation"].get(part) or {}).get("roc_auc"))
