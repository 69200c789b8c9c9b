"""The page Training without a browser: what it says, refuses and starts. Nothing is trained."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from deepfake.errors import UserError
from deepfake.runs import recorded, runs
from deepfake.runs.estimate import Estimate
from deepfake.training.recipe import RECIPES, fitted
from deepfake.util.files import ROOT, write_json
from deepfake.util.jobs import Stopped, find_job
from tests.support.pages import button_labels
from tests.support.records.runs import a_run, end, epoch, start, step

ESTIMATE = Estimate(32, 16, 1000, 4, 3, 0.5, 1.0, 7200.0, 1500.0, 70.0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of all runs; no data set."""
    monkeypatch.setenv("DEEPFAKE_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    for name in ("DEEPFAKE_TRAINING", "DEEPFAKE_DATA"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def page(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages" / "training.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return again(app)


def again(app: AppTest) -> AppTest:
    app.run()
    assert not app.exception
    return app


def text(app: AppTest) -> str:
    parts: list[Any] = [
        *app.markdown,
        *app.caption,
        *app.info,
        *app.error,
        *app.warning,
        *app.success,
        *app.text,
    ]
    return "\n".join(str(part.value) for part in parts).replace("\\", "")


def trained(folder: Path, name: str = "a", state: str = "stopped") -> Path:
    steps = [step(101, 1, 2, 3.0), step(103, 1, 4, 2.0)]
    return a_run(
        folder, name, start(), *steps, epoch(1), step(111, 2, 3, 1.0), epoch(2, hard=0.85), end(state)
    )


def test_nothing_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recorded, "RECORDED", tmp_path / "none")
    assert "No run yet" in text(page())
    assert "No run yet" in text(page(tab="All runs"))
    assert "DEEPFAKE_DATA" in text(page(tab="New run"))
    monkeypatch.setenv("DEEPFAKE_DATA", str(tmp_path))
    assert f"No such folder was found in {tmp_path}" in text(page(tab="New run"))


def test_a_link_to_what_is_not_here_is_said(folder: Path) -> None:
    trained(folder)
    said = text(page(run="gone", tab="Nowhere"))
    assert "The link names a run that is not here" in said
    assert "The link names a tab that is not here" in said
    assert "not here" not in text(page(run="a", tab="Watch"))


@pytest.mark.parametrize("view", ["Curves", "Confusion matrix", "Images", "Machine", "Settings", "Log"])
def test_every_view_of_a_run(view: str, folder: Path) -> None:
    trained(folder)
    app = page(run="a", view=view)
    assert "Stopped. " in text(app)
    assert {metric.label: metric.value for metric in app.metric}["AUC, perturbed"] == "0.800", (
        "of the epoch that was kept"
    )
    assert button_labels(app).count("Resume") == 1
    assert "Stop" not in button_labels(app)


def test_a_head_that_was_fitted_has_no_views(folder: Path) -> None:
    (folder / "a").mkdir()
    write_json(folder / "a" / "settings.json", {"recipe": RECIPES["compact"].to_dict(), "data": "data"})
    write_json(folder / "a" / "result.json", {"state": "fitted"})
    app = page(run="a")
    assert "A head was fitted" in text(app)
    assert not app.segmented_control
    assert "Fitted" in page(tab="All runs").dataframe[0].value.to_string()


@pytest.mark.parametrize(("when", "words"), [(115, "faces after epoch 1"), (999, "It can be chosen")])
def test_what_was_learnt_after_publishing_is_not_in_the_detector(
    when: float, words: str, folder: Path
) -> None:
    run = trained(folder)  # its epochs end at 110 and 120
    write_json(run / "published.json", {"detector": "faces", "time": when, "state": "done"})
    assert words in text(page(run="a"))


def test_confusion_matrix_of_an_earlier_epoch(folder: Path) -> None:
    trained(folder)
    app = page(run="a", view="Confusion matrix")
    slider = app.slider(key="confusion-epoch")
    assert slider.value == 2
    slider.set_value(1)
    assert "Epoch 1, clean validation images" in text(again(app))


@pytest.mark.parametrize("content", ["{", '{"recipe": {"name": 3}}'])
def test_damaged_run_gives_words(content: str, folder: Path) -> None:
    run = trained(folder)
    (run / "settings.json").write_text(content)
    with (run / "events.jsonl").open("a") as file:
        file.write('{"type": "ep')
    app = page(run="a")
    assert "settings.json is damaged" in text(app)
    assert "Resume" not in button_labels(app)
    page(run="a", view="Settings")
    page(tab="All runs")


def test_a_link_to_a_run_that_is_gone_shows_another(folder: Path) -> None:
    trained(folder)
    app = page(run="gone")
    assert app.selectbox(key="run").value == "a"


def test_warning_of_curves_that_part(folder: Path) -> None:
    losses = ((0.6, 0.6), (0.4, 0.5), (0.3, 0.55), (0.2, 0.6))
    a_run(
        folder,
        "a",
        start(),
        *(epoch(n, train=t, loss=v) for n, (t, v) in enumerate(losses, 1)),
        end("stopped"),
    )
    assert "learns its training images by heart" in text(page(run="a"))


def test_refusals_stand_beside_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(folder)
    app = page(run="a")

    def refuse(_: str) -> None:
        raise UserError("gone", "The *data* is gone.")

    monkeypatch.setattr(runs, "resume", refuse)
    app = page(run="a")
    app.button(key="resume").click()
    assert "The *data* is gone." in text(again(app))


