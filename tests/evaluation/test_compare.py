"""Comparisons equal scikit-learn's and scipy's numbers, and paired intervals cover the truth."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import binomtest, chi2, norm
from sklearn import metrics as sk

from deepfake.evaluation.compare import compare, ensemble_threshold, mean_of_logits, prepare
from deepfake.evaluation.loaded import shared_evaluations
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.scores import ComparisonError
from deepfake.evaluation.statistics.bootstrap import (
    CHI_SQUARE,
    EXACT,
    PAIRED_METRICS,
    draw_resamples,
    mcnemar,
)


def table(labels: Any, p_fake: Any, ids: Any = None, source: str = "made") -> pd.DataFrame:
    ids = [f"{row:05}.jpg" for row in range(len(labels))] if ids is None else ids
    words = ["Fake" if label == 1 else "Real" for label in labels]
    return pd.DataFrame(
        {"image_id": ids, "split": "Test", "source": source, "label": words, "p_fake": p_fake}
    )


def made(n: int = 400, seed: int = 0, decimals: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels and the correlated, tied scores of a better and a worse detector."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([1, 0], [n // 2, n - n // 2]))
    shared = rng.normal(0, 1, n)
    a, b = (expit(m * (2 * labels - 1) + shared + rng.normal(0, 0.5, n)) for m in (1.3, 0.9))
    return labels, a.round(decimals), b.round(decimals)


KNOWN = [PAIRED_METRICS.index(name) for name in ("accuracy", "roc_auc", "average_precision")]
HALF = {"a": 0.5, "b": 0.5}


def found_at(labels: np.ndarray, p_fake: np.ndarray, rate: float) -> float:
    alarms, found, _ = sk.roc_curve(labels, p_fake, drop_intermediate=False)
    return float(found[alarms <= rate].max())


def test_numbers_equal_scikit_learn() -> None:
    labels, a, b = made()
    result = compare({"a": table(labels, a), "b": table(labels, b)}, {"a": 0.4, "b": 0.6}, n_bootstrap=50)
    expected = {
        name: {
            "accuracy": sk.accuracy_score(labels, p >= cut),
            "balanced_accuracy": sk.balanced_accuracy_score(labels, p >= cut),
            "roc_auc": sk.roc_auc_score(labels, p),
            "average_precision": sk.average_precision_score(labels, p),
            "tpr_at_fpr_1pct": found_at(labels, p, 0.01),
            "brier": sk.brier_score_loss(labels, p),
        }
        for name, p, cut in (("a", a, 0.4), ("b", b, 0.6))
    }
    (pair,) = result.pairs
    assert (pair.a, pair.b) == ("a", "b")
    for metric in PAIRED_METRICS:
        for name in "ab":
            assert result.metrics[name][metric] == pytest.approx(expected[name][metric], abs=1e-12)
        difference = expected["a"][metric] - expected["b"][metric]
        assert pair.differences[metric].value == pytest.approx(difference, abs=1e-12)
    right_a, right_b = (a >= 0.4) == labels, (b >= 0.6) == labels
    matrix = sk.confusion_matrix(right_a, right_b)
    found = pair.agreement
    counts = [found.both_wrong, found.only_b_right, found.only_a_right, found.both_right]
    assert counts == matrix.ravel().tolist()
    assert (result.n, result.n_fake, result.n_real) == (400, 200, 200)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (3, 3), (2, 9), (0, 24), (11, 12), (7, 7)])
def test_few_discordant_images_take_the_exact_test(only_a: int, only_b: int) -> None:
    test = mcnemar(only_a, only_b)
    expected = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    assert test.p_value == pytest.approx(expected, abs=1e-12)
    assert (test.method, test.statistic, test.discordant) == (EXACT, None, only_a + only_b)


@pytest.mark.parametrize(("only_a", "only_b"), [(10, 15), (15, 10), (121, 59), (40, 0), (300, 290)])
def test_many_discordant_images_take_chi_square(only_a: int, only_b: int) -> None:
    test = mcnemar(only_a, only_b)
    statistic = (abs(only_a - only_b) - 1) ** 2 / (only_a + only_b)
    assert test.statistic == pytest.approx(statistic)
    assert test.p_value == pytest.approx(chi2.sf(statistic, 1))
    assert test.method == CHI_SQUARE
    assert test.p_value == pytest.approx(binomtest(only_a, only_a + only_b).pvalue, abs=0.01)


def test_equal_counts_are_no_difference() -> None:
    assert mcnemar(20, 20).p_value == 1.0
    assert mcnemar(20, 20).statistic == 0.0


def test_a_resample_is_the_same_for_all_detectors() -> None:
    labels, a, b = made(200)
    rng = np.random.default_rng(7)
    _, twice = draw_resamples(labels, np.stack([a, b, a]), 40, 7).at(np.full(3, 0.5))
    assert np.array_equal(twice[0], twice[2])
    # Drawn again by hand: fakes first, then reals, as in `deepfake.evaluation.statistics.bootstrap.resample`.
    fakes, reals = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    drawn = np.concatenate([pool[rng.integers(0, 100, (40, 100))] for pool in (fakes, reals)], axis=1)
    for k, p in enumerate((a, b)):
        for i, rows in enumerate(drawn):
            y, q = labels[rows], p[rows]
            ranking = [sk.roc_auc_score(y, q), sk.average_precision_score(y, q), found_at(y, q, 0.01)]
            called = [sk.accuracy_score(y, q >= 0.5), sk.balanced_accuracy_score(y, q >= 0.5)]
            expected = [*called, *ranking, sk.brier_score_loss(y, q)]
            assert twice[k, :, i] == pytest.approx(expected, abs=1e-12)


def test_paired_intervals_cover_the_truth_and_use_the_pairing() -> None:
    # Logits: +-m + shared + own noise, so that accuracy and AUC are known in closed form.
    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.repeat([1, 0], n)
        shared = rng.normal(0, 1, 2 * n)
        own = rng.normal(0, 0.5, (2, 2 * n))
        return labels, expit(np.array([[1.3], [0.9]]) * (2 * labels - 1) + shared + own)

    sd = np.sqrt(1.25)
    big_labels, big = draw(np.random.default_rng(99), 100_000)
    ap = [sk.average_precision_score(big_labels, p) for p in big]
    truth = [
        norm.cdf(1.3 / sd) - norm.cdf(0.9 / sd),
        norm.cdf(2.6 / sd / np.sqrt(2)) - norm.cdf(1.8 / sd / np.sqrt(2)),
        ap[0] - ap[1],
    ]
    covered = np.zeros(3)
    paired_width, unpaired_width = np.zeros(3), np.zeros(3)
    times = 200
    for seed in range(times):
        labels, scores = draw(np.random.default_rng(seed), 100)
        _, resampled = draw_resamples(labels, scores, 300, seed).at(np.full(2, 0.5))
        resampled = resampled[:, KNOWN]
        low, high = np.quantile(resampled[0] - resampled[1], [0.025, 0.975], axis=1)
        covered += (low <= truth) & (truth <= high)
        paired_width += high - low
        mixed = resampled[0] - np.roll(resampled[1], 1, axis=1)
        low, high = np.quantile(mixed, [0.025, 0.975], axis=1)
        unpaired_width += high - low
    assert (covered / times >= 0.90).all(), covered / times
    assert (covered / times <= 0.99).all(), covered / times
    assert (paired_width < 0.8 * unpaired_width).all()


def test_identical_tables_do_not_differ() -> None:
    labels, a, _ = made()
    result = compare({"a": table(labels, a), "b": table(labels, a)}, HALF, n_bootstrap=100)
    (pair,) = result.pairs
    for found in pair.differences.values():
        assert found.value == 0.0
        assert found.interval == (0.0, 0.0)
    assert pair.mcnemar.p_value == 1.0
    assert pair.agreement.only_a_right == pair.agreement.only_b_right == 0
    assert any("an interval without width is no proof" in note for note in result.notes)


def test_rows_are_matched_by_image_and_the_rest_is_counted() -> None:
    labels, a, b = made()
    whole_a, whole_b = table(labels, a), table(labels, b)
    part = whole_b.iloc[100:].sample(frac=1, random_state=0)
    result = compare({"a": whole_a, "b": part}, HALF, n_bootstrap=100)
    assert result.left_out == {"a": 100, "b": 0}
    assert result.n == 300
    assert any("Left out 100 of 400 images of a" in note for note in result.notes)
    cut = compare({"a": whole_a.iloc[100:], "b": whole_b.iloc[100:]}, HALF, n_bootstrap=100)
    assert cut.pairs == result.pairs
    assert cut.notes == ()


def test_three_detectors_give_three_pairs_on_one_set_of_images() -> None:
    labels, a, b = made()
    tables = {"a": table(labels, a), "b": table(labels, b), "c": table(labels, 1 - a).iloc[:390]}
    result = compare(tables, {"a": 0.5, "b": 0.5, "c": 0.5}, n_bootstrap=20)
    assert [(pair.a, pair.b) for pair in result.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert result.n == 390
    assert all(sum(vars(pair.agreement).values()) == 390 for pair in result.pairs)
    assert any("3 pairs were tested" in note for note in result.notes)


def test_the_result_is_json_and_repeatable() -> None:
    labels, a, b = made()
    tables = {"a": table(labels, a), "b": table(labels, b)}
    first = compare(tables, HALF, n_bootstrap=60, seed=3)
    assert compare(tables, HALF, n_bootstrap=60, seed=3) == first
    assert compare(tables, HALF, n_bootstrap=60, seed=4) != first
    plain = first.to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    interval = first.pairs[0].differences["roc_auc"].interval
    assert interval is not None
    assert plain["pairs"][0]["differences"]["roc_auc"]["interval"] == list(interval)
    assert compare(tables, HALF, n_bootstrap=0).pairs[0].differences["accuracy"].interval is None


@pytest.mark.parametrize(("label", "only"), [(1, "Fake"), (0, "Real")])
def test_one_class_leaves_accuracy_only(label: int, only: str) -> None:
    _, a, b = made(100)
    labels = np.full(100, label)
    result = compare({"a": table(labels, a), "b": table(labels, b)}, HALF, n_bootstrap=50)
    found = result.pairs[0].differences
    assert found["accuracy"].value is not None
    assert found["accuracy"].interval is not None
    for name in ("roc_auc", "average_precision"):
        assert (found[name].value, found[name].interval, result.metrics["a"][name]) == (None, None, None)
    assert any(f"All 100 common images are {only}" in note and "undefined" in note for note in result.notes)
    json.dumps(result.to_dict(), allow_nan=False)


def test_one_image() -> None:
    result = compare({"a": table([1], [0.9]), "b": table([1], [0.1])}, HALF, n_bootstrap=10)
    (pair,) = result.pairs
    assert pair.differences["accuracy"].value == 1.0
    assert (pair.agreement.only_a_right, pair.mcnemar.p_value) == (1, 1.0)


def test_another_source_of_the_same_name_is_pointed_out() -> None:
    labels, a, b = made(50)
    result = compare({"a": table(labels, a), "b": table(labels, b, source="other")}, HALF, n_bootstrap=0)
    assert any("50 of 50 common images have another source in b" in note for note in result.notes)


def refused(tables: dict[str, pd.DataFrame], thresholds: Any = None, **settings: Any) -> ComparisonError:
    cuts = dict.fromkeys(tables, 0.5) if thresholds is None else thresholds
    with pytest.raises(ComparisonError) as caught:
        compare(tables, cuts, **settings)
    return caught.value


def test_what_is_refused() -> None:
    labels, a, b = made(50)
    good = table(labels, a)
    assert refused({"a": good}).code == "too_few"
    assert refused({}).code == "too_few"
    other = table(labels, b, ids=[f"other/{row}" for row in range(50)])
    assert refused({"a": good, "b": other}).code == "no_common_images"
    third = table(labels[:25], b[:25])
    error = refused({"a": good.iloc[:25], "b": good.iloc[25:], "c": third})
    assert error.code == "no_common_images"
    assert "a, b, c" in error.message

    flipped = labels.copy()
    flipped[[3, 9]] ^= 1
    error = refused({"a": good, "b": table(flipped, b)})
    assert error.code == "label_conflict"
    assert "2 of 50" in error.message
    assert "00003.jpg" in error.message

    for change, code in (
        ({"p_fake": np.where(np.arange(50) == 4, np.nan, b)}, "bad_scores"),
        ({"p_fake": b * 100 + 1}, "bad_scores"),
        ({"image_id": "same.jpg"}, "duplicate_ids"),
        ({"label": "Maybe"}, "bad_labels"),
    ):
        error = refused({"a": good, "b": table(labels, b).assign(**change)})
        assert error.code == code
        assert error.message.startswith("b: ")
    assert refused({"a": good, "b": good.drop(columns="source")}).code == "missing_columns"
    assert refused({"a": good, "b": good.iloc[:0]}).code == "empty"

    pair = {"a": good, "b": table(labels, b)}
    for cuts in ({"a": 0.5}, {"a": 0.5, "b": 1.5}, {"a": -0.1, "b": 0.5}, {"a": float("nan"), "b": 0.5}):
        assert refused(pair, cuts).code == "bad_setting"
    assert refused(pair, n_bootstrap=-1).code == "bad_setting"


def test_differing_images_come_first() -> None:
    a = table([1, 0, 1, 0], [0.9, 0.2, 0.5, 0.6])
    b = table([1, 0, 1, 0], [0.8, 0.9, 0.5, 0.5]).iloc[::-1]
    found = prepare({"a": a, "b": b}, 0).differing("a", "b", {"a": 0.5, "b": 0.55})
    assert found["image_id"].tolist() == ["00001.jpg", "00000.jpg", "00003.jpg", "00002.jpg"]
    assert found["difference"].to_numpy() == pytest.approx([-0.7, 0.1, 0.1, 0.0])
    assert found["right_a"].tolist() == [True, True, False, True]
    assert found["right_b"].tolist() == [False, True, True, False]
    assert found["label"].tolist() == [0, 1, 0, 1]
    assert (found["p_fake_a"] - found["p_fake_b"]).tolist() == found["difference"].tolist()


def test_an_ensemble_is_the_mean_of_calibrated_logits() -> None:
    labels, a, b = made(decimals=6)
    whole = {"a": table(labels, a), "b": table(labels, b).iloc[::-1]}
    found = mean_of_logits(whole)
    assert found["p_fake"].to_numpy() == pytest.approx(expit((logit(a) + logit(b)) / 2))
    assert found["label"].tolist() == labels.tolist()
    assert list(found.columns) == ["image_id", "split", "source", "label", "p_fake"]
    cut = ensemble_threshold([0.3, 0.8])
    assert cut == pytest.approx(expit((logit(0.3) + logit(0.8)) / 2))
    at_both = {"a": table([1], [0.3]), "b": table([1], [0.8])}
    assert mean_of_logits(at_both)["p_fake"][0] == pytest.approx(cut)
    assert 0 < ensemble_threshold([0.0, float(np.nextafter(1.0, 2.0))]) < 1
    result = compare({**whole, "both": found}, {"a": 0.5, "b": 0.5, "both": 0.5}, n_bootstrap=20)
    assert result.metrics["both"]["roc_auc"] == pytest.approx(sk.roc_auc_score(labels, found["p_fake"]))


def test_a_certain_detector_does_not_outvote_all_others() -> None:
    found = mean_of_logits({"a": table([0, 1], [1.0, 0.0]), "b": table([0, 1], [0.0, 0.0])})
    assert found["p_fake"].to_numpy() == pytest.approx([0.5, 1e-6])


def test_prepared_once_every_threshold_gives_the_same_as_anew() -> None:
    labels, a, b = made()
    tables = {"a": table(labels, a), "b": table(labels, b)}
    prepared = prepare(tables, 60, seed=3)
    for cuts in ({"a": 0.2, "b": 0.9}, {"a": 0.0, "b": 1.0}, HALF):
        assert prepared.at(cuts) == compare(tables, cuts, 60, seed=3)
    with pytest.raises(ComparisonError):
        prepared.at({"a": 0.5})


def test_the_same_folder_is_the_same_pictures_whatever_the_title() -> None:
    def recorded(data: str, folder: str, split: str = "Test") -> Recorded:
        return Recorded(
            data, split, False, "", Path("scores.csv"), 2, 1, 1, 0.5, {}, {}, {}, 0.95, 0, (), "", folder
        )

    one, two, other = recorded("Faces", "set"), recorded("Faces again", "set"), recorded("Faces", "", "all")
    assert shared_evaluations({"a": [one], "b": [two]}) == {"Faces, Test": {"a": one, "b": two}}
    assert shared_evaluations({"a": [one, two], "b": [two]}) == {"Faces again, Test": {"a": two, "b": two}}
    unknown = recorded("Faces", "")
    assert shared_evaluations({"a": [one], "b": [unknown]}) == {"Faces, Test": {"a": one, "b": unknown}}
    assert shared_evaluations({"a": [one], "b": [other, recorded("Faces again", "")]}) == {}
