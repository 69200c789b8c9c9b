"""The page About: every number on it is computed from the card and its scores."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake.detection.card import load_card
from deepfake.evaluation.records import recorded_evaluations
from deepfake.evaluation.statistics.thresholds import ExpectedOutcomes, expect, sort_scores
from deepfake.evaluation.text.outcomes import meaning_sentence, worth_sentence
from deepfake.report.card_text import calibration_sentence, measured_limits, training_lines
from tests.support.pages import as_read, button_labels, page, press, shown
from tests.support.records.evaluations import change_card

ABOUT = "pages/about.py"


def expected(models: Path, cut: float, share: float) -> int:
    """By hand: of 100 pictures called fake, how many are."""
    table = pd.read_csv(models / "scores-set-test.csv")
    fake = table["label"] == "Fake"
    caught = (table.loc[fake, "p_fake"] >= cut).mean()
    alarms = (table.loc[~fake, "p_fake"] >= cut).mean()
    return round(100 * share * caught / (share * caught + (1 - share) * alarms))


def test_base_rates_follow_share_and_threshold(models: Path) -> None:
    app = page(ABOUT)
    assert not app.exception
    assert not app.error
    seen = set()
    for share in (0.1, 1, 50):
        app.select_slider[0].set_value(share).run()
        for point, cut in (("balanced", 0.6), ("few_false_alarms", 0.9)):
            app.radio[0].set_value(point).run()
            assert not app.exception
            number = expected(models, cut, share / 100)
            assert app.metric[0].value == str(number)
            assert f"If {share:g}% of images are fake, {number} of 100" in shown(app)
            seen.add(number)
    assert len(seen) > 3


def test_the_address_holds_the_choice(models: Path) -> None:
    app = page(ABOUT, share="20", threshold="Few false alarms")
    assert app.select_slider[0].value == 20
    assert app.metric[0].value == str(expected(models, 0.9, 0.2))


def test_the_card_in_words(models: Path) -> None:
    change_card(
        models,
        parameters=12345,
        recipe={"weights": None, "epochs": 7},
        data={"sources": ["celeba", "two"], "train_images": 4321, "licence": "free <b>"},
        calibrated_on={"split": "Validation", "perturbed": 0.5, "images": 2222},
        false_alarms="Calls hats fake.",
    )
    app = page(ABOUT)
    words = shown(app)
    wanted = [
        "12,345 parameters",
        "random weights",
        "4,321 images: face swaps in portraits of celebrities; two",
        "7 epochs of all",
        "free <b>",
    ]
    wanted += ["2,222 images of the split Validation, 50% of them perturbed copies", "Calls hats fake."]
    assert [each for each in wanted if each not in words] == []
    table = as_read(app.table[0])
    entries = json.loads((models / "card.json").read_text())["evaluations"]
    assert list(table.index) == ["Fakes", "Set, Test, perturbed copies", "Set, Test"]
    assert table["Forced-choice accuracy"].iloc[2].startswith(f"{100 * entries[2]['accuracy']:.1f}% (")
    assert table["ROC AUC"].iloc[0] == "undefined"


def test_limits_are_read_from_what_was_measured(models: Path) -> None:
    found, _ = recorded_evaluations(load_card(models.name))
    fakes, altered, clean = found
    guessing = replace(altered, intervals={**altered.intervals, "roc_auc": (0.41, 0.52)})
    able = replace(clean, intervals={**clean.intervals, "roc_auc": (0.51, 0.6)})
    blind = replace(fakes, numbers={**fakes.numbers, "accuracy": 0.168})
    assert measured_limits((guessing, able, blind, replace(fakes, numbers={"accuracy": 0.5}))) == (
        "Set, Test, perturbed copies: no better than guessing (ROC AUC 0.410 to 0.520; 0.5 is guessing)",
        f"Fakes: called only 16.8% of {fakes.n:,} fake images correctly",
    )
    (named,) = measured_limits([replace(blind, source="sdfd")])
    assert named.startswith("Fakes, sdfd (faces by Stable Diffusion 2.1): called only 16.8%")
    entries = json.loads((models / "card.json").read_text())["evaluations"]
    entries[2]["intervals"]["roc_auc"] = [0.4, 0.6]
    change_card(models, evaluations=entries)
    assert "Set, Test: no better than guessing" in shown(page(ABOUT)).replace("\\", "")


def test_a_bare_card_is_no_fault(use_tiny_models: Path) -> None:
    app = page(ABOUT)
    assert not app.exception
    assert not app.error
    assert "No evaluation is recorded" in shown(app)
    assert "does not say on what" in calibration_sentence(load_card("tiny"))
    assert training_lines(load_card("tiny"))[0] == "Network: compact"


def test_making_tells_of_each_network(use_tiny_models: Path) -> None:
    card = load_card("tiny")
    drawn = {"weights": "tiny", "epochs": 9, "epoch_images": 18000, "perturbed": 0.2}
    drawn["source_perturbed"] = {"swaps": 0.65}
    alone = {"recipe": drawn, "result": {"epochs": 6}}
    assert (
        "Started from an earlier version, 6 epochs of 18,000 training images, "
        "20% to 65% of them perturbed at random each time, by kind of source"
    ) in training_lines(replace(card, contents=alone))
    first = {"architecture": "lite", "weight": 2.0, **alone}
    second = {"architecture": "compact", "recipe": {"weights": None, "epochs": 3, "perturbed": 0.5}}
    lines = training_lines(replace(card, contents={**alone, "result": {"members": [first, second]}}))
    assert "lite, weight 0.67 in the mean: started from an earlier version, 6 epochs of 18,000" in lines[-2]
    assert lines[-1] == (
        "compact, weight 0.33 in the mean: started from random weights, "
        "3 epochs of all training images, 50% of them perturbed at random each time"
    )


def test_no_detector_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    app = page(ABOUT)
    assert not app.exception
    assert "There is no detector in" in app.error[0].value


def test_missing_scores_are_a_sentence(models: Path) -> None:
    (models / "scores-set-test.csv").unlink()
    app = page(ABOUT)
    assert not app.exception
    assert "There is no score file" in app.error[0].value


def worth(found: int, n_fake: int, alarms: int, n_real: int, share: float) -> ExpectedOutcomes:
    """What to expect where so many of the Fake and of the Real images are called fake."""
    labels = np.repeat([1, 1, 0, 0], [found, n_fake - found, alarms, n_real - alarms])
    p_fake = np.repeat([0.9, 0.1, 0.9, 0.1], [found, n_fake - found, alarms, n_real - alarms])
    return expect(sort_scores(labels, p_fake), 0.5, share)


def test_bayes_by_hand() -> None:
    rare = worth(90, 100, 1, 100, 0.01)
    assert rare.precision is not None
    assert rare.precision.value == pytest.approx(0.009 / (0.009 + 0.0099))
    assert rare.precision.low < rare.precision.value < rare.precision.high
    assert "48 of 100 images called fake are fake and 52 are real" in worth_sentence(rare)
    assert "189 would be called fake" in worth_sentence(rare)
    assert "more likely real" in meaning_sentence(rare)
    assert "raises the share of fakes from 50.0% to 98.9%" in meaning_sentence(worth(90, 100, 1, 100, 0.5))
    assert "almost nothing" in meaning_sentence(worth(50, 100, 50, 100, 0.9))
    nothing = worth(0, 10, 0, 10, 0.5)
    assert nothing.precision is None
    assert meaning_sentence(nothing) == ""
    assert worth_sentence(nothing).endswith("none would be called fake.")


def test_a_presentation_is_in_the_address_and_leaves_out_what_saves_charts(models: Path) -> None:
    app = page(ABOUT)
    assert "present" not in app.query_params
    press(app, "Start presentation")
    assert app.query_params["present"] == "1"
    assert "Start presentation" not in button_labels(app)
    press(app, "End presentation")
    assert "present" not in app.query_params
    assert "Start presentation" in button_labels(app)

    saving = page()
    assert "save-as" in {group.key for group in saving.button_group}
    presented = page(present="1")
    assert not presented.exception
    assert "save-as" not in {group.key for group in presented.button_group}
