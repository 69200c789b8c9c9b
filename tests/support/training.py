"""A training run small enough for a test."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import keras
import pytest

from deepfake.images.pixels import InputSpec
from deepfake.networks.architectures import compact
from deepfake.training import train as training_train
from deepfake.training.callbacks import StepReporter
from deepfake.training.recipe import Recipe

TINY = Recipe(
    "tiny",
    "compact",
    InputSpec(32),
    InputSpec(40),
    epochs=2,
    batch_size=8,
    learning_rate=3e-3,
    schedule="cosine",
    warmup=0.5,
    optimizer="adamw",
    weight_decay=0.05,
    perturbed=0.5,
    min_area=0.6,
    ema=0.9,
    validation_images=16,
    precision="float32",
)


def small_network_of_every_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run trains a network of one small stage, and says all that it does."""

    def build(name: str, *, size: int | None = None, weights: Any = None, fused: bool = False) -> Any:
        if name == "resnet50":  # its output form, not its size
            hidden = keras.layers.GlobalAveragePooling2D()(inputs := keras.Input((size, size, 3)))
            return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(hidden))
        return compact(size, stages=((8, 1),), stem=8, fused=fused)

    monkeypatch.setattr(training_train, "build", build)
    monkeypatch.setattr(StepReporter, "LOG_SECONDS", 0.0)
    monkeypatch.setattr(StepReporter, "SAY_SECONDS", 0.0)


def quiet(_: str) -> None:
    """For those who do not wait."""


def recipe(**changes: Any) -> Recipe:
    return dataclasses.replace(TINY, **changes)


def events(folder: Path) -> list[dict[str, Any]]:
    def no_nan(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=no_nan) for line in lines]
