"""Recipes, the log of a run, and runs end to end on a tiny data set with a tiny network."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from deepfake.data.index import DatasetError, DatasetIndex, index_dataset
from deepfake.errors import UserError
from deepfake.images.load import ImageRefused
from deepfake.images.pixels import InputSpec
from deepfake.networks.architectures import compact
from deepfake.training import train as training
from deepfake.training import train as training_train
from deepfake.training.callbacks import StepReporter, WeightAverage
from deepfake.training.log import RunLog, read_data_folder, read_settings
from deepfake.training.optimise import compile_for, fastest_precision, shorten_memory
from deepfake.training.recipe import RECIPES, Recipe, fitted
from deepfake.training.samples import TrainingError, balanced_sample
from deepfake.training.train import train
from deepfake.util.files import write_json
from tests.support.images import encoded, noise_image
from tests.support.training import TINY, events, quiet, recipe

pytestmark = pytest.mark.usefixtures("tiny_network")


@pytest.fixture(scope="module")
def data(tiny_dataset: Path) -> DatasetIndex:
    return index_dataset(tiny_dataset)


def load(folder: Path) -> Any:
    return keras.saving.load_model(folder / "best.keras", compile=False, safe_mode=True)


# Recipes


def test_recipes_survive_json() -> None:
    for known in RECIPES.values():
        assert Recipe.from_dict(json.loads(json.dumps(known.to_dict()))) == known
        assert Recipe.from_dict({**known.to_dict(), "frozen_stages": 0}) == known, "of an older version"


def test_recipe_of_the_starting_document() -> None:
    seed = RECIPES["seed"]
    assert (seed.architecture, seed.epochs, seed.batch_size, seed.learning_rate) == ("resnet50", 2, 64, 1e-3)
    assert seed.train_input == seed.serve_input == InputSpec(128, 1 / 255, 0.0)
    assert (seed.optimizer, seed.schedule, seed.ema, seed.perturbed) == ("adam", "constant", 0.0, None)


def test_our_recipe_varies_its_images_and_serves_larger_ones() -> None:
    ours = RECIPES["compact"]
    assert ours.architecture == "compact"
    assert ours.perturbed is not None
    assert ours.serve_input.size > ours.train_input.size
    assert {known.name for known in RECIPES.values()} == set(RECIPES)


# The log


def test_log_appends_whole_lines(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.add("start", note="Zeile\nzwei ü")
    RunLog(tmp_path).add("end", state="finished")
    first, second = events(tmp_path)
    assert first["type"] == "start"
    assert first["note"] == "Zeile\nzwei ü"
    assert second["state"] == "finished"
    assert second["time"] >= first["time"] > 1.6e9


def test_json_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


def test_no_run_in_a_folder(tmp_path: Path) -> None:
    for read in (read_settings, read_data_folder):
        with pytest.raises(UserError) as caught:
            read(tmp_path / "none")
        assert caught.value.code == "no_run"


@pytest.mark.parametrize("name", ["compact", "lite", "faces", "seed"])
def test_a_full_size_recipe_is_left_as_it_is(name: str) -> None:
    """The runs whose numbers stand in the README: 20,000 images an epoch."""
    recipe = RECIPES[name]
    assert fitted(recipe, 20_000) is recipe or fitted(recipe, 20_000) == recipe
    steps = 20_000 // recipe.batch_size
    network: Any = compact(stages=((8, 1),), stem=8)
    shorten_memory(network, steps * recipe.epochs)
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if name != "seed":  # whose statistics nobody shortens, see the test below
        assert {layer.momentum for layer in layers} == {0.98}
    assert WeightAverage(network, 0.999, steps).every == WeightAverage.EVERY


def test_a_small_set_gets_steps_enough() -> None:
    recipe = RECIPES["compact"]
    demo = fitted(recipe, 320)
    assert (demo.batch_size, demo.epochs, demo.learning_rate) == (16, 16, 1.5e-3)
    assert dataclasses.replace(demo, batch_size=64, learning_rate=3e-3) == recipe, "nothing else changes"
    few = fitted(recipe, 40)
    assert (few.batch_size, few.epochs) == (8, 60)
    assert few.warmup == pytest.approx(0.5 * 60 / 16)
    assert fitted(RECIPES["lite"], 320).epochs == 15
    settled = fitted(recipe, 320, 64)
    assert (settled.batch_size, settled.epochs, settled.learning_rate) == (64, 60, 3e-3)
    for count, warmup in ((1, 0.5), (16, 0.5), (32, 1.0), (60, 1.875), (500, 1.875)):
        chosen = fitted(recipe, 40, epochs=count)
        assert (chosen.epochs, chosen.warmup) == (count, pytest.approx(warmup))
        assert fitted(recipe, 20_000, epochs=count).warmup == recipe.warmup
    for images in (0, 1, 7):
        assert fitted(recipe, images).epochs <= 60
    assert fitted(recipe, 1280) == recipe
    assert fitted(recipe, 0) is recipe, "not known"
    assert fitted(RECIPES["seed"], 12) is RECIPES["seed"]


@pytest.mark.parametrize(
    ("changes", "momentum"),
    [
        ({"epochs": 20}, 0.75),  # 80 steps
        ({"epochs": 1}, 0.5),
        ({"epochs": 250}, 0.98),  # 1,000 steps
        ({"epochs": 20, "schedule": "constant"}, 0.98),
        ({"epochs": 20, "weights": "a detector"}, 0.98),  # its statistics are of images
    ],
)
def test_statistics_of_a_short_run_forget_their_start(
    changes: dict[str, Any], momentum: float, data: DatasetIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_train, "_start_from", lambda model, detector: None)
    model, _, _, steps = training_train.networks(data.select(split="Train"), recipe(**changes), resume=False)
    assert steps == 4
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert layers
    assert {layer.momentum for layer in layers} == {momentum}


@pytest.mark.parametrize(("steps", "every"), [(1, 1), (5, 1), (20, 2), (63, 7), (64, 8), (5000, 8)])
def test_no_epoch_ends_without_an_average_of_its_own(steps: int, every: int) -> None:
    model: Any = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    average = WeightAverage(model, 0.9, steps)
    assert average.every == every
    average.set_model(model)
    seen: set[float] = set()
    for epoch in range(3):
        for step in range(steps):
            model.set_weights([np.array([[float(epoch * steps + step)]])])
            average.on_train_batch_end(step)
        seen.add(average.weights()[0].item())
    assert len(seen) == 3


# The averaged weights


def test_average_follows_the_weights() -> None:
    model: Any = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    average = WeightAverage(model, 0.999)
    average.set_model(model)
    model.set_weights([np.array([[1.0]])])
    assert average.weights()[0].item() == 1.0, "before there is an average: the weights"
    for step in range(80):
        model.set_weights([np.array([[float(step)]])])
        average.on_train_batch_end(step)
    value = average.weights()[0].item()
    assert 60 < value < 79, "it lags behind, but has left its start"
    off = WeightAverage(model, 0.0)
    off.set_model(model)
    for step in range(80):
        off.on_train_batch_end(step)
    assert off.weights()[0].item() == 79.0


# A whole run


@pytest.fixture(scope="module")
def finished(data: DatasetIndex, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run of two epochs and what it said."""
    folder, said = tmp_path_factory.mktemp("runs") / "whole", []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            training_train,
            "build",
            lambda name, *, size=None, weights=None, fused=False: compact(
                size, stages=((8, 1),), stem=8, fused=fused
            ),
        )
        patch.setattr(StepReporter, "LOG_SECONDS", 0.0)
        patch.setattr(StepReporter, "SAY_SECONDS", 0.0)
        train(data, TINY, folder, say=said.append)
    return folder, said


