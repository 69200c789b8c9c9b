"""A run becomes a detector; measurements go into its card."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from deepfake.data.index import DatasetIndex, index_dataset
from deepfake.detection.card import Card, default_name, load_card
from deepfake.detection.detector import Detector
from deepfake.errors import UserError
from deepfake.evaluation.measure import Measurement, measure
from deepfake.evaluation.records import recorded_evaluations, validation_scores
from deepfake.evaluation.scores import read_scores
from deepfake.images.pixels import InputSpec
from deepfake.networks.architectures import compact
from deepfake.training.publish import CardTexts, publish, record
from deepfake.training.recipe import Recipe

RECIPE = Recipe("tiny", "compact", InputSpec(32), InputSpec(40), epochs=1)
FIELDS = {
    "served_sha256",
    "name",
    "description",
    "knows",
    "does_not_know",
    "false_alarms",
    "whole_pictures",
    "classes",
    "positive",
    "architecture",
    "parameters",
    "input",
    "temperature",
    "bias",
    "thresholds",
    "calibrated_on",
    "sha256",
    "recipe",
    "result",
    "data",
    "date",
    "commit",
    "version",
    "evaluations",
}


@pytest.fixture(scope="module")
def data(tiny_dataset: Path) -> DatasetIndex:
    return index_dataset(tiny_dataset)


@pytest.fixture(scope="module")
def made(data: DatasetIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that ended well."""
    folder = tmp_path_factory.mktemp("run")
    network = compact(stages=((8, 1),), stem=8)
    network.save(folder / "best.keras")
    settings = {"recipe": RECIPE.to_dict(), "data": str(data.root)}
    (folder / "settings.json").write_text(json.dumps(settings))
    (folder / "result.json").write_text(json.dumps({"state": "finished", "epochs": 1}))
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture(autouse=True)
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder that does not exist yet."""
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def quiet(_: str) -> None:
    """For those who do not wait."""


def published(run: Path, data: DatasetIndex, texts: CardTexts | None = None) -> Card:
    return publish(run, "one", data, texts or CardTexts(), replace=True, say=quiet)


def measured(card: Card, data: DatasetIndex) -> Measurement:
    return measure(Detector(card), data.select(split="Test"), n_bootstrap=20)


def test_card_says_everything(run: Path, data: DatasetIndex, models: Path) -> None:
    card = published(run, data)
    assert card == load_card("one")
    assert default_name() == "one"
    contents = card.contents
    assert set(contents) == FIELDS
    model = (models / "one" / "model.keras").read_bytes()
    assert contents["sha256"] == hashlib.sha256(model).hexdigest()
    assert model == (run / "best.keras").read_bytes()
    files = {path.name for path in (models / "one").iterdir()}
    assert files == {"model.keras", "model.tflite", "card.json", "scores-calibration.csv"}
    served = (models / "one" / "model.tflite").read_bytes()
    assert contents["served_sha256"] == card.served_sha256 == hashlib.sha256(served).hexdigest()
    assert contents["classes"] == ["Fake", "Real"]
    assert contents["positive"] == "Fake"
    assert contents["parameters"] == compact(stages=((8, 1),), stem=8).count_params()
    assert card.input == RECIPE.serve_input
    assert Recipe.from_dict(contents["recipe"]) == RECIPE
    assert contents["result"]["state"] == "finished"
    assert contents["calibrated_on"]["images"] == contents["data"]["validation_images"] == 32
    assert contents["data"]["train_images"] == 32
    assert contents["data"]["sources"] == [data.root.name]
    assert contents["data"]["licence"] == "Not stated."
    assert data.root.name in card.description
    assert card.knows == (f"fakes like those of {data.root.name}",)
    assert card.does_not_know
    assert card.evaluations == ()
    assert len(contents["date"]) == 10
    assert contents["commit"]


def test_a_name_in_use_is_refused_before_any_work(run: Path, data: DatasetIndex, models: Path) -> None:
    published(run, data)
    before = {path.name: path.read_bytes() for path in (models / "one").iterdir()}
    said: list[str] = []
    with pytest.raises(UserError, match="--replace") as caught:
        publish(run, "one", data, CardTexts(), say=said.append)
    assert (caught.value.code, said) == ("name_taken", [])
    assert {path.name: path.read_bytes() for path in (models / "one").iterdir()} == before
    (models / "empty").mkdir()
    assert publish(run, "empty", data, CardTexts(), say=quiet).name == "empty"


def test_card_is_calibrated_on_perturbed_validation(run: Path, data: DatasetIndex) -> None:
    from deepfake.evaluation.statistics.calibration import (
        fit_temperature_and_bias,
        threshold_at_fpr,
        threshold_balanced,
    )
    from deepfake.networks.scoring import score_files

    card = published(run, data)
    thresholds = card.thresholds
    assert card.temperature > 0
    assert 0 <= thresholds.uncertain_low <= thresholds.balanced <= thresholds.uncertain_high
    assert thresholds.uncertain_high <= np.nextafter(1, 2)
    detector, validation = Detector(card), data.select(split="Validation")
    logits = score_files(detector.scorer, card.input, validation.paths(), perturbed=True)
    labels = validation.table["label"].to_numpy()
    assert (card.temperature, card.bias) == pytest.approx(fit_temperature_and_bias(logits, labels))
    p_fake = 1 / (1 + np.exp(-logits.astype(float) / card.temperature - card.bias))
    assert thresholds.balanced == pytest.approx(threshold_balanced(labels, p_fake))
    assert thresholds.few_false_alarms == pytest.approx(threshold_at_fpr(labels, p_fake, 0.01))
    shown = validation_scores(card)
    assert shown is not None
    assert shown["p_fake"].to_numpy() == pytest.approx(p_fake)


def test_words_of_the_card(run: Path, data: DatasetIndex) -> None:
    texts = CardTexts("For tests.", ("squares",), ("circles", "stars"), "None.")
    card = published(run, data, texts)
    assert card.description == "For tests."
    assert card.knows == ("squares",)
    assert card.does_not_know == ("circles", "stars")
    assert card.contents["data"]["licence"] == "None."


def test_sources_and_generators_are_named(run: Path, data: DatasetIndex) -> None:
    table = data.table.assign(source="web", generator=np.where(data.table["label"] == 1, "GAN", ""))
    card = published(run, dataclasses.replace(data, table=table))
    assert card.contents["data"]["sources"] == ["web"]
    assert card.contents["data"]["generators"] == ["GAN"]
    nameless = published(run, dataclasses.replace(data, table=table.assign(source="", generator="")))
    assert nameless.contents["data"]["sources"] == [data.root.name]


def test_publishing_again_drops_the_old_scores(run: Path, data: DatasetIndex, models: Path) -> None:
    card = published(run, data)
    measurement = measured(card, data)
    scores = record(card, measurement, data="tiny", split="Test", perturbed=False, command="c")
    (models / "default.txt").write_text("chosen by hand\n")
    assert scores.is_file()
    again = published(run, data)
    assert not scores.exists()
    assert again.evaluations == ()
    assert (models / "default.txt").read_text() == "chosen by hand\n"


def test_record_replaces_its_own_title_only(run: Path, data: DatasetIndex) -> None:
    card = published(run, data)
    measurement = measured(card, data)
    first = record(card, measurement, data="My set/a", split="Test", perturbed=False, command="one")
    second = record(card, measurement, data="My set/a", split="Test", perturbed=True, command="two")
    third = record(card, measurement, data="Other", split=None, perturbed=False, command="three")
    assert len({first, second, third}) == 3
    assert all(path.parent == card.folder and path.is_file() for path in (first, second, third))
    again = record(card, measurement, data="My set/a", split="Test", perturbed=False, command="four")
    assert again == first
    entries = load_card("one").evaluations
    assert [entry["command"] for entry in entries] == ["two", "three", "four"]
    assert [entry["split"] for entry in entries] == ["Test", "all", "Test"]
    assert [entry["perturbed"] for entry in entries] == [True, False, False]
    entry = entries[-1]
    assert entry["scores"] == first.name
    assert entry["refused"] == 0
    assert entry["roc_auc"] == measurement.evaluation.roc_auc
    assert entry["n"] == 32
    assert load_card("one").temperature == card.temperature


def test_sources_under_one_title_are_kept_apart(run: Path, data: DatasetIndex) -> None:
    card = published(run, data)
    measurement = measured(card, data)

    def kept(title: str, source: str | None, command: str = "c") -> Path:
        return record(
            card, measurement, data=title, split="Test", perturbed=False, command=command, source=source
        )

    paths = [kept("My set", None), kept("My set", "web"), kept("My set", "phone"), kept("My/set", None)]
    assert len(set(paths)) == 4
    assert kept("My set", "web", "again") == paths[1]
    entries = load_card("one").evaluations
    assert [entry["source"] for entry in entries] == ["", "phone", "", "web"]
    assert entries[-1]["command"] == "again"
    titles = [each.title for each in recorded_evaluations(load_card("one"))[0]]
    assert titles == ["My set, Test", "My set, Test, phone", "My/set, Test", "My set, Test, web"]


def test_a_folder_that_cannot_be_written_is_a_sentence(run: Path, data: DatasetIndex) -> None:
    card = published(run, data)
    (card.folder / "scores-t-test.csv").mkdir()
    with pytest.raises(UserError, match="cannot be written") as caught:
        record(card, measured(card, data), data="t", split="Test", perturbed=False, command="c")
    assert caught.value.code == "not_written"
    assert load_card("one").evaluations == ()


def test_recorded_scores_read_back(run: Path, data: DatasetIndex) -> None:
    card = published(run, data)
    measurement = measured(card, data)
    table = read_scores(record(card, measurement, data="t", split="Test", perturbed=False, command="c"))
    assert table["p_fake"].tolist() == measurement.table["p_fake"].tolist()
    assert table["label"].sum() == 16
    assert set(table["image_id"]) == set(data.select(split="Test").table["path"])


@pytest.mark.parametrize("title", ["../../outside", "a/../../b", ".."])
def test_record_stays_in_its_folder(title: str, run: Path, data: DatasetIndex, models: Path) -> None:
    card = published(run, data)
    path = record(card, measured(card, data), data=title, split=None, perturbed=False, command="c")
    assert path.resolve().parent == (models / "one").resolve()


def test_what_cannot_be_published(run: Path, data: DatasetIndex, tmp_path: Path, models: Path) -> None:
    with pytest.raises(UserError) as caught:
        publish(tmp_path / "none", "one", data, CardTexts(), say=quiet)
    assert caught.value.code == "no_run"
    (run / "result.json").write_text(json.dumps({"state": "stopped", "epochs": 0, "best_epoch": 0}))
    with pytest.raises(UserError) as caught:
        published(run, data)
    assert caught.value.code == "nothing_to_publish"
    (run / "result.json").unlink()
    (run / "best.keras").unlink()
    with pytest.raises(UserError) as caught:
        published(run, data)
    assert caught.value.code == "nothing_to_publish"
    assert not models.exists()


def test_run_that_was_killed_can_be_published(run: Path, data: DatasetIndex) -> None:
    (run / "result.json").unlink()
    assert published(run, data).contents["result"] == {"state": "killed"}
