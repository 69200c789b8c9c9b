"""Temperature, thresholds and the uncertain band, against simulation and brute force."""

import math

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import balanced_accuracy_score, log_loss

from deepfake.detection.card import calibrated_probability
from deepfake.errors import EvaluationError
from deepfake.evaluation.scores import wilson_interval
from deepfake.evaluation.statistics.calibration import (
    TEMPERATURE_BOUNDS,
    fit_temperature,
    fit_temperature_and_bias,
    threshold_at_fpr,
    threshold_balanced,
    uncertain_band,
)
from deepfake.evaluation.statistics.metrics import evaluate_scores
from deepfake.evaluation.statistics.reliability import reliability_table


def simulated(seed: int, n: int, decimals: int | None = None):
    """Labels and calibrated scores of a middling detector."""
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(0, 3, n))
    labels = (rng.random(n) < p).astype(int)
    return labels, p if decimals is None else p.round(decimals)


def test_reliability_table_counts_every_image_once_and_gives_the_ece():
    labels, p = simulated(0, 1000, 2)
    p[:3] = 0.0, 1.0, 1 / 15
    table = reliability_table(labels, p)
    assert len(table) == 15
    n, n_fake, gap = (table[name].to_numpy() for name in ("n", "n_fake", "gap"))
    assert n.sum() == 1000
    assert n_fake.sum() == labels.sum()
    ece = (n / 1000 * np.abs(gap)).sum()
    assert ece == pytest.approx(evaluate_scores(labels, p, n_bootstrap=0).ece, abs=1e-12)
    last = table.iloc[14].to_dict()
    inside = p >= 14 / 15
    assert last["n"] == inside.sum()
    assert last["mean_p_fake"] == pytest.approx(p[inside].mean())
    interval = wilson_interval(int(last["n_fake"]), int(last["n"]))
    assert (last["share_low"], last["share_high"]) == pytest.approx(interval)


def test_reliability_table_keeps_empty_bins_and_edges():
    table = reliability_table([1, 0, 1], [0.25, 0.25, 1.0], n_bins=4)
    assert table["n"].tolist() == [0, 2, 0, 1]  # an edge belongs to the bin above it, 1.0 to the last
    assert table["share_fake"].tolist()[1::2] == [0.5, 1.0]
    assert (
        table.loc[[0, 2], ["mean_p_fake", "share_fake", "share_low", "share_high", "gap"]].isna().all().all()
    )
    with pytest.raises(EvaluationError, match="at least 1 bin"):
        reliability_table([1, 0], [0.5, 0.5], n_bins=0)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5, 8.0])
def test_temperature_is_recovered(temperature):
    rng = np.random.default_rng(1)
    true_logits = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < expit(true_logits)).astype(int)
    logits = true_logits * temperature
    fitted = fit_temperature(logits, labels)
    assert fitted == pytest.approx(temperature, rel=0.05)
    # It is the minimum: neighbours on both sides are worse.
    losses = [log_loss(labels, calibrated_probability(logits, fitted * k)) for k in (0.99, 1.0, 1.01)]
    assert losses[1] < min(losses[0], losses[2])


def test_temperature_mends_calibration_on_new_images_and_keeps_the_order():
    rng = np.random.default_rng(2)
    z = rng.normal(0, 2, 8000)
    labels = (rng.random(8000) < expit(z)).astype(int)
    fit, new = slice(0, 4000), slice(4000, 8000)
    temperature = fit_temperature(3 * z[fit], labels[fit])
    raw = evaluate_scores(labels[new], expit(3 * z[new]), n_bootstrap=0)
    mended = evaluate_scores(labels[new], calibrated_probability(3 * z[new], temperature), n_bootstrap=0)
    assert raw.ece > 0.08
    assert mended.ece < 0.03
    assert mended.roc_auc == pytest.approx(raw.roc_auc, abs=1e-6)


@pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (2.5, -1.2), (0.4, 0.8)])
def test_temperature_and_bias_are_recovered(temperature, bias):
    rng = np.random.default_rng(3)
    true_logits = rng.normal(0, 2, 20_000)
    labels = (rng.random(20_000) < expit(true_logits)).astype(int)
    logits = (true_logits - bias) * temperature
    fitted = fit_temperature_and_bias(logits, labels)
    assert fitted == pytest.approx((temperature, bias), rel=0.06, abs=0.06)
    best = log_loss(labels, calibrated_probability(logits, *fitted))
    for change in ((0.97, 0), (1.03, 0), (1, 0.05), (1, -0.05)):
        other = calibrated_probability(logits, fitted[0] * change[0], fitted[1] + change[1])
        assert log_loss(labels, other) > best