def test_run_folder_tells_what_happened(finished: tuple[Path, list[str]], data: DatasetIndex) -> None:
    folder, said = finished
    names = {"settings.json", "events.jsonl", "result.json", "best.keras", "state.npz", "summary.txt"}
    assert {path.name for path in folder.iterdir()} == names
    assert read_settings(folder) == TINY
    assert read_data_folder(folder) == data.root
    result = json.loads((folder / "result.json").read_text())
    assert (result["state"], result["epochs"]) == ("finished", 2)
    assert result["best_epoch"] in {1, 2}
    assert set(result["best"]) == {"clean", "perturbed"}
    assert any("images/s" in line for line in said)
    assert sum(line.startswith("epoch") and "confusion" in line for line in said) == 2


def test_events_of_a_run(finished: tuple[Path, list[str]]) -> None:
    told = events(finished[0])
    kinds = [event["type"] for event in told]
    assert kinds == ["start", *["step"] * 4, "epoch", *["step"] * 4, "epoch", "end"]
    start, step, epoch, end = told[0], told[1], told[5], told[-1]
    assert start["train_images"] == 32
    assert start["validation_images"] == 16
    assert start["steps_per_epoch"] == 4
    assert start["precision"] == "float32"
    assert start["first_epoch"] == 1
    assert (step["epoch"], step["step"], told[6]["epoch"]) == (1, 1, 2)
    assert step["loss"] > 0
    assert 0 <= step["accuracy"] <= 1
    assert step["images_per_second"] > 0
    rates = [event["learning_rate"] for event in told if event["type"] == "step"]
    assert max(rates) == pytest.approx(3e-3, rel=0.2)
    assert rates[-1] < rates[2], "cosine"
    assert set(epoch["train"]) == {"loss", "accuracy"}
    clean = epoch["validation"]["clean"]
    assert set(clean) == {"accuracy", "loss", "roc_auc", "confusion_matrix", "source_roc_auc"}
    assert list(clean["source_roc_auc"].values()) == [clean["roc_auc"]], "one source"
    (a, b), (c, d) = clean["confusion_matrix"]
    assert (a + b, c + d) == (8, 8)
    assert clean["accuracy"] == pytest.approx((a + d) / 16)
    assert (end["state"], end["epochs"]) == ("finished", 2)


