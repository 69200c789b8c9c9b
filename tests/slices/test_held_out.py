"""Held-out images: scores joined with facts by name, each image once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake.cli import main
from deepfake.detection.card import load_card
from deepfake.evaluation.records import recorded_evaluations
from deepfake.evaluation.scores import read_scores
from deepfake.slices.held_out import (
    facts_path,
    held_out,
    keep_facts,
    kept_facts_path,
    known_facts,
    varies_within_sets,
    with_facts,
)
from deepfake.slices.shortcuts import read_shortcuts
from deepfake.slices.text import held_out_sentence
from tests.support.records.slices import drawn_table, write_drawn_facts


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))


def test_scores_and_facts_are_joined_by_name(models: Path) -> None:
    recorded = recorded_evaluations(load_card("tiny"))[0][2]
    assert with_facts(recorded) is None
    scores = read_scores(recorded.scores)
    shuffled = scores.sample(frac=1, random_state=0)
    expected = write_drawn_facts(shuffled, facts_path(recorded)).set_index("image_id")
    found = with_facts(recorded)
    assert found is not None
    assert found["image_id"].tolist() == scores["image_id"].tolist()
    np.testing.assert_allclose(found["brightness"], expected.loc[found["image_id"], "brightness"], atol=0.5)
    assert facts_path(recorded).name == recorded.scores.name.replace("scores", "facts")


def test_images_whose_facts_are_not_known_stay_without(models: Path) -> None:
    recorded = recorded_evaluations(load_card("tiny"))[0][2]
    scores = read_scores(recorded.scores)
    write_drawn_facts(scores.head(100), facts_path(recorded))
    found = with_facts(recorded)
    assert found is not None and len(found) == len(scores)
    assert found["sharpness"].notna().sum() == 100
    assert len(held_out([recorded])) == 100


def test_an_image_of_two_evaluations_counts_once_as_it_is(models: Path) -> None:
    fakes, perturbed, clean = recorded_evaluations(load_card("tiny"))[0]
    assert perturbed.perturbed and not clean.perturbed
    for seed, each in enumerate((perturbed, clean)):
        write_drawn_facts(read_scores(each.scores), facts_path(each), seed)
    held = held_out([fakes, perturbed, clean])
    assert len(held) == held.twice == 300
    assert set(held.table["evaluation"]) == {clean.title}
    assert held.without == (fakes.title,)
    assert not held.table.duplicated(["source", "image_id"]).any()
    said = held_out_sentence(held)
    assert "300 images" in said and "300 perturbed or repeated copies" in said and fakes.title in said


def test_nothing_measured_is_nothing_to_show(models: Path) -> None:
    held = held_out(recorded_evaluations(load_card("tiny"))[0])
    assert (len(held), held.twice, len(held.without)) == (0, 0, 3)


def test_damaged_facts_leave_their_evaluation_out(models: Path) -> None:
    recorded = recorded_evaluations(load_card("tiny"))[0][2]
    facts_path(recorded).write_text("nonsense")
    assert held_out([recorded]).without == (recorded.title,)


def test_facts_measured_from_the_page_are_kept_apart_from_the_card(models: Path) -> None:
    recorded = recorded_evaluations(load_card("tiny"))[0][2]
    before = sorted(models.iterdir())
    names = read_scores(recorded.scores)["image_id"]
    keep_facts(recorded, drawn_table(300).assign(image_id=names))
    assert sorted(models.iterdir()) == before
    assert kept_facts_path(recorded).is_file()
    found = known_facts(recorded)
    assert found is not None and len(found) == 300


def test_what_only_tells_sets_apart_does_not_vary_within_them() -> None:
    table = drawn_table(400)
    assert not varies_within_sets(table, "quality")
    assert varies_within_sets(table, "sharpness")
    odd = table.assign(quality=np.where(np.arange(400) < 10, 50.0, table["quality"]))
    assert not varies_within_sets(odd, "quality"), "a few odd files make no difference"


def test_the_command_measures_what_is_at_hand(
    models: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["evaluate", str(tiny_dataset), "--split", "Test", "--model", "tiny", "--record", "Tiny"]) == 0
    )
    capsys.readouterr()
    assert main(["facts", str(tiny_dataset), "--model", "tiny"]) == 0
    told = capsys.readouterr().out
    assert "Tiny, Test: 32 images, 32 measured now" in told
    assert "not at hand" in told, "the drawn evaluations have no images"
    card = load_card("tiny")
    recorded = recorded_evaluations(card)[0][-1]
    facts = known_facts(recorded)
    assert facts is not None
    assert facts["image_id"].tolist() == read_scores(recorded.scores)["image_id"].tolist()
    assert facts["side"].tolist() == [64.0] * 32
    assert "shortcuts.json was not written" in told
    assert read_shortcuts(card) is None
    changed = facts.assign(brightness=7.0)
    from deepfake.slices.facts import write_facts

    write_facts(changed, facts_path(recorded))
    assert main(["facts", str(tiny_dataset), "--model", "tiny"]) == 0
    assert "Tiny, Test: 32 images, 0 measured now" in capsys.readouterr().out
    again = known_facts(recorded)
    assert again is not None and again["brightness"].tolist() == [7.0] * 32
    assert main(["facts", str(tiny_dataset), "--model", "tiny", "--again"]) == 0
    measured = known_facts(recorded)
    assert measured is not None
    pd.testing.assert_frame_equal(measured, facts)


def test_the_command_says_what_is_missing(
    use_tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["facts", str(tmp_path / "none"), "--model", "tiny"]) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert main(["facts", str(tmp_path), "--model", "tiny"]) == 1
    assert "holds no evaluation" in capsys.readouterr().err
