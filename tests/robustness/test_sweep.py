"""The sweep with a scorer that reads brightness, so that every number is known; its kinds and its record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score

from deepfake.data.index import DatasetError, DatasetIndex, index_dataset
from deepfake.detection.card import load_card, model_names
from deepfake.evaluation.scores import read_scores, wilson_interval
from deepfake.images.pixels import InputSpec
from deepfake.perturbations.example import drawn_portrait, example_strip
from deepfake.perturbations.graded import KINDS, GradedPerturbation, altered
from deepfake.robustness.record import RobustnessError, read_robustness, to_dict, write_robustness
from deepfake.robustness.sweep import Robustness, Subject, balanced_sample, conditions, subject_of, sweep
from deepfake.robustness.table import CONDITION_COLUMNS, Condition, summarise
from deepfake.types import Thresholds
from tests.support.images import noise_image

BY_NAME = {kind.name: kind for kind in KINDS}
SOME = [BY_NAME["darker"], BY_NAME["crop"], BY_NAME["grey"], BY_NAME["noise"]]


def brightness(batch: np.ndarray) -> np.ndarray:
    return batch.mean(axis=(1, 2, 3)) / 255


def brighter_is_faker(pixels, labels):
    sign = 2 * labels - 1
    return sign * (pixels.mean(axis=(1, 2, 3)) - 127.5), np.ones_like(pixels) * sign[:, None, None, None]


CUTS = Thresholds(0.5, 0.9, 0.3, 0.6)
LIGHT = Subject("light", InputSpec(64), CUTS, brightness, brighter_is_faker)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten bright Fake and ten dark Real pictures, grey-valued on average: 200 and 60."""
    root = tmp_path_factory.mktemp("light_and_dark")
    for label, level in (("Fake", 200), ("Real", 60)):
        (root / "Validation" / label).mkdir(parents=True)
        for number in range(10):
            blotches = noise_image(number, 80, 80).astype(float)
            pixels = np.clip(level + number + (blotches - blotches.mean()) / 8, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / "Validation" / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def result(data: Path) -> Robustness:
    return sweep([LIGHT], index_dataset(data), kinds=SOME, title="Made", attack_images=8)[0]


def row(result: Robustness, perturbation: str, amount: float | None = None) -> pd.Series:
    rows = result.table[result.table["perturbation"] == perturbation]
    return rows.iloc[0] if amount is None else rows[rows["amount"] == amount].iloc[0]


def test_clean_is_perfect_and_darkness_hides_every_fake(result: Robustness) -> None:
    assert (result.model, result.data, result.n_fake, result.n_real) == ("light", "Made", 10, 10)
    clean, dark = row(result, "clean"), row(result, "darker", 20)
    assert (clean["accuracy"], clean["roc_auc"], clean["flipped"]) == (1, 1, 0)
    assert (dark["accuracy"], dark["balanced_accuracy"], dark["flipped"]) == (0.5, 0.5, 0.5)
    assert dark["roc_auc"] == 1  # the order stays
    assert dark["mean_fake"] == pytest.approx(0.2 * clean["mean_fake"], abs=0.004)
    assert dark["mean_real"] == pytest.approx(0.2 * clean["mean_real"], abs=0.004)
    assert (dark["accuracy_low"], dark["accuracy_high"]) == pytest.approx(wilson_interval(10, 20))
    assert (dark["flipped_low"], dark["flipped_high"]) == pytest.approx(wilson_interval(10, 20))
    assert dark["n"] == 20


def test_what_keeps_brightness_changes_nothing(result: Robustness) -> None:
    kept = result.table[result.table["perturbation"].isin(["grey"])]
    assert len(kept) == len(BY_NAME["grey"].amounts)
    assert (kept["accuracy"] == 1).all()
    assert (kept["flipped"] == 0).all()


def test_attacks_push_the_score_the_wrong_way_by_epsilon(result: Robustness) -> None:
    for name in ("fgsm", "pgd"):
        rows = result.table[result.table["perturbation"] == name]
        assert rows["amount"].tolist() == [1, 2, 4, 8]
        assert (rows["n"] == 8).all()  # attack_images
        steps = rows["mean_fake"].diff().dropna() * 255
        assert steps.tolist() == pytest.approx([-1, -2, -4], abs=0.05)
        assert rows["mean_real"].is_monotonic_increasing


def test_every_row_has_its_columns_in_order(result: Robustness) -> None:
    assert tuple(result.table.columns) == CONDITION_COLUMNS
    expected = conditions(SOME, (1, 2, 4, 8))
    assert list(zip(result.table["perturbation"], result.table["level"], strict=True)) == [
        (condition.perturbation, condition.level) for condition in expected
    ]
    for name in ("accuracy", "balanced_accuracy", "roc_auc", "mean_fake", "flipped"):
        assert (result.table[f"{name}_low"] <= result.table[name] + 1e-12).all()
        assert (result.table[name] <= result.table[f"{name}_high"] + 1e-12).all()


def test_same_pictures_same_numbers_whatever_their_place_and_company(
    data: Path, result: Robustness, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted(data.rglob("*.png"))):
        folder = tmp_path / path.parent.name
        folder.mkdir(exist_ok=True)
        (folder / f"{99 - number}.png").write_bytes(path.read_bytes())
    small = Subject("small", InputSpec(32), CUTS, brightness)
    again = sweep([small, LIGHT], index_dataset(tmp_path), kinds=SOME, attack_images=20)
    same = ~result.table["perturbation"].isin(["fgsm", "pgd"])
    moved = ~again[1].table["perturbation"].isin(["fgsm", "pgd"])
    pd.testing.assert_frame_equal(again[1].table[moved], result.table[same])
    assert set(again[0].table["perturbation"]) == {"clean", "darker", "crop", "grey", "noise"}  # no gradient


def test_files_that_cannot_be_read_are_named_and_left_out(data: Path, tmp_path: Path) -> None:
    for path in data.rglob("*.png"):
        target = tmp_path / path.parent.name / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    (tmp_path / "Real" / "9.png").write_bytes(b"no picture")
    counts: list[int] = []
    found = sweep([LIGHT], index_dataset(tmp_path), kinds=SOME[:1], on_progress=counts.append)[0]
    assert (found.n_fake, found.n_real) == (10, 9)
    assert [path for path, _ in found.refused] == ["Real/9.png"]
    assert row(found, "clean")["n"] == row(found, "pgd", 8)["n"] == 19
    assert counts == list(range(1, 21))
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match="None of the 20 images"):
        sweep([LIGHT], index_dataset(tmp_path), kinds=SOME[:1])


