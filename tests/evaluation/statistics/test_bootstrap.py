"""Weighted metrics equal scikit-learn's on the resample spelt out, and intervals cover the truth."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm
from sklearn import metrics as sk

from deepfake.evaluation.statistics.bootstrap import (
    METRICS,
    bootstrap_intervals,
    count_scores,
    resample,
    weighted_metrics,
)
from deepfake.evaluation.statistics.reliability import reliability_table


@pytest.mark.parametrize("decimals", [None, 2, 1])
@pytest.mark.parametrize("share_fake", [0.1, 0.5, 0.9])
def test_metrics_of_resamples_equal_scikit_learn(decimals, share_fake):
    rng = np.random.default_rng(5)
    labels = (rng.random(400) < share_fake).astype(int)
    p = expit(rng.normal(2.0 * labels - 1, 1.5))
    p = p if decimals is None else p.round(decimals)
    counts = count_scores(labels, p)
    fake, real = resample(counts, 12, rng)
    found = weighted_metrics(counts.scores, fake, real, 0.4)
    assert set(found) == set(METRICS)
    for b in range(12):
        q = np.concatenate([np.repeat(counts.scores, fake[b]), np.repeat(counts.scores, real[b])])
        y = np.repeat([1, 0], [fake[b].sum(), real[b].sum()])
        fpr, tpr, _ = sk.roc_curve(y, q, drop_intermediate=False)
        bins = reliability_table(y, q)
        expected = {
            "accuracy": sk.accuracy_score(y, q >= 0.4),
            "balanced_accuracy": sk.balanced_accuracy_score(y, q >= 0.4),
            "roc_auc": sk.roc_auc_score(y, q),
            "average_precision": sk.average_precision_score(y, q),
            "f1": sk.f1_score(y, q >= 0.4),
            "tpr_at_fpr_1pct": tpr[fpr <= 0.01].max(),
            "ece": np.nansum(bins["n"].to_numpy() * np.abs(bins["gap"].to_numpy())) / len(y),
            "brier": sk.brier_score_loss(y, q),
        }
        for name, value in expected.items():
            assert found[name][b] == pytest.approx(value, abs=1e-12), name


def test_resamples_keep_the_class_sizes_and_draw_evenly():
    labels = np.repeat([1, 0], [30, 50])
    counts = count_scores(labels, np.linspace(0, 1, 80).round(2))
    fake, real = resample(counts, 4000, np.random.default_rng(0))
    assert (fake.sum(axis=1) == 30).all()
    assert (real.sum(axis=1) == 50).all()
    # Mean of 4000 counts with variance below 3 each: 0.15 is more than five standard errors.
    assert np.abs(fake.mean(axis=0) - counts.fake).max() < 0.15
    assert np.abs(real.mean(axis=0) - counts.real).max() < 0.15
    assert fake.std(axis=0).max() > 0.8


def test_intervals_cover_the_truth_as_often_as_they_say():
    # Fake ~ N(1, 1), Real ~ N(-0.5, 1) on the logit scale: truths are known in closed form.
    auc = norm.cdf(1.5 / np.sqrt(2))
    accuracy = (norm.cdf(1.0) + norm.cdf(0.5)) / 2
    covered: dict[str, int] = {"roc_auc": 0, "accuracy": 0}
    labels = np.repeat([1, 0], 200)
    for seed in range(200):
        rng = np.random.default_rng(seed)
        p = expit(np.concatenate([rng.normal(1.0, 1, 200), rng.normal(-0.5, 1, 200)]))
        found = bootstrap_intervals(count_scores(labels, p), 0.5, 300, 0.95, seed)
        for name, truth in (("roc_auc", auc), ("accuracy", accuracy)):
            low, high = found[name] or (np.nan, np.nan)
            covered[name] += int(low <= truth <= high)
    for name, times in covered.items():
        assert 0.88 <= times / 200 <= 0.99, (name, times)


def test_the_ece_interval_covers_a_real_miscalibration():
    # True logits are z / 1.5 while the detector says sigmoid(z).
    big = np.random.default_rng(1).normal(0, 2.5, 400_000)
    index = np.minimum((expit(big) * 15).astype(int), 14)
    truth = np.abs(np.bincount(index, weights=expit(big) - expit(big / 1.5))).sum() / big.size
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        z = rng.normal(0, 2.5, 1000)
        counts = count_scores((rng.random(1000) < expit(z / 1.5)).astype(int), expit(z))
        low, high = bootstrap_intervals(counts, 0.5, 100, 0.95, seed)["ece"] or (np.nan, np.nan)
        covered += low <= truth <= high
    assert covered >= 85


def test_the_confidence_sets_the_width():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 500)
    counts = count_scores(labels, expit(rng.normal(2.0 * labels - 1, 1.5)))
    narrow = bootstrap_intervals(counts, 0.5, 500, 0.5, 0)["roc_auc"]
    wide = bootstrap_intervals(counts, 0.5, 500, 0.95, 0)["roc_auc"]
    assert narrow is not None
    assert wide is not None
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
