"""The page Robustness and what it draws from: shipped results, a measurement in the background."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from deepfake.data.index import index_dataset
from deepfake.errors import UserError
from deepfake.perturbations.graded import KINDS
from deepfake.robustness import job
from deepfake.robustness.figures import curve_figure, map_figure, scores_figure
from deepfake.robustness.sweep import Robustness
from deepfake.robustness.text import (
    attack_sentence,
    curve_table,
    headline,
    long_table,
    perturbations_in,
    rule_sentence,
    summary_table,
)
from deepfake.util.files import ROOT
from deepfake.util.jobs import Job, find_job, forget_job
from tests.support.records.sweeps import CUTS, made_result, publish_two


@pytest.fixture
def models(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = publish_two(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(folder))
    monkeypatch.delenv("DEEPFAKE_DATA", raising=False)
    return folder


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No measurement of another test, and none left for the next."""
    yield
    left = find_job(job.JOB)
    if left is not None:
        left.stop()
        wait_until_over()
        forget_job(job.JOB)
    job._results.clear()


def page(path: str = "pages/robustness.py", **address: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / path), default_timeout=120)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def shown(app: AppTest) -> str:
    kinds = (
        app.markdown,
        app.caption,
        app.error,
        app.warning,
        app.info,
        app.success,
        app.header,
        app.text,
    )
    return "\n".join(str(element.value).replace("\\", "") for kind in kinds for element in kind)


def wait_until_over() -> Job:
    for _ in range(1200):
        run = find_job(job.JOB)
        if run is not None and not run.running:
            return run
        time.sleep(0.1)
    raise AssertionError("the measurement did not end")


def test_headline_names_what_costs_and_what_does_not(entries):
    loses, holds = headline(entries[1].result)
    values = summary_table(entries, "roc_auc", "strongest")["other"]
    names = ("Clean images", "Messenger apps", "Noise", "Cropping")
    clean, worst, second, third = (f"{values[name]:.3f}" for name in names)
    assert loses == (
        f"other loses most to messenger apps (ROC AUC {worst} instead of {clean}), noise "
        f"({second}) and cropping ({third}), each at its strongest."
    )
    assert "fog" in holds
    assert "messenger" not in holds
    strong = made_result("strong")
    same = strong.table["perturbation"].isin(["clean", "fog", "rain"])
    calm = Robustness("strong", "", CUTS, "", 1, 1, strong.table[same])
    assert headline(calm)[0].startswith("No perturbation costs strong more than 0.02 of its ROC AUC")


def test_attack_sentence_is_of_the_mildest(entries):
    table = entries[0].result.table.set_index(["perturbation", "amount"])
    found = f"{100 * float(table.loc[('pgd', 1), 'accuracy']):.0f}% under PGD"
    assert found in attack_sentence(entries[0].result)
    assert "Changes of 1 of 255" in attack_sentence(entries[0].result)
    rows = entries[0].result.table
    bare = Robustness("x", "", CUTS, "", 1, 1, rows[~rows["perturbation"].isin(["fgsm", "pgd"])])
    assert attack_sentence(bare) == ""


def test_rule_sentence_is_of_the_verdicts(entries):
    table = entries[0].result.table
    clean = table.iloc[0]
    sentence = rule_sentence(entries[0].result)
    assert "fake from 0.60, real below 0.40, uncertain between" in sentence
    assert (
        f"Clean images: {100 * clean['decided']:.0f}% decided, {100 * clean['correct']:.0f}% of" in sentence
    )
    strongest = table[~table["perturbation"].isin(["clean", "fgsm", "pgd"])].groupby("perturbation").last()
    assert f"mean of all perturbations: {100 * strongest['decided'].mean():.0f}% decided" in sentence


