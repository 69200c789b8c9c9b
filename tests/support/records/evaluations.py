"""Recorded evaluations for tests of pages."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake.evaluation.scores import write_scores
from deepfake.evaluation.statistics.metrics import evaluate_scores

SLIDER = "Forced choice: images that score at or above this threshold are called fake, the others real"


def record(
    folder: Path, data: str, split: str, *, lift: float, perturbed: bool = False, n: int = 300
) -> dict:
    """An evaluation as ``publish.record`` leaves it; ``lift`` 0 for Fake images only."""
    rng = np.random.default_rng(len(data) + perturbed)
    labels = np.arange(n) % 2 if lift else np.ones(n, int)
    p_fake = 1 / (1 + np.exp(-rng.normal(0, 1.5, n) - lift * (2 * labels - 1)))
    scores = f"scores-{data}-{split}{'-perturbed' * perturbed}.csv".lower()
    table = {
        "image_id": [f"{split}/{'Fake' if label else 'Real'}/{k}.png" for k, label in enumerate(labels)],
        "split": split,
        "source": np.where(np.arange(n) % 3 == 0, "one", "two"),
        "label": labels,
        "p_fake": p_fake,
    }
    write_scores(pd.DataFrame(table), folder / scores)
    entry = {
        "data": data,
        "split": split,
        "perturbed": perturbed,
        "command": "python -m deepfake evaluate DATA",
    }
    return {**entry, "scores": scores, **evaluate_scores(labels, p_fake, n_bootstrap=100).to_dict()}


def three_evaluations(tiny_models: Path, folder: Path) -> Path:
    """A copy of ``tiny`` with a one-class, a perturbed and a clean evaluation; the last is shown first."""
    detector = folder / "models" / "tiny"
    shutil.copytree(tiny_models / "tiny", detector)
    entries = [
        record(detector, "Fakes", "all", lift=0),
        record(detector, "Set", "Test", lift=0.8, perturbed=True),
        record(detector, "Set", "Test", lift=3),
    ]
    change_card(detector, evaluations=entries)
    return detector


def change_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps({**card, **changes}))
