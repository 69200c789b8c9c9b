"""A detector of two networks: made, loaded, refused, and the sum of what each says."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from starlette.testclient import TestClient

from deepfake.api.app import Service, create_api
from deepfake.cli import main
from deepfake.data.index import DatasetIndex, index_dataset
from deepfake.detection.card import (
    Card,
    ModelError,
    calibrated_probability,
    load_card,
    load_second,
    model_names,
    quick_name,
    read_network,
)
from deepfake.detection.detector import Detector, get_detector
from deepfake.errors import UserError
from deepfake.images.load import load_image
from deepfake.images.pixels import InputSpec, to_batch
from deepfake.networks.clip_vit import Shape
from deepfake.networks.scoring import compiled_scorer
from deepfake.report.card_text import training_lines
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.features import extract
from deepfake.training.frozen.fit import HeadSettings, fit_run
from deepfake.training.frozen.stack import Stack
from deepfake.training.pair import _widened, pair
from deepfake.training.publish import Calibration, CardTexts, convert
from deepfake.training.recipe import RECIPES
from deepfake.training.target import broken_note, check_free, needed_by
from deepfake.types import Thresholds
from deepfake.util.files import write_json
from tests.support.clip import tiny
from tests.support.images import encoded, noise_image

SPEC = InputSpec(64)
SHAPE = Shape(given=64, size=80, patch=16, width=32, heads=2, blocks=2, pooled=(1,))
SETTINGS = HeadSettings(blocks=(1,), penalty=0.1, views=("clean",), input=SPEC, weights="drawn")
STACK = Stack(share=0.4, scale=0.8, bias=0.1, margin=0.3)


@pytest.fixture(scope="module")
def data(tiny_dataset: Path) -> DatasetIndex:
    return index_dataset(tiny_dataset)


@pytest.fixture(scope="module")
def run(data: DatasetIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A head on a drawn tower that takes what ``tiny`` takes."""
    folder, network = tmp_path_factory.mktemp("second"), tiny(SHAPE)
    cache = FeatureCache(folder / "features", {"network": "tiny"})
    extract(data, cache, ["clean"], network, SPEC)
    fit_run(data, cache, network, folder / "run", SETTINGS, shape=SHAPE, say=lambda _: None)
    return folder / "run"


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose ``tiny`` says by which recipe it was trained."""
    folder = tmp_path / "models"
    shutil.copytree(tiny_models, folder)
    monkeypatch.setenv("DEEPFAKE_MODELS", str(folder))
    card = json.loads((folder / "tiny" / "card.json").read_text())
    recipe = replace(RECIPES["compact"], train_input=SPEC, serve_input=SPEC)
    write_json(folder / "tiny" / "card.json", {**card, "recipe": recipe.to_dict(), "parameters": 1})
    return folder


def paired(run: Path, data: DatasetIndex, stack: Stack = STACK, name: str = "both") -> Card:
    return pair(load_card("tiny"), run, stack, name, data=data, texts=CardTexts("Two."), say=lambda _: None)


def test_the_sum_is_what_both_say(models: Path, run: Path, data: DatasetIndex) -> None:
    card = paired(run, data)
    assert card == load_card("both")
    assert model_names() == ["both", "tiny"]
    batch = to_batch([load_image(path).pixels for path in data.paths()[:6]], SPEC)
    first = Detector(load_card("tiny"))
    second = compiled_scorer(read_network(run / "best.keras"), SPEC)
    both = Detector(card)
    expected = first.scorer(batch) + 0.4 * 1.5 * second(batch)
    assert np.allclose(both.scorer(batch), expected, atol=5e-2)
    assert not np.allclose(both.scorer(batch), first.scorer(batch), atol=0.1)
    p_fake, vectors = both.read_batch(batch)
    assert np.allclose(p_fake, calibrated_probability(both.scorer(batch), card.temperature, card.bias))
    assert np.allclose(vectors, first.read_batch(batch)[1])


def test_the_card_says_what_it_is_made_of(models: Path, run: Path, data: DatasetIndex) -> None:
    card, main_card = paired(run, data), load_card("tiny")
    assert card.networks == ["compact", "clip_vit_b16"]
    assert card.description == "Two."
    assert card.knows == main_card.knows
    assert card.second is not None
    assert (card.second.main, card.second.share) == ("tiny", pytest.approx(0.6))
    assert card.contents["second_network"]["stack"]["share"] == 0.4
    assert card.contents["second_network"]["result"]["state"] == "fitted"
    assert {path.name for path in card.folder.iterdir()} == {
        "card.json",
        "second.tflite",
        "scores-calibration.csv",
    }
    assert card.score_version != main_card.score_version
    assert "The first network is that of tiny; the second counts 0.60 times as much" in training_lines(card)
    edited = {**card.contents, "second": {**card.contents["second"], "share": 0.5}}
    write_json(card.folder / "card.json", edited)
    assert load_card("both").score_version != card.score_version


def test_tuned_norms_are_kept_with_the_detector(
    models: Path, run: Path, data: DatasetIndex, tmp_path: Path
) -> None:
    tuned, norms = tmp_path / "tuned", tmp_path / "norms.npz"
    shutil.copytree(run, tuned)
    norms.write_bytes(b"what tune wrote")
    result = json.loads((run / "result.json").read_text())
    write_json(tuned / "result.json", {**result, "head": {**result["head"], "weights": str(norms)}})
    card = paired(tuned, data)
    assert (card.folder / "norms.npz").read_bytes() == b"what tune wrote"
    assert card.contents["second_network"]["result"]["head"]["weights"] == "norms.npz", "no path of a machine"


def test_what_the_stack_leaves_open_is_uncertain(models: Path) -> None:
    """With a temperature of 1.5 and a bias of -0.25 before the pair, and of 2 and 0.5 of it."""
    thresholds = Thresholds(balanced=0.5, few_false_alarms=0.9, uncertain_low=0.45, uncertain_high=0.9)
    calibration = Calibration(2.0, 0.5, thresholds, 0, 0.0, {}, pd.DataFrame())
    main_card = load_card("tiny")
    assert _widened(calibration, replace(STACK, margin=0.0, bias=0.0), main_card) == thresholds
    # 0.8 * (sum / 1.5 - 0.25) + 0.1 = -3 or 3
    sure = _widened(calibration, replace(STACK, margin=3.0), main_card)
    assert sure.uncertain_low == pytest.approx(calibrated_probability(1.5 * (-3.1 / 0.8 + 0.25), 2.0, 0.5))
    assert sure.uncertain_high == pytest.approx(calibrated_probability(1.5 * (2.9 / 0.8 + 0.25), 2.0, 0.5))
    assert (sure.balanced, sure.few_false_alarms) == (0.5, 0.9)
    few = _widened(calibration, replace(STACK, margin=3.0, few_from=5.0), main_card)
    expected = calibrated_probability(1.5 * (4.9 / 0.8 + 0.25), 2.0, 0.5)
    assert few.few_false_alarms == pytest.approx(expected) and few.uncertain_high == sure.uncertain_high


@pytest.mark.parametrize("damage", ["other", "gone"])
def test_only_the_cards_second_network_is_loaded(damage, models: Path, run: Path, data: DatasetIndex) -> None:
    card = paired(run, data)
    path = card.folder / "second.tflite"
    path.write_bytes(b"other")
    if damage == "gone":
        path.unlink()
    with pytest.raises(ModelError) as caught:
        load_second(card)
    assert caught.value.code == ("missing_file" if damage == "gone" else "wrong_hash")


def test_without_its_second_network_no_other_detector_answers(
    models: Path, run: Path, data: DatasetIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = paired(run, data)
    (models / "default.txt").write_text("both\n")
    (card.folder / "second.tflite").unlink()
    for name in (None, "both"):
        with pytest.raises(ModelError, match=r"second\.tflite") as caught:
            load_card(name)
        assert caught.value.code == "missing_file"
    (tmp_path / "a.png").write_bytes(encoded(noise_image(1)))
    assert main(["predict", str(tmp_path / "a.png")]) == 1
    assert "lacks the file" in capsys.readouterr().err
    with TestClient(create_api(Service())) as client:
        assert (client.get("/readyz").status_code, client.get("/readyz").json()["code"]) == (
            503,
            "missing_file",
        )


def test_a_detector_that_another_needs_is_not_replaced_in_silence(
    models: Path, run: Path, data: DatasetIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    paired(run, data)
    assert (needed_by("tiny"), needed_by("both")) == (["both"], [])
    with pytest.raises(UserError, match="both would stop working") as caught:
        check_free("tiny")
    assert caught.value.code == "name_taken"
    assert check_free("tiny", replace=True) == ["both"]
    assert "pair tiny RUN STACK both" in broken_note("tiny", ["both"])
    with pytest.raises(UserError, match="--replace"):
        paired(run, data)
    stack = replace(STACK, share=0.2)
    pair(
        load_card("tiny"), run, stack, "both", data=data, texts=CardTexts(), replace=True, say=lambda _: None
    )
    assert load_card("both").contents["second_network"]["stack"]["share"] == 0.2


def test_a_file_that_two_detectors_serve_is_made_anew_for_both(
    models: Path, run: Path, data: DatasetIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = paired(run, data)
    with pytest.raises(UserError, match="convert tiny") as caught:
        convert(card)
    assert caught.value.code == "not_its_own"
    other = (models / "tiny" / "model.tflite").read_bytes() + bytes(8)
    monkeypatch.setattr("deepfake.networks.conversion.served_file", lambda *_: other)
    assert convert(load_card("tiny")).served_sha256 != card.served_sha256
    Detector(load_card("both"))


def test_without_its_first_network_it_is_refused(models: Path, run: Path, data: DatasetIndex) -> None:
    card = paired(run, data)
    shutil.rmtree(models / "tiny")
    with pytest.raises(ModelError, match="tiny") as caught:
        Detector(card)
    assert caught.value.code == "missing_file"


@pytest.mark.parametrize("second", [3, {"main": "tiny"}, {"main": "../x", "share": 1, "served_sha256": ""}])
def test_a_bad_second_is_a_bad_card(second, models: Path, run: Path, data: DatasetIndex) -> None:
    card = paired(run, data)
    write_json(card.folder / "card.json", {**card.contents, "second": second})
    with pytest.raises(ModelError) as caught:
        load_card("both")
    assert caught.value.code == "bad_card"


def test_what_does_not_go_together_is_refused(models: Path, run: Path, data: DatasetIndex) -> None:
    card = paired(run, data)
    with pytest.raises(UserError, match="another name") as caught:
        paired(run, data, name="tiny")
    assert caught.value.code == "same_name"
    with pytest.raises(UserError, match="second network already") as caught:
        pair(card, run, STACK, "third", data=data, texts=CardTexts())
    assert caught.value.code == "unlike"


def test_the_command(
    models: Path, run: Path, tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(tmp_path / "stack.json", STACK.to_dict())
    words = ["pair", "tiny", str(run), str(tmp_path / "stack.json"), "both", "--data", str(tiny_dataset)]
    assert main([*words, "--knows", "a kind"]) == 0
    assert "Published as" in capsys.readouterr().out
    assert load_card("both").knows == ("a kind",)


def test_fast_asks_the_first_network_alone(
    models: Path, run: Path, data: DatasetIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paired(run, data)
    (models / "default.txt").write_text("both\n")
    assert (quick_name(), quick_name("both"), quick_name("tiny")) == ("tiny", "tiny", "tiny")
    picture, content = tmp_path / "a.png", encoded(noise_image(1))
    picture.write_bytes(content)
    named = {}
    for options in ((), ("--fast",)):
        assert main(["predict", str(picture), "--json", *options]) == 0
        named[options] = json.loads(capsys.readouterr().out)["model"]
    assert named == {(): "both", ("--fast",): "tiny"}
    with TestClient(create_api(Service())) as client:
        for fast, name in (("true", "tiny"), ("false", "both")):
            answer = client.post("/api/v1/predict", files={"files": ("a.png", content)}, data={"fast": fast})
            assert answer.json()["model"] == name
        refused = client.post("/api/v1/predict", files={"files": ("a.png", content)}, data={"fast": "yes"})
        assert (refused.status_code, refused.json()["code"]) == (422, "bad_fast")


def test_maps_are_those_of_the_first_network(models: Path, run: Path, data: DatasetIndex) -> None:
    assert Detector(paired(run, data)).for_maps() is get_detector("tiny")
    tiny_one = get_detector("tiny")
    assert tiny_one.for_maps() is tiny_one
