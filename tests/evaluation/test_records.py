"""What stands in a card under which title, and whether its scores are its own."""

from __future__ import annotations

import doctest
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake.detection.card import Card, load_card
from deepfake.errors import UserError
from deepfake.evaluation import records
from deepfake.evaluation.records import (
    CALIBRATION_SCORES,
    below_roots,
    describe,
    read_recorded_scores,
    recorded_evaluations,
    validation_scores,
)
from deepfake.evaluation.scores import read_scores, write_scores
from deepfake.evaluation.statistics.metrics import evaluate_scores


def table(n: int = 40, seed: int = 0) -> pd.DataFrame:
    labels = np.arange(n) % 2
    p_fake = np.clip(0.3 + 0.4 * labels + np.random.default_rng(seed).normal(0, 0.2, n), 0, 1)
    ids = [f"{row}.png" for row in range(n)]
    return pd.DataFrame({"image_id": ids, "split": "V", "source": "", "label": labels, "p_fake": p_fake})


def with_entry(card: Card, folder: Path, scores: pd.DataFrame, /, **changes: object) -> Card:
    """The card with one evaluation: the numbers of ``scores``, its score file beside it."""
    folder.mkdir(exist_ok=True)
    write_scores(scores, folder / "v.csv")
    numbers = evaluate_scores(scores["label"], scores["p_fake"], n_bootstrap=0).to_dict()
    entry = {"data": "set", "split": "Validation", "perturbed": True, "scores": "v.csv", **numbers}
    return replace(card, folder=folder, evaluations=({**entry, **changes},))


def test_examples_of_the_module() -> None:
    found = doctest.testmod(records)
    assert found.attempted >= 3
    assert not found.failed


def test_scores_of_perturbed_validation_only(use_tiny_models: Path, tmp_path: Path) -> None:
    card = load_card()
    found = validation_scores(with_entry(card, tmp_path, table()))
    assert found is not None
    assert len(found) == 40
    for changes in ({"split": "Test"}, {"perturbed": False}, {"scores": "missing.csv"}, {"scores": None}):
        assert validation_scores(with_entry(card, tmp_path, table(), **changes)) is None
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    assert validation_scores(with_entry(card, tmp_path, table(), scores="bad.csv")) is None


def test_scores_it_was_calibrated_on_come_first(use_tiny_models: Path, tmp_path: Path) -> None:
    card = with_entry(load_card(), tmp_path, table())
    write_scores(table().iloc[5:], card.folder / CALIBRATION_SCORES)
    found = validation_scores(card)
    assert found is not None
    assert len(found) == 35
    (card.folder / CALIBRATION_SCORES).write_text("damaged")
    found = validation_scores(card)
    assert found is not None
    assert len(found) == 40


def test_scores_of_another_data_set_are_refused(use_tiny_models: Path, tmp_path: Path) -> None:
    card = with_entry(load_card(), tmp_path, table())
    (one,), complaints = recorded_evaluations(card)
    assert complaints == ()
    assert len(read_recorded_scores(one)) == 40
    for other, words in ((table(42), "expected 20 and 20"), (table(40, seed=1), "the card says")):
        write_scores(other, tmp_path / "v.csv")
        with pytest.raises(UserError, match=words) as caught:
            read_recorded_scores(one)
        assert caught.value.code == "other_scores"


def test_source_and_folder_are_read_and_old_cards_have_none(use_tiny_models: Path, tmp_path: Path) -> None:
    card = with_entry(load_card(), tmp_path, table(), source="web", folder="a/b")
    (one,), _ = recorded_evaluations(card)
    assert (one.source, one.folder, one.title) == ("web", "a/b", "set, Validation, web, perturbed copies")
    entry = {key: value for key, value in card.evaluations[0].items() if key not in ("source", "folder")}
    (old,), _ = recorded_evaluations(replace(card, evaluations=(json.loads(json.dumps(entry)),)))
    assert (old.source, old.folder, old.title) == ("", "", describe("set", "Validation", True))


def test_a_folder_is_named_without_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one/set", "two", "secret"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "one" / "link").symlink_to(tmp_path / "secret")
    monkeypatch.setenv("DEEPFAKE_DATA", os.pathsep.join(str(tmp_path / name) for name in ("one", "two")))
    assert below_roots(tmp_path / "one" / "set") == "set"
    assert below_roots(tmp_path / "two") == "."
    assert below_roots(tmp_path / "one" / "link") == below_roots(tmp_path / "secret") == ""


def test_the_table_behind_verdicts_is_parsed_again_only_when_it_changed(
    use_tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[Path] = []
    monkeypatch.setattr(records, "read_scores", lambda path: parsed.append(path) or read_scores(path))
    card = with_entry(load_card(), tmp_path, table())
    path = tmp_path / CALIBRATION_SCORES
    write_scores(table(), path)
    first, second = validation_scores(card), validation_scores(card)
    assert first is not None
    assert second is not None
    assert first is second
    assert parsed == [path]
    write_scores(table(60), path)
    third = validation_scores(card)
    assert third is not None
    assert len(third) == 60
