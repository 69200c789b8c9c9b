"""Small autoencoders: read as they were saved, and disturbed as a generator might."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from deepfake.networks import autoencoder
from deepfake.networks.autoencoder import Autoencoder, disturbed, load_autoencoder, round_trip
from deepfake.networks.torch_weights import WeightsError
from tests.support.torch_files import LATENTS, save_as_torch, save_halves, weights_of


@pytest.fixture
def halves(tmp_path: Path) -> tuple[Path, Path]:
    return save_halves(tmp_path)


def test_a_picture_goes_through_and_comes_back_in_its_form(halves: tuple[Path, Path]) -> None:
    network = load_autoencoder(*halves)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3), np.uint8)
    latents = np.asarray(network.encode(pixels.astype(np.float32) / 255))
    assert latents.shape == (3, 4, 6, LATENTS)
    assert latents.std() > 0.01
    square = pixels[:, :, :32]
    made = round_trip(square, network, np.random.default_rng(1))
    assert made.shape == square.shape
    assert made.dtype == np.uint8
    assert np.array_equal(made, round_trip(square, network, np.random.default_rng(1)))


def test_the_same_network_from_files_without_a_pickle(halves: tuple[Path, Path], tmp_path: Path) -> None:
    files = tmp_path / "taesd_encoder.safetensors", tmp_path / "taesd_decoder.safetensors"
    save_file(weights_of(autoencoder._ENCODER, (3, LATENTS), pooled=True), files[0])
    save_file(weights_of(autoencoder._DECODER, (LATENTS, 3), pooled=False), files[1])
    network, other = load_autoencoder(*files), load_autoencoder(*halves)
    assert network.name == "taesd"
    pixels = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
    first, second = (round_trip(pixels, own, np.random.default_rng(1)) for own in (network, other))
    assert np.array_equal(first, second)
    files[0].write_bytes(files[0].read_bytes()[:99])
    with pytest.raises(WeightsError) as refused:
        load_autoencoder(*files)
    assert refused.value.code == "bad_weights"


def test_convolutions_are_pytorchs() -> None:
    """At stride 1 and 2, against sums written out."""
    from keras import Input, Model

    rng = np.random.default_rng(3)
    values = rng.standard_normal((1, 6, 6, 2)).astype(np.float32)
    kernel = rng.standard_normal((3, 2, 3, 3)).astype(np.float32)
    bias = rng.standard_normal(3).astype(np.float32)
    padded = np.pad(values[0], ((1, 1), (1, 1), (0, 0)))
    for stride in (1, 2):
        used: set[str] = set()
        inputs = Input((None, None, 2))
        weights = {"a.weight": kernel, "a.bias": bias}
        model = Model(inputs, autoencoder._convolve(inputs, "a", weights, used, stride))
        expected = [
            [
                np.einsum("yxc,ocyx->o", padded[y : y + 3, x : x + 3], kernel) + bias
                for x in range(0, 6, stride)
            ]
            for y in range(0, 6, stride)
        ]
        assert np.allclose(np.asarray(model(values))[0], expected, atol=1e-4)
        assert used == set(weights)


def test_files_that_are_no_autoencoder_are_refused(halves: tuple[Path, Path], tmp_path: Path) -> None:
    decoder = halves[1]
    with pytest.raises(WeightsError, match=r"no file.*nowhere"):
        load_autoencoder(tmp_path / "nowhere.pth", decoder)
    with pytest.raises(WeightsError, match="not a half"):
        load_autoencoder(decoder, decoder)
    odd = tmp_path / "odd.pth"
    tables = weights_of(autoencoder._ENCODER, (3, LATENTS), pooled=True)
    save_as_torch(odd, {**tables, "99.weight": np.ones(3, np.float32)})
    with pytest.raises(WeightsError, match="left over"):
        load_autoencoder(odd, decoder)
    odd.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError) as refused:
        load_autoencoder(odd, decoder)
    assert refused.value.code == "bad_weights"


def test_disturbances_are_of_five_kinds_and_mild() -> None:
    latents = np.random.default_rng(0).standard_normal((400, 8, 8, 16)).astype(np.float32)
    kept = latents.copy()
    changed = disturbed(latents, np.random.default_rng(1))
    assert np.array_equal(latents, kept)
    apart = np.abs(changed - latents).mean(axis=(1, 2, 3))
    assert 0.12 < (apart == 0).mean() < 0.3, "one in five, and those of which no channel was dropped"
    assert np.median(apart) > 0.02
    assert apart.max() < latents.std()
    dropped = ((changed == 0).all(axis=(1, 2)).sum(axis=1) > 0).mean()
    assert 0.05 < dropped < 0.2
    assert np.array_equal(changed, disturbed(latents, np.random.default_rng(1)))


def test_nothing_is_known_of_the_network_but_its_two_halves() -> None:
    network = Autoencoder("grey", lambda batch: batch[:, ::8, ::8], lambda latents: latents * 0 + 0.5)
    made = round_trip(np.zeros((2, 32, 32, 3), np.uint8), network, np.random.default_rng(0))
    assert set(np.unique(made)) == {128}
