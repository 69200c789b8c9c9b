"""Linear heads on drawn features: what they learn, how groups count, sums that add up."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from deepfake.training.frozen.heads import Head, Moments, balanced_weights, fit_logistic
from tests.support.features import drawn_features as drawn


def moments(features: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Moments:
    return Moments(features, labels, weights, features.mean(0).astype(np.float32))


def standardised(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    mean = np.average(features, 0, weights)
    return (features - mean) / np.sqrt(np.average((features - mean) ** 2, 0, weights))


def test_ridge_is_scikit_learns_on_standardised_features() -> None:
    features, labels = drawn()
    weights = np.random.default_rng(1).uniform(0.2, 2, len(labels))
    (head,) = moments(features, labels, weights).ridge([0.3])
    rows = standardised(features, weights)
    theirs = Ridge(alpha=0.3 * weights.sum()).fit(rows, labels * 2 - 1, weights).predict(rows)
    assert np.allclose(head.logits(features), theirs, atol=1e-3)


def test_logistic_is_scikit_learns_on_standardised_features() -> None:
    features, labels = drawn()
    weights = np.random.default_rng(1).uniform(0.2, 2, len(labels))
    head = fit_logistic(features, labels, weights, 0.05)
    rows = standardised(features, weights)
    theirs = LogisticRegression(C=1 / (0.05 * weights.sum()), tol=1e-8, max_iter=1000)
    theirs.fit(rows, labels, weights)
    assert np.allclose(head.logits(features), theirs.decision_function(rows), atol=5e-3)


def test_moments_of_parts_add_up() -> None:
    features, labels = drawn()
    weights = np.full(len(labels), 2.0)
    centre = features.mean(0).astype(np.float32)
    whole = Moments(features, labels, weights, centre)
    first = Moments(features[:100], labels[:100], weights[:100] / 2, centre)
    parts = first.scaled(2) + Moments(features[100:], labels[100:], weights[100:], centre)
    for one, other in zip(whole.ridge([0.01, 1]), parts.ridge([0.01, 1]), strict=True):
        assert np.allclose(one.kernel, other.kernel, atol=1e-4) and one.bias == pytest.approx(
            other.bias, abs=1e-3
        )


def test_columns_left_out_weigh_nothing_and_a_constant_column_does_no_harm() -> None:
    features, labels = drawn()
    features[:, 3] = 5.0
    columns = np.array([0, 1, 3])
    (head,) = moments(features, labels, np.ones(len(labels))).ridge([0.1], columns)
    assert np.flatnonzero(head.kernel).tolist() == [0, 1]
    assert ((head.logits(features) > 0) == labels).mean() > 0.75
    logistic = fit_logistic(features, labels, np.ones(len(labels)), 0.1)
    assert np.isfinite(logistic.kernel).all() and abs(logistic.kernel[3]) < 1e-6


def test_every_group_and_class_counts_alike() -> None:
    groups = np.array(["a"] * 90 + ["b"] * 10)
    labels = np.array([1] * 80 + [0] * 10 + [1] * 5 + [0] * 5)
    weights = balanced_weights(groups, labels)
    sums = {(g, k): weights[(groups == g) & (labels == k)].sum() for g in "ab" for k in (0, 1)}
    assert weights.mean() == pytest.approx(1) and np.allclose(list(sums.values()), 25)
    shares = balanced_weights(groups, labels, {"a": 3, "b": 1})
    assert shares[groups == "a"].sum() == pytest.approx(75)


def test_groups_of_one_class_do_not_tip_the_scales() -> None:
    groups = np.array(["a"] * 20 + ["fakes"] * 30)
    labels = np.array([1, 0] * 10 + [1] * 30)
    weights = balanced_weights(groups, labels)
    assert weights[labels == 1].sum() == pytest.approx(weights[labels == 0].sum())


def test_a_head_is_a_dot_product() -> None:
    head = Head(np.array([1, -2], np.float32), 0.5)
    assert head.logits(np.array([[3, 1], [0, 0]], np.float16)).tolist() == [1.5, 0.5]
