"""Perturbations: shapes, determinism, untouched inputs, strengths and the shares of kinds."""

from collections import Counter

import cv2
import numpy as np
import pytest

from deepfake.perturbations.common import Perturbation, Pixels
from deepfake.perturbations.mix import COUNT_SHARES, KIND_WEIGHTS, PERTURBATIONS, draw_kinds, perturb

FUNCTIONS = [(kind, name) for kind, functions in PERTURBATIONS.items() for name in functions]
SHAPES = [(256, 256), (40, 64)]
IDENTITY_AT_ZERO = {
    "hue_saturation_value",
    "rgb_shift",
    "jitter",
    "gamma",
}  # two-sided ranges start at no change


def picture(height: int, width: int) -> Pixels:
    """Return a made-up picture with smooth areas, edges, colours and a little texture."""
    rng = np.random.default_rng(7)
    coarse = rng.integers(30, 226, (6, 6, 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    pixels += rng.integers(-8, 9, pixels.shape, dtype=np.int16)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (200, 60, 40)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def change(function: Perturbation, pixels: Pixels, strength: float, seed: int = 3) -> float:
    """Return the mean absolute change of a channel, in 0-255."""
    perturbed = function(pixels, strength, np.random.default_rng(seed))
    return float(np.abs(perturbed.astype(np.int16) - pixels).mean())


@pytest.mark.parametrize(("kind", "name"), FUNCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_each_function_keeps_its_promises(
    kind: str, name: str, shape: tuple[int, int], strength: float
) -> None:
    function, pixels = PERTURBATIONS[kind][name], picture(*shape)
    pixels.flags.writeable = False
    before = pixels.copy()
    for seed in range(4):  # several, as most functions choose between two forms
        first = function(pixels, strength, np.random.default_rng(seed))
        again = function(pixels, strength, np.random.default_rng(seed))
        assert first.shape == pixels.shape
        assert first.dtype == np.uint8
        assert first.flags.c_contiguous
        assert first.flags.writeable
        assert not np.shares_memory(first, pixels)
        np.testing.assert_array_equal(first, again)
        if strength > 0 or name not in IDENTITY_AT_ZERO:
            assert (first != pixels).any()
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(("kind", "name"), FUNCTIONS)
@pytest.mark.parametrize("shape", [(32, 32), (1, 1), (2, 3), (7, 5), (33, 150), (101, 77)])
def test_any_size_and_any_memory_layout(kind: str, name: str, shape: tuple[int, int]) -> None:
    mirrored = picture(*shape)[:, ::-1]  # a view that is not contiguous
    for strength in (0.0, 1.0):
        perturbed = PERTURBATIONS[kind][name](mirrored, strength, np.random.default_rng(1))
        assert perturbed.shape == mirrored.shape
        assert perturbed.flags.c_contiguous
        again = PERTURBATIONS[kind][name](np.ascontiguousarray(mirrored), strength, np.random.default_rng(1))
        np.testing.assert_array_equal(perturbed, again)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("noise", "gaussian_noise"),
        ("noise", "camera_iso"),
        ("noise", "multiplicative"),
        ("noise", "salt_and_pepper"),
        ("noise", "shot"),
        ("blur", "gaussian_blur"),
        ("blur", "defocus"),
        ("blur", "zoom"),
        ("blocks", "small_holes"),
        ("colour", "posterise"),
        ("weather", "fog"),
        ("edges", "sharpen"),
        ("jpeg", "jpeg"),
    ],
)
def test_more_strength_changes_more(kind: str, name: str) -> None:
    changes = [change(PERTURBATIONS[kind][name], picture(256, 256), strength) for strength in (0, 0.5, 1)]
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("name", sorted(IDENTITY_AT_ZERO))
def test_two_sided_ranges_start_at_no_change(name: str) -> None:
    function, pixels = PERTURBATIONS["colour"][name], picture(64, 64)
    assert change(function, pixels, 0.0) < 1.5  # rounding through HSV
    assert all(change(function, pixels, 1.0, seed) > 8 for seed in range(6))


@pytest.mark.parametrize(("strength", "sigma"), [(0.0, 0.03), (0.5, 0.165)])
def test_gaussian_noise_has_the_sigma_it_says(strength: float, sigma: float) -> None:
    flat = np.full((256, 256, 3), 128, np.uint8)
    deviations = []
    grey = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        noise = PERTURBATIONS["noise"]["gaussian_noise"](flat, strength, rng).astype(np.float32) - 128
        deviations.append(float(noise.std()) / 255)
        grey.append(bool((noise[..., 0] == noise[..., 1]).all()))
    np.testing.assert_allclose(deviations, sigma, rtol=0.05)
    assert 0 < sum(grey) < len(grey)  # both grey and per-channel noise occur


@pytest.mark.parametrize(("strength", "share"), [(0.0, 0.01), (1.0, 0.12)])
def test_salt_and_pepper_share(strength: float, share: float) -> None:
    flat = np.full((256, 256, 3), 128, np.uint8)
    noisy = PERTURBATIONS["noise"]["salt_and_pepper"](flat, strength, np.random.default_rng(0))
    assert (noisy != 128).all(axis=2).mean() == pytest.approx(share, rel=0.1)  # places may be drawn twice
    assert set(np.unique(noisy)) == {0, 128, 255}


def test_posterise_keeps_four_to_two_bits() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    rng = np.random.default_rng(0)
    assert [len(np.unique(PERTURBATIONS["colour"]["posterise"](ramp, s, rng))) for s in (0, 0.5, 1)] == [
        16,
        8,
        4,
    ]


def test_sizes_follow_the_image() -> None:
    holes = PERTURBATIONS["blocks"]["large_holes"]
    shares = [
        np.mean(
            [(holes(flat, 0.5, np.random.default_rng(seed)) != 128).any(axis=2).mean() for seed in range(30)]
        )
        for flat in (np.full((64, 64, 3), 128, np.uint8), np.full((256, 256, 3), 128, np.uint8))
    ]
    assert shares[0] == pytest.approx(shares[1], rel=0.35)


def test_kinds_are_drawn_with_their_shares() -> None:
    rng = np.random.default_rng(11)
    draws = [draw_kinds(rng) for _ in range(2000)]
    counts = Counter(len(kinds) for kinds in draws)
    for count, share in enumerate(COUNT_SHARES, start=1):
        assert counts[count] / 2000 == pytest.approx(share, abs=0.04)
    assert all(len(set(kinds)) == len(kinds) for kinds in draws)
    singles = Counter(kinds[0] for kinds in draws)  # the first kind drawn follows the weights
    for kind, weight in KIND_WEIGHTS.items():
        assert singles[kind] / 2000 == pytest.approx(weight / sum(KIND_WEIGHTS.values()), abs=0.035)


def test_weights_and_kinds_agree() -> None:
    assert list(KIND_WEIGHTS) == list(PERTURBATIONS)
    weights = {"colour": 3, "noise": 2, "blur": 2, "blocks": 2, "weather": 2, "edges": 1.2, "jpeg": 1}
    assert weights == KIND_WEIGHTS
    assert sum(COUNT_SHARES) == pytest.approx(1)


def test_kinds_at_most_is_respected_and_checked() -> None:
    rng = np.random.default_rng(0)
    assert {len(draw_kinds(rng, kinds_at_most=1)) for _ in range(50)} == {1}
    assert {len(draw_kinds(rng, kinds_at_most=2)) for _ in range(50)} == {1, 2}
    for wrong in (0, 4):
        with pytest.raises(ValueError, match="kinds_at_most"):
            draw_kinds(rng, kinds_at_most=wrong)


def test_perturb_is_reproducible_and_leaves_its_input() -> None:
    pixels = picture(96, 128)
    before = pixels.copy()
    first = [perturb(pixels, rng) for rng in [np.random.default_rng(5)] for _ in range(40)]
    again = [perturb(pixels, rng) for rng in [np.random.default_rng(5)] for _ in range(40)]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(pixels, before)
    assert all(image.shape == pixels.shape and image.dtype == np.uint8 for image in first)
    assert len({image.tobytes() for image in first}) >= 36  # a few mild ones vanish in the final JPEG


@pytest.mark.parametrize(
    "wrong", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3))]
)
def test_perturb_refuses_other_arrays(wrong: Pixels) -> None:
    with pytest.raises(ValueError, match="uint8"):
        perturb(wrong, np.random.default_rng(0))
