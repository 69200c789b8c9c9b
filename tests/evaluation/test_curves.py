"""The risk-coverage curve equals the definition followed image by image."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from deepfake.errors import EvaluationError
from deepfake.evaluation.breakdown import abstaining_table
from deepfake.evaluation.curves import coverage_risk, risk_at
from deepfake.evaluation.statistics.thresholds import at_rule, sort_scores
from deepfake.types import Thresholds


def scored(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    return labels, expit(rng.normal(2.0 * labels - 1, 1.5))


@pytest.mark.parametrize("threshold", [0.5, 0.2, 0.93])
def test_each_point_is_the_error_rate_of_the_surest(threshold: float) -> None:
    labels, p = scored(300)
    curve = coverage_risk(labels, p, threshold)
    assert list(curve.columns) == ["coverage", "risk", "n"]
    order = np.argsort(-np.abs(logit(p) - logit(threshold)))
    wrong = ((p >= threshold) != labels)[order]
    assert curve["n"].tolist() == list(range(1, 301))
    assert curve["coverage"].to_numpy() == pytest.approx(np.arange(1, 301) / 300)
    assert curve["risk"].to_numpy() == pytest.approx([wrong[:k].mean() for k in range(1, 301)])


def test_the_logit_scale_ranks_not_the_probability() -> None:
    # From 0.9, 0.99 is 2.4 logits away and 0.5 only 2.2, although 0.5 is further in probability.
    curve = coverage_risk([0, 0], [0.99, 0.5], 0.9)
    assert curve["risk"].tolist() == [1.0, 0.5]


def test_ties_are_kept_together() -> None:
    # 0.3 and 0.7 are equally far from 0.5, though rounding makes their logits differ.
    curve = coverage_risk([1, 1, 0, 1], [0.3, 0.7, 0.3, 0.95], 0.5)
    assert curve["n"].tolist() == [1, 4]
    assert curve["risk"].tolist() == [0.0, 0.25]


def test_many_images_give_a_thousand_exact_points() -> None:
    labels, p = scored(5000)
    curve = coverage_risk(labels, p)
    assert len(curve) == 1000
    assert curve["n"].is_monotonic_increasing
    assert curve["n"].is_unique
    assert (curve["n"].iloc[0], curve["n"].iloc[-1]) == (1, 5000)
    assert curve["risk"].iloc[-1] == pytest.approx(((p >= 0.5) != labels).mean())
    wrong = ((p >= 0.5) != labels)[np.argsort(-np.abs(logit(p)))]
    assert curve["risk"].iloc[500] == pytest.approx(wrong[: curve["n"].iloc[500]].mean())


def test_abstaining_helps_a_detector_that_knows_when_it_errs() -> None:
    labels, p = scored(2000)
    shuffled = np.random.default_rng(1).permutation(p)
    right = (p >= 0.5) == labels
    # The same calls, with confidences that say nothing about which of them are wrong.
    blind = np.where((shuffled >= 0.5) == (p >= 0.5), shuffled, 1 - shuffled)
    assert np.array_equal((blind >= 0.5) == labels, right)
    risk = coverage_risk(labels, p)["risk"].mean()
    assert risk < 0.6 * (1 - right.mean())
    assert coverage_risk(labels, blind)["risk"].mean() == pytest.approx(1 - right.mean(), abs=0.03)


def test_scores_and_thresholds_at_the_ends() -> None:
    curve = coverage_risk([1, 0, 1, 0], [1.0, 0.0, 0.0, 0.6])
    assert curve["n"].tolist() == [3, 4]
    assert curve["risk"].tolist() == pytest.approx([1 / 3, 1 / 2])
    assert coverage_risk([1, 0], [1.0, 0.2], 1.0)["risk"].tolist() == [0.0, 0.0]
    never_fake = float(np.nextafter(1.0, 2.0))
    assert coverage_risk([1, 0], [1.0, 0.2], never_fake)["risk"].tolist() == [0.0, 0.5]
    assert coverage_risk([1, 0], [1.0, 0.0], 0.0)["risk"].tolist() == [0.0, 0.5]
    one = coverage_risk([1], [0.7])
    assert (len(one), one["coverage"].iloc[0], one["risk"].iloc[0]) == (1, 1.0, 0.0)


@pytest.mark.parametrize(
    ("labels", "p", "threshold", "code"),
    [
        ([], [], 0.5, "empty"),
        ([1, 0], [0.5, float("nan")], 0.5, "bad_scores"),
        ([1, 0], [0.5, 1.2], 0.5, "bad_scores"),
        ([1, 2], [0.5, 0.5], 0.5, "bad_labels"),
        ([1], [0.5, 0.5], 0.5, "length_mismatch"),
        ([1, 0], [0.5, 0.5], -0.1, "bad_setting"),
        ([1, 0], [0.5, 0.5], 1.1, "bad_setting"),
        ([1, 0], [0.5, 0.5], float("nan"), "bad_setting"),
    ],
)
def test_what_is_refused(labels: list, p: list, threshold: float, code: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        coverage_risk(labels, p, threshold)
    assert caught.value.code == code


def test_the_risk_of_a_share_is_that_of_at_least_as_many() -> None:
    curve = coverage_risk([1, 1, 0, 1], [0.3, 0.7, 0.3, 0.95], 0.5)  # points at 1 and at 4 of 4
    assert risk_at(curve, [0.1, 0.25, 0.3, 1.0]) == [0.0, 0.0, 0.25, 0.25]


def test_abstaining_dataset_by_dataset() -> None:
    rule = Thresholds(balanced=0.5, few_false_alarms=0.9, uncertain_low=0.2, uncertain_high=0.8)
    datasets = {}
    for name, seed, blur in (("easy", 0, 1.0), ("hard", 1, 3.0)):
        labels, p = scored(400, seed)
        p = expit(logit(p) / blur + np.random.default_rng(seed).normal(0, blur - 1, 400))
        table = pd.DataFrame({"label": labels, "p_fake": p})
        datasets[name] = (table, at_rule(sort_scores(labels, p), rule))
    table: Any = abstaining_table(datasets, 0.5)
    assert table.index.tolist() == ["hard", "easy"], "the worst first"
    for name, (scores, _) in datasets.items():
        wrong: Any = (scores["p_fake"] >= 0.5) != scores["label"]
        assert table.loc[name, "100%"] == pytest.approx(wrong.mean())
        surest = (scores["p_fake"] - 0.5).abs().nlargest(120).index
        assert table.loc[name, "30%"] == pytest.approx(wrong[surest].mean())
        decided = (scores["p_fake"] >= 0.8) | (scores["p_fake"] < 0.2)
        assert table.loc[name, "decided"] == pytest.approx(decided.mean())
        assert table.loc[name, "wrong"] == pytest.approx(wrong[decided].mean())
