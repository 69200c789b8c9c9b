"""The tab of slices on Evaluation: its numbers are those of the score table."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from deepfake.detection.card import load_card
from deepfake.evaluation.records import Recorded, recorded_evaluations
from deepfake.evaluation.scores import read_scores
from deepfake.slices.held_out import facts_path, known_facts
from deepfake.slices.job import job_key
from deepfake.slices.shortcuts import fit_shortcuts, write_shortcuts
from deepfake.util.jobs import find_job
from tests.support.images import noise_image
from tests.support.pages import as_read, page, press, shown
from tests.support.records.slices import drawn_table, write_drawn_facts


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))


def clean() -> Recorded:
    return recorded_evaluations(load_card("tiny"))[0][-1]


def slices(app: AppTest):
    return next(as_read(table) for table in app.table if "Mostly from" in table.value.columns)


def test_slices_of_all_evaluations(models: Path) -> None:
    table = write_drawn_facts(read_scores(clean().scores), facts_path(clean()))
    write_shortcuts(fit_shortcuts(drawn_table(2000)), load_card("tiny"))
    app = page(tab="Slices")
    assert not app.exception
    found = slices(app)
    assert found.loc["All images", "Images"] == "300"
    mine = table[(table["brightness"].round() >= 90) & (table["brightness"].round() < 120)]
    right = ((mine["p_fake"] >= 0.5) == (mine["label"] == 1)).mean()
    row = found.loc["Brightness: 90 to 119"]
    assert (row["Images"], row["Forced-choice accuracy"]) == (str(len(mine)), f"{100 * right:.1f}%")
    said = shown(app)
    assert "Worst slice: " in said or "No slice of 50 images" in said
    assert "300 images of all evaluations recorded for this detector" in said
    assert "Fakes, all" in said or "Left out, because their images have not been measured: Fakes" in said
    assert "What framing and quality alone reveal" in said
    assert "framing and sharpness" in said


def test_without_facts_the_command_is_named(models: Path) -> None:
    app = page(tab="Slices")
    assert not app.exception
    assert "The images behind these scores have not been measured yet" in shown(app)
    assert any("python -m deepfake facts DATA --model tiny" in block.value for block in app.code)


def test_images_that_are_elsewhere_cannot_be_measured(models: Path) -> None:
    app = page(tab="Slices", **{"slices-of": "The one shown"})
    assert "they are not on this server" in shown(app)


def test_images_at_hand_are_measured_from_the_page(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "data"
    names = read_scores(clean().scores)["image_id"].tolist()[:40]
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise_image(number, 64, 64)).save(root / name)
    monkeypatch.setenv("DEEPFAKE_DATA", str(root))
    app = page(tab="Slices", **{"slices-of": "The one shown"})
    assert f"These {len(names)} images have not been measured yet" in shown(app).replace("\n", " ")
    press(app, "Measure them")
    job = find_job(job_key(clean()))
    assert job is not None
    end = time.monotonic() + 60
    while job.running and time.monotonic() < end:
        time.sleep(0.1)
    assert job.state == "finished", job.message
    facts = known_facts(clean())
    assert facts is not None
    assert sorted(facts["image_id"]) == sorted(names)
    assert not facts_path(clean()).exists(), "the card's folder is not written to"
    app.run()
    assert not app.exception
    assert slices(app).loc["All images", "Images"] == str(len(names))
