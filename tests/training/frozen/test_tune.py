"""Tuning the LayerNorms of a tiny drawn tower."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from deepfake.data.index import DatasetIndex, index_dataset
from deepfake.images.pixels import InputSpec
from deepfake.networks import clip_vit
from deepfake.networks.clip_vit import Shape, backbone, base_of, load_clip, norms_of, pooled_columns
from deepfake.networks.torch_weights import WeightsError
from deepfake.training.frozen import tune as tuning
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.features import extract, read_features, tokens_before
from deepfake.training.frozen.tune import TuneSettings, pool_tokens, save_norms, tune
from deepfake.training.frozen.views import View
from tests.support.clip import tiny
from tests.support.images import encoded, noise_image

SHAPE = Shape(given=32, size=32, patch=8, width=16, heads=2, blocks=3, pooled=(1, 2), deviation=False)
SPEC = InputSpec(32)
SETTINGS = TuneSettings(
    first=1, images=600, batch=8, rate=0.01, head_rate=0.01, penalty=100.0, leave_out=("other",)
)  # a head that starts at next to nothing


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DatasetIndex:
    """Faint and strong noise; a fake and the photograph beside it are a family."""
    root, rows = tmp_path_factory.mktemp("data"), []
    for number in range(24):
        for label, generator in (("Fake", "other" if number % 4 == 3 else "gan"), ("Real", "camera")):
            pixels = noise_image(len(rows), 32, 32)
            pixels = pixels // 3 + 80 if label == "Fake" else pixels
            path = f"{label}-{number}.png"
            (root / path).write_bytes(encoded(pixels))
            rows.append([path, "Train", label, "one", generator, f"family{number}"])
    columns = ["path", "split", "label", "source", "generator", "group"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "manifest.csv", index=False)
    return index_dataset(root)


@pytest.fixture(scope="module")
def tower() -> keras.Model:
    return tiny(SHAPE)


@pytest.fixture
def tokens(data: DatasetIndex, tower: keras.Model, tmp_path: Path) -> FeatureCache:
    cache = FeatureCache(tmp_path / "tokens", {"network": "tiny"})
    extract(data, cache, ["clean"], tokens_before(tower, 1), SPEC, column="tokens")
    return cache


def test_only_norms_and_head_change_and_the_loss_falls(
    data: DatasetIndex, tokens: FeatureCache, tower: keras.Model
) -> None:
    losses: list[float] = []
    before = {layer.name: layer.get_weights() for layer in tower.layers}
    later = tune(
        data, tokens, tower, SETTINGS, shape=SHAPE, on_step=lambda done, total, loss: losses.append(loss)
    )
    assert losses[-1] < losses[0]
    for place in (1, 2):
        layer = later.model.get_layer(f"block{place}")
        for weight, old in zip(layer.weights, before[layer.name], strict=True):
            changed = not np.allclose(np.asarray(weight), old, atol=1e-6)
            assert changed == ("norm" in weight.path), weight.path
    assert all(
        np.array_equal(a, b)
        for layer in tower.layers
        for a, b in zip(layer.get_weights(), before[layer.name], strict=True)
    )


def test_left_out_generators_are_not_shown(
    data: DatasetIndex, tokens: FeatureCache, tower: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def read(part: DatasetIndex, *given: object) -> object:
        shown.extend(part.table["generator"])
        return read_features(part, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(tuning, "read_features", read)
    tune(data, tokens, tower, SETTINGS, shape=SHAPE)
    assert set(shown) == {"gan", "camera"}


def test_pairs_are_of_one_family_where_it_has_both() -> None:
    fake = np.array([True, False, True, False, True])
    sources = np.array(["a", "a", "a", "a", "b"])
    groups = np.array(["1", "1", "2", "2", "3"])
    drawn = tuning._pairs(fake, sources, groups, np.ones(5), np.random.default_rng(0))  # pyright: ignore
    pairs = {next(drawn) for _ in range(200)}
    assert {(0, 1), (2, 3)} < pairs, "the two families"
    assert {pair for pair in pairs if pair[0] != 4} == {(0, 1), (2, 3)}
    assert all(not fake[real] for _, real in pairs), "a source of fakes alone takes any photograph"


def test_features_of_tokens_are_those_of_the_images(
    data: DatasetIndex,
    tokens: FeatureCache,
    tower: keras.Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = tune(data, tokens, tower, SETTINGS, shape=SHAPE)
    base, file = str(tmp_path / "base"), tmp_path / "norms.npz"
    save_norms(later, base, file)
    original = clip_vit.load_clip

    def load(model: keras.Model, weights: str) -> None:
        if weights == base:
            model.set_weights(tower.get_weights())
        else:
            original(model, weights)

    monkeypatch.setattr(clip_vit, "load_clip", load)
    tuned = backbone(SHAPE)
    load(tuned, str(file))
    assert base_of(str(file)) == base and base_of("clip") == "clip"
    assert all(np.array_equal(norms_of(tuned)[name], value) for name, value in norms_of(later.model).items())
    pooled, direct = (FeatureCache(tmp_path / name, {"network": "tuned"}) for name in ("pooled", "direct"))
    rows: list[tuple[str, View]] = [(sha, "clean") for sha in data.hashes()]
    pool_tokens([*rows, ("f" * 64, "clean")], tokens, pooled, tuned, shape=SHAPE, first=1)
    assert len(pooled) == len(data)
    extract(data, direct, ["clean"], tuned, SPEC)
    columns = pooled_columns(SHAPE, (1, 2), deviation=False)
    one, other = (cache.read(rows, ["features"])["features"][:, columns] for cache in (pooled, direct))
    assert np.allclose(one, other, atol=0.05, rtol=0.05)


def test_a_file_without_norms_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "norms.npz"
    file.write_bytes(b"no archive")
    with pytest.raises(WeightsError, match="tune") as refused:
        load_clip(tiny(SHAPE), str(file))
    assert refused.value.code == "bad_weights"
