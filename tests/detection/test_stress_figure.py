"""The stress test's chart and table show the same scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from deepfake.detection.figures import stress_figure, stress_table
from deepfake.detection.stress import CHANGES, stress_test
from deepfake.detection.text import CALL_WORDS
from deepfake.plotting import CALL_COLOURS
from deepfake.types import Thresholds

THRESHOLDS = Thresholds(0.5, 0.9, 0.4, 0.6)


def test_table_and_chart() -> None:
    scores = np.linspace(0.95, 0.05, len(CHANGES) + 1)
    result = stress_test(lambda _: scores, np.zeros((32, 32, 3), np.uint8), THRESHOLDS)
    table = stress_table(result)
    assert table["Probability of fake"].tolist() == scores.tolist()
    assert table["Change"].iloc[0] == "As it is"
    assert set(table["Verdict"]) == {"Likely fake", "Uncertain", "Likely real"}
    figure: Any = stress_figure(result, THRESHOLDS)
    dots = {trace["name"]: trace for trace in figure.data}
    for call, words in CALL_WORDS.items():
        mine = table[table["Verdict"] == words]
        assert list(dots[words]["x"]) == pytest.approx(mine["Probability of fake"].tolist())
        assert dots[words]["marker"]["color"] == CALL_COLOURS[call]
    band = figure.layout.shapes[0]
    assert (band.x0, band.x1) == (0.4, 0.6)
    careful: Any = stress_figure(result, THRESHOLDS, "few_false_alarms")
    assert (careful.layout.shapes[0].x0, careful.layout.shapes[0].x1) == (0.4, 0.9)
    assert len(set(figure.layout.yaxis.categoryarray)) == len(CHANGES) + 1, "every row has its own name"
