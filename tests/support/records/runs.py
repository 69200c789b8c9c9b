"""Folders of training runs as a run writes them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from deepfake.training.recipe import RECIPES
from deepfake.util.files import write_json

STEP = {
    "learning_rate": 0.1,
    "images_per_second": 10.0,
    "cores": 1.5,
    "memory_mb": 900,
    "memory_free_mb": 5000,
}


def write(folder: Path, *events: dict[str, Any]) -> None:
    with (folder / "events.jsonl").open("a") as file:
        for event in events:
            file.write(json.dumps(event) + "\n")


def start(when: float = 100.0, first: int = 1, steps: int = 4) -> dict[str, Any]:
    return {"type": "start", "time": when, "first_epoch": first, "steps_per_epoch": steps, "batch_size": 8}


def step(when: float, epoch: int, number: int, mean: float | None) -> dict[str, Any]:
    place = {"type": "step", "time": when, "epoch": epoch, "step": number}
    return {**place, "loss": mean, "accuracy": 0.5, **STEP}


def epoch(
    number: int,
    *,
    train: float = 0.5,
    loss: float = 0.5,
    auc: float = 0.9,
    hard: float | None = 0.8,
    **more: Any,
) -> dict[str, Any]:
    def part(auc: float) -> dict[str, Any]:
        matrix = [[6, 2], [1, 7]]
        return {
            "loss": loss,
            "accuracy": 0.8,
            "roc_auc": auc,
            "confusion_matrix": matrix,
            "source_roc_auc": {},
        }

    validation = {"clean": part(auc)} | ({"perturbed": part(hard)} if hard is not None else {})
    told = {"type": "epoch", "time": 100.0 + 10 * number, "epoch": number}
    return {**told, "train": {"loss": train, "accuracy": 0.7}, "validation": validation, **more}


def a_run(folder: Path, name: str, *events: dict[str, Any], process: dict[str, Any] | None = None) -> Path:
    """A folder as a run leaves it."""
    run = folder / name
    run.mkdir()
    recipe = dataclasses.replace(RECIPES["seed"], epochs=5)
    write_json(run / "settings.json", {"recipe": recipe.to_dict(), "data": str(folder)})
    write(run, *events)
    if any(event["type"] == "epoch" for event in events):
        (run / "best.keras").write_bytes(b"network")
        (run / "state.npz").write_bytes(b"state")
    if process is not None:
        write_json(run / "process.json", {"pid": 1, "since": 99.0, **process})
    return run


def end(state: str, **more: Any) -> dict[str, Any]:
    return {"type": "end", "time": 150.0, "state": state, "best_epoch": 1, **more}


def own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the place of all runs, on a server that may train."""
    monkeypatch.setenv("DEEPFAKE_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("DEEPFAKE_TRAINING", raising=False)
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"
