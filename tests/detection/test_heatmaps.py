"""Maps of what a score hangs on: right place, right sign, and a figure for whether to believe them."""

from __future__ import annotations

import re
from dataclasses import astuple, replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from deepfake.detection.heatmaps import (
    CELLS,
    agreement,
    agreement_words,
    explain,
    faithfulness,
    grad_cam,
    occlusion,
    on_grid,
    worth_words,
)
from deepfake.images.pixels import InputSpec
from deepfake.networks.grad_cam import compiled_mapper
from deepfake.types import Pixels
from tests.support.images import noise_image

SPEC = InputSpec(96)


def quarter(y: int, x: int) -> tuple[slice, slice]:
    return slice(y * CELLS // 2, (y + 1) * CELLS // 2), slice(x * CELLS // 2, (x + 1) * CELLS // 2)


def detail_in_a_corner(batch: Pixels) -> Any:
    """Says Fake by the fine detail at the top left alone."""
    corner = batch[:, : SPEC.size // 2, : SPEC.size // 2].astype(np.float32)
    return np.abs(np.diff(corner, axis=2)).mean(axis=(1, 2, 3)) / 10 - 1


@pytest.fixture
def crop() -> Pixels:
    rng = np.random.default_rng(0)
    return rng.integers(60, 200, (96, 96, 3), dtype=np.uint8)


def test_occlusion_finds_the_place_and_the_sign(crop: Pixels) -> None:
    told: list[float] = []
    heat = occlusion(detail_in_a_corner, SPEC, crop, on_progress=told.append)
    assert heat.shape == (CELLS, CELLS)
    assert heat.max() == 1.0
    assert heat[quarter(0, 0)].mean() > 5 * np.abs(heat[quarter(1, 1)]).mean()
    against = occlusion(lambda batch: -detail_in_a_corner(batch), SPEC, crop)
    assert np.allclose(against, -heat, atol=1e-5), "what speaks for Real is below 0"
    assert told[-1] == 1.0
    assert told == sorted(told)


def test_occlusion_of_a_constant_score_is_flat(crop: Pixels) -> None:
    assert not occlusion(lambda batch: np.ones(len(batch), np.float32), SPEC, crop).any()


def test_faithful_maps_beat_chance_and_others_do_not(crop: Pixels) -> None:
    heat = occlusion(detail_in_a_corner, SPEC, crop)
    good, wrong = faithfulness(detail_in_a_corner, SPEC, crop, (heat, -heat), probability=expit, fake=True)
    assert good.deletion < good.random_deletion
    assert good.insertion > good.random_insertion
    assert good.better_than_chance
    assert wrong.random_insertion == good.random_insertion, "both are held against the same orders"
    assert not wrong.better_than_chance
    (real,) = faithfulness(
        lambda batch: -detail_in_a_corner(batch), SPEC, crop, [-heat], probability=expit, fake=False
    )
    found, expected = astuple(real), astuple(good)
    assert found == pytest.approx(expected), "for Real what lies below 0 counts"


@pytest.mark.parametrize("fake", [True, False])
def test_scores_of_an_explanation_are_calibrated(crop: Pixels, fake: bool) -> None:
    (worth,) = faithfulness(
        lambda batch: np.ones(len(batch), np.float32),
        SPEC,
        crop,
        [np.ones((CELLS, CELLS), np.float32)],
        probability=lambda logits: expit(logits / 2 - 3),
        fake=fake,
    )
    p_fake = 1 / (1 + np.exp(2.5))
    assert astuple(worth) == pytest.approx([p_fake if fake else 1 - p_fake] * 4)


def test_grad_cam_of_a_network_whose_answer_is_known() -> None:
    """One channel passes the brightness through, and the logit is its mean: bright parts speak for Fake."""
    import keras
    from keras import layers

    inputs = keras.Input((None, None, 3))
    features = layers.Conv2D(1, 8, 8, use_bias=False, kernel_initializer="ones")(inputs)
    pooled = layers.GlobalAveragePooling2D()(features)
    network = keras.Model(inputs, layers.Dense(1, use_bias=False, kernel_initializer="ones")(pooled))
    pixels = np.zeros((96, 96, 3), np.uint8)
    pixels[:48, 48:] = 200
    spec = InputSpec(96, 1 / 255, 0.0)
    heat = grad_cam(compiled_mapper(network, spec), spec, pixels)
    assert heat.shape == (12, 12)
    assert np.allclose(heat[quarter(0, 1)], 1)
    assert np.allclose(heat[quarter(1, 0)], 0)
    network.layers[-1].set_weights([-np.ones((1, 1), np.float32)])
    assert np.allclose(grad_cam(compiled_mapper(network, spec), spec, pixels), -heat)


def test_grad_cam_adds_up_networks_side_by_side() -> None:
    """As in `faces`: two networks under one last layer."""
    import keras
    from keras import layers

    def mapper(*kernels: float) -> Any:
        inputs = keras.Input((None, None, 3))
        filled: list[Any] = [keras.initializers.Constant(kernel) for kernel in kernels]
        maps = [layers.Conv2D(1, 8, 8, use_bias=False, kernel_initializer=each)(inputs) for each in filled]
        pooled = [layers.GlobalAveragePooling2D()(each) for each in maps]
        last = layers.Dense(1, use_bias=False, kernel_initializer="ones")
        joined = layers.Concatenate()(pooled) if len(pooled) > 1 else pooled[0]
        return compiled_mapper(keras.Model(inputs, last(joined)), InputSpec(96))

    batch = noise_image(1, 96, 96)[None]
    both, one, two = (mapper(*kernels)(batch) for kernels in ((1, 2), (1,), (2,)))
    assert np.ptp(one) > 0
    assert np.allclose(both, one + two, rtol=1e-3, atol=1e-3 * np.ptp(both))


@pytest.mark.parametrize("name", ["compact", "resnet50"])
def test_grad_cam_of_our_networks(name: str) -> None:
    from deepfake.networks.architectures import build

    network = build(name, size=64)
    heat = grad_cam(compiled_mapper(network, InputSpec(64)), InputSpec(64), noise_image(1, 80, 80))
    assert heat.shape == (2, 2)
    assert np.isfinite(heat).all()
    assert np.abs(heat).max() == pytest.approx(1.0)


def test_agreement() -> None:
    ramp = np.linspace(-1, 1, CELLS * CELLS, dtype=np.float32).reshape(CELLS, CELLS)
    assert agreement(ramp, ramp**3) == pytest.approx(1.0)
    assert agreement(ramp, -ramp) == pytest.approx(-1.0)
    assert agreement(ramp, np.zeros_like(ramp)) == 0.0
    assert on_grid(ramp[:6, :6]).shape == on_grid(np.zeros((24, 24), np.float32)).shape == (CELLS, CELLS)


def no_mapper(batch: Pixels) -> Any:
    raise AssertionError("a map that is known is not made again")


def test_no_difference_has_no_minus_sign(crop: Pixels) -> None:
    heat = occlusion(detail_in_a_corner, SPEC, crop)
    maps = explain(no_mapper, detail_in_a_corner, SPEC, crop, probability=expit, fake=True, first=-heat)
    worth = replace(maps.occlusion_worth, random_insertion=0.5, random_deletion=0.501)
    assert worth_words(worth, fake=True).count("(in random order +0.00).") == 1


def test_both_maps_and_their_worth_in_words(crop: Pixels) -> None:
    heat = occlusion(detail_in_a_corner, SPEC, crop)
    maps = explain(no_mapper, detail_in_a_corner, SPEC, crop, probability=expit, fake=True, first=-heat)
    assert np.array_equal(maps.grad_cam, -heat), "a map that is known is not made again"
    assert np.array_equal(maps.occlusion, heat)
    assert maps.agreement == pytest.approx(-1.0)
    good, bad = (worth_words(worth, fake=maps.fake) for worth in (maps.occlusion_worth, maps.grad_cam_worth))
    assert good.startswith("Better than chance")
    assert "Score of fake" in good
    assert "Score of real" in worth_words(maps.occlusion_worth, fake=False)
    assert bad.startswith("No better than chance: do not rely on it")
    shown, gone, difference = re.findall(r"[+-]?\d\.\d\d", good)[:3]
    assert float(shown) - float(gone) == pytest.approx(float(difference)), "the reader can check the sum"


@pytest.mark.parametrize(
    ("value", "words"), [(-0.5, "disagree"), (0.29, "disagree"), (0.3, "agree in part"), (0.6, "agree (")]
)
def test_it_says_when_the_maps_disagree(value: float, words: str) -> None:
    assert f"The two maps {words}" in agreement_words(value)
    assert ("says little" in agreement_words(value)) == (words == "disagree")
