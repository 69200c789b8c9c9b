"""Numbers at a threshold, by part, and the gaps between evaluations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn.metrics import (
    balanced_accuracy_score,
    classification_report,
    confusion_matrix,
    f1_score,
    roc_auc_score,
    roc_curve,
)

from deepfake.data.sets import image_file
from deepfake.evaluation.breakdown import breakdown_table, gaps, subsets_of
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.statistics.bootstrap import bootstrap_intervals, count_scores
from deepfake.evaluation.statistics.metrics import evaluate_scores, low_fpr_metrics
from deepfake.evaluation.statistics.thresholds import (
    at_threshold,
    auc_with_interval,
    cell_images,
    report_table,
    sort_scores,
    sort_table,
)
from deepfake.evaluation.text.cells import CELLS


def scores(
    n: int = 400, seed: int = 0, lift: float = 1.5, step: float = 0.01
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and overlapping scores with ties."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    z = rng.normal(0, 1.5, n) + lift * (2 * labels - 1)
    return labels, (1 / (1 + np.exp(-z)) / step).round() * step


def score_table(labels: np.ndarray, p_fake: np.ndarray, **columns: object) -> pd.DataFrame:
    given = {"image_id": [f"{n}.jpg" for n in range(len(labels))], "split": "Test", "source": "a", **columns}
    return pd.DataFrame({**given, "label": labels, "p_fake": p_fake})


@pytest.mark.parametrize("threshold", [0.0, 0.13, 0.5, 0.77, 1.0])
def test_equals_scikit_learn(threshold):
    labels, p_fake = scores()
    called = (p_fake >= threshold).astype(int)
    metrics = at_threshold(sort_scores(labels, p_fake), threshold)
    ((passed, alarms), (missed, found)) = confusion_matrix(labels, called, labels=[0, 1])
    assert (metrics.found, metrics.missed, metrics.false_alarms, metrics.passed) == (
        found,
        missed,
        alarms,
        passed,
    )
    assert metrics.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, called))
    assert metrics.f1 == pytest.approx(f1_score(labels, called))
    assert metrics.accuracy.share == pytest.approx((labels == called).mean())
    settings: dict[str, Any] = {"labels": [1, 0], "target_names": ["Fake", "Real"], "zero_division": 0}
    theirs: Any = classification_report(labels, called, output_dict=True, **settings)
    names = ["Fake", "Real", "macro avg", "weighted avg"]
    for name, row in zip(names, report_table(metrics).to_dict("records"), strict=True):
        got = (row["precision"], row["recall"], row["f1"], row["images"])
        assert got == pytest.approx(tuple(theirs[name].values()))


def test_one_class_has_no_number_that_compares():
    metrics = at_threshold(sort_scores([1, 1, 1], [0.1, 0.6, 0.9]), 0.5)
    assert (metrics.found, metrics.missed) == (2, 1)
    assert metrics.false_alarm_rate.share is None
    assert metrics.balanced_accuracy is None
    assert len(report_table(metrics)) == 2
    assert auc_with_interval(sort_scores([1, 1], [0.2, 0.4])) is None


def test_auc_and_its_interval():
    labels, p_fake = scores(600)
    found = auc_with_interval(sort_scores(labels, p_fake))
    assert found
    assert found[0] == pytest.approx(roc_auc_score(labels, p_fake))
    boot = bootstrap_intervals(count_scores(labels, p_fake), 0.5, 2000, 0.95, 0)["roc_auc"]
    assert found[1:] == pytest.approx(boot, abs=0.006)


def test_auc_interval_covers_as_often_as_it_says():
    truth = roc_auc_score(*scores(200_000, seed=1, lift=0.5, step=1e-9))
    inside = 0
    for seed in range(300):
        found = auc_with_interval(sort_scores(*scores(120, seed=1000 + seed, lift=0.5, step=1e-9)))
        assert found
        inside += found[1] <= truth <= found[2]
    assert 0.91 <= inside / 300 <= 0.985


def test_perfect_separation_is_not_certainty():
    found = auc_with_interval(sort_scores([0] * 10 + [1] * 10, [0.1] * 10 + [0.9] * 10))
    assert found
    assert found[0] == found[2] == 1.0
    assert 0.6 < found[1] < 0.8


def test_low_fpr_metrics():
    labels, p_fake = scores(3000, step=1e-6)
    strict = low_fpr_metrics(labels, p_fake, n_bootstrap=200)
    assert strict
    assert strict.eer == pytest.approx(evaluate_scores(labels, p_fake, n_bootstrap=0).eer)
    real = p_fake[labels == 0]
    allowed = [t for t in np.unique(p_fake) if (real >= t).mean() <= 0.001]
    best = max(((p_fake[labels == 1] >= t).mean() for t in allowed), default=0)
    assert strict.tpr_at_fpr_0_1pct == pytest.approx(best)
    for name, (low, high) in strict.intervals.items():
        assert 0 <= low <= getattr(strict, name) <= high <= 1
        assert low < high
    assert low_fpr_metrics([1, 1], [0.2, 0.3]) is None


def test_low_fpr_metrics_equal_scikit_learn():
    labels, p_fake = scores(3000, step=1e-6)
    strict = low_fpr_metrics(labels, p_fake, n_bootstrap=2)
    assert strict
    alarms, found, _ = roc_curve(labels, p_fake, drop_intermediate=False)
    assert strict.tpr_at_fpr_0_1pct == pytest.approx(found[alarms <= 0.001].max())
    nearest = np.abs(1 - found - alarms).argmin()  # both errors are equal to within a step of the curve
    assert strict.eer == pytest.approx((alarms[nearest] + 1 - found[nearest]) / 2, abs=1e-3)


def test_the_interval_of_the_equal_error_rate_covers_as_often_as_it_says():
    """Fake and Real are normal 2.5 apart, so the true rate is the share beyond 1.25."""
    truth = norm.sf(1.25)
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        labels = np.repeat([1, 0], 200)
        found = low_fpr_metrics(labels, expit(rng.normal(2.5 * labels - 1.25)), n_bootstrap=200, seed=seed)
        assert found
        low, high = found.intervals["eer"]
        inside += low <= truth <= high
    assert 0.9 <= inside / 200 <= 0.99, inside


def test_parts_by_source_and_generator():
    labels, p_fake = scores(300)
    sources = np.where(np.arange(300) % 3 == 0, "x", "y")
    table = score_table(labels, p_fake, source=sources, generator=np.where(labels == 1, "gan", ""))
    found = breakdown_table(subsets_of("Set", table), 0.4).set_index("part")
    rows: dict[str, dict[str, float]] = found.to_dict("index")  # pyright: ignore[reportAssignmentType]
    parts = ["source x", "source y", "generator not named", "generator gan"]
    assert list(rows) == ["Set", *(f"Set: {part}" for part in parts)]
    part = sources == "x"
    assert rows["Set: source x"]["auc"] == pytest.approx(roc_auc_score(labels[part], p_fake[part]))
    expected = ((p_fake >= 0.4) == labels)[part].mean()
    assert rows["Set: source x"]["accuracy"] == pytest.approx(expected)
    assert np.isnan(rows["Set: generator gan"]["auc"])
    assert np.isnan(rows["Set: generator gan"]["false_alarm_rate"])
    assert (found["accuracy_low"] < found["accuracy"]).all()


def recorded(split: str, perturbed: bool, data: str = "Set") -> Recorded:
    return Recorded(
        data, split, perturbed, "", Path("none.csv"), 1, 1, 0, 0.5, {}, {}, {}, 0.95, 0, ()
    )  # fmt: skip


def test_gaps_raise_an_alarm_only_where_large_and_sure():
    good, bad, few = scores(4000, lift=3), scores(4000, seed=1, lift=1), scores(12, seed=2, lift=1)
    tables = [sort_scores(*each) for each in (good, bad, few)]
    clean, altered, test = (
        recorded("Validation", False),
        recorded("Validation", True),
        recorded("Test", False),
    )
    found = {
        gap.kind: gap for gap in gaps([(clean, tables[0]), (altered, tables[1]), (test, tables[2])], 0.5)
    }
    assert set(found) == {"altered", "test", "altered_to_test"}
    gap = found["altered"]
    assert gap.fall == pytest.approx(gap.accuracy_before - gap.accuracy_after)
    assert gap.low < gap.fall < gap.high
    assert gap.alarm
    assert not found["test"].alarm or found["test"].low > 0  # 12 images prove little
    same = gaps([(clean, tables[0]), (altered, tables[0])], 0.5)
    assert same[0].fall == 0
    assert not same[0].alarm
    assert gaps([(clean, tables[0]), (recorded("Test", False, "Other"), tables[1])], 0.5) == []
    one_class = sort_scores(np.ones(5, int), np.full(5, 0.5))
    assert gaps([(clean, tables[0]), (altered, one_class)], 0.5) == []


def test_gap_interval_covers_as_often_as_it_says():
    """Two samples of the same population: the true fall is 0."""
    inside = 0
    for seed in range(300):
        pair = [sort_scores(*scores(200, seed=2 * seed + more)) for more in (0, 1)]
        gap = gaps([(recorded("Validation", False), pair[0]), (recorded("Test", False), pair[1])], 0.5)[0]
        inside += gap.low <= 0 <= gap.high
    assert 0.92 <= inside / 300 <= 0.99


def test_cells_are_whole_and_surest_first():
    labels, p_fake = scores(200)
    table = sort_table(score_table(labels, p_fake))
    metrics = at_threshold(sort_scores(labels, p_fake), 0.3)
    found = {cell: cell_images(table, 0.3, cell) for cell in CELLS}
    assert {cell: len(rows) for cell, rows in found.items()} == {
        "missed": metrics.missed,
        "false_alarms": metrics.false_alarms,
        "found": metrics.found,
        "passed": metrics.passed,
    }
    assert found["missed"]["p_fake"].is_monotonic_increasing
    assert found["false_alarms"]["p_fake"].is_monotonic_decreasing
    assert found["false_alarms"]["p_fake"].min() >= 0.3 > found["missed"]["p_fake"].max()
    assert (found["false_alarms"]["label"] == 0).all()


def test_image_files_never_leave_the_folder(tmp_path):
    root = tmp_path / "data"
    (root / "a" / "Test").mkdir(parents=True)
    inside, outside = root / "a" / "Test" / "1.jpg", tmp_path / "secret.jpg"
    inside.write_bytes(b"x")
    outside.write_bytes(b"x")
    (root / "a" / "card.json").write_bytes(b"{}")
    (root / "link.jpg").symlink_to(outside)
    assert image_file(root, "a/Test/1.jpg") == inside.resolve()
    assert image_file(root, "Test/1.jpg", "a") == inside.resolve()
    hostile = [
        "../secret.jpg",
        str(outside),
        "a/../../secret.jpg",
        "..\\secret.jpg",
        "link.jpg",
        "",
        "\0.jpg",
    ]
    for name in [*hostile, "a/card.json", "a", "Test/1.jpg", "x" * 5000 + ".jpg"]:
        assert image_file(root, name) is None, name
    assert image_file(root / "a", "secret.jpg", "../..") is None
