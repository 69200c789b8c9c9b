"""The meter of shortcuts: the same as scikit-learn's regression, asked with NumPy alone."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression

from deepfake.detection.card import load_card
from deepfake.slices.facts import SquareFacts
from deepfake.slices.shortcuts import (
    SHORTCUTS_FILE,
    Shortcuts,
    ShortcutsError,
    fit_shortcuts,
    read_shortcuts,
    write_shortcuts,
)
from deepfake.slices.text import follows_sentence, shortcut_sentence, shortcut_table, worth_sentence
from tests.support.records.slices import drawn_table

TABLE = drawn_table(2000)
FITTED = fit_shortcuts(TABLE)
CLOSE = SquareFacts(face=215, side=256, quality=75, sharpness=500, brightness=100)
WIDE = SquareFacts(face=110, side=256, quality=75, sharpness=500, brightness=100)


def test_the_kept_numbers_say_what_scikit_learns_regression_says() -> None:
    names = [clue.name for clue in FITTED.clues if clue.tells]
    assert names == ["framing", "sharpness"], "size and quality are the same within each set"
    columns = []
    for clue in FITTED.clues:
        number = np.searchsorted(clue.edges, TABLE[clue.name], side="right")
        columns.append(np.eye(len(clue.edges) + 1)[number])
    size = TABLE.groupby("source")["label"].transform("size")
    weights = size / (2 * TABLE.groupby(["source", "label"])["label"].transform("size"))
    inputs = np.hstack(columns)
    model = LogisticRegression(C=1.0, solver="newton-cholesky").fit(inputs, TABLE["label"], weights)
    expected = model.predict_proba(inputs)[:, 1]
    facts = TABLE[["face", "side", "quality", "sharpness", "brightness"]].head(200).to_numpy().tolist()
    found = [FITTED.p_fake(SquareFacts(*row)) for row in facts]
    np.testing.assert_allclose(found, expected[:200], atol=2e-4)


def test_a_planted_shortcut_is_found_and_said() -> None:
    """Fakes of the one set fill the frame."""
    assert FITTED.p_fake(CLOSE) > 0.65
    assert FITTED.p_fake(WIDE) < 0.35
    assert FITTED.strongest(CLOSE) == "framing"
    assert FITTED.auc > 0.65
    assert FITTED.interval[0] < FITTED.auc < FITTED.interval[1]
    assert FITTED.sources["one"].auc > 0.7
    assert FITTED.sources["two"].auc == pytest.approx(0.5, abs=0.1)


def test_the_auc_is_of_images_that_were_not_fitted() -> None:
    """Labels by chance: in-sample such a regression reaches more, held out it must not."""
    rng = np.random.default_rng(5)
    table = TABLE.assign(label=rng.integers(0, 2, len(TABLE)))
    chance = fit_shortcuts(table)
    assert chance.auc == pytest.approx(0.5, abs=0.04)
    says = [
        chance.p_fake(SquareFacts(*row))
        for row in table[["face", "side", "quality", "sharpness", "brightness"]].to_numpy()
    ]
    assert sk.roc_auc_score(table["label"], says) > chance.auc + 0.01
    assert shortcut_sentence(chance, CLOSE, "fake") == "", "what is worth nothing is not said"


def test_only_sets_of_both_classes_are_fitted() -> None:
    """A set of fakes alone would teach what its images look like, not what its fakes do."""
    alone = drawn_table(400, seed=3).assign(source="alone", label=1, sharpness=5000.0)
    fitted = fit_shortcuts(pd.concat([TABLE, alone], ignore_index=True))
    assert set(fitted.sources) == {"one", "two"}
    assert fitted == FITTED


def test_too_few_images_are_refused() -> None:
    for table in (TABLE.head(60), TABLE[TABLE["label"] == 1], pd.DataFrame()):
        with pytest.raises(ShortcutsError, match="Received") as raised:
            fit_shortcuts(table)
        assert raised.value.code == "too_few"


def test_one_set_alone_tells_nothing_of_others() -> None:
    fitted = fit_shortcuts(TABLE.assign(source="one"))
    assert fitted.left_out == 0.5


def test_a_fact_that_was_never_seen_adds_nothing() -> None:
    average = FITTED.p_fake(replace(CLOSE, face=math.nan, sharpness=math.nan))
    assert average == pytest.approx(1 / (1 + math.exp(-FITTED.intercept)))
    unseen = replace(CLOSE, quality=math.nan, side=4000, face=215 / 256 * 4000)
    assert FITTED.p_fake(unseen) == pytest.approx(FITTED.p_fake(CLOSE))


def test_files_without_quality_have_a_weight_where_some_were_seen() -> None:
    rng = np.random.default_rng(2)
    quality = np.where(
        (TABLE["label"] == 1) & (rng.random(len(TABLE)) < 0.8), np.nan, rng.uniform(60, 90, len(TABLE))
    )
    fitted = fit_shortcuts(TABLE.assign(quality=quality))
    assert fitted.p_fake(replace(WIDE, quality=math.nan)) > fitted.p_fake(replace(WIDE, quality=75)) + 0.3


def test_how_far_scores_follow_is_the_rank_correlation_of_real_images() -> None:
    from scipy.stats import spearmanr

    real = TABLE[TABLE["label"] == 0]
    says = [
        FITTED.p_fake(SquareFacts(*row))
        for row in real[["face", "side", "quality", "sharpness", "brightness"]].to_numpy()
    ]
    assert FITTED.follows(TABLE) == pytest.approx(spearmanr(says, real["p_fake"])[0], abs=1e-3)
    reader = TABLE.assign(p_fake=TABLE["framing"].clip(0, 1))
    assert FITTED.follows(reader) > 0.5
    assert "closely" in follows_sentence(FITTED.follows(reader))
    assert FITTED.follows(TABLE.assign(p_fake=0.5)) == 0


def test_the_sentence_depends_on_the_verdict() -> None:
    assert "alone would say fake" in shortcut_sentence(FITTED, CLOSE, "fake")
    assert shortcut_sentence(FITTED, CLOSE, "fake").endswith("the detector may be reading those.")
    assert shortcut_sentence(FITTED, CLOSE, "real").endswith("The verdict does not follow them.")
    assert "alone would say real" in shortcut_sentence(FITTED, WIDE, "real")
    even = replace(
        FITTED, clues=tuple(replace(clue, weights=(0.0,) * len(clue.weights)) for clue in FITTED.clues)
    )
    assert shortcut_sentence(even, CLOSE, "fake") == "", "near one half there is nothing to say"
    assert f"{FITTED.auc:.2f}" in worth_sentence(FITTED)
    assert shortcut_table(FITTED)["ROC AUC"].is_monotonic_decreasing


def test_they_are_kept_beside_the_card(models: Path) -> None:
    card = load_card("tiny")
    assert read_shortcuts(card) is None
    path = write_shortcuts(FITTED, card)
    assert path == models / SHORTCUTS_FILE
    assert read_shortcuts(card) == FITTED


@pytest.mark.parametrize(
    "change",
    [
        {"clues": [{"name": "framing", "edges": [0.5], "weights": [1.0], "missing": 0.0}]},
        {"clues": [{"name": "colour", "edges": [], "weights": [1.0], "missing": 0.0}]},
        {"interval": "wide"},
        {"clues": None},
        {"more": 1},
    ],
)
def test_damaged_ones_are_refused_by_name(models: Path, change: dict) -> None:
    card = load_card("tiny")
    (models / SHORTCUTS_FILE).write_text(json.dumps({**FITTED.to_dict(), **change}))
    with pytest.raises(ShortcutsError, match=r"shortcuts\.json of 'tiny'") as raised:
        read_shortcuts(card)
    assert raised.value.code == "bad_shortcuts"
    assert "python -m deepfake facts DATA --model tiny" in raised.value.message


def test_a_meter_is_a_probability() -> None:
    assert isinstance(FITTED, Shortcuts)
    for face in (1.0, 100.0, 1e6):
        assert 0 < FITTED.p_fake(replace(CLOSE, face=face)) < 1