def test_summary_takes_the_strongest_or_the_mean(entries):
    rows = entries[1].result.table.query("perturbation == 'noise'")
    strongest, mean = (summary_table(entries, "accuracy", across) for across in ("strongest", "mean"))
    assert list(strongest.columns) == ["one", "other"]
    assert strongest.index[0] == "Clean images"
    assert len(strongest) == len(KINDS) + 1
    assert strongest.loc["Noise", "other"] == rows["accuracy"].iloc[-1]
    assert mean.loc["Noise", "other"] == pytest.approx(rows["accuracy"].mean())
    assert perturbations_in(entries) == [kind.name for kind in KINDS]
    assert len(long_table(entries)) == 2 * len(entries[0].result.table)


def test_curve_starts_clean_and_shows_amounts(entries):
    rows = curve_table(entries[0], "jpeg")
    assert rows["shown"].tolist() == ["Clean", "90", "70", "50", "30", "15"]


def test_figures_hold_the_numbers(entries):
    summary = summary_table(entries, "roc_auc", "strongest")
    heat: Any = map_figure(summary, "roc_auc").data[0]
    np.testing.assert_array_equal(np.asarray(heat.z), summary.to_numpy())
    curves = {entry.label: curve_table(entry, "messenger") for entry in entries}
    lines: Any = curve_figure(curves, "accuracy", "Size").data
    assert [line.name for line in lines] == ["one", "other"]
    np.testing.assert_allclose(lines[0].y + lines[0].error_y.array, curves["one"]["accuracy_high"])
    scores: Any = scores_figure(curves, "Size", 0.5).data
    assert [line.name for line in scores] == ["Fake, one", "Real, one", "Fake, other", "Real, other"]
    np.testing.assert_array_equal(scores[0].y, curves["one"]["mean_fake"])


def test_page_shows_the_shipped_results(models):
    app = page()
    assert not app.exception
    assert app.markdown[0].value.startswith("What breaks a detector?")  # nothing above it
    assert "tiny loses most to messenger apps" in shown(app)
    assert "weak loses most to messenger apps" in shown(app)
    assert "Verdicts of weak (fake from 0.60, real below 0.40, uncertain between)" in shown(app)
    assert "Made faces, Validation: 100 fake and 100 real images" in shown(app)
    app.button_group(key="detectors").set_value(["weak"]).run()
    assert not app.exception
    assert "tiny loses most" not in shown(app)
    assert set(app.dataframe[0].value["Detector"]) == {"weak"}
    app.segmented_control[0].set_value("accuracy").run()
    app.segmented_control[1].set_value("mean").run()
    assert not app.exception


@pytest.mark.parametrize("tab", ["All perturbations", "One perturbation", "Attacks", "Measure"])
def test_every_tab_from_its_address(models, tab):
    app = page(tab=tab, perturbation="Noise", detectors="weak")
    assert not app.exception
    assert not app.error
    assert ("loses most" in shown(app)) == (tab == "All perturbations"), "words do not stand above the tabs"
    if tab == "One perturbation":
        assert app.selectbox[0].value == "noise"
        assert {name.split(" ")[0] for name in app.dataframe[0].value["Perturbation"]} == {"Clean", "Noise"}
        assert "Noise (standard deviation" in shown(app)
    if tab == "Attacks":
        assert "someone with the network's file" in shown(app)
        assert "Attacked: 200 of the images" in shown(app)
    if tab == "Measure":
        assert "DEEPFAKE_DATA" in shown(app)


def test_a_link_to_what_is_not_here_is_said(models):
    app = page(tab="<b>", detectors="nobody")
    assert [info.value for info in app.info] == [
        "The link names a detector that is not here; the default is shown.",
        "The link names a tab that is not here; the default is shown.",
    ]
    assert not page(tab="Attacks", detectors="weak").info


def test_another_perturbation_can_be_chosen(models):
    app = page(tab="One perturbation")
    assert app.selectbox[0].options == [kind.title for kind in KINDS]
    app.selectbox[0].set_value("rain").run()
    assert not app.exception
    assert "Streaks of rain" in shown(app)


def test_without_results_the_page_says_how_to_get_them(use_tiny_models):
    app = page()
    assert not app.exception
    assert "There are no robustness results to show yet" in shown(app)