def test_one_class_has_no_roc_auc(data: Path) -> None:
    index = index_dataset(data)
    fakes = type(index)(index.root, index.table[index.table["label"] == 1].reset_index(drop=True))
    found = sweep([LIGHT], fakes, kinds=SOME[:1], epsilons=())[0]
    assert found.table["roc_auc"].isna().all()
    assert found.table["mean_real"].isna().all()
    assert row(found, "darker", 20)["accuracy"] == 0


def test_what_progress_raises_ends_the_work(data: Path) -> None:
    def stop(done: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep([LIGHT], index_dataset(data), kinds=SOME, on_progress=stop)


def test_a_detector_scores_clean_copies_as_it_always_does(use_tiny_models: Path, tiny_dataset: Path) -> None:
    from deepfake.detection.detector import get_detector
    from deepfake.evaluation.measure import measure

    detector, index = get_detector("tiny"), index_dataset(tiny_dataset).select(split="Test")
    found = sweep([subject_of(detector)], index, kinds=SOME[:1], attack_images=4, n_bootstrap=0)[0]
    known = measure(detector, index, n_bootstrap=0).evaluation
    clean = row(found, "clean")
    assert (clean["accuracy"], clean["roc_auc"]) == pytest.approx((known.accuracy, known.roc_auc))
    assert found.version == detector.card.sha256
    assert set(found.table["perturbation"]) == {"clean", "darker", "fgsm", "pgd"}


def test_sample_is_balanced_and_the_same_every_time(tiny_dataset: Path) -> None:
    data = index_dataset(tiny_dataset)
    sample = balanced_sample(data, 10)
    assert sample.table["label"].value_counts().to_dict() == {1: 5, 0: 5}
    assert sample.table["path"].tolist() == balanced_sample(data, 10).table["path"].tolist()
    assert set(sample.table["path"]) <= set(balanced_sample(data, 40).table["path"])
    assert len(balanced_sample(data, 10_000)) == len(data)


def test_summary_of_scores_by_hand() -> None:
    labels = np.array([1, 1, 0, 0])
    scores = np.array([[0.9, 0.2], [0.8, np.nan], [0.1, 0.6], [0.3, np.nan]])
    steps = [Condition("clean", 0, float("nan")), Condition("jpeg", 1, 50.0)]
    table = summarise(scores, labels, steps, CUTS)
    assert table["accuracy"].tolist() == [1, 0]
    assert table["roc_auc"].tolist() == [1, 0]
    assert table["flipped"].tolist() == [0, 1]
    assert table["n"].tolist() == [4, 2]
    assert table["mean_fake"].tolist() == pytest.approx([0.85, 0.2])
    assert table["decided"].tolist() == [0.75, 1]  # 0.3 is the first uncertain score
    assert table["correct"].tolist() == [1, 0]
    assert table["false_positive_rate"].tolist() == [0, 1]
    assert table["recall"].tolist() == [1, 0]


def test_summary_equals_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 300)
    scores = rng.random((300, 3)) * 0.6 + 0.4 * labels[:, None] * [1, 0.5, 0]
    steps = [Condition("clean", 0, float("nan")), Condition("jpeg", 1, 50.0), Condition("jpeg", 2, 30.0)]
    table = summarise(scores, labels, steps, CUTS)
    for index, row in enumerate(table.to_dict("records")):
        called = scores[:, index] >= 0.5
        assert row["accuracy"] == pytest.approx(accuracy_score(labels, called))
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, called))
        assert row["roc_auc"] == pytest.approx(roc_auc_score(labels, scores[:, index]))
        assert row["flipped"] == pytest.approx((called != (scores[:, 0] >= 0.5)).mean())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_keeps_its_promises(kind: GradedPerturbation) -> None:
    portrait = drawn_portrait()
    portrait.flags.writeable = False
    assert list(kind.amounts) in (sorted(kind.amounts), sorted(kind.amounts, reverse=True))
    strengths = [kind.strength(amount) for amount in kind.amounts]
    assert strengths == sorted(strengths)
    assert 0 <= strengths[0] < strengths[-1] == 1
    changes = []
    for amount in kind.amounts:
        copy = altered(portrait, "ab" * 32, kind, amount)
        assert (copy.shape, copy.dtype) == (portrait.shape, np.uint8)
        np.testing.assert_array_equal(copy, altered(portrait, "ab" * 32, kind, amount))
        changes.append(np.abs(copy.astype(int) - portrait).mean())
    assert 0 < changes[0] < changes[-1]
    assert altered(portrait[:40, :70], "cd" * 32, kind, kind.amounts[-1]).shape == (40, 70, 3)


