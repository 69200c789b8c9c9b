"""Curves laid over each other pass through scikit-learn's points, each detector in a style of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, ndtri
from sklearn import metrics as sk

from deepfake.evaluation.compare import Estimate
from deepfake.evaluation.curves import det_points, operating_points
from deepfake.evaluation.figures import (
    det_curves_figure,
    differences_figure,
    precision_recall_curves_figure,
    roc_curves_figure,
)
from deepfake.evaluation.thresholds import at_threshold, sort_scores

LABELS = np.arange(120) % 2
SCORES = {
    name: expit(np.random.default_rng(seed).normal(0, 1.2, 120) + lift * (2 * LABELS - 1)).round(2)
    for seed, (name, lift) in enumerate((("<b>a", 0.6), ("b", 1.4)))
}
SORTED = {name: sort_scores(LABELS, p) for name, p in SCORES.items()}
POINTS = {name: operating_points(scores) for name, scores in SORTED.items()}
NOW = {name: at_threshold(scores, 0.5) for name, scores in SORTED.items()}


def lines(figure: Any) -> list[Any]:
    """The detectors' lines, without the line of guessing."""
    return [trace for trace in figure.data if trace.mode == "lines" and trace.name != "Guessing"]


def dots(figure: Any) -> list[tuple[float, float]]:
    return [(trace.x[0], trace.y[0]) for trace in figure.data if trace.mode == "markers"]


def test_roc() -> None:
    figure = roc_curves_figure(POINTS, NOW)
    for line, p in zip(lines(figure), SCORES.values(), strict=True):
        alarms, found, _ = sk.roc_curve(LABELS, p, drop_intermediate=False)
        assert np.asarray(line.x) == pytest.approx(alarms)
        assert np.asarray(line.y) == pytest.approx(found)
    for (x, y), p in zip(dots(figure), SCORES.values(), strict=True):
        assert y == pytest.approx(sk.recall_score(LABELS, p >= 0.5))
        assert x == pytest.approx(1 - sk.recall_score(LABELS, p >= 0.5, pos_label=0))
    first, second = lines(figure)
    assert (first.name, second.name) == ("&lt;b&gt;a", "b")
    assert first.line.color != second.line.color
    assert first.line.dash != second.line.dash


def test_precision_recall() -> None:
    figure = precision_recall_curves_figure(POINTS, NOW)
    for line, p in zip(lines(figure), SCORES.values(), strict=True):
        precision, recall, _ = sk.precision_recall_curve(LABELS, p)
        assert np.asarray(line.x) == pytest.approx(recall[::-1])
        assert np.asarray(line.y) == pytest.approx(precision[::-1])
    for (x, y), p in zip(dots(figure), SCORES.values(), strict=True):
        assert (x, y) == pytest.approx(
            (sk.recall_score(LABELS, p >= 0.5), sk.precision_score(LABELS, p >= 0.5))
        )


def test_det() -> None:
    kept = {name: det_points(points) for name, points in POINTS.items()}
    figure = det_curves_figure(kept, NOW)
    for line, p in zip(lines(figure), SCORES.values(), strict=True):
        alarms, found, _ = sk.roc_curve(LABELS, p, drop_intermediate=False)
        inner = (alarms > 0) & (alarms < 1) & (found > 0) & (found < 1)
        assert np.asarray(line.x) == pytest.approx(ndtri(alarms[inner]))
        assert np.asarray(line.y) == pytest.approx(ndtri(1 - found[inner]))
    assert det_curves_figure({}, {}) is None


def test_differences_leave_out_what_is_undefined() -> None:
    found = {
        "accuracy": Estimate(0.1, (0.05, 0.2)),
        "roc_auc": Estimate(None, None),
        "brier": Estimate(-0.2, None),
    }
    titles = {"accuracy": "Accuracy", "roc_auc": "ROC AUC", "brier": "Brier score"}
    figure: Any = differences_figure(found, titles, "<i>a")
    (rows,) = figure.data
    assert list(rows.y) == ["Accuracy", "Brier score"]
    assert list(rows.x) == [0.1, -0.2]
    assert list(rows.error_x.array) == pytest.approx([0.1, 0.0])
    assert list(rows.error_x.arrayminus) == pytest.approx([0.05, 0.0])
    assert pd.Series(rows.x).notna().all()
