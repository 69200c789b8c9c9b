"""The views Compare detectors and Run an evaluation, and the link to the check page."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn import metrics as sk

from deepfake.detection.card import load_card
from deepfake.evaluation import measure
from deepfake.evaluation.kept import keep, recorded_image, scored_bytes, scored_pixels
from deepfake.evaluation.measure import Measurement
from deepfake.evaluation.scores import read_scores, write_scores
from deepfake.evaluation.statistics.metrics import evaluate_scores
from deepfake.evaluation.statistics.thresholds import at_every_point, sort_scores
from deepfake.perturbations.mix import perturbed_copy
from deepfake.training.publish import evaluation_entry
from deepfake.util import jobs
from deepfake.util.jobs import Job
from tests.pages.test_evaluation import ROOT
from tests.support.images import encoded, noise_image
from tests.support.pages import as_read, button_labels, page, shown
from tests.support.records.comparisons import press, scored, tables
from tests.support.records.evaluations import change_card

COMPARE, RUN = "Compare detectors", "Run an evaluation"


def test_side_by_side_equals_scikit_learn(two):
    app = page(view=COMPARE)
    assert not app.exception
    assert not app.error
    table = as_read(app.table[0])
    assert list(table.columns) == ["tiny", "zebra"]
    for (name, cut), scores in zip((("tiny", 0.5), ("zebra", 0.4)), tables(two), strict=True):
        labels, p = scores["label"], scores["p_fake"]
        column = table[name]
        assert column["Threshold"] == f"{cut:.3f}"
        assert column["Forced-choice accuracy"].startswith(
            f"{100 * sk.accuracy_score(labels, p >= cut):.1f}% ("
        )
        assert column["ROC AUC"].startswith(f"{sk.roc_auc_score(labels, p):.3f} (")
        assert column["Average precision"].startswith(f"{sk.average_precision_score(labels, p):.3f} (")
        assert column["Brier score"].startswith(f"{sk.brier_score_loss(labels, p):.3f} (")
    assert "points (95% interval" in shown(app)
    assert "McNemar's test looks only at the" in shown(app)


def test_thresholds_move_the_accuracy_and_presets_set_them(two):
    app = page(view=COMPARE)
    app.slider(key="t-tiny").set_value(0.8).run()
    assert not app.exception
    scores = tables(two)[0]
    accuracy = sk.accuracy_score(scores["label"], scores["p_fake"] >= 0.8)
    assert as_read(app.table[0])["tiny"]["Forced-choice accuracy"].startswith(f"{100 * accuracy:.1f}%")
    press(app, "1% false-positive rate here")
    for name, table in zip(("tiny", "zebra"), tables(two), strict=True):
        real = table.loc[table["label"] == 0, "p_fake"]
        assert (real >= app.slider(key=f"t-{name}").value).sum() == 1
    press(app, "Forced choice of each card")
    assert [app.slider(key=f"t-{name}").value for name in ("tiny", "zebra")] == [0.5, 0.4]


def test_ensemble_is_one_more_detector(two):
    app = page(view=COMPARE)
    app.button_group(key="members").set_value(["tiny", "zebra"]).run()
    assert not app.exception
    column = as_read(app.table[0])["ensemble"]
    a, b = tables(two)
    mean = (logit(a["p_fake"]) + logit(b["p_fake"])) / 2
    assert column["ROC AUC"].startswith(f"{sk.roc_auc_score(a['label'], mean):.3f} (")
    cut = expit((logit(0.5) + logit(0.4)) / 2)
    assert column["Threshold"] == f"{cut:.3f}"
    assert len(app.selectbox(key="pair").options) == 3
    app.selectbox(key="pair").set_value("zebra and ensemble").run()
    assert "zebra minus ensemble" in shown(app)


@pytest.mark.parametrize("members", [[], ["tiny", "zebra"]])
def test_curves(two, members):
    app = page(view=COMPARE, **{"compare-tab": "Curves"})
    app.button_group(key="members").set_value(members).run()
    assert not app.exception
    charts: Any = app.get("plotly_chart")
    assert len(charts) == 3
    figure = json.loads(charts[0].proto.spec)
    lines = {line["name"] for line in figure["data"] if "lines" in line.get("mode", "")}
    assert {"tiny", "zebra"} <= lines
    assert ("ensemble" in lines) == bool(members)


def test_pictures_on_which_they_differ(two):
    app = page(view=COMPARE, **{"compare-tab": "Where detectors differ"})
    assert not app.exception
    a, b = tables(two)
    right_a, right_b = ((t["p_fake"] >= cut) == t["label"] for t, cut in ((a, 0.5), (b, 0.4)))
    expected = [sum(right_a & right_b), sum(right_a & ~right_b), sum(right_b & ~right_a)]
    assert [int(count) for count in as_read(app.table[0])["Images"]][:3] == expected
    app.segmented_control(key="outcome").set_value("Only zebra right").run()
    app.segmented_control(key="truth").set_value("Real").run()
    assert not app.exception
    rows = a[right_b & ~right_a & (a["label"] == 0)]
    assert f"Only zebra right: {len(rows)}." in shown(app)
    frame = app.dataframe[0].value
    assert set(frame["Path"]) <= set(rows["image_id"])
    assert (frame["p_fake_a"] - frame["p_fake_b"]).abs().is_monotonic_decreasing


def test_what_cannot_be_compared_is_a_sentence(two):
    app = page(view=COMPARE)
    app.button_group(key="detectors").set_value(["tiny"]).run()
    assert "Choose two detectors or more" in shown(app)
    folder = two / "zebra"
    change_card(folder, evaluations=[scored(folder, 1, 2.0, title="Other")])
    assert "No two detectors have been evaluated on the same images" in shown(page(view=COMPARE))
    shutil.rmtree(folder)
    assert "A comparison takes two" in shown(page(view=COMPARE))


def broken(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    if kind == "nan":
        return table.assign(p_fake=["nan", *table["p_fake"][1:]])
    if kind == "columns":
        return table.drop(columns=["label"])
    if kind == "ids":
        return table.assign(image_id=["a.png"] * 2 + list(table["image_id"][2:]))
    if kind == "others":
        return table.assign(image_id="x" + table["image_id"])
    return table.assign(label=["Real" if label == "Fake" else "Fake" for label in table["label"]])


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("nan", "not finite"),
        ("columns", "lacks label"),
        ("ids", "appear more than once: a.png"),
        ("others", "No image_id is in all of tiny, zebra"),
        ("labels", "does not belong to the card"),
    ],
)
def test_broken_tables_are_sentences(two, kind, words):
    file = two / "zebra" / "scores-set.csv"
    broken(pd.read_csv(file), kind).to_csv(file, index=False)
    app = page(view=COMPARE)
    assert not app.exception
    assert words in shown(app)
    assert not app.table


@pytest.mark.parametrize("n", [1, 6])
def test_one_class_and_one_picture(two, n):
    for name, column in (("tiny", 0.7), ("zebra", 0.2)):
        ids = [f"{k}.png" for k in range(n)]
        table = pd.DataFrame(
            {"image_id": ids, "split": "T", "source": "", "label": 1, "p_fake": column + 0.01 * np.arange(n)}
        )
        write_scores(table, two / name / "scores-set.csv")
        entry = {"data": "Set", "split": "Test", "perturbed": False, "scores": "scores-set.csv"}
        numbers = evaluate_scores(table["label"], table["p_fake"], n_bootstrap=10).to_dict()
        change_card(two / name, evaluations=[{**entry, **numbers}])
    for tab in ("Numbers", "Curves", "Where detectors differ"):
        app = page(view=COMPARE, **{"compare-tab": tab})
        assert not app.exception
        assert "common images are Fake" in shown(app)
    assert "needs both classes" in shown(page(view=COMPARE, **{"compare-tab": "Curves"}))
    for tab in ("Overview", "Curves", "Operating point", "Calibration", "By dataset", "Images"):
        app = page(tab=tab)
        assert not app.exception
        assert not app.error
    assert "no false-positive rate" in shown(page(tab="Operating point"))


def test_operating_point_on_the_page(two):
    app = page(tab="Operating point")
    app.number_input(key="alarms").set_value(5.0).run()
    app.number_input(key="fakes").set_value(10.0).run()
    assert not app.exception
    scores = tables(two)[0]
    threshold = float(app.metric[0].value)
    called = scores["p_fake"] >= threshold
    (_, alarms), (_, hits) = sk.confusion_matrix(scores["label"], called)
    assert alarms == 5
    rows = as_read(app.table[0])["Expected"]
    assert rows["Fakes found, of 100"] == f"{100 * hits / 100:.1f}"
    assert rows["Real images called fake, of 900"] == f"{900 * alarms / 100:.1f}"
    app.button(key="use-threshold").click().run()
    used = float(str(app.slider[0].value))
    assert len(str(used)) <= len("0.1234"), "short in the address"
    assert ((scores["p_fake"] >= used) == called).all()


def test_altered_copies_are_shown_and_a_picture_opens_on_the_check_page(two, tmp_path, monkeypatch):
    scores = read_scores(two / "tiny" / "scores-set-perturbed.csv")
    missed = scores[(scores["label"] == 1) & (scores["p_fake"] < 0.5)].sort_values("p_fake")
    image_id = missed["image_id"].iloc[0]
    file = tmp_path / "data" / image_id
    file.parent.mkdir(parents=True)
    file.write_bytes(encoded(noise_image(3)))
    monkeypatch.setenv("DEEPFAKE_DATA", str(tmp_path / "data"))
    title = "Set, Test, perturbed copies"
    app = page(tab="Images", evaluation=title)
    assert not app.exception
    assert "Shows the perturbed copies" in shown(app)

    found = recorded_image("tiny", title, image_id)
    assert (found.perturbed, found.label) == (True, 1)
    from deepfake.images.load import load_image

    original = load_image(file)
    copy = perturbed_copy(original.pixels, original.facts.sha256)
    assert np.array_equal(scored_pixels(found.path, perturbed=True), copy)
    assert np.array_equal(load_image(scored_bytes(found.path, perturbed=True)).pixels, copy)
    assert scored_bytes(found.path, perturbed=False) == file.read_bytes()


@pytest.mark.parametrize(
    ("picture", "evaluation", "words"),
    [
        ("../secret.png", "Set, Test", "is called"),
        ("Test/Fake/1.png", "Other", "has no evaluation called"),
        ("Test/Fake/1.png", "Set, Test", "is not in the data folders"),
    ],
)
def test_a_link_names_no_free_path(two, tmp_path, monkeypatch, picture, evaluation, words):  # noqa: PLR0917
    (tmp_path / "secret.png").write_bytes(encoded(noise_image(3)))
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("DEEPFAKE_DATA", str(tmp_path / "data"))
    app = page("pages/check.py", **{"scored-by": "tiny", "picture-of": evaluation, "picture": picture})
    assert not app.exception
    assert words in shown(app)
    assert "Nothing to check yet" in shown(app)
    press(app, "Close this image")
    assert not app.error


def test_running_needs_a_folder_that_the_operator_opened(two, tmp_path, monkeypatch):
    app = page(view=RUN)
    assert not app.exception
    assert "No dataset yet" in shown(app)
    assert "python -m deepfake evaluate DATA" in app.code[-1].value
    monkeypatch.setenv("DEEPFAKE_DATA", str(tmp_path))
    app = page(view=RUN)
    assert not app.exception
    assert f"No such folder was found in {tmp_path}" in app.text[0].value
    app = page(view=RUN, **{"data-folder": str(tmp_path)})
    assert not app.exception
    assert "No labeled images" in shown(app)
    assert "Evaluate" not in button_labels(app)


def test_an_evaluation_from_the_page(two, tiny_dataset, monkeypatch):
    """Without the process itself, which tests/evaluation/test_measure.py runs."""
    monkeypatch.setenv("DEEPFAKE_DATA", str(tiny_dataset))
    asked: list[measure.EvaluationRequest] = []
    monkeypatch.setattr(measure, "start", asked.append)
    app = page(view=RUN)
    assert not app.exception
    assert "32 images: 16 fake, 16 real." in shown(app)  # Test to begin with
    app.selectbox(key="part-split").set_value("All").run()
    assert "96 images: 48 fake, 48 real. These include the Train split" in shown(app)
    app.selectbox(key="part-split").set_value("Test").run()
    press(app, "Evaluate")
    assert not app.exception
    assert asked == [measure.EvaluationRequest("tiny", tiny_dataset, tiny_dataset.name, "Test", None, False)]


@pytest.mark.parametrize(
    ("state", "message", "words", "downloads"),
    [
        ("finished", "", "Measured 9 images in 2 s. The result is saved on this server", 1),
        ("finished", "It cannot be written.", "not saved. It cannot be written. The scores are", 1),
        ("failed", "There is no detector.", "There is no detector.", 0),
        ("stopped", "", "Canceled. Nothing was saved.", 0),
    ],
)
def test_what_came_of_it(two, tmp_path, monkeypatch, state, message, words, downloads):  # noqa: PLR0917
    request = measure.EvaluationRequest("tiny", Path(), "Set", "Test")
    result = measure.Evaluated(b"image_id\n", ("a.png: broken",), message) if downloads else None
    job = Job(
        "", about=request, state=state, done=9, total=9, started=1, ended=3, message=message, result=result
    )
    monkeypatch.setitem(jobs._jobs, measure.JOB, job)
    app = page(view=RUN)
    assert not app.exception
    said = shown(app) + "\n".join(element.value.replace("\\", "") for element in app.success)
    assert words in said
    assert len(app.get("download_button")) == downloads
    if state == "finished" and not message:
        keep_one(tmp_path, monkeypatch)
        press(app, "Show the result")
        assert not app.exception
        assert app.selectbox(key="evaluation").value == "Set, Test, run here"


def keep_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation of ``tiny`` run here, under a title that stands in the card too."""
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    labels, p_fake = np.arange(20) % 2, np.linspace(0.05, 0.95, 20)
    table = pd.DataFrame(
        {"image_id": [f"{n}.png" for n in range(20)], "split": "Test", "source": "", "label": labels}
    ).assign(p_fake=p_fake)
    card = load_card("tiny")
    rules = at_every_point(sort_scores(labels, p_fake), card.thresholds)
    measurement = Measurement(table, evaluate_scores(labels, p_fake, n_bootstrap=0), rules, ())
    keep(
        card,
        measurement.table,
        evaluation_entry(measurement, data="Set", split="Test", perturbed=False, command="c"),
    )


