"""Numbers by slice equal those of scikit-learn on the same images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from deepfake.evaluation.scores import wilson_interval
from deepfake.slices.bins import FACTS, NOT_KNOWN
from deepfake.slices.table import ALL, slices_of, slices_table, worst_slice
from deepfake.slices.text import worst_sentence
from tests.support.records.slices import drawn_table

TABLE = drawn_table()
FACT = {fact.name: fact for fact in FACTS}


def first(table: pd.DataFrame) -> dict[str, Any]:
    """The row of all images."""
    return {str(name): value for name, value in table.iloc[0].items()}


def test_every_number_of_a_slice_is_scikit_learns() -> None:
    table = slices_table(slices_of(TABLE), 0.4)
    sizes = {"60 to 89": (60, 90), "90 to 119": (90, 120)}
    for words, (low, high) in sizes.items():
        row = table[(table["fact"] == "Brightness") & (table["slice"] == words)].iloc[0]
        mine = TABLE[(TABLE["brightness"] >= low) & (TABLE["brightness"] < high)]
        called = mine["p_fake"] >= 0.4
        assert row["images"] == len(mine)
        assert row["accuracy"] == pytest.approx(sk.accuracy_score(mine["label"], called))
        assert row["recall"] == pytest.approx(sk.recall_score(mine["label"], called))
        assert row["auc"] == pytest.approx(sk.roc_auc_score(mine["label"], mine["p_fake"]))
        specificity = sk.recall_score(mine["label"], called, pos_label=0)
        assert row["false_alarm_rate"] == pytest.approx(1 - specificity)
        right = int((called == (mine["label"] == 1)).sum())
        assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx(wilson_interval(right, len(mine)))


def test_slices_of_a_fact_part_the_images() -> None:
    found = slices_of(TABLE)
    assert found[0].subset.name == ALL
    for fact in FACTS:
        mine = [each.subset.scores.n for each in found if each.fact is fact]
        assert sum(mine) == (len(TABLE) if mine else 0)
        assert 0 not in mine
    assert not any(each.fact is FACT["age"] for each in found), "no age is known"


def test_an_unknown_fact_is_a_slice_where_that_means_something() -> None:
    table = TABLE.copy()
    table.loc[:99, ["face", "framing", "sharpness"]] = np.nan
    names = [each.subset.name for each in slices_of(table)]
    assert "Face size: no face found" in names
    assert [name for name in names if name.startswith("Sharpness: ") and "to" not in name] == [
        "Sharpness: below 30"
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("face", 63.0, "below 64 pixels"),
        ("face", 64.0, "64 to 95 pixels"),
        ("face", 5000.0, "512 pixels and more"),
        ("framing", 0.5, "50 to 65%"),
        ("framing", 1.2, "80% and more"),
        ("quality", 100.0, "93 and more"),
        ("sharpness", 1500.0, "1,000 to 3,000"),
        ("age", 9.0, "below 10 years"),
        ("age", 20.0, "20 to 39 years"),
    ],
)
def test_a_value_is_in_the_slice_that_its_words_name(name: str, value: float, words: str) -> None:
    fact = FACT[name]
    (number,) = fact.slices_of(np.array([value]))
    assert fact.words(int(number)) == words
    assert fact.slices_of(np.array([np.nan])).tolist() == [NOT_KNOWN]


def test_the_worst_slice_is_the_one_that_was_planted() -> None:
    table = slices_table(slices_of(TABLE), 0.5)
    worst = worst_slice(table)
    assert worst is not None
    assert worst["part"] in ("Face size: 64 to 95 pixels", "Face in the frame: below 35%")
    assert worst["accuracy"] < 0.65 < table["accuracy"].iloc[0]
    said = worst_sentence(worst, first(table))
    assert f"{worst['images']:,} images" in said
    assert f"{100 * worst['accuracy']:.1f}%" in said


def test_chance_makes_no_worst_slice() -> None:
    """Ten images that went wrong are too few, and a slice within the spread of all is not named."""
    rng = np.random.default_rng(1)
    table = TABLE.assign(p_fake=np.where(rng.random(len(TABLE)) < 0.9, TABLE["label"], 1 - TABLE["label"]))
    table["face"] = np.where(np.arange(len(table)) < 10, 40.0, 150.0)
    table.loc[:9, "p_fake"] = 1.0 - table.loc[:9, "label"]
    table = table[["image_id", "split", "source", "label", "p_fake", "face"]]
    found = slices_table(slices_of(table), 0.5)
    assert found[found["slice"] == "below 64 pixels"]["accuracy"].item() == 0
    assert worst_slice(found) is None
    assert "No slice" in worst_sentence(None, first(found))


def test_the_commonest_set_of_a_slice_is_named() -> None:
    found = slices_of(TABLE)
    quality = {each.number: each for each in found if each.fact is FACT["quality"]}
    assert {each.mostly: each.mostly_share for each in quality.values()} == {"one": 1.0, "two": 1.0}
    share = (TABLE["source"] == "one").mean()
    assert (found[0].mostly, found[0].mostly_share) == ("one", pytest.approx(share))


def test_one_class_leaves_only_what_it_defines() -> None:
    real = TABLE[TABLE["label"] == 0]
    table = slices_table(slices_of(real), 0.5)
    assert table["auc"].isna().all()
    assert table["recall"].isna().all()
    assert isinstance(table, pd.DataFrame)
    assert table["false_alarm_rate"].notna().all()