def test_kept_network_takes_any_size_and_holds_no_layer_of_ours(finished: tuple[Path, list[str]]) -> None:
    model = load(finished[0])
    assert {type(layer).__module__.partition(".")[0] for layer in model.layers} == {"keras"}
    assert model.dtype_policy.name == "float32"
    for size in (32, 40):
        assert model(np.zeros((1, size, size, 3), np.float32)).shape == (1, 1)


def test_kept_network_is_the_one_that_was_measured(
    finished: tuple[Path, list[str]], data: DatasetIndex
) -> None:
    from sklearn.metrics import roc_auc_score

    from deepfake.networks.scoring import compiled_scorer, score_files

    folder, _ = finished
    validation = balanced_sample(data.select(split="Validation"), 16)
    scorer = compiled_scorer(load(folder), TINY.serve_input)
    logits = score_files(scorer, TINY.serve_input, validation.paths(), perturbed=True)
    best = json.loads((folder / "result.json").read_text())["best"]["perturbed"]
    assert roc_auc_score(validation.table["label"], logits) == pytest.approx(best["roc_auc"])
    assert [[int((logits[validation.table["label"] == 1] >= 0).sum())]][0][0] == best["confusion_matrix"][0][
        0
    ]


@pytest.mark.parametrize("batch_size", [8, 2], ids=["averaged_each_step", "averaged_each_other_step"])
def test_resumed_run_equals_an_uninterrupted_one(
    batch_size: int,
    data: DatasetIndex,
    finished: tuple[Path, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings, uninterrupted = recipe(batch_size=batch_size), finished[0]
    if settings != TINY:
        uninterrupted = tmp_path / "whole"
        train(data, settings, uninterrupted, say=quiet)

    real_samples, shown = training_train.epoch_samples, []

    def noted(data: Any, recipe: Any, epoch: int, landmarks: Any) -> Any:
        shown.append(epoch)
        return real_samples(data, recipe, epoch, landmarks)

    monkeypatch.setattr(training_train, "epoch_samples", noted)
    real_fit, fits = training._Run.fit, []

    def stops_in_epoch_2(self: Any, *arguments: Any) -> Any:
        fits.append(1)
        if len(fits) == 2:
            raise KeyboardInterrupt
        return real_fit(self, *arguments)

    monkeypatch.setattr(training._Run, "fit", stops_in_epoch_2)
    halved = train(data, settings, tmp_path / "halved", say=quiet)
    assert (halved.state, halved.epochs, halved.best_epoch) == ("stopped", 1, 1)
    resumed = train(data, settings, tmp_path / "halved", resume=True, say=quiet)
    assert (resumed.state, resumed.epochs) == ("finished", 2)
    assert shown == [0, 1, 1], "each epoch has its own samples"

    whole, halves = np.load(uninterrupted / "state.npz"), np.load(tmp_path / "halved" / "state.npz")
    assert set(whole.files) == set(halves.files)
    assert any(name.startswith("average_") for name in whole.files)
    for name in whole.files:
        if name != "kept":
            assert np.allclose(whole[name], halves[name], rtol=1e-4, atol=1e-5), name
    one, two = json.loads(str(whole["kept"])), json.loads(str(halves["kept"]))
    assert (one["epoch"], one["best_epoch"], one["steps"]) == (two["epoch"], two["best_epoch"], two["steps"])
    kinds = [event["type"] for event in events(tmp_path / "halved")]
    assert kinds.count("start") == kinds.count("end") == kinds.count("epoch") == 2


def test_stop_within_an_epoch_keeps_the_best(
    data: DatasetIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    before: list[bytes] = []
    real = WeightAverage.on_train_batch_end

    def stop(self: WeightAverage, batch: int, logs: Any = None) -> None:
        real(self, batch, logs)
        if self.steps == 6:  # the second step of epoch 2
            before.append((tmp_path / "run" / "best.keras").read_bytes())
            raise KeyboardInterrupt

    monkeypatch.setattr(WeightAverage, "on_train_batch_end", stop)
    result = train(data, TINY, tmp_path / "run", say=said.append)
    assert (result.state, result.epochs, result.best_epoch) == ("stopped", 1, 1)
    assert (tmp_path / "run" / "best.keras").read_bytes() == before[0]
    assert json.loads((tmp_path / "run" / "result.json").read_text())["state"] == "stopped"
    assert events(tmp_path / "run")[-1]["state"] == "stopped"
    assert "--resume" in said[-1]


def test_stop_before_the_first_epoch_ends(
    data: DatasetIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(WeightAverage, "on_train_batch_end", stop)
    result = train(data, TINY, tmp_path / "run", say=quiet)
    assert (result.state, result.epochs, result.best_epoch, result.best) == ("stopped", 0, 0, {})
    assert load(tmp_path / "run").count_params() > 0
    with pytest.raises(TrainingError) as caught:
        train(data, TINY, tmp_path / "run", resume=True, say=quiet)
    assert caught.value.code == "nothing_to_resume"


def test_learns_what_a_tiny_network_can_learn(data: DatasetIndex, tmp_path: Path) -> None:
    learning = recipe(epochs=8, learning_rate=1e-2, perturbed=None, ema=0.0, weight_decay=0.0, batch_size=4)
    result = train(data, learning, tmp_path / "run", say=quiet)
    assert set(result.best) == {"clean"}
    assert result.best["clean"]["roc_auc"] > 0.9
    losses = [event["train"]["loss"] for event in events(tmp_path / "run") if event["type"] == "epoch"]
    assert losses[-1] < losses[0] / 2


def test_two_column_network_learns_to_call_fake_fake(data: DatasetIndex, tmp_path: Path) -> None:
    softmax = recipe(
        architecture="resnet50",
        epochs=6,
        learning_rate=0.1,
        perturbed=None,
        ema=0.0,
        optimizer="adam",
        schedule="constant",
        serve_input=InputSpec(32),
    )
    result = train(data, softmax, tmp_path / "run", say=quiet)
    assert result.best["clean"]["roc_auc"] > 0.9
    assert load(tmp_path / "run").output_shape == (None, 2)


# What is refused


def test_a_run_is_not_written_over(data: DatasetIndex, finished: tuple[Path, list[str]]) -> None:
    before = (finished[0] / "events.jsonl").read_bytes()
    with pytest.raises(TrainingError) as caught:
        train(data, TINY, finished[0], say=quiet)
    assert caught.value.code == "run_exists"
    assert "--resume" in caught.value.message
    assert (finished[0] / "events.jsonl").read_bytes() == before


def test_nothing_to_resume(data: DatasetIndex, tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        train(data, TINY, tmp_path / "none", resume=True, say=quiet)
    assert caught.value.code == "nothing_to_resume"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("split", ["Train", "Validation"])
def test_one_class_teaches_nothing(split: str, data: DatasetIndex, tmp_path: Path) -> None:
    table = data.table[(data.table["split"] != split) | (data.table["label"] == 1)]
    with pytest.raises(TrainingError) as caught:
        train(DatasetIndex(data.root, table.reset_index(drop=True)), TINY, tmp_path / "run", say=quiet)
    assert caught.value.code == "one_class"
    assert split in caught.value.message


def test_a_split_is_missing(data: DatasetIndex, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        train(data.select(split="Train"), TINY, tmp_path / "run", say=quiet)
    assert caught.value.code == "no_such_split"


def test_diverged_run_says_so(data: DatasetIndex, tmp_path: Path) -> None:
    wild = recipe(learning_rate=1e30, schedule="constant", optimizer="adam")
    with pytest.raises(TrainingError) as caught:
        train(data, wild, tmp_path / "run", say=quiet)
    assert caught.value.code == "diverged"
    assert "--learning-rate" in caught.value.message
    assert "None is kept" in caught.value.message
    assert events(tmp_path / "run")[-1]["state"] == "diverged"
    assert json.loads((tmp_path / "run" / "result.json").read_text())["state"] == "diverged"
    assert not (tmp_path / "run" / "best.keras").exists()


@pytest.fixture
def small_set(tmp_path: Path) -> Path:
    """Four images, one of each class in Train and Validation."""
    root = tmp_path / "set"
    for split in ("Train", "Validation"):
        for number, label in enumerate(("Fake", "Real")):
            (root / split / label).mkdir(parents=True)
            picture = encoded(noise_image(10 * number + len(split), 40, 40))
            (root / split / label / "a.png").write_bytes(picture)
    return root


@pytest.mark.parametrize("split", ["Train", "Validation"])
@pytest.mark.parametrize("kind", ["no picture", "cut", "too small"])
def test_broken_images_are_named_before_the_first_step(
    split: str, kind: str, small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encoded(noise_image(3, 80, 80), "JPEG")
    content = {
        "no picture": b"\x89PNG\r\n\x1a\nnothing more",
        "cut": whole[: len(whole) // 2],  # its header is sound
        "too small": encoded(noise_image(3, 20, 20)),
    }[kind]
    for name in ("broken.png", "broken too.jpg"):
        (small_set / split / "Real" / name).write_bytes(content + name.encode())
    monkeypatch.setattr(training, "networks", lambda *_, **__: pytest.fail("went on"))
    with pytest.raises(TrainingError) as caught:
        train(index_dataset(small_set), TINY, tmp_path / "run", say=quiet)
    assert caught.value.code == "broken_image"
    assert caught.value.message.startswith("2 of the run's 6 images cannot be used: ")
    assert "broken.png" in caught.value.message
    assert "broken too.jpg" in caught.value.message
    assert not (tmp_path / "run" / "settings.json").exists(), "another try may take the name"


def test_an_image_that_breaks_meanwhile_is_named(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small_set / "Train" / "Real" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing more")
    monkeypatch.setattr(training, "check_images", lambda *_: None)
    with pytest.raises(TrainingError) as caught:
        train(index_dataset(small_set), TINY, tmp_path / "run", say=quiet)
    assert caught.value.code == "broken_image"
    assert "broken.png" in caught.value.message
    assert "Traceback" not in caught.value.message
    assert events(tmp_path / "run")[-1]["state"] == "failed"


def test_what_breaks_in_measuring_costs_no_epoch(
    data: DatasetIndex, finished: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_measure, real_fit = training._Run.measure, training._Run.fit
    fits: list[int] = []

    def fit(self: Any, *arguments: Any) -> Any:
        fits.append(self.epoch)
        return real_fit(self, *arguments)

    def broken(self: Any, *arguments: Any, **options: Any) -> Any:
        if self.trained == broken_epoch:
            raise ImageRefused("not_found", "There is no such file. Check the path.")
        return real_measure(self, *arguments, **options)

    monkeypatch.setattr(training._Run, "fit", fit)
    monkeypatch.setattr(training._Run, "measure", broken)
    for broken_epoch, begun in ((1, False), (2, True)):
        with pytest.raises(ImageRefused):
            train(data, TINY, tmp_path / "run", resume=begun, say=quiet)
        assert json.loads((tmp_path / "run" / "result.json").read_text())["epochs"] == broken_epoch - 1
    broken_epoch = 0
    result = train(data, TINY, tmp_path / "run", resume=True, say=quiet)
    assert (result.state, result.epochs) == ("finished", 2)
    assert fits == [0, 1], "no epoch's steps were done twice"
    assert [event["epoch"] for event in events(tmp_path / "run") if event["type"] == "epoch"] == [1, 2]
    one, two = np.load(finished[0] / "state.npz"), np.load(tmp_path / "run" / "state.npz")
    assert set(one.files) == set(two.files)
    for name in one.files:
        if name != "kept":
            assert np.allclose(one[name], two[name], rtol=1e-4, atol=1e-5), name
    first, second = (json.loads((run / "result.json").read_text()) for run in (finished[0], tmp_path / "run"))
    assert second["best"]["clean"]["roc_auc"] == pytest.approx(first["best"]["clean"]["roc_auc"], abs=0.01)


def test_a_run_goes_on_with_its_own_images_only(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = recipe(epochs=1, batch_size=2)
    train(index_dataset(small_set), settings, tmp_path / "run", say=quiet)

    def resumed(root: Path) -> str:
        try:
            train(index_dataset(root), settings, tmp_path / "run", resume=True, say=said.append)
        except TrainingError as error:
            return error.code
        return "went on"

    said: list[str] = []
    moved = tmp_path / "moved to another place"
    shutil.copytree(small_set, moved)
    assert resumed(moved) == "went on"
    one, other = moved / "Train/Fake/a.png", moved / "Train/Real/a.png"
    content = one.read_bytes()
    one.write_bytes(encoded(noise_image(99, 40, 40)))
    assert resumed(moved) == "other_data", "the same names, another content"
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    assert resumed(moved) == "other_data", "the classes changed places"
    shutil.copytree(small_set, moved, dirs_exist_ok=True)
    assert resumed(moved) == "went on"
    (moved / "Validation/Fake/new.png").write_bytes(encoded(noise_image(98, 40, 40)))
    assert resumed(moved) == "other_data", "one more"
    (moved / "Validation/Fake/new.png").rename(tmp_path / "new.png")
    (moved / "Validation/Fake/a.png").rename(moved / "Validation/Fake/b.png")
    assert resumed(moved) == "other_data", "another name"

    settings_file = tmp_path / "run" / "settings.json"
    old = {key: value for key, value in json.loads(settings_file.read_text()).items() if key != "data_sha256"}
    settings_file.write_text(json.dumps(old))
    said.clear()
    assert resumed(moved) == "went on", "what an older version started"
    assert any("not compared" in line for line in said)


def test_landmarks_belong_to_the_images_of_a_run(small_set: Path) -> None:
    training_part, validation = training.prepared(index_dataset(small_set), TINY)
    points = {"Train/Real/a.png": np.zeros((5, 2), np.float32)}
    digests = {
        training.data_digest(training_part, validation, found)
        for found in ({}, points, {"Train/Real/a.png": points["Train/Real/a.png"] + 1}, {**points, "x": 0})
    }
    assert len(digests) == 3, "those of other images do not matter"


@pytest.mark.parametrize("where", ["steps", "measuring", "last measuring"])
def test_an_interrupt_that_a_library_drops_stops_the_run_all_the_same(
    where: str, data: DatasetIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_step, real_measure = WeightAverage.on_train_batch_end, training._Run.measure
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        try:
            signal.raise_signal(signal.SIGINT)
            time.sleep(1)
            pytest.fail("no exception at all")
        except KeyboardInterrupt:
            pass  # as in a finaliser, where Python prints and drops it

    def step(self: WeightAverage, batch: int, logs: Any = None) -> None:
        real_step(self, batch, logs)
        if where == "steps" and self.steps == 2:
            ask()
        assert not (where == "steps" and self.steps > 2), "went on"

    def measure(self: Any, *arguments: Any, **options: Any) -> Any:
        measured = real_measure(self, *arguments, **options)
        if (where, self.trained) in {("measuring", 1), ("last measuring", 2)} and options["perturbed"]:
            ask()
        return measured

    monkeypatch.setattr(WeightAverage, "on_train_batch_end", step)
    monkeypatch.setattr(training._Run, "measure", measure)
    handler = signal.getsignal(signal.SIGINT)
    result = train(data, TINY, tmp_path / "run", say=quiet)
    assert asked == [1]
    assert result.state == "stopped"
    assert result.epochs == {"steps": 0, "measuring": 0, "last measuring": 1}[where]
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_interrupt_that_a_library_turns_into_an_error_is_no_failure(
    data: DatasetIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*_: Any, **__: Any) -> Any:
        try:
            signal.raise_signal(signal.SIGINT)
            time.sleep(1)
        except KeyboardInterrupt as error:
            raise RuntimeError("cancelled") from error

    monkeypatch.setattr(training._Run, "fit", fit)
    assert train(data, TINY, tmp_path / "run", say=quiet).state == "stopped"
    assert events(tmp_path / "run")[-1]["state"] == "stopped"


# Parts


def test_validation_sample_is_balanced_and_always_the_same() -> None:
    labels = [1] * 300 + [0] * 100
    table = pd.DataFrame(
        {"path": [f"{n:03}.jpg" for n in range(400)], "split": "Validation", "label": labels}
    )
    data = DatasetIndex(Path("set"), table.assign(source="", generator=""))
    sample = balanced_sample(data, 100)
    assert sample.table["label"].value_counts().to_dict() == {0: 50, 1: 50}
    assert sample.table.equals(balanced_sample(data, 100).table)
    assert sample.table["path"].is_monotonic_increasing
    assert balanced_sample(data, None) is data
    assert balanced_sample(data, 400) is data
    scarce = balanced_sample(data, 300)
    assert scarce.table["label"].value_counts().to_dict() == {0: 100, 1: 150}


def test_duplicates_are_left_out_of_training(data: DatasetIndex, tmp_path: Path) -> None:
    table = data.table[data.table["split"] != "Test"]
    doubled = pd.concat([table, table[table["split"] == "Validation"].assign(split="Train")])
    train(
        DatasetIndex(data.root, doubled.reset_index(drop=True)), recipe(epochs=1), tmp_path / "run", say=quiet
    )
    assert events(tmp_path / "run")[0]["train_images"] == 32


def test_learning_rate_warms_up_and_falls() -> None:
    model: Any = compact(stages=((8, 1),), stem=8)
    compile_for(model, recipe(epochs=4, warmup=0.5), steps=100)
    schedule = model.optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 25, 50, 225, 399)]
    assert rates[0] == pytest.approx(3e-3 / 25)
    assert rates[0] < rates[1] < rates[2] == pytest.approx(3e-3)
    assert rates[3] == pytest.approx(1.5e-3, rel=0.02)
    assert rates[4] < 1e-6
    decayed = [v for v in model.trainable_variables if model.optimizer._use_weight_decay(v)]
    assert {v.path.split("/")[-1] for v in decayed} == {"kernel"}


def test_fastest_precision_is_one_keras_knows() -> None:
    assert fastest_precision("compact") in {"float32", "mixed_bfloat16"}
    if not tf.config.list_physical_devices("GPU"):
        assert fastest_precision("efficientnet_lite0") == "float32"


def test_steps_report_no_number_that_json_lacks(tmp_path: Path) -> None:
    class Network:
        class optimizer:
            learning_rate = 0.1

    reporter = StepReporter(RunLog(tmp_path), TINY, 4, quiet)
    reporter.set_model(Network())
    reporter.on_train_batch_end(0, {"loss": math.nan, "accuracy": 0.5})
    assert events(tmp_path)[0]["loss"] is None