def test_amounts_are_what_they_say() -> None:
    portrait = drawn_portrait()
    grey = altered(portrait, "ab" * 32, BY_NAME["grey"], 100)
    assert (grey[..., 0] == grey[..., 1]).all()
    for name, amount in (("darker", 40), ("brighter", 125)):
        bright = altered(np.full((64, 64, 3), 100, np.uint8), "ab" * 32, BY_NAME[name], amount)
        assert (bright == amount).all()
    flat = altered(portrait, "ab" * 32, BY_NAME["lower_contrast"], 20)
    assert flat.std() == pytest.approx(0.2 * portrait.std(), rel=0.02)
    assert flat.mean() == pytest.approx(portrait.mean(), abs=0.5)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None], 256, axis=0)[..., None].repeat(3, axis=2)
    part = altered(ramp, "ab" * 32, BY_NAME["crop"], 60)
    assert int(part.max()) - int(part.min()) == pytest.approx(256 * 0.6**0.5, abs=3)  # the share of a side
    assert len({kind.name for kind in KINDS}) == len({kind.title for kind in KINDS}) == len(KINDS)


def test_example_is_drawn_once_clean_and_once_a_strength() -> None:
    strip = example_strip("jpeg")
    assert [shown for shown, _ in strip] == ["Clean", "90", "70", "50", "30", "15"]
    assert len({pixels.tobytes() for _, pixels in strip}) == 6
    assert example_strip("pgd") == []


