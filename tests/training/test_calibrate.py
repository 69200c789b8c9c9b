"""What a detector's scores are fitted on: sources in their shares, perturbed as often as in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from deepfake.data.index import DatasetIndex
from deepfake.evaluation.scores import check_table
from deepfake.evaluation.statistics.calibration import threshold_balanced
from deepfake.images.pixels import InputSpec
from deepfake.training import publish
from deepfake.training.publish import calibrate
from deepfake.training.recipe import RECIPES


def data_of(**counts: int) -> DatasetIndex:
    rows = [
        (f"{source}/{label}/{number}.png", "Validation", label, source, "")
        for source, count in counts.items()
        for label in (1, 0)
        for number in range(count)
    ]
    return DatasetIndex(
        Path("data"), pd.DataFrame(rows, columns=["path", "split", "label", "source", "generator"])
    )


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[tuple[bool, list[str]]]:
    """Scores that depend on the label, and a little on the name; what was scored in which form."""
    calls: list[tuple[bool, list[str]]] = []

    def score(_scorer: Any, _spec: Any, paths: list[str], *, perturbed: bool) -> Any:
        calls.append((perturbed, paths))
        rng = np.random.default_rng(len(paths))
        return np.array([2.0 * ("/1/" in path) + rng.normal() for path in paths], np.float32)

    monkeypatch.setattr(publish, "score_files", score)
    return calls


def of(data: DatasetIndex, **changes: Any) -> Any:
    recipe = replace(RECIPES["faces"], shares={"a": 3, "b": 1}, source_perturbed={"a": 0.6}, **changes)
    return calibrate(lambda batch: np.zeros(len(batch), np.float32), InputSpec(32), data, recipe)


def test_one_source_is_calibrated_on_perturbed_copies_of_all(scored: list[Any]) -> None:
    data = data_of(a=30)
    found = calibrate(lambda batch: np.zeros(len(batch), np.float32), InputSpec(32), data, RECIPES["compact"])
    assert (found.images, found.perturbed, found.by_source) == (60, 1.0, {"a": 60})
    assert [(form, len(paths)) for form, paths in scored] == [(False, 0), (True, 60)]
    assert len(check_table(found.scores)) == 60
    assert threshold_balanced(found.scores["label"], found.scores["p_fake"]) == found.thresholds.balanced


def test_sources_in_their_shares(scored: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "MAX_IMAGES", 400)
    found = of(data_of(a=500, b=40, c=90), perturbed=0.1)
    assert found.by_source == {"a": 300, "b": 80}, "b has less than its 100; c is none of its sources"
    assert found.to_dict()["images"] == found.images == 380
    clean, perturbed = (paths for _, paths in scored)
    assert len(clean) + len(perturbed) == len(set(clean + perturbed)) == 380
    of_a = sum(path.startswith("data/a/") for path in perturbed)
    assert of_a / 300 == pytest.approx(0.6, abs=0.08)
    assert (len(perturbed) - of_a) / 80 == pytest.approx(0.1, abs=0.1)
    assert found.perturbed == pytest.approx(len(perturbed) / 380)


def test_fitted_numbers_fit(scored: list[Any]) -> None:
    found = of(data_of(a=2000, b=600), perturbed=0.1)
    # Scores of two normal distributions of width 1, 2 apart: log odds are 2 x - 2, and 0 in the middle.
    assert found.temperature == pytest.approx(0.5, rel=0.1)
    assert found.bias == pytest.approx(-2.0, rel=0.1)
    thresholds = found.thresholds
    assert thresholds.balanced == pytest.approx(0.5, abs=0.12)
    assert thresholds.uncertain_low < thresholds.balanced < thresholds.uncertain_high
    assert thresholds.few_false_alarms == pytest.approx(1 / (1 + np.exp(-(2 * 2.33 - 2))), abs=0.05)
    assert set(found.fitted()) == {"temperature", "bias", "thresholds"}
