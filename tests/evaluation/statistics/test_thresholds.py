"""The operating point's and the calibration's numbers equal scikit-learn's on the same scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn import metrics as sk

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.evaluation.loaded import LoadedEvaluation
from deepfake.evaluation.scores import wilson_interval
from deepfake.evaluation.statistics.calibration import before_and_after, uncalibrated
from deepfake.evaluation.statistics.thresholds import expect, in_few_decimals, sort_scores, threshold_for
from deepfake.evaluation.text.outcomes import outcome_rows, rate_sentence
from deepfake.images.pixels import InputSpec
from deepfake.types import Thresholds

CARD = Card(
    name="drawn",
    architecture="compact",
    input=InputSpec(64, 1.0, 0.0),
    temperature=1.0,
    thresholds=Thresholds(0.5, 0.9, 0.4, 0.6),
    sha256="",
    description="",
    knows=(),
    does_not_know=(),
    evaluations=(),
    folder=Path(),
    contents={},
)


def table(n: int = 1000, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    p_fake = expit(rng.normal(0, 1.5, n) + 1.5 * (2 * labels - 1))
    return pd.DataFrame({"label": labels, "p_fake": p_fake})


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.01, 0.2, 1.0])
def test_threshold_and_expected_numbers_equal_scikit_learn(rate: float) -> None:
    scores = table()
    threshold = threshold_for(scores, rate)
    alarms, found, _ = sk.roc_curve(scores["label"], scores["p_fake"], drop_intermediate=False)
    allowed = alarms <= rate
    called = scores["p_fake"] >= threshold
    (passed, false_alarms), (missed, hits) = sk.confusion_matrix(scores["label"], called)
    assert false_alarms / (false_alarms + passed) <= rate
    assert hits / (hits + missed) == pytest.approx(found[allowed].max())
    point = expect(sort_scores(scores["label"], scores["p_fake"]), threshold, 0.05)
    assert point.found and point.missed and point.false_alarms and point.passed
    assert point.found.value == pytest.approx(50 * hits / 500)
    assert point.false_alarms.value == pytest.approx(950 * false_alarms / 500)
    assert (point.found.low, point.found.high) == pytest.approx([50 * b for b in wilson_interval(hits, 500)])
    total = sum(each.value for each in (point.found, point.missed, point.false_alarms, point.passed))
    assert total == pytest.approx(1000)
    weights = np.where(scores["label"] == 1, 0.05, 0.95)
    if called.any():
        expected = sk.precision_score(scores["label"], called, sample_weight=weights)
        assert point.precision
        assert point.precision.value == pytest.approx(expected)
        assert point.precision.low <= expected <= point.precision.high


def test_words_say_how_sure_the_rate_is() -> None:
    scores = table(60)
    point = expect(sort_scores(scores["label"], scores["p_fake"]), threshold_for(scores, 0.001), 0.5)
    assert "up to" in rate_sentence(point, 0.001)
    assert "rather than the 0.10% asked for" in rate_sentence(point, 0.001)
    rows = outcome_rows(point).set_index("Outcome")
    assert rows.loc["Fakes found, of 500", "value"] == point.found.value if point.found else False
    everything = expect(sort_scores(scores["label"], scores["p_fake"]), 0.0, 0.5)
    assert "rather than" not in rate_sentence(everything, 1.0)


def test_one_class_and_odd_settings() -> None:
    fakes = table().query("label == 1")
    with pytest.raises(UserError) as caught:
        threshold_for(fakes, 0.01)
    assert caught.value.code == "one_class"
    point = expect(sort_scores(fakes["label"], fakes["p_fake"]), 0.5, 0.5)
    assert point.false_alarms is point.precision is None
    assert set(outcome_rows(point)["Expected"]) >= {"undefined"}
    for base in (0.0, 1.0, float("nan")):
        with pytest.raises(UserError):
            expect(sort_scores([0, 1], [0.1, 0.9]), 0.5, base)
    for rate in (-0.1, 1.1):
        with pytest.raises(UserError):
            threshold_for(table(), rate)


@pytest.mark.parametrize("bias", [0.0, 0.7])
def test_calibration_is_undone_exactly(bias: float) -> None:
    card = replace(CARD, temperature=1.7, bias=bias)
    logits = np.linspace(-9, 9, 101)
    p_fake = expit(logits / 1.7 + bias)
    assert uncalibrated(p_fake, card) == pytest.approx(expit(logits), abs=1e-9)
    assert uncalibrated([0.0, 1.0], card).tolist() == [0.0, 1.0]


def test_before_and_after_equal_scikit_learn() -> None:
    card = replace(CARD, temperature=2.0)
    scores = table()
    raw = expit(2.0 * logit(scores["p_fake"]))
    before, after = before_and_after(scores, card)
    for quality, p in ((before, raw), (after, scores["p_fake"])):
        assert quality.brier == pytest.approx(sk.brier_score_loss(scores["label"], p))
        assert quality.nll == pytest.approx(sk.log_loss(scores["label"], p))
        bins = np.minimum((np.asarray(p) * 15).astype(int), 14)
        gaps = [
            (bins == k).mean() * abs(p[bins == k].mean() - scores["label"][bins == k].mean())
            for k in np.unique(bins)
        ]
        assert quality.ece == pytest.approx(sum(gaps))
        assert quality.reliability["n"].sum() == 1000
    assert (before.nll, before.ece) != (after.nll, after.ece)


def test_calibration_is_computed_once_for_all_thresholds() -> None:
    opened = LoadedEvaluation("Set", table())
    found = opened.calibration(CARD)
    assert opened.calibration(replace(CARD, name="same numbers")) is found
    assert opened.calibration(replace(CARD, temperature=2.0))[0].nll != found[0].nll


def test_a_threshold_is_as_short_as_it_can_be_and_calls_the_same():
    scores = sort_scores(pd.Series([1, 1, 0, 0]), pd.Series([0.8801, 0.9, 0.1, 0.88024]))
    assert in_few_decimals(scores, 0.5000000123) == 0.5
    assert in_few_decimals(scores, 0.8802028724351707) == 0.8802, "0.880 would call one more fake"
    close = sort_scores(pd.Series([1, 0]), pd.Series([0.1 + 0.2, 0.3]))
    assert in_few_decimals(close, 0.1 + 0.2) == 0.1 + 0.2
