"""Several detectors as one network: the mean of their logits, and a run that can be published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from deepfake.cli import main
from deepfake.data.index import index_dataset
from deepfake.detection.card import load_card, load_model
from deepfake.detection.detector import Detector
from deepfake.detection.heatmaps import grad_cam
from deepfake.errors import UserError
from deepfake.images.pixels import InputSpec
from deepfake.networks.architectures import compact
from deepfake.networks.grad_cam import compiled_mapper
from deepfake.report.card_text import training_lines
from deepfake.runs.runs import open_run
from deepfake.training.combine import CombiningError, averaged_network, combine, combined_network
from deepfake.training.log import read_data_folder
from deepfake.training.publish import CardTexts, publish
from deepfake.training.recipe import Recipe
from deepfake.training.train import starting_network
from deepfake.util.files import write_json

PARTS: dict[str, Any] = {"stages": ((8, 1), (12, 1)), "stem": 8}


def trained(seed: int, **changes: Any) -> Any:
    """A network whose normalisation is not the one that it starts with."""
    keras.utils.set_random_seed(seed)
    network = compact(**{**PARTS, **changes})
    rng = np.random.default_rng(seed)
    network.set_weights(
        [value + rng.uniform(0, 0.1, value.shape).astype(np.float32) for value in network.get_weights()]
    )
    return network


def publish_as(name: str, network: Any, data: Path, folder: Path, size: int = 40) -> None:
    run = folder / f"run-{name}"
    run.mkdir()
    network.save(run / "best.keras")
    recipe = Recipe("tiny", "compact", InputSpec(32), InputSpec(size), epochs=1)
    write_json(run / "settings.json", {"recipe": recipe.to_dict(), "data": str(data)})
    publish(run, name, index_dataset(data), CardTexts(), say=lambda line: None)


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_dataset: Path) -> Path:
    """A models folder with the detectors one and two."""
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    for seed, name in enumerate(("one", "two")):
        publish_as(name, trained(seed), tiny_dataset, tmp_path)
    return tmp_path


def test_its_logit_is_the_mean_of_the_logits_over_the_temperatures() -> None:
    networks = [trained(0), trained(1, stages=((8, 1), (12, 2)))]
    images = np.random.default_rng(0).uniform(-1, 1, (3, 48, 48, 3)).astype(np.float32)
    one, two = (np.asarray(network(images, training=False)) for network in networks)
    both: Any = combined_network(networks, [0.5, 2.0])
    assert np.allclose(both(images, training=False), (one / 0.5 + two / 2.0) / 2, atol=1e-5)
    assert np.ptp(one) > 0
    first: Any = combined_network(networks, [0.5, 2.0], [3, 1])
    assert np.allclose(first(images, training=False), (3 * one / 0.5 + two / 2.0) / 4, atol=1e-5)
    assert both.count_params() == sum(network.count_params() for network in networks) - 1


def test_grad_cam_adds_up_the_networks() -> None:
    networks = [trained(0), trained(1)]
    crop = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    both, one = (
        grad_cam(compiled_mapper(network, InputSpec(32)), InputSpec(32), crop)
        for network in (combined_network(networks, [1, 1]), networks[0])
    )
    same = grad_cam(
        compiled_mapper(combined_network([networks[0]] * 2, [1, 3]), InputSpec(32)), InputSpec(32), crop
    )
    assert both.shape == one.shape == (4, 4)
    assert np.allclose(same, one, atol=1e-5)
    assert not np.allclose(both, one, atol=0.01)


def test_a_combination_is_published_like_a_run(
    pair: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pair / "both"
    assert main(["combine", "one", "two", "--run", str(run), "--weights", "2", "1"]) == 0
    assert "publish" in capsys.readouterr().out
    with pytest.raises(UserError, match="--data") as unsaid:
        read_data_folder(run)
    assert unsaid.value.code == "no_data_set"
    assert main(["publish", str(run), "both"]) == 1
    monkeypatch.setenv("DEEPFAKE_RUNS", str(pair))
    state = open_run("both").state
    assert (state.word, state.resumable) == ("Combined", False)
    assert "one and two" in state.sentence
    assert main(["publish", str(run), "both", "--data", str(tiny_dataset)]) == 0
    card = load_card("both")
    assert card.architecture == "compact + compact"
    told = json.loads((card.folder / "card.json").read_text(encoding="utf-8"))["result"]
    assert [member["name"] for member in told["members"]] == ["one", "two"]
    assert [member["weight"] for member in told["members"]] == [2, 1]
    assert told["members"][0]["sha256"] == load_card("one").sha256
    batch = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), np.uint8)
    p_fake, vectors = Detector(card).read_batch(batch)
    assert vectors.shape == (2, 2 * 24)
    assert ((p_fake > 0) & (p_fake < 1)).all()


def test_an_average_of_weights_is_one_network(
    pair: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pair / "mean"
    assert main(["combine", "one", "two", "--run", str(run), "--weights", "3", "1", "--average"]) == 0
    monkeypatch.setenv("DEEPFAKE_RUNS", str(pair))
    assert "averages the weights of the detectors one and two" in open_run("mean").state.sentence
    publish(run, "mean", index_dataset(tiny_dataset), CardTexts(), say=lambda line: None)
    card = load_card("mean")
    assert card.architecture == "compact"
    assert any("compact, 3 of 4 parts of each of its weights" in line for line in training_lines(card))
    tables = [load_model(load_card(name)).get_weights() for name in ("mean", "one", "two")]
    for mean, one, two in zip(*tables, strict=True):
        assert np.allclose(mean, 0.75 * one + 0.25 * two, atol=1e-6)
    with pytest.raises(ValueError, match="shapes"):
        averaged_network([trained(0), trained(0, stages=((8, 1), (12, 2)))], [1, 1])
    publish_as("deep", trained(0, stages=((8, 1), (12, 2))), tiny_dataset, pair)
    assert main(["combine", "one", "deep", "--run", str(pair / "no"), "--average"]) == 1
    assert "Leave out --average" in capsys.readouterr().err


def test_in_16_bits(pair: Path) -> None:
    combine(["one", "two"], pair / "both")
    assert main(["combine", "one", "two", "--run", str(pair / "halved"), "--half"]) == 0
    whole, halved = (pair / name / "best.keras" for name in ("both", "halved"))
    assert halved.stat().st_size < whole.stat().st_size
    images = np.random.default_rng(0).uniform(-1, 1, (2, 40, 40, 3)).astype(np.float32)
    networks: list[Any] = [keras.saving.load_model(file, compile=False) for file in (whole, halved)]
    logits = [np.asarray(network(images, training=False)) for network in networks]
    assert np.allclose(*logits, atol=0.02)


def test_a_weight_too_large_for_16_bits_is_refused(
    pair: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    large = trained(2)
    next(layer for layer in large.layers if "normalization" in layer.name).moving_variance.assign([1e6] * 8)
    publish_as("large", large, tiny_dataset, pair)
    assert main(["combine", "one", "large", "--run", str(pair / "both"), "--half"]) != 0
    assert "too large for 16 bits" in capsys.readouterr().err


def test_training_goes_on_from_a_part(
    pair: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepfake.networks import architectures

    combine(["one", "two"], pair / "both")
    publish(pair / "both", "both", index_dataset(tiny_dataset), CardTexts(), say=lambda line: None)
    monkeypatch.setattr(architectures, "compact", lambda size, fused: compact(size, fused=fused, **PARTS))
    started: Any = starting_network("compact", weights="both", fused=True)
    first: Any = load_model(load_card("one"))
    for ours, theirs in zip(started.get_weights()[:-2], first.get_weights()[:-2], strict=True):
        assert np.array_equal(ours, theirs)
    scale = started.get_weights()[-2] / first.get_weights()[-2]
    assert np.allclose(scale, 1 / load_card("one").temperature, rtol=1e-4)


def test_refusals(pair: Path, tiny_dataset: Path) -> None:
    with pytest.raises(CombiningError) as few:
        combine(["one", "one"], pair / "both")
    assert few.value.code == "too_few"
    for weights in ([1.0], [1.0, 0.0], [1.0, float("nan")]):
        with pytest.raises(CombiningError) as bad:
            combine(["one", "two"], pair / "both", weights)
        assert bad.value.code == "bad_weights"
    publish_as("wide", trained(2), tiny_dataset, pair, size=48)
    with pytest.raises(CombiningError, match="wide") as unlike:
        combine(["one", "wide"], pair / "both")
    assert unlike.value.code == "unlike"
    with pytest.raises(CombiningError) as there:
        combine(["one", "two"], pair / "run-one")
    assert there.value.code == "run_exists"
