"""Attacks: a logit whose gradient is known, and real small networks."""

from __future__ import annotations

import numpy as np
import pytest

from deepfake.images.pixels import InputSpec
from deepfake.robustness.attacks import compiled_logit_gradient, fgsm, pgd
from tests.support.images import noise_image

SPEC = InputSpec(64)
LABELS = np.array([1, 0, 1, 0])


def pictures() -> np.ndarray:
    return np.stack([noise_image(seed, 64, 64) for seed in range(4)])


def left_minus_right(pixels, labels):
    """Fake where the left half is brighter; its gradient is 1 on the left and -1 on the right, per value."""
    weights = np.ones((64, 64, 3), np.float32)
    weights[:, 32:] = -1
    sign = 2 * labels - 1
    true_logits = sign * (pixels * weights).sum(axis=(1, 2, 3))
    return true_logits.astype(np.float32), sign[:, None, None, None] * weights


def test_fgsm_takes_one_step_against_the_true_class() -> None:
    epsilons = [1, 3, 8, 0]
    found = fgsm(left_minus_right, pictures(), LABELS, epsilons)
    for before, after, label, epsilon in zip(pictures(), found, LABELS, epsilons, strict=True):
        step = epsilon if label == 1 else -epsilon
        shift = np.full((64, 64, 3), step)
        shift[:, 32:] = -step
        np.testing.assert_array_equal(after, np.clip(before.astype(int) - shift, 0, 255))


def test_pgd_reaches_the_corner_of_the_ball_where_the_gradient_is_constant() -> None:
    epsilons = [2, 2, 5, 5]
    found = pgd(left_minus_right, pictures(), LABELS, epsilons, seeds=[1, 2, 3, 4])
    np.testing.assert_array_equal(found, fgsm(left_minus_right, pictures(), LABELS, epsilons))


def test_pgd_follows_its_seeds_and_an_epsilon_of_0_changes_nothing() -> None:
    def flat(pixels, labels):
        return np.zeros(len(pixels), np.float32), np.zeros_like(pixels)

    first, other, nothing = (
        pgd(flat, pictures(), LABELS, [epsilon] * 4, seeds=[seed] * 4)
        for epsilon, seed in ((8, 1), (8, 2), (0, 1))
    )
    np.testing.assert_array_equal(first, pgd(flat, pictures(), LABELS, [8] * 4, seeds=[1] * 4))
    assert (first != other).any()  # without a gradient the random start is what remains
    np.testing.assert_array_equal(nothing, pictures())


@pytest.fixture(scope="module")
def network():
    import keras

    from deepfake.networks.architectures import compact

    keras.utils.set_random_seed(3)
    return compact(None, stages=((8, 1),), stem=8)


def test_gradient_is_the_slope_of_the_true_logit(network) -> None:
    gradient = compiled_logit_gradient(network, SPEC)
    pixels = pictures().astype(np.float32)
    true_logits, slope = gradient(pixels, LABELS.astype(np.float32))
    direction = (np.sign(slope) * 0.02).astype(np.float32)
    ahead, _ = gradient(pixels + direction, LABELS.astype(np.float32))
    behind, _ = gradient(pixels - direction, LABELS.astype(np.float32))
    expected = (slope * 2 * direction).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(ahead - behind, expected, rtol=0.05, atol=1e-5)
    turned, _ = gradient(pixels, 1 - LABELS.astype(np.float32))
    np.testing.assert_allclose(turned, -true_logits, atol=1e-5)


def test_attacks_lower_the_true_logit_and_stay_within_epsilon(network) -> None:
    gradient = compiled_logit_gradient(network, SPEC)
    clean, truth = pictures(), LABELS.astype(np.float32)
    before = gradient(clean.astype(np.float32), truth)[0]
    for epsilon in (1, 4):
        one = fgsm(gradient, clean, LABELS, [epsilon] * 4)
        ten = pgd(gradient, clean, LABELS, [epsilon] * 4, seeds=[1, 2, 3, 4])
        for found in (one, ten):
            assert found.dtype == np.uint8  # so within 0 and 255, as whole values
            assert np.abs(found.astype(int) - clean).max() == epsilon
            assert (gradient(found.astype(np.float32), truth)[0] < before).all()


def test_a_softmax_of_two_classes_is_attacked_alike() -> None:
    import keras

    keras.utils.set_random_seed(1)
    layers = [keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")]
    model = keras.Sequential([keras.Input((64, 64, 3)), *layers])
    gradient = compiled_logit_gradient(model, SPEC)
    clean, truth = pictures(), LABELS.astype(np.float32)
    found = fgsm(gradient, clean, LABELS, [2] * 4)
    assert (gradient(found.astype(np.float32), truth)[0] < gradient(clean.astype(np.float32), truth)[0]).all()
