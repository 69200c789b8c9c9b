"""Metrics against scikit-learn's on the same scores, what one class leaves undefined, and refusals."""

import json
import math
import time
from typing import Any

import numpy as np
import pytest
from scipy.interpolate import interp1d
from scipy.optimize import brentq
from sklearn import metrics as sk

from deepfake.errors import EvaluationError
from deepfake.evaluation.statistics.metrics import evaluate_scores


def random_scores(seed: int, n: int, decimals: int | None, share_fake: float = 0.5):
    """Labels and overlapping scores; few decimals make ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < share_fake).astype(int)
    labels[:2] = 0, 1
    p = 1 / (1 + np.exp(-rng.normal(1.5 * (2 * labels - 1), 2.0)))
    return labels, p if decimals is None else p.round(decimals)


def roc(labels, p):
    return sk.roc_curve(labels, p, drop_intermediate=False)


CASES = [
    (0, 500, None, 0.5, 0.5),
    (1, 500, 1, 0.5, 0.5),
    (2, 501, 2, 0.2, 0.3),
    (3, 40, 1, 0.8, 0.7),
    (4, 7, None, 0.5, 0.5),
    (5, 2000, 2, 0.5, 0.0),
    (6, 2000, 0, 0.5, 1.0),
]


@pytest.mark.parametrize(("seed", "n", "decimals", "share", "threshold"), CASES)
def test_every_number_equals_scikit_learn(seed, n, decimals, share, threshold):
    labels, p = random_scores(seed, n, decimals, share)
    result = evaluate_scores(labels, p, threshold=threshold, n_bootstrap=0)
    called = (p >= threshold).astype(int)
    fpr, tpr, _ = roc(labels, p)
    expected = {
        "accuracy": sk.accuracy_score(labels, called),
        "balanced_accuracy": sk.balanced_accuracy_score(labels, called),
        "roc_auc": sk.roc_auc_score(labels, p),
        "average_precision": sk.average_precision_score(labels, p),
        "f1": sk.f1_score(labels, called),
        "tpr_at_fpr_1pct": tpr[fpr <= 0.01].max(),
        "brier": sk.brier_score_loss(labels, p),
        "log_loss": sk.log_loss(labels, p),
    }
    for name, value in expected.items():
        assert getattr(result, name) == pytest.approx(value, abs=1e-12), name
    assert np.array_equal(result.confusion_matrix, sk.confusion_matrix(labels, called, labels=[1, 0]))
    assert (result.n, result.n_fake, result.n_real) == (n, labels.sum(), n - labels.sum())
    options: dict[str, Any] = {"target_names": ["Fake", "Real"], "output_dict": True, "zero_division": 0}
    report = sk.classification_report(labels, called, labels=[1, 0], **options)
    assert result.report == report
    assert result.report["Fake"]["support"] == labels.sum()


@pytest.mark.parametrize(("seed", "n", "decimals", "share", "threshold"), CASES)
def test_equal_error_rate_and_ece_by_other_means(seed, n, decimals, share, threshold):
    labels, p = random_scores(seed, n, decimals, share)
    result = evaluate_scores(labels, p, threshold=threshold, n_bootstrap=0)
    fpr, tpr, _ = roc(labels, p)
    # Along the curve by a parameter, so that vertical steps are no trouble.
    t = np.arange(fpr.size)
    crossing = brentq(lambda s: interp1d(t, fpr)(s) + interp1d(t, tpr)(s) - 1, 0, t[-1], xtol=1e-12)
    assert result.eer == pytest.approx(float(interp1d(t, fpr)(crossing)), abs=1e-9)
    gaps = 0.0
    for k in range(15):
        inside = (p >= np.linspace(0, 1, 16)[k]) & ((p < np.linspace(0, 1, 16)[k + 1]) | (k == 14))
        if inside.any():
            gaps += inside.mean() * abs(p[inside].mean() - labels[inside].mean())
    assert result.ece == pytest.approx(gaps, abs=1e-12)


def test_seed_protocol_is_hard_labels_with_real_as_class_1_at_one_half():
    labels, p = random_scores(7, 400, 1)
    assert (p == 0.5).any()
    result = evaluate_scores(labels, p, threshold=0.8, n_bootstrap=0).seed_protocol
    classes = np.argmax(np.stack([p, 1 - p], axis=1), axis=1)  # Fake = 0, Real = 1, as the document had them
    assert result.accuracy == pytest.approx(sk.accuracy_score(1 - labels, classes))
    assert result.roc_auc_hard_labels_real_positive == pytest.approx(sk.roc_auc_score(1 - labels, classes))
    assert result.average_precision_hard_labels_real_positive == pytest.approx(
        sk.average_precision_score(1 - labels, classes)
    )


def test_confusion_matrix_names_its_order():
    result = evaluate_scores([1, 1, 1, 0, 0, 0, 0], [0.9, 0.8, 0.1, 0.9, 0.2, 0.2, 0.3], n_bootstrap=0)
    assert result.confusion_matrix == ((2, 1), (1, 3))
    assert result.to_dict()["confusion_matrix"] == {
        "labels": ["Fake", "Real"],
        "rows": "true class",
        "columns": "predicted class",
        "counts": [[2, 1], [1, 3]],
    }


def test_a_score_at_the_threshold_is_fake():
    assert evaluate_scores([1, 0], [0.5, 0.4999], n_bootstrap=0).accuracy == 1.0
    assert evaluate_scores([1, 0], [1.0, 1.0], threshold=float(np.nextafter(1.0, 2.0))).accuracy == 0.5


def test_to_dict_is_json_and_complete():
    labels, p = random_scores(8, 300, 2)
    result = evaluate_scores(labels, p, n_bootstrap=50)
    plain = result.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    for name in ("n", "n_fake", "n_real", "threshold", "eer", "report", "log_loss", "notes"):
        assert name in plain
    assert set(plain["intervals"]) == {
        *("accuracy", "balanced_accuracy", "roc_auc", "average_precision", "f1"),
        *("tpr_at_fpr_1pct", "ece", "brier"),
    }
    for name, (low, high) in plain["intervals"].items():
        assert low <= plain[name] <= high
    assert plain["seed_protocol"]["accuracy"] == result.seed_protocol.accuracy


@pytest.mark.parametrize(("label", "only", "other"), [(1, "Fake", "Real"), (0, "Real", "Fake")])
@pytest.mark.parametrize("n", [1, 60])
def test_one_class_leaves_ranking_undefined_and_says_so(label, only, other, n):
    p = np.linspace(0.2, 0.9, n)
    result = evaluate_scores(np.full(n, label), p, n_bootstrap=100)
    undefined = ["balanced_accuracy", "roc_auc", "average_precision", "tpr_at_fpr_1pct", "eer"]
    undefined += ["f1"] if label == 0 else []
    plain = result.to_dict()
    json.dumps(plain, allow_nan=False)
    assert [name for name in plain if plain[name] is None] == [name for name in plain if name in undefined]
    assert all(plain["intervals"][name] is None for name in undefined if name != "eer")
    assert result.seed_protocol.roc_auc_hard_labels_real_positive is None
    assert f"All images are {only}" in result.notes[0]
    assert f"without images labeled {other}" in result.notes[0]
    assert ("F1" in result.notes[0]) == (label == 0)
    assert result.accuracy == pytest.approx(((p >= 0.5) == label).mean())
    assert result.brier == pytest.approx(((p - label) ** 2).mean())
    low, high = plain["intervals"]["brier"]
    assert low <= result.brier <= high


def test_an_interval_without_width_is_called_out():
    labels = np.repeat([0, 1], 20)
    result = evaluate_scores(labels, np.where(labels == 1, 0.9, 0.1), n_bootstrap=200)
    assert result.intervals["accuracy"] == (1.0, 1.0)
    assert "accuracy" in " ".join(result.notes)
    assert "Wilson interval of the accuracy is 0.912 to 1.000" in result.notes[-1]
    assert "With 20 Real images" in result.notes[0]


def test_perfect_and_reversed_scores():
    labels = np.repeat([0, 1], 150)
    good = evaluate_scores(labels, labels.astype(float), n_bootstrap=0)
    assert (good.roc_auc, good.eer, good.tpr_at_fpr_1pct, good.ece, good.brier) == (1, 0, 1, 0, 0)
    assert 0 <= good.log_loss < 1e-12
    bad = evaluate_scores(labels, 1.0 - labels, n_bootstrap=0)
    assert (bad.roc_auc, bad.eer, bad.tpr_at_fpr_1pct, bad.ece, bad.brier) == (0, 1, 0, 1, 1)
    assert math.isfinite(bad.log_loss)


@pytest.mark.parametrize(
    ("labels", "p", "code"),
    [
        ([], [], "empty"),
        ([1, 0], [0.5], "length_mismatch"),
        ([1, 0], [0.5, math.nan], "bad_scores"),
        ([1, 0], [0.5, math.inf], "bad_scores"),
        ([1, 0], [0.5, 1.01], "bad_scores"),
        ([1, 0], [-0.01, 1.0], "bad_scores"),
        ([1, 0], ["a", "b"], "bad_scores"),
        ([1, 2], [0.5, 0.5], "bad_labels"),
        ([1, math.nan], [0.5, 0.5], "bad_labels"),
        (["Fake", "Real"], [0.5, 0.5], "bad_labels"),
        ([[1, 0]], [[0.5, 0.5]], "bad_shape"),
        (1, 0.5, "bad_shape"),
    ],
)
def test_unsound_scores_are_refused(labels, p, code):
    with pytest.raises(EvaluationError) as refusal:
        evaluate_scores(labels, p)
    assert refusal.value.code == code
    assert refusal.value.message.endswith(".")


@pytest.mark.parametrize(
    "setting",
    [
        {"threshold": -0.1},
        {"threshold": 1.1},
        {"threshold": math.nan},
        {"confidence": 1.0},
        {"n_bootstrap": -1},
    ],
)
def test_unsound_settings_are_refused(setting):
    with pytest.raises(EvaluationError) as refusal:
        evaluate_scores([1, 0], [0.6, 0.4], **setting)
    assert refusal.value.code == "bad_setting"
    assert str(next(iter(setting.values()))) in refusal.value.message


def test_same_seed_same_intervals_whatever_the_order_of_images():
    labels, p = random_scores(9, 300, 2)
    order = np.random.default_rng(0).permutation(300)
    first = evaluate_scores(labels, p, n_bootstrap=100, seed=3)
    again = evaluate_scores(labels[order], p[order], n_bootstrap=100, seed=3)
    other = evaluate_scores(labels, p, n_bootstrap=100, seed=4)
    assert first.intervals == again.intervals
    assert first.intervals != other.intervals


def test_a_thousand_resamples_of_eleven_thousand_images_are_quick():
    labels, p = random_scores(10, 11_000, None)
    start = time.process_time()
    evaluate_scores(labels, p, n_bootstrap=1000)
    assert time.process_time() - start < 6


@pytest.mark.parametrize(("n_real", "found"), [(100, 0.6), (99, 0.2)])
def test_one_false_alarm_in_a_hundred_is_allowed_and_one_in_99_is_not(n_real, found):
    labels = [0] * n_real + [1] * 5
    p = [0.8] + [0.1] * (n_real - 2) + [0.5] + [0.9, 0.7, 0.6, 0.4, 0.3]
    assert evaluate_scores(labels, p, n_bootstrap=0).tpr_at_fpr_1pct == pytest.approx(found)
