"""Two detectors with recorded evaluations to compare."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from streamlit.testing.v1 import AppTest

from deepfake.evaluation.scores import read_scores, write_scores
from deepfake.evaluation.statistics.metrics import evaluate_scores
from tests.support.pages import plain_label
from tests.support.records.evaluations import change_card

N = 200


def scored(folder: Path, seed: int, lift: float, *, perturbed: bool = False, title: str = "Set") -> dict:
    """An evaluation in a detector's folder: the same images for every detector, its own scores."""
    labels = np.arange(N) % 2
    noise = np.random.default_rng(seed).normal(0, 1.5, N)
    table = pd.DataFrame(
        {
            "image_id": [f"Test/{('Real', 'Fake')[label]}/{k}.png" for k, label in enumerate(labels)],
            "split": "Test",
            "source": "drawn",
            "label": labels,
            "p_fake": expit(noise + lift * (2 * labels - 1)),
        }
    )
    name = f"scores-{title}{'-perturbed' * perturbed}.csv".lower()
    write_scores(table, folder / name)
    entry = {"data": title, "split": "Test", "perturbed": perturbed, "scores": name, "command": ""}
    return {**entry, **evaluate_scores(labels, table["p_fake"], n_bootstrap=0).to_dict()}


def two_detectors(tiny_models: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two copies of the detector ``tiny``, each with its own scores of the same images."""
    for seed, (name, lift, balanced) in enumerate((("tiny", 1.0, 0.5), ("zebra", 2.0, 0.4))):
        shutil.copytree(tiny_models / "tiny", models / name)
        folder = models / name
        thresholds = json.loads((folder / "card.json").read_text())["thresholds"]
        entries = [scored(folder, seed, lift), scored(folder, seed + 5, lift / 2, perturbed=True)]
        change_card(folder, evaluations=entries, thresholds={**thresholds, "balanced": balanced})
    monkeypatch.setenv("DEEPFAKE_MODELS", str(models))
    monkeypatch.delenv("DEEPFAKE_DATA", raising=False)
    return models


def press(app: AppTest, label: str) -> None:
    """Presses the button as it stands now; one of an earlier run would bring back that run's sliders."""
    next(button for button in app.button if plain_label(button) == label).click().run()


def tables(two: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    a, b = (read_scores(two / name / "scores-set.csv") for name in ("tiny", "zebra"))
    return a, b