def test_bias_mends_what_a_temperature_cannot():
    rng = np.random.default_rng(4)
    z = rng.normal(0, 2, 8000)
    labels = (rng.random(8000) < expit(z)).astype(int)
    fit, new = slice(0, 4000), slice(4000, 8000)
    shifted = z + 1.0
    alone = calibrated_probability(shifted[new], fit_temperature(shifted[fit], labels[fit]))
    both = calibrated_probability(shifted[new], *fit_temperature_and_bias(shifted[fit], labels[fit]))
    assert evaluate_scores(labels[new], alone, n_bootstrap=0).ece > 0.08
    assert evaluate_scores(labels[new], both, n_bootstrap=0).ece < 0.03


def test_temperature_and_bias_keep_to_their_bounds():
    logits, labels = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])
    for given in (logits, -logits, 1e6 * logits):
        temperature, bias = fit_temperature_and_bias(given, labels)
        assert TEMPERATURE_BOUNDS[0] * 0.999 <= temperature <= TEMPERATURE_BOUNDS[1] * 1.001
        assert math.isfinite(bias)


def test_temperature_stops_at_its_bounds():
    logits, labels = np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1])
    assert fit_temperature(logits, labels) == pytest.approx(TEMPERATURE_BOUNDS[0])
    assert fit_temperature(-logits, labels) == pytest.approx(TEMPERATURE_BOUNDS[1])
    assert math.isfinite(fit_temperature(1e6 * logits, labels))


@pytest.mark.parametrize(
    ("logits", "labels", "code"),
    [
        ([1.0, 2.0], [1, 1], "one_class"),
        ([1.0, 2.0], [0, 0], "one_class"),
        ([1.0, math.inf], [0, 1], "bad_scores"),
        ([1.0], [0, 1], "length_mismatch"),
        ([], [], "empty"),
    ],
)
def test_temperature_refuses(logits, labels, code):
    for fit in (fit_temperature, fit_temperature_and_bias):
        with pytest.raises(EvaluationError) as refusal:
            fit(logits, labels)
        assert refusal.value.code == code


def test_calibrated_probability():
    logits = np.array([[-1000.0, 0.0], [2.0, 1000.0]])
    p = calibrated_probability(logits, 2.0, bias=0.5)
    assert p.shape == (2, 2)
    assert p[1, 0] == pytest.approx(1 / (1 + math.exp(-1.5)))
    assert (p[0, 0], p[1, 1]) == pytest.approx((0.0, 1.0))
    for temperature in (0.0, -1.0, math.nan):
        with pytest.raises(EvaluationError, match="above 0"):
            calibrated_probability(logits, temperature)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("decimals", [None, 1, 2])
def test_balanced_threshold_by_brute_force(seed, decimals):
    labels, p = simulated(seed, 60, decimals)
    threshold = threshold_balanced(labels, p)
    edges = np.unique(np.concatenate([[0.0], p, [1.0]]))
    candidates = [*((edges[1:] + edges[:-1]) / 2), np.nextafter(p.max(), 2)]
    quality = np.array([round(balanced_accuracy_score(labels, p >= c), 12) for c in candidates])
    assert balanced_accuracy_score(labels, p >= threshold) == pytest.approx(quality.max())
    nearest = min(abs(c - 0.5) for c, q in zip(candidates, quality, strict=True) if q == quality.max())
    assert abs(threshold - 0.5) == pytest.approx(nearest, abs=1e-12)


def test_balanced_threshold_separates_where_floats_are_neighbours():
    low = 0.5
    high = float(np.nextafter(low, 1))
    threshold = threshold_balanced([0, 1], [low, high])
    assert low < threshold <= high
    assert threshold_balanced([0, 1], [0.2, 0.4]) == pytest.approx(0.3)
    # Reversed scores: calling all one class is best, and the thresholds that do so are both allowed.
    assert threshold_balanced([0, 1], [1.0, 0.0]) in (0.0, float(np.nextafter(1, 2)))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.1, 0.5, 1.0])
def test_threshold_at_fpr_by_brute_force(seed, fpr):
    labels, p = simulated(seed, 150, 2)
    threshold = threshold_at_fpr(labels, p, fpr)
    rates = {c: (p[labels == 0] >= c).mean() for c in [*np.unique(p), np.nextafter(p.max(), 2)]}
    assert threshold == min(c for c, rate in rates.items() if rate <= fpr)
    assert (p[labels == 0] >= threshold).mean() <= fpr


