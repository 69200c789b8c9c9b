"""What verdicts do on images with known answers: counted by hand, and against ``Thresholds.call``."""

from __future__ import annotations

import json

import numpy as np
import pytest

from deepfake.evaluation.scores import wilson_interval
from deepfake.evaluation.statistics.thresholds import (
    at_every_point,
    at_rule,
    rules_from_dict,
    rules_to_dict,
    sort_scores,
)
from deepfake.types import OPERATING_POINTS, Thresholds

CUTS = Thresholds(balanced=0.55, few_false_alarms=0.85, uncertain_low=0.15, uncertain_high=0.65)


def test_rule_by_hand() -> None:
    fake = [0.1, 0.5, 0.6, 0.65, 0.9]  # real, uncertain, uncertain, fake, fake
    real = [0.05, 0.15, 0.64, 0.7]  # real, uncertain, uncertain, fake
    rule = at_rule(sort_scores([1] * 5 + [0] * 4, fake + real), CUTS)
    assert (rule.fake_from, rule.real_below) == (0.65, 0.15)
    assert (rule.decided.k, rule.decided.n) == (5, 9)
    assert (rule.correct.k, rule.correct.n) == (3, 5)
    assert (rule.false_positive_rate.k, rule.false_positive_rate.n) == (1, 4)
    assert (rule.recall.k, rule.recall.n) == (2, 5)
    assert (rule.missed.k, rule.missed.n) == (1, 5)
    assert (rule.recall.low, rule.recall.high) == wilson_interval(2, 5)
    careful = at_rule(sort_scores([1] * 5 + [0] * 4, fake + real), CUTS, "few_false_alarms")
    assert (careful.fake_from, careful.recall.k, careful.false_positive_rate.k) == (0.85, 1, 0)


@pytest.mark.parametrize("point", OPERATING_POINTS)
def test_rule_is_that_of_the_verdicts(point) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2000)
    edges = [CUTS.uncertain_low, CUTS.fake_from(point), np.nextafter(CUTS.fake_from(point), 0)]
    p_fake = np.where(rng.random(2000) < 0.2, rng.choice(edges, 2000), rng.random(2000))
    calls = np.array([CUTS.call(float(p), point) for p in p_fake])
    rule = at_rule(sort_scores(labels, p_fake), CUTS, point)
    decided = calls != "uncertain"
    assert rule.decided.k == decided.sum()
    assert rule.correct.k == ((calls == "fake") == (labels == 1))[decided].sum()
    assert rule.false_positive_rate.share == (calls[labels == 0] == "fake").mean()
    assert rule.recall.share == (calls[labels == 1] == "fake").mean()
    assert rule.missed.share == (calls[labels == 1] == "real").mean()


def test_nothing_decided_and_one_class_are_no_numbers() -> None:
    rule = at_rule(sort_scores([1, 1], [0.3, 0.4]), CUTS)
    assert rule.decided.share == 0
    assert rule.correct.share is None
    assert rule.false_positive_rate.share is None
    assert rule.recall.share == 0


def test_record_is_read_back() -> None:
    rules = at_every_point(sort_scores([1, 0, 1], [0.9, 0.2, 0.1]), CUTS)
    assert rules_from_dict(json.loads(json.dumps(rules_to_dict(rules)))) == rules
    assert rules_from_dict(None) == {}