def test_results_of_another_version_are_not_shown(models):
    card = json.loads((models / "weak" / "card.json").read_text())
    card["thresholds"]["balanced"] = 0.3
    (models / "weak" / "card.json").write_text(json.dumps(card))
    app = page()
    assert not app.exception
    assert "belong to another version" in shown(app)
    assert "weak loses" not in shown(app)


def test_no_detector_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    app = page()
    assert not app.exception
    assert "no detector" in shown(app)


def test_first_paint_imports_no_tensorflow(models):
    code = (
        "from streamlit.testing.v1 import AppTest\nimport sys\n"
        "app = AppTest.from_file('pages/robustness.py', default_timeout=120).run()\n"
        "assert not app.exception and app.button_group(key='detectors')\nprint('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    assert done.stdout.strip() == "False", done.stderr


def test_measured_from_the_page_and_kept_over_a_reload(models, tiny_dataset, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_DATA", str(tiny_dataset))
    monkeypatch.setattr(job, "sweep", short_sweep)
    app = page(tab="Measure")
    assert "32 images: 16 fake, 16 real." in shown(app)
    app.number_input(key="measure-images").set_value(4).run()
    app.button(key="start-run").click().run()
    assert not app.exception
    run = wait_until_over()
    assert (run.state, run.done, run.total) == ("finished", 4, 4), run.message
    again = page(tab="Measure")  # another visitor, or the same after a reload
    assert "Measured tiny on " in shown(again)
    label = f"tiny on {run.about.data}, measured here"
    assert label in again.button_group(key="detectors").options
    again.button_group(key="detectors").set_value([label]).run()
    assert not again.exception
    assert "2 fake and 2 real images" in shown(again)


def short_sweep(subjects: Any, data: Any, **options: Any) -> Any:
    from deepfake.robustness.sweep import sweep

    return sweep(subjects, data, kinds=KINDS[:2], epsilons=(1,), n_bootstrap=0, **options)


def test_one_measurement_at_a_time_and_cancelling(use_tiny_models, tiny_dataset, monkeypatch):
    began = threading.Event()

    def endless(subjects: Any, data: Any, *, title: str, on_progress: Any) -> Any:
        began.set()
        while True:
            on_progress(1)
            time.sleep(0.01)

    monkeypatch.setattr(job, "sweep", endless)
    data = index_dataset(tiny_dataset)
    job.start(["tiny"], data, "Tiny", 8)
    with pytest.raises(UserError, match="under way"):
        job.start(["tiny"], data, "Tiny", 8)
    assert began.wait(120)
    app = page()
    assert not app.exception
    app.button(key="stop-robustness").click().run()
    assert not app.exception
    run = wait_until_over()
    assert (run.state, run.total) == ("stopped", 8)
    assert job.results() == ()
    job.start(["tiny"], data, "Tiny", 8).stop()  # free again
    assert wait_until_over().state == "stopped"


@pytest.mark.parametrize("fault", [UserError("x", "Said plainly."), RuntimeError("odd")])
def test_a_failed_measurement_says_so(use_tiny_models, tiny_dataset, monkeypatch, fault):
    def fail(*arguments: Any, **options: Any) -> Any:
        raise fault

    monkeypatch.setattr(job, "sweep", fail)
    job.start(["tiny"], index_dataset(tiny_dataset), "Tiny", 4)
    run = wait_until_over()
    assert run.state == "failed"
    said = "Said plainly." if isinstance(fault, UserError) else "server's log"
    assert said in run.message
    assert said in shown(page())


def test_folder_outside_the_roots_is_refused_on_the_page(models, tiny_dataset, monkeypatch):
    monkeypatch.setenv("DEEPFAKE_DATA", str(tiny_dataset))
    for typed, words in (
        ("../..", "lies outside"),
        ("nothing", "There is no folder"),
        ("Test", "32 images"),
    ):
        app = page(tab="Measure", **{"measure-data": typed})
        assert not app.exception
        assert words in shown(app)


def test_csv_tables_keep_their_intervals(entries):
    table = long_table(entries)
    assert isinstance(table, pd.DataFrame)
    assert {"accuracy_low", "accuracy_high", "roc_auc_low", "flipped_high", "title", "data"} <= set(table)
