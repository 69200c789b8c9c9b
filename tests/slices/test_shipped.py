"""Slices of the shipped detectors: facts belong to the scores beside them; documents say their numbers."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from deepfake.detection.card import default_name, load_card, model_names
from deepfake.evaluation.records import recorded_evaluations
from deepfake.evaluation.scores import read_scores
from deepfake.slices.facts import read_facts
from deepfake.slices.held_out import facts_path, held_out
from deepfake.slices.shortcuts import fit_shortcuts, read_shortcuts
from deepfake.slices.table import slices_of, slices_table, worst_slice
from deepfake.util.files import ROOT

NAMES = model_names()
DOCUMENT = ROOT / "docs" / "accuracy.md"


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_of_the_images_that_were_scored(name: str) -> None:
    measured = 0
    for recorded in recorded_evaluations(load_card(name))[0]:
        if not facts_path(recorded).is_file():
            continue
        facts = read_facts(facts_path(recorded))
        assert facts["image_id"].is_unique
        assert facts["image_id"].isin(read_scores(recorded.scores)["image_id"]).all(), recorded.title
        assert facts["side"].between(1, 100_000).all()
        assert facts["framing"].dropna().between(0, 1.01).all()
        assert facts["quality"].dropna().between(1, 100).all()
        assert facts["brightness"].between(0, 255).all()
        measured += len(facts)
    assert measured > 5000, f"run: python -m deepfake facts DATA --model {name}"


@pytest.mark.parametrize("name", NAMES)
def test_shortcuts_are_those_of_the_held_out_images(name: str) -> None:
    card = load_card(name)
    kept = read_shortcuts(card)
    again = fit_shortcuts(held_out(recorded_evaluations(card)[0]).table)
    assert kept is not None
    said = f"run: python -m deepfake facts DATA --model {name}"
    assert (kept.n_fake, kept.n_real) == (again.n_fake, again.n_real), said
    assert kept.auc == pytest.approx(again.auc, abs=1e-3), said


def shown(row: pd.Series) -> list[str]:
    """A slice as the document has it."""
    cells = [
        f"{row['images']:,}",
        f"{row['accuracy']:.3f} ({row['accuracy_low']:.3f}-{row['accuracy_high']:.3f})",
    ]
    rates = (row["false_alarm_rate"], row["recall"], row["auc"])
    return [*cells, *("-" if math.isnan(value) else f"{value:.3f}" for value in rates)]


def test_the_slices_in_the_document_are_those_of_the_scores() -> None:
    card = load_card(default_name())
    held = held_out(recorded_evaluations(card)[0])
    table = slices_table(slices_of(held.table), card.thresholds.balanced)
    expected = {str(row["part"]): shown(row) for _, row in table.iterrows()}
    part = DOCUMENT.read_text(encoding="utf-8").partition("\n## Slices\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in part.splitlines() if line[:1] == "|"]
    found = {row[0]: row[1:] for row in rows if row[0] in expected}
    worst = worst_slice(table)
    assert worst is not None and worst["part"] in found
    assert len(found) >= 8
    lines = "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in expected.items())
    assert found == {name: expected[name] for name in found}, f"the numbers are now:\n{lines}"