def test_threshold_at_fpr_agrees_with_the_evaluation():
    labels, p = simulated(11, 3000)
    threshold = threshold_at_fpr(labels, p, 0.01)
    at = evaluate_scores(labels, p, threshold=threshold, n_bootstrap=0)
    assert at.report["Fake"]["recall"] == pytest.approx(at.tpr_at_fpr_1pct)


def test_threshold_at_fpr_when_nothing_may_pass_or_nothing_is_real():
    threshold = threshold_at_fpr([0, 1], [1.0, 0.5], 0.0)
    assert threshold > 1.0
    assert evaluate_scores([0, 1], [1.0, 0.5], threshold=threshold).report["Real"]["recall"] == 1.0
    with pytest.raises(EvaluationError, match="All images are Fake"):
        threshold_at_fpr([1, 1], [0.5, 0.6])
    with pytest.raises(EvaluationError, match="false-positive rate must lie"):
        threshold_at_fpr([1, 0], [0.5, 0.6], 1.5)


def one_sided_low(k: int, n: int) -> float:
    return wilson_interval(k, n, 0.90)[0]  # 5% on each side


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
def test_band_by_brute_force(seed, target):
    labels, p = simulated(seed, 400, 2)
    low, high = uncertain_band(labels, p, target)
    threshold = threshold_balanced(labels, p)
    edges = np.unique(np.concatenate([[0.0], p, [1.0]]))
    cuts = (edges[1:] + edges[:-1]) / 2

    def good(mask, label):
        return mask.any() and one_sided_low(int((labels[mask] == label).sum()), int(mask.sum())) >= target

    highs = [c for c in cuts if c >= threshold - 1e-12 and good(p >= c, 1)]
    lows = [c for c in cuts if c <= threshold + 1e-12 and good(p < c, 0)]
    assert high == pytest.approx(min(highs) if highs else np.nextafter(1, 2))
    assert low == pytest.approx(max(lows) if lows else 0.0)


@pytest.mark.parametrize("seed", range(5))
def test_band_widens_with_the_target(seed):
    labels, p = simulated(seed, 1500)
    bands = [uncertain_band(labels, p, target) for target in np.linspace(0.5, 0.999, 40)]
    lows, highs = np.array(bands).T
    assert (np.diff(lows) <= 0).all()
    assert (np.diff(highs) >= 0).all()
    assert bands[0][0] == bands[0][1] == threshold_balanced(labels, p)
    assert (lows <= threshold_balanced(labels, p)).all()
    assert (highs >= threshold_balanced(labels, p)).all()


def test_verdicts_outside_the_band_are_as_reliable_as_promised():
    """On new images, the true reliability of either verdict falls short of 95% in few of 100 repetitions."""
    new_labels, new_p = simulated(10_000, 200_000)
    low, high = uncertain_band(new_labels, new_p, 0.95)  # with as good as all the knowledge there is
    best = ((new_p >= high) | (new_p < low)).mean()
    short, decided = 0, []
    for seed in range(100):
        labels, p = simulated(seed, 2000)
        low, high = uncertain_band(labels, p, 0.95)
        fake, real = new_p >= high, new_p < low
        decided.append((fake | real).mean())
        short += new_labels[fake].mean() < 0.95 or 1 - new_labels[real].mean() < 0.95
    assert short <= 20
    assert best > 0.5
    assert np.mean(decided) > 0.75 * best  # and not by saying 'uncertain' to everything


def test_band_where_nothing_can_be_promised_or_nothing_is_doubtful():
    rng = np.random.default_rng(0)
    labels, p = rng.integers(0, 2, 500), rng.random(500)
    assert uncertain_band(labels, p) == (0.0, float(np.nextafter(1, 2)))
    labels = np.repeat([0, 1], 200)
    low, high = uncertain_band(labels, np.where(labels == 1, 0.8, 0.3))
    assert low == high == pytest.approx(0.55)
    with pytest.raises(EvaluationError) as refusal:
        uncertain_band([1, 1], [0.5, 0.6])
    assert refusal.value.code == "one_class"
    with pytest.raises(EvaluationError, match="target must lie"):
        uncertain_band(labels, p[:400], 1.0)


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_taken():
    # Cuts at 0.25 and 0.65 both get 5 of 6 right.
    labels, p = [0, 0, 1, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.7, 0.9]
    assert balanced_accuracy_score(labels, np.array(p) >= 0.25) == pytest.approx(5 / 6)
    assert threshold_balanced(labels, p) == pytest.approx(0.65)
