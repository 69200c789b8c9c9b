"""Kinds of fakes: fitted on drawn features, measured without their generators, written into a card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepfake.cli import main
from deepfake.detection.card import load_card
from deepfake.detection.embedding.kinds import load_kinds
from deepfake.networks.clip_vit import CLIP_B16
from deepfake.training.frozen import features as frozen_features
from deepfake.training.frozen import kinds as module
from deepfake.training.frozen.cache import FeatureCache
from deepfake.training.frozen.kinds import (
    FAMILIES,
    KindsError,
    LeftOut,
    Samples,
    choose_thresholds,
    confusion,
    even_weights,
    family_rows,
    few_of_each,
    fit_head,
    fit_kinds,
    kind_of,
    leave_families_out,
    read_samples,
)
from deepfake.types import FAKE_KINDS
from tests.support.records.evaluations import change_card
from tests.support.records.kinds import drawn_samples
from tests.training.frozen.test_stack_fitting import data_set


@pytest.fixture(scope="module")
def samples() -> Samples:
    return drawn_samples()


def test_every_generator_has_one_kind() -> None:
    names = [name for families in FAMILIES.values() for family in families for name in family]
    assert len(names) == len(set(names))
    assert kind_of("pggan", 1) == "gan"
    assert kind_of("neuraltextures", 1) == "swap"
    assert kind_of("ffhq", 0) == "photo"
    assert kind_of("real-or-ai", 1) is None


def test_what_is_served_is_what_scikit_learn_says(samples: Samples) -> None:
    """But for a kernel of 16 bits."""
    head = fit_head(samples)
    model = module._regression(samples, module.PENALTY)
    assert head.kernel.dtype == np.float16
    assert head.names == tuple(model.classes_)
    served = head.probabilities(samples.features)
    assert np.allclose(served, model.predict_proba(samples.features), atol=2e-3)
    assert np.allclose(served.sum(axis=1), 1)


def test_two_kinds_are_served_alike(samples: Samples) -> None:
    two = samples.where(np.isin(samples.kind, ["gan", "photo"]))
    model = module._regression(two, 0.1)
    served = fit_head(two, penalty=0.1).probabilities(two.features)
    assert np.allclose(served, model.predict_proba(two.features), atol=2e-3)
    with pytest.raises(KindsError, match="of one kind: gan"):
        fit_head(two.where(two.kind == "gan"))


def test_kinds_and_their_generators_count_the_same(samples: Samples) -> None:
    rows = np.flatnonzero((samples.generator != "sd3") | (np.arange(len(samples.kind)) % 2 == 0))
    part = samples.where(rows)
    weights = even_weights(part)
    assert weights.mean() == pytest.approx(1)
    totals = [weights[part.kind == kind].sum() for kind in FAKE_KINDS]
    assert np.allclose(totals, totals[0])
    assert weights[part.generator == "sd3"].sum() == pytest.approx(weights[part.generator == "flux"].sum())


def test_a_left_out_family_is_called_by_heads_that_never_saw_it(
    samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[set[str]] = []

    def fit(part: Samples, *, penalty: float) -> Any:
        shown.append(set(part.generator.tolist()))
        return fit_head(part, penalty=penalty)

    monkeypatch.setattr(module, "fit_head", fit)
    left_out = leave_families_out(samples, say=lambda _: None)
    families = [family for of_kind in FAMILIES.values() for family in of_kind]
    assert len(shown) == len(families)
    assert all(seen.isdisjoint(family) for seen, family in zip(shown, families, strict=True))
    photos = left_out.samples.kind == "photo"
    assert (left_out.family[photos] == -1).all()
    assert set(left_out.samples.generator[photos].tolist()) == {"camera", "ffhq", "lfw"}
    called = np.array(left_out.names)[left_out.probabilities.argmax(axis=1)]
    assert (called == left_out.samples.kind).mean() > 0.9
    rows = family_rows(left_out, dict.fromkeys(FAKE_KINDS, 0.0))
    assert [row["generators"] for row in rows] == [sorted(family) for family in families]
    assert all(sum(row["called"].values()) == row["n"] for row in rows)


def test_the_threshold_is_the_lowest_at_which_enough_are_right() -> None:
    """Of four families; the photos, all called wrongly, are not asked."""
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.99])
    right = np.array([True, True, True, False, False])
    probabilities = np.where(right[:, None], [[1.0, 0.0]], [[0.0, 1.0]]) * p[:, None]
    few = Samples(
        np.zeros((5, 2), np.float32), np.array(["gan"] * 4 + ["photo"]), np.array(list("abcde")),
        np.array(["clean"] * 5), np.zeros(5, bool),
    )  # fmt: skip
    left_out = LeftOut(few, np.array([0, 1, 2, 3, -1]), probabilities, ("gan", "diffusion"))
    assert choose_thresholds(left_out, 0.75) == {"gan": 0.4}
    called = probabilities[:4].copy()
    called[3] = [0.6, 0]
    fewer = replace(
        left_out, samples=replace(few, kind=np.array(["gan"] * 3 + ["swap", "photo"])),
        probabilities=np.concatenate([called, probabilities[4:]]),
    )  # fmt: skip
    assert choose_thresholds(fewer, 0.8) == {"gan": 0.61}
    with pytest.raises(KindsError, match="nothing is written"):
        choose_thresholds(replace(left_out, samples=replace(few, kind=np.array(["swap"] * 5))), 0.8)


def test_confusion_counts_what_is_called_what(samples: Samples) -> None:
    two = samples.where(np.flatnonzero(samples.kind == "swap")[:3])
    table = confusion(
        two, np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]), ("swap", "photo"), {"swap": 0.6, "photo": 0.6}
    )
    assert table == {"swap": {"gan": 0, "diffusion": 0, "swap": 1, "edit": 0, "photo": 1, "cannot tell": 1}}


def test_a_generator_with_many_images_is_not_all_that_is_measured(samples: Samples) -> None:
    few = samples.where(few_of_each(samples, 2))
    held_out = few.where(~few.train & (few.generator == "dfdc"))
    assert held_out.view.tolist() == ["clean", "mixed", "clean", "mixed"]


def test_what_is_measured_goes_by_held_out_images(samples: Samples) -> None:
    head, measured = fit_kinds(samples, say=lambda _: None)
    assert head.named_from == measured["named_from"]
    assert "photo" not in head.named_from
    held_out = measured["held_out"]
    assert set(held_out) == {"clean", "mixed"}
    counted = sum(sum(row.values()) for table in held_out.values() for row in table.values())
    assert counted == (~samples.train).sum()
    assert json.loads(json.dumps(measured)) == measured


def test_the_command_writes_what_is_served(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    samples: Samples,
) -> None:  # fmt: skip
    """Of features that are kept; fitted on drawn ones, which say something."""
    import shutil

    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "data"
    folder.mkdir()
    data = data_set(folder, {("a", "sd3", "Train", "Fake"): 2, ("a", "camera", "Validation", "Real"): 1,
                             ("a", "real-or-ai", "Train", "Fake"): 1})  # fmt: skip
    key = {"network": "drawn"}
    monkeypatch.setattr(frozen_features, "feature_key", lambda *_, **__: key)
    each = CLIP_B16.width * 2 * len(CLIP_B16.pooled)
    kept = np.random.default_rng(0).normal(0, 1, (4, each)).astype(np.float16)
    FeatureCache(tmp_path / "features", key).add(data.hashes(), ["clean"] * 4, {"features": kept})
    arguments = ["kinds", str(folder), str(tmp_path / "features"), "--model", "tiny"]
    assert main(arguments) == 1
    assert "no second network" in capsys.readouterr().err
    change_card(
        tmp_path / "models" / "tiny",
        second={"main": "tiny", "share": 0.5, "served_sha256": "of the second"},
        second_network={"result": {"head": {"blocks": [4, 7], "deviation": False}, "features": key}},
    )
    read = read_samples(data, FeatureCache(tmp_path / "features", key), [4, 7], deviation=False, say=print)
    assert "real-or-ai" in capsys.readouterr().out
    assert sorted(read.kind.tolist()) == ["diffusion", "diffusion", "photo"]
    assert read.features.shape == (3, 2 * CLIP_B16.width)
    assert np.allclose(np.linalg.norm(read.features, axis=1), 1, atol=1e-5)
    monkeypatch.setattr(module, "read_samples", lambda *_, **__: samples)
    assert main(arguments) == 0
    assert "| diffusion: sd3 |" in capsys.readouterr().out
    card = load_card("tiny")
    head = load_kinds(card)
    assert head is not None
    assert head.named_from == card.contents["kinds"]["named_from"]
    expected = fit_head(samples.where(samples.train))
    assert np.array_equal(head.kernel, expected.kernel)
    change_card(card.folder, second_network={"result": {"head": {}, "features": {"network": "other"}}})
    assert main(arguments) == 1
    assert "reads other features" in capsys.readouterr().err