def test_what_was_run_here_is_added_to_the_card_or_removed(two, tmp_path, monkeypatch):
    before = (two / "tiny" / "card.json").read_bytes()
    keep_one(tmp_path, monkeypatch)
    app = page(evaluation="Set, Test, run here")
    assert not app.exception
    assert "Run here: saved on this server" in shown(app).replace("**", "")
    assert "20 images (10 fake, 10 real)" in shown(app)
    assert (two / "tiny" / "card.json").read_bytes() == before
    press(app, "Remove")
    assert not app.exception
    assert app.selectbox(key="evaluation").value == "Set, Test"
    assert "Set, Test, run here" not in app.selectbox(key="evaluation").options
    assert (two / "tiny" / "card.json").read_bytes() == before

    keep_one(tmp_path, monkeypatch)
    app = page(evaluation="Set, Test, run here")
    press(app, "Add to the card")
    assert not app.exception
    assert app.selectbox(key="evaluation").value == "Set, Test"
    assert "20 images (10 fake, 10 real)" in shown(app)
    assert "Set, Test, run here" not in app.selectbox(key="evaluation").options
    titles = [(each["data"], each["n"]) for each in load_card("tiny").evaluations if not each["perturbed"]]
    assert titles == [("Set", 20)]

    keep_one(tmp_path, monkeypatch)
    monkeypatch.setenv("DEEPFAKE_DEMO", "1")
    app = page(evaluation="Set, Test, run here")
    assert [button.label for button in app.button if button.label in ("Add to the card", "Remove")] == [
        "Remove"
    ]


def test_what_was_run_with_another_calibration_is_not_shown(two, tmp_path, monkeypatch):
    keep_one(tmp_path, monkeypatch)
    path = two / "tiny" / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "bias": 0.9}))
    app = page()
    assert not app.exception
    assert "Set, Test, run here" not in app.selectbox(key="evaluation").options
    assert "Set, Test, run here, is of another version of 'tiny'" in shown(app)


def test_every_view_stands_alone_without_tensorflow(two):
    import subprocess
    import sys

    script = f"""
import sys
from streamlit.testing.v1 import AppTest
for view in {[COMPARE, RUN]!r}:
    app = AppTest.from_file({str(ROOT / "pages/evaluation.py")!r}, default_timeout=120)
    app.query_params['view'] = view
    app.run()
    assert not app.exception, app.exception
assert not {{'tensorflow', 'keras', 'mtcnn'}} & set(sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert not re.search("Traceback", done.stderr)