@pytest.mark.parametrize(
    ("setting", "words"),
    [(("DEEPFAKE_TRAINING", "off"), "switched off"), (("DEEPFAKE_DEMO", "1"), "public demo")],
)
def test_switched_off(
    folder: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str], words: str
) -> None:
    trained(folder)
    monkeypatch.setenv(*setting)
    monkeypatch.setenv("DEEPFAKE_DATA", str(tiny_dataset))
    app = page(tab="New run")
    assert words in text(app)
    assert button_labels(app) == []
    assert not {"Resume", "Publish", "Stop"} & set(button_labels(page(run="a")))


def form(
    tiny_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: Any = ESTIMATE,
    hold: threading.Event | None = None,
) -> AppTest:
    """The form after the estimate, or while it is held."""

    def measured(data: Path, words: list[str], *, on_progress: Any, stopped: Any) -> Estimate:
        assert data == tiny_dataset.resolve()
        on_progress(3, 16)
        while hold is not None and not hold.is_set():
            if stopped():
                raise Stopped
            time.sleep(0.01)
        if isinstance(found, UserError):
            raise found
        return found

    monkeypatch.setenv("DEEPFAKE_DATA", str(tiny_dataset))
    app = page(tab="New run")
    assert "Train: 16 fake, 16 real" in text(app)
    # The page's helper module is imported by the page itself; the name lives there.
    monkeypatch.setattr(sys.modules["ui.training.form"], "measure_elsewhere", measured)
    assert "Start training" in button_labels(app), "an estimate is a choice"
    return app if hold is not None else estimated(app)


def estimated(app: AppTest) -> AppTest:
    """Asks for the estimate and waits for it."""
    app.button(key="measure").click()
    again(app)
    job = find_job(app.session_state["training-estimate"])
    assert job is not None
    late = time.monotonic() + 30
    while job.state == "running" and time.monotonic() < late:
        time.sleep(0.01)
    return again(app)


def test_an_estimate_shows_how_far_it_is_and_can_be_cancelled(
    tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = form(tiny_dataset, monkeypatch, hold=threading.Event())
    app.button(key="measure").click()
    assert "one to three minutes" not in text(again(app))
    job = find_job(app.session_state["training-estimate"])
    assert job is not None
    assert job.state == "running"
    assert "Start training" in button_labels(app), "nobody has to wait for it"
    app.button(key=f"stop-{app.session_state['training-estimate']}").click()
    again(app)
    late = time.monotonic() + 30
    while job.state == "running" and time.monotonic() < late:
        time.sleep(0.01)
    assert job.state == "stopped"
    assert "Estimate time and memory" in button_labels(again(app))
    assert not app.metric
    assert not app.error


def test_form_says_what_it_takes_then_starts(
    folder: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launched: list[Any] = []

    def launch(name: str, data: Path, words: list[str]) -> None:
        launched.append((name, data, words))
        trained(folder, name)

    monkeypatch.setattr(runs, "launch", launch)
    app = form(tiny_dataset, monkeypatch)
    shown = {metric.label: metric.value for metric in app.metric}
    assert shown == {"Images": "32", "Steps": "12", "Time, about": "2 h 0 min", "Memory": "1.5 GB"}
    app.number_input(key="new-epochs-compact").set_value(5)
    assert not again(app).metric, "another plan is estimated anew"
    estimated(app)
    assert app.metric
    app.button(key="start").click()
    again(app)
    ((name, data, words),) = launched
    assert (name, data) == ("compact-1", tiny_dataset.resolve())
    assert words[words.index("--epochs") + 1] == "5"
    assert app.selectbox(key="run").value == "compact-1"


def test_the_numbers_offered_fit_the_data_set(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offered(recipe: str) -> tuple[object, ...]:
        names = (f"new-{name}-{recipe}" for name in ("epochs", "batch_size", "learning_rate"))
        return tuple(app.number_input(key=name).value for name in names)

    app = form(tiny_dataset, monkeypatch)
    suited = fitted(RECIPES["compact"], 32)
    assert offered("compact") == (suited.epochs, suited.batch_size, suited.learning_rate)
    assert "set for 32 training images" in text(app)
    app.number_input(key="new-batch_size-compact").set_value(4)
    again(app)
    assert offered("compact")[1] == 4, "what was typed stays"
    app.selectbox(key="new-recipe").set_value("faces")
    again(app)
    faces = RECIPES["faces"]
    assert offered("faces") == (faces.epochs, faces.batch_size, faces.learning_rate)
    assert "training images." not in text(app)
    app.selectbox(key="new-recipe").set_value("compact")
    again(app)
    assert offered("compact")[1] == suited.batch_size


def test_starting_document_is_one_choice(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = form(tiny_dataset, monkeypatch)
    app.selectbox(key="new-recipe").set_value("seed")
    again(app)
    assert app.number_input(key="new-epochs-seed").value == 2
    assert app.number_input(key="new-image_size-seed").value == 128
    assert app.selectbox(key="new-perturbed-seed").value is None
    assert app.selectbox(key="new-weights-seed").options == ["None, from scratch", "ImageNet"]


def test_form_shows_what_is_refused(
    folder: Path, tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(folder, "taken")
    app = form(tiny_dataset, monkeypatch, UserError("not_measured", "It does not fit."))
    assert "It does not fit." in text(app)
    assert not app.metric
    app = form(tiny_dataset, monkeypatch)
    app.text_input[0].set_value("taken")
    again(app)
    app.button(key="start").click()
    assert "There is a run called taken already" in text(again(app))


def test_page_needs_no_tensorflow(folder: Path) -> None:
    trained(folder)
    code = (
        "import sys\nfrom streamlit.testing.v1 import AppTest\n"
        "app = AppTest.from_file('pages/training.py', default_timeout=300)\napp.query_params['run'] = 'a'\n"
        "app.run()\nassert not app.exception and app.metric\n"
        "print(sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr
