"""A head on a frozen network from images to a published detector, with a tiny drawn tower."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from deepfake.data.index import DatasetIndex, index_dataset
from deepfake.detection.card import read_network
from deepfake.detection.detector import Detector
from deepfake.images.load import ImageRefused
from deepfake.images.pixels import InputSpec, scaled
from deepfake.networks.clip_vit import backbone, with_head
from deepfake.networks.int8_weights import is_quantised, quantise, restored
from deepfake.networks.scoring import compiled_scorer, load_for_scoring, score_files
from deepfake.runs.history import History
from deepfake.runs.state import run_state
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.features import extract, read_features
from deepfake.training.frozen.fit import FrozenError, HeadSettings, data_digest, fit_head, fit_run
from deepfake.training.publish import CardTexts, publish
from deepfake.training.train import validation_numbers
from tests.support.clip import TINY, pictures, tiny

SPEC = InputSpec(32, interpolation="bicubic")
SETTINGS = HeadSettings(blocks=(2,), penalty=0.1, views=("clean", "mixed"), input=SPEC, weights="drawn")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return tiny()


@pytest.fixture
def made(tiny_dataset: Path, tmp_path: Path, network: keras.Model) -> tuple[DatasetIndex, FeatureCache]:
    """The tiny data set and its features."""
    data = index_dataset(tiny_dataset)
    cache = FeatureCache(tmp_path / "features", {"network": "tiny"})
    extract(data, cache, ["clean", "mixed"], network, SPEC)
    return data, cache


def test_kept_features_are_what_the_network_gives(
    made: tuple[DatasetIndex, FeatureCache], network: keras.Model
) -> None:
    data, cache = made
    read, rows, views = read_features(data, cache, ["clean"], ["features", "sharpness"])
    assert rows.tolist() == list(range(len(data))) and set(views) == {"clean"}
    batch = np.stack(
        [load_for_scoring(p, 32, perturbed=False, interpolation="bicubic") for p in data.paths()]
    )
    theirs = network.predict_on_batch(scaled(batch, SPEC))
    assert np.allclose(read["features"], theirs, atol=2e-2, rtol=2e-3) and (read["sharpness"] > 0).all()


def test_extraction_goes_on_where_it_was(
    made: tuple[DatasetIndex, FeatureCache], network: keras.Model
) -> None:
    data, cache = made
    for shard in sorted(cache.folder.glob("shard-*.npz"))[:1]:
        shard.unlink()
    again = FeatureCache(cache.folder, {"network": "tiny"})
    missing = 2 * len({*data.hashes()}) - len(again)
    assert missing > 0
    assert extract(data, again, ["clean", "mixed"], network, SPEC) >= missing
    assert extract(data, again, ["clean", "mixed"], network, SPEC) == 0


def test_a_file_that_is_no_image_is_named(tiny_dataset: Path, tmp_path: Path, network: keras.Model) -> None:
    folder = tmp_path / "data"
    shutil.copytree(tiny_dataset, folder)
    broken = next((folder / "Train" / "Fake").iterdir())
    broken.write_bytes(b"no image")
    data, cache = index_dataset(folder), FeatureCache(tmp_path / "f", {})
    with pytest.raises(ImageRefused, match=broken.name):
        extract(data, cache, ["clean"], network, SPEC)
    told: list[str] = []
    extract(data, cache, ["clean"], network, SPEC, on_refused=lambda path, _: told.append(path))
    assert [Path(path).name for path in told] == [broken.name]
    assert len(cache) == len({*data.hashes()}) - 1


def test_a_run_is_fitted_published_and_served(
    made: tuple[DatasetIndex, FeatureCache], tmp_path: Path, network: keras.Model,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """From features to a detector whose scores are those that the head gave the features."""
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    data, cache = made
    lines: list[str] = []
    result = fit_run(data, cache, network, tmp_path / "run", SETTINGS, shape=TINY, say=lines.append)
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert written["state"] == "fitted" and written["data_sha256"] == data_digest(data.without_duplicates())
    assert written["head"]["views"]["clean"] > 0 and written["features"] == {"network": "tiny"}
    assert run_state(tmp_path / "run", History(), alive=False).code == "fitted"
    card = publish(tmp_path / "run", "frozen", data, CardTexts(), say=lambda line: None)
    assert card.input == SPEC and card.architecture == "clip_vit_b16"
    assert card.contents["result"]["data_sha256"] == written["data_sha256"]
    detector = Detector(card)
    validation = data.without_duplicates().select(split="Validation")
    logits = score_files(detector.scorer, card.input, validation.paths())
    served = validation_numbers(validation.table, logits)
    assert served["roc_auc"] == pytest.approx(result["validation"]["clean"]["roc_auc"], abs=0.05)
    assert "clean" in lines[0]


def test_what_cannot_be_fitted_is_said(made: tuple[DatasetIndex, FeatureCache], tmp_path: Path) -> None:
    data, cache = made
    with pytest.raises(FrozenError, match="of blocks 1, 2, received: 7"):
        fit_head(data, cache, HeadSettings(blocks=(7,)), TINY)
    for settings in (
        HeadSettings(blocks=(2,), leave_out=("elsewhere",)), HeadSettings(blocks=(2,), gate="elsewhere"),
    ):  # fmt: skip
        with pytest.raises(FrozenError, match="no source elsewhere"):
            fit_head(data, cache, settings, TINY)
    fakes = DatasetIndex(data.root, data.table[data.table["label"] == 1].reset_index(drop=True))
    with pytest.raises(FrozenError, match="one class only"):
        fit_head(fakes, cache, SETTINGS, TINY)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "settings.json").write_text("{}")
    with pytest.raises(FrozenError, match="already holds a run"):
        fit_run(data, cache, None, tmp_path / "old", SETTINGS, shape=TINY)
    with pytest.raises(Exception, match="no features of the images"):
        read_features(data, FeatureCache(tmp_path / "none", {}), ["clean"], ["features"])


def test_a_head_on_some_blocks_cuts_the_tower_there() -> None:
    network, images = tiny(), pictures()
    features = network.predict_on_batch(images)
    kernel = np.random.default_rng(0).normal(size=16).astype(np.float32)
    model = with_head(network, TINY, blocks=(1,), deviation=False, kernel=kernel, bias=-0.5)
    assert "block2" not in [layer.name for layer in model.layers]
    logits = features[:, :16] @ kernel - 0.5
    assert np.allclose(model.predict_on_batch(images)[:, 0], logits, atol=1e-4)
    gate = (np.linspace(-2, 2, 16) / np.abs(features[:, :16]).sum(1).max()).astype(np.float32)
    gated = with_head(
        network, TINY, blocks=(1,), deviation=False, kernel=kernel, bias=-0.5, gate=(gate, 0.25)
    )
    opened = 1 / (1 + np.exp(-(features[:, :16] @ gate + 0.25)))
    assert opened.std() > 1e-5
    assert np.allclose(gated.predict_on_batch(images)[:, 0], logits * opened, atol=1e-4)
    rng = np.random.default_rng(1)
    hidden, bias = rng.normal(size=(16, 5)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    deep = with_head(
        network, TINY, blocks=(1,), deviation=False, kernel=kernel[:5], bias=-0.5, hidden=(hidden, bias),
        gate=(gate, 0.25),
    )  # fmt: skip
    units = np.maximum(features[:, :16] @ hidden + bias, 0)
    expected = (units @ kernel[:5] - 0.5) * opened
    assert units.max() > 0 and np.allclose(deep.predict_on_batch(images)[:, 0], expected, atol=1e-4)


def test_weights_that_were_int8_are_stored_without_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As CLIP's are: each column has a number of 127."""
    model = backbone(TINY)
    rng = np.random.default_rng(3)
    for layer in model.layers:
        if layer.name.startswith("block"):
            kernel, *others = layer.get_weights()
            numbers = rng.integers(-127, 128, kernel.shape)
            numbers[0] = 127
            scale = rng.uniform(1e-4, 1e-2, kernel.shape[1])
            layer.set_weights([(numbers * scale).astype(np.float32), *others])
    model.save(tmp_path / "net.keras")
    size = (tmp_path / "net.keras").stat().st_size
    before = {w.path: w.numpy() for w in model.weights}
    monkeypatch.setattr("deepfake.networks.int8_weights.LEAST_NUMBERS", 700)
    quantise(tmp_path / "net.keras")
    assert is_quantised(tmp_path / "net.keras") and (tmp_path / "net.keras").stat().st_size < size
    again = read_network(tmp_path / "net.keras")
    for weight in again.weights:
        if "query_key_value_kernel" in weight.path:
            assert np.allclose(weight.numpy(), before[weight.path], rtol=1e-6, atol=0)


def test_an_int8_file_is_the_same_network_within_rounding(tmp_path: Path) -> None:
    shape = TINY.__class__(given=32, size=32, patch=8, width=64, heads=2, blocks=2, pooled=(1,))
    wide = with_head(tiny(shape), shape, blocks=(1,), deviation=True, kernel=np.ones(128) / 128, bias=0.0)
    wide.save(tmp_path / "net.keras")
    wide.save(tmp_path / "plain.keras")
    assert not is_quantised(tmp_path / "plain.keras")
    error = quantise(tmp_path / "net.keras")
    assert 0 < error <= 0.5 / 127 + 1e-6
    restored(tmp_path / "net.keras", tmp_path / "back.keras")
    assert not is_quantised(tmp_path / "back.keras")
    ours = compiled_scorer(read_network(tmp_path / "net.keras"), SPEC)
    theirs = compiled_scorer(wide, SPEC)
    batch = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    assert np.allclose(ours(batch), theirs(batch), atol=0.05)