@pytest.fixture
def card(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import shutil

    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    return load_card("tiny")


def of_card(result: Robustness, card) -> Robustness:
    from dataclasses import replace

    return replace(
        result,
        model=card.name,
        version=card.sha256,
        thresholds=card.thresholds,
        score_version=card.score_version,
    )


def test_record_is_read_back(card, result: Robustness) -> None:
    assert read_robustness(card) is None
    path = write_robustness(card, of_card(result, card), "the command")
    assert path.parent == card.folder
    found = read_robustness(card)
    assert found is not None
    assert found.command == "the command"
    assert (found.result.data, found.result.n_fake) == ("Made", 10)
    pd.testing.assert_frame_equal(found.result.table, result.table, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "change",
    [
        {"sha256": "0" * 64},
        {"score_version": "0" * 64},  # measured with another temperature or bias
        {
            "thresholds": {
                "balanced": 0.5,
                "few_false_alarms": 0.9,
                "uncertain_low": 0.1,
                "uncertain_high": 0.6,
            }
        },
    ],
)
def test_record_of_another_version_is_refused(card, result: Robustness, change: dict) -> None:
    contents = {**to_dict(of_card(result, card)), **change}
    (card.folder / "robustness.json").write_text(json.dumps(contents))
    with pytest.raises(RobustnessError, match="another version") as caught:
        read_robustness(card)
    assert caught.value.code == "other_version"


def test_record_without_some_measures_is_refused_in_words(card, result: Robustness) -> None:
    contents = to_dict(of_card(result, card))
    kept = [name for name in contents["columns"] if not name.startswith("decided")]
    (card.folder / "robustness.json").write_text(json.dumps({**contents, "columns": kept}))
    with pytest.raises(RobustnessError, match=r"cannot be read: they lack decided\. Run"):
        read_robustness(card)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [], "columns": []}', "null"])
def test_damaged_record_is_refused(card, text: str) -> None:
    (card.folder / "robustness.json").write_text(text)
    with pytest.raises(RobustnessError, match="cannot be read") as caught:
        read_robustness(card)
    assert caught.value.code == "bad_robustness"


@pytest.mark.parametrize("name", model_names())
def test_shipped_clean_row_is_what_the_card_recorded_of_the_same_images(name: str) -> None:
    """The sweep and ``evaluate`` score an image alike: with the card's bias."""
    card = load_card(name)
    found = read_robustness(card)
    if found is None and card.second:
        pytest.skip(f"no robustness of {name} is recorded")
    assert found is not None
    (entry,) = [
        each
        for each in card.evaluations
        if (each["split"], each["source"], each["perturbed"]) == ("Validation", "openforensics", False)
    ]
    scores = read_scores(card.folder / entry["scores"])
    images = DatasetIndex(card.folder, scores.rename(columns={"image_id": "path"}))
    sample = balanced_sample(images, found.result.n_fake + found.result.n_real).table
    clean = row(found.result, "clean")
    means = sample.groupby("label")["p_fake"].mean()
    assert (clean["mean_real"], clean["mean_fake"]) == pytest.approx((means[0], means[1]), abs=2e-5)


@pytest.mark.parametrize("name", model_names())
def test_shipped_record_is_of_the_shipped_detector(name: str) -> None:
    card = load_card(name)
    found = read_robustness(card)  # checks version and threshold
    if found is None:
        pytest.skip(f"no robustness of {name} is recorded")
    assert (card.folder / "robustness.json").stat().st_size < 200_000
    rows = found.result.table
    assert {(kind.name, amount) for kind in KINDS for amount in kind.amounts} <= set(
        zip(rows["perturbation"], rows["amount"], strict=True)
    )
    assert "Test" not in found.result.data
