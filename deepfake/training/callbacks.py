"""What goes along with the steps of a run: its averaged weights, and word of how it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import keras
from numpy.typing import NDArray

from deepfake.training.log import RunLog
from deepfake.training.recipe import Recipe
from deepfake.util.process import Requests, Usage


class WeightAverage(keras.callbacks.Callback):
    """Exponential moving average of all weights, normalisation statistics included.

    Polyak and Juditsky, Acceleration of stochastic approximation by averaging (1992). Updated every
    eighth step with the decay to its eighth power, which costs next to nothing; oftener where an epoch has
    fewer than 64 steps, so that each epoch's end finds an average of its own.

    Args:
        model: the network.
        decay: per step; 0 for no average.
        steps: of an epoch.
    """

    EVERY = 8

    def __init__(self, model: keras.Model, decay: float, steps: int = 64) -> None:
        super().__init__()
        self.network, self.decay, self.steps = model, decay, 0
        self.every = max(1, min(self.EVERY, steps // 8))
        self._weights: list[NDArray[Any]] | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Moves the average towards the weights."""
        self.steps += 1
        if not self.decay or self.steps % self.every:
            return
        current = self.network.get_weights()
        if self._weights is None:
            self._weights = current
            return
        # Early averages forget their random start faster.
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps)) ** self.every
        self._weights = [
            keep * average + (1 - keep) * value for average, value in zip(self._weights, current, strict=True)
        ]

    def weights(self) -> list[NDArray[Any]]:
        """The averaged weights, or the plain ones where there is no average."""
        return self.network.get_weights() if self._weights is None else self._weights

    @property
    def averages(self) -> list[NDArray[Any]]:
        """What ``restore`` takes: the averaged weights, none before there is an average."""
        return self._weights or []

    def restore(self, averages: list[NDArray[Any]], steps: int) -> None:
        """Takes up a saved average."""
        self.steps = steps
        self._weights = averages if averages and self.decay else None


class StopAsked(keras.callbacks.Callback):
    """Ends the steps where somebody asked the run to stop and the exception was lost on its way."""

    def __init__(self, requests: Requests) -> None:
        super().__init__()
        self.requests = requests

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Raises KeyboardInterrupt where a request has arrived."""
        self.requests.check()


class StepReporter(keras.callbacks.Callback):
    """Logs and says how the steps go, at a bounded rate."""

    LOG_SECONDS = 2.0
    SAY_SECONDS = 30.0

    def __init__(self, log: RunLog, recipe: Recipe, steps: int, say: Callable[[str], None]) -> None:
        super().__init__()
        self.log, self.recipe, self.steps, self.say = log, recipe, steps, say
        self.epoch = 0
        self._usage = Usage()
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
            **self._usage.sample(),
        )
        if now - self._said >= self.SAY_SECONDS:
            self._said = now
            left = (self.recipe.epochs - self.epoch) * self.steps - batch - 1
            seconds = left * self.recipe.batch_size / rate
            self.say(
                f"epoch {self.epoch + 1}/{self.recipe.epochs}, step {batch + 1}/{self.steps}: "
                f"loss {loss:.4f}, accuracy {accuracy:.4f}, {rate:.0f} images/s, {seconds / 60:.0f} min left"
            )
