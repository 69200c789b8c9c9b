"""The page Evaluation, from score tables alone: no data set, no network, no TensorFlow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from deepfake.util.files import ROOT
from tests.support.images import encoded, noise_image
from tests.support.pages import as_read, page, press, shown
from tests.support.records.evaluations import SLIDER, change_card, record


def metrics(app: AppTest) -> dict[str, str]:
    return {element.label: element.value for element in app.metric}


def test_headline_numbers_stand_beside_the_starting_document(models):
    app = page()
    assert not app.exception
    assert not app.error
    card = json.loads((models / "card.json").read_text())["evaluations"][-1]
    numbers = metrics(app)
    assert numbers[r"Accuracy \*"] == f"{100 * card['accuracy']:.1f}%"
    assert numbers["ROC AUC"] == f"{card['roc_auc']:.3f}"
    assert numbers["Equal error rate"] == f"{100 * card['eer']:.1f}%"
    assert numbers["Images"] == "300"
    assert len(numbers) == 11
    assert re.findall(r"Called correctly: [\d.]+%\.", shown(app)), "its interval stands with the accuracy"
    assert "The slider" not in shown(app)
    app.slider[0].set_value(0.88).run()
    assert metrics(app) == numbers
    assert "Forced choice at 0.500, the detector's own threshold. The slider, now at 0.880," in shown(app)
    low, high = card["intervals"]["roc_auc"]
    assert f"{low:.3f} to {high:.3f}" in {element.delta for element in app.metric}
    start = as_read(app.table[2])
    assert list(start["Baseline"]) == ["0.89", "0.891", "0.860", "10,905"]
    assert start["This evaluation"].iloc[0] == f"{card['seed_protocol']['accuracy']:.3f}"
    assert "stratified bootstrap" in shown(app)
    assert "whole official test set" in shown(app)


def test_verdicts_are_counted_by_the_rule_that_gives_them(models):
    app = page()
    found = as_read(app.table[0])
    table = pd.read_csv(models / "scores-set-test.csv")
    fake, p = table["label"] == "Fake", table["p_fake"]
    for row, cut in (("Balanced: fake from 0.600", 0.6), ("Few false alarms: fake from 0.900", 0.9)):
        said = found[f"{row}, real below 0.400"]
        called_fake, called_real = p >= cut, p < 0.4
        decided = called_fake | called_real
        assert said["Decided"].startswith(f"{100 * decided.mean():.1f}% (")
        assert said["Correct of those decided"].startswith(
            f"{100 * (called_fake == fake)[decided].mean():.1f}%"
        )
        assert said["False-positive rate"].startswith(f"{100 * called_fake[~fake].mean():.1f}% (")
        assert said["Recall"].startswith(f"{100 * called_fake[fake].mean():.1f}% (")
    assert "Verdicts use two thresholds" in shown(app)
    app.slider[0].set_value(0.9).run()
    assert as_read(app.table[0]).equals(found), "the slider is of the forced choice"


def test_slider_moves_the_confusion_matrix(models):
    app = page()
    table = pd.read_csv(models / "scores-set-test.csv")
    fake = table["label"] == "Fake"
    for threshold in (0.5, 0.9, 1.0, 0.0):
        app.slider[0].set_value(threshold).run()
        assert not app.exception
        found = int((fake & (table["p_fake"] >= threshold)).sum())
        alarms = int((~fake & (table["p_fake"] >= threshold)).sum())
        assert f"finds {found} of 150 fakes (misses {150 - found}) and calls {alarms} of 150" in shown(app)
    assert app.slider[0].label == SLIDER


def test_buttons_set_the_threshold(models):
    app = page()
    jumps = {button.label.rpartition(" ")[0]: button for button in app.button if button.label[-3] == "."}
    assert set(jumps) == {
        "Verdict: fake from",
        "Verdict, few false alarms: fake from",
        "Verdict: real below",
        "Forced choice:",
        "Best balance here:",
        "1% false-positive rate here:",
    }
    assert jumps["Verdict: fake from"].label == "Verdict: fake from 0.60"
    assert jumps["Forced choice:"].label == "Forced choice: 0.50"
    jumps["1% false-positive rate here:"].click().run()
    assert not app.exception
    table = pd.read_csv(models / "scores-set-test.csv")
    real = table.loc[table["label"] == "Real", "p_fake"]
    value: Any = app.slider[0].value
    assert value > 0.5
    assert (real >= value).sum() == 1  # at most 1% of 150, exactly and not as rounded
    assert "calls 1 of 150 real images fake" in shown(app)


@pytest.mark.parametrize(
    "tab", ["Overview", "Curves", "Operating point", "Calibration", "By dataset", "Images"]
)
@pytest.mark.parametrize("evaluation", ["Set, Test", "Set, Test, perturbed copies", "Fakes"])
def test_every_tab_of_every_evaluation(models, tab, evaluation):
    app = page(tab=tab, evaluation=evaluation)
    assert not app.exception
    assert not app.error
    assert app.selectbox[0].value == evaluation
    if evaluation == "Fakes":
        assert "All of these images are Fake" in shown(app)
    app.slider[0].set_value(0.8).run()
    assert not app.exception


@pytest.mark.parametrize("lift", [0, 3])
@pytest.mark.parametrize("tab", ["Overview", "Curves", "Operating point", "Calibration", "Images"])
def test_an_evaluation_of_one_picture(models, tab, lift):
    """One picture, or one of each class: numbers or a sentence, no fault."""
    change_card(models, evaluations=[record(models, "Few", "Test", lift=lift, n=2 if lift else 1)])
    app = page(tab=tab)
    assert not app.exception
    assert not app.error
    assert "of 1 fake" in shown(app)


def test_one_class_says_what_is_undefined(models):
    numbers = metrics(page(evaluation="Fakes"))
    undefined = {name for name, value in numbers.items() if value == "undefined"}
    assert {
        "ROC AUC",
        "Average precision",
        "Balanced acc\\. \\*",
        "Equal error rate",
    } <= undefined
    assert numbers[r"Accuracy \*"] != "undefined"


def test_gap_raises_an_alarm_on_the_overview(models):
    for title in ("Set, Test", "Set, Test, perturbed copies"):
        app = page(evaluation=title)
        assert not app.exception
        assert len(app.warning) == 1
        assert "From clean images to perturbed copies" in shown(app)
    assert not page(evaluation="Fakes").warning


def test_gap_raises_an_alarm(models):
    app = page(tab="By dataset")
    pair = "(Set, Test to Set, Test, perturbed copies)"
    assert f"From clean images to perturbed copies {pair}: balanced accuracy falls by" in shown(app)
    assert len(app.warning) == 1
    assert "more than 3 points" in shown(app)
    frame = as_read(app.table[0])
    assert {"Set, Test", "Set, Test: source one", "Fakes"} <= set(frame.index)
    assert frame.loc["Fakes", "ROC AUC"] == "", "it has one class"
    assert str(frame.loc["Set, Test", "ROC AUC"]).startswith("0.")


@pytest.mark.parametrize(
    ("cell", "label", "rising"),
    [("Fakes missed", "Fake", True), ("Real called fake", "Real", False), ("Fakes found", "Fake", False)],
)
def test_images_of_a_cell_from_its_address(models, cell, label, rising):
    app = page(tab="Images", cell=cell, t="0.4")
    assert not app.exception
    table = pd.read_csv(models / "scores-set-test.csv")
    called_fake = cell != "Fakes missed"
    rows = table[(table["label"] == label) & ((table["p_fake"] >= 0.4) == called_fake)]
    expected = rows.sort_values("p_fake", ascending=rising)["image_id"].tolist()
    assert app.dataframe[0].value["Path"].tolist() == expected[:24]
    columns = app.dataframe[0].value
    assert list(columns)[:3] == ["Rank", "p_fake", "Image"], "a phone shows no more"
    assert columns["Image"].tolist() == [Path(path).name for path in expected[:24]]
    assert f"{cell}: {len(rows)}." in shown(app)
    assert "dataset is not on this server" in shown(app)
    downloads: Any = app.get("download_button")
    assert [button.label for button in downloads] == [f"All {len(rows):,} as CSV"]


def test_pages_of_images(models):
    app = page(tab="Images", cell="Fakes found", t="0.1", page="2")
    assert app.dataframe[0].value["Rank"].tolist()[0] == 25
    app.slider[0].set_value(0.999).run()
    assert not app.exception


def test_thumbnails_where_the_data_set_is(models, tmp_path, monkeypatch):
    table = pd.read_csv(models / "scores-set-test.csv")
    rows = table[(table["label"] == "Fake") & (table["p_fake"] < 0.6)].sort_values("p_fake")
    first = tmp_path / "data" / rows["image_id"].iloc[0]
    first.parent.mkdir(parents=True)
    first.write_bytes(encoded(noise_image(1)))
    (tmp_path / "data" / rows["image_id"].iloc[1]).write_bytes(b"broken")
    monkeypatch.setenv("DEEPFAKE_DATA", str(tmp_path / "data"))
    app = page(tab="Images", cell="Fakes missed", t="0.6")
    assert not app.exception
    assert len(app.get("image")) == 1
    assert shown(app).count("Not available") == min(24, len(rows)) - 1
    assert app.text[0].value == f"1. Fake {rows['p_fake'].iloc[0]:.3f}"
    assert first.name in str(app.get("image")[0].proto)


def test_a_cell_opens_its_first_images_below_the_matrix(models):
    app = page(t="0.4")
    assert not app.dataframe
    table = pd.read_csv(models / "scores-set-test.csv")
    rows = table[(table["label"] == "Fake") & (table["p_fake"] >= 0.4)].sort_values("p_fake", ascending=False)
    app.button_group(key="cell").set_value("found").run()
    assert not app.exception
    assert f"Fakes found: {len(rows)}." in shown(app)
    assert app.dataframe[0].value["Path"].tolist() == rows["image_id"].tolist()[:12]
    press(app, f"Show more of {len(rows)}")
    assert app.dataframe[0].value["Path"].tolist() == rows["image_id"].tolist()[:24]
    press(app, "Show fewer")
    press(app, "Close")
    assert not app.dataframe
    linked = page(t="0.4", cell="Fakes found")
    assert linked.dataframe[0].value["Path"].tolist() == rows["image_id"].tolist()[:12]


@pytest.mark.parametrize(
    ("tab", "choice", "mark", "words"),
    [
        ("Curves", "roc-precision", "roc~0.5~tiny", "Called wrongly by tiny at 0.500"),
        ("Curves", "det-histogram", "histogram~38~Fake", "Fake, score 0.950 to 0.975"),
        ("Calibration", "reliability", "reliability~7~after", "Score 47% to 53% after calibration"),
        ("Calibration", "reliability", "reliability~7~before", "Score 47% to 53% before calibration"),
        ("Calibration", "abstaining", "abstaining~1.0", "Wrong among the 100% most certain"),
    ],
)
def test_a_mark_opens_its_images_by_choice_and_by_link(models, tab, choice, mark, words):
    app = page(tab=tab)
    assert not app.dataframe
    app.selectbox(key=f"behind-{choice}").set_value(mark).run()
    assert not app.exception
    assert words in shown(app)
    frame = app.dataframe[0].value
    wrong = (frame["p_fake"] - (frame["Actual class"] == "Fake")).abs()
    assert len(frame) <= 12
    assert wrong.is_monotonic_decreasing
    assert ("p_before" in frame) == ("before" in mark)
    linked = page(tab=tab, behind=mark)
    assert linked.dataframe[0].value.equals(frame)
    press(linked, "Close")
    assert not linked.dataframe
    assert "behind" not in linked.query_params


def test_marks_that_are_not_of_this_evaluation(models):
    app = page(tab="Curves", behind="histogram~99~Fake")
    assert "The link names no part of a chart" in shown(app)
    for mark in ("roc~0.5~other", "reliability~7~after"):  # of another detector, of another tab
        app = page(tab="Curves", behind=mark)
        assert not app.exception
        assert not app.dataframe


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "There is no score file"),
        (b"a,b\n1,2\n", "lacks image_id"),
        (b"\xff\xfe\x00", "not a CSV"),
        (b"image_id,split,source,label,p_fake\nx,Test,,Fake,nan\n", "not finite"),
        (b"image_id,split,source,label,p_fake\nx,Test,,Fake,0.5\n", "does not belong to the card"),
        (b"image_id,split,source,label,p_fake\nx,Test,,Fake,0.5\nx,Test,,Real,0.4\n", "more than once"),
    ],
)
def test_broken_scores_are_a_sentence_and_the_card_still_speaks(models, content, words):
    file = models / "scores-set-test.csv"
    file.unlink() if content is None else file.write_bytes(content)
    app = page()
    assert not app.exception
    assert words in shown(app)
    assert not app.slider
    assert metrics(app)["Accuracy \\*"] != "undefined"
    other = page(evaluation="Set, Test, perturbed copies", tab="By dataset")
    assert not other.exception
    assert "Set, Test is left out" in shown(other)


@pytest.mark.parametrize("change", [{"scores": "../secret.csv"}, {"n": None}, {"intervals": 3}])
def test_an_unreadable_entry_spoils_no_other(models, change):
    entries = json.loads((models / "card.json").read_text())["evaluations"]
    change_card(models, evaluations=[{**entries[0], **change}, "nonsense", entries[2]])
    app = page()
    assert not app.exception
    assert len(app.warning) == 2
    assert "cannot be read" in app.warning[0].value
    assert metrics(app)["Images"] == "300"


def test_another_detector_need_not_have_the_same_evaluations(models):
    other = models.parent / "zebra"
    shutil.copytree(models, other)
    change_card(other, evaluations=json.loads((models / "card.json").read_text())["evaluations"][:2])
    app = page()
    assert app.selectbox(key="evaluation").value == "Set, Test"
    app.selectbox(key="detector").set_value("zebra").run()
    assert not app.exception
    assert app.selectbox(key="evaluation").value == "Set, Test, perturbed copies"
    assert "300 images (150 fake, 150 real)" in shown(app)


def test_no_evaluation_says_how_to_make_one(use_tiny_models):
    app = page()
    assert not app.exception
    assert "No evaluation of tiny is recorded yet" in shown(app)
    assert "python -m deepfake evaluate" in app.code[0].value
    assert not app.slider


def test_no_detector_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    app = page()
    assert not app.exception
    assert "There is no detector in" in app.error[0].value.replace("\\", "")


def test_another_detector_starts_from_its_own_threshold(models):
    shutil.copytree(models, models.parent / "zebra")
    change_card(models.parent / "zebra", thresholds={**thresholds(models), "balanced": 0.25})
    app = page()
    app.slider[0].set_value(0.9).run()
    app.selectbox(key="detector").set_value("zebra").run()
    assert not app.exception
    assert app.slider[0].value == 0.25
    assert page(t="0.7").slider[0].value == 0.7


def thresholds(folder: Path) -> dict[str, float]:
    return json.loads((folder / "card.json").read_text())["thresholds"]


def test_no_tensorflow(models):
    script = f"""
import sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file({str(ROOT / "pages/evaluation.py")!r}, default_timeout=60)
for tab in ('Overview', 'Curves', 'Calibration', 'By dataset', 'Images'):
    app.query_params['tab'] = tab
    app.run()
    assert not app.exception, app.exception
assert not {{'tensorflow', 'keras', 'mtcnn'}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_how_often_the_kind_of_a_fake_is_right(models):
    from tests.support.records.kinds import drawn_kinds

    assert "Kinds" not in {tab.label for tab in page().tabs}
    change_card(models, kinds=drawn_kinds())
    app = page(tab="Kinds")
    assert not app.exception
    assert "67% of these names are correct" in shown(app)
    assert "Edit or composite: no fake, a photo 53%" in shown(app)
    change_card(models, kinds={})
    app = page(tab="Kinds")
    assert not app.exception
    assert "cannot be read" in app.warning[0].value


def test_a_link_to_what_is_not_here_is_said(models):
    app = page(tab="Nowhere", detector="nobody", evaluation="None")
    said = shown(app)
    assert not app.exception
    for what in ("a tab", "a detector", "an evaluation"):
        assert f"The link names {what} that is not here; the default is shown." in said
    older = page(tab="By source", evaluation="Set, Test")
    assert "not here" not in shown(older)
    assert "Performance by dataset" in shown(older)
