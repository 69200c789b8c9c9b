"""Runs from outside: locks, turns, states in words, start, stop, rename, delete. Nothing is trained here."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepfake.data.index import index_dataset
from deepfake.data.sets import list_sets
from deepfake.errors import UserError
from deepfake.runs import process as run_process
from deepfake.runs import runs
from deepfake.runs.options import can_train, free_name, image_counts
from deepfake.runs.process import run_session
from deepfake.runs.runs import publishing, publishing_state
from deepfake.runs.state import process_alive
from deepfake.runs.table import differing_settings, runs_table, settings_table
from deepfake.settings import allowed_roots, resolve_in_roots
from deepfake.training.failures import as_user_error
from deepfake.training.options import OPTIONS, to_arguments
from deepfake.training.recipe import RECIPES, Recipe
from deepfake.util.files import ROOT, acquire_lock, is_locked, read_json, write_json
from deepfake.util.process import log_tail, spawn
from tests.support.records.runs import a_run, end, epoch, own_runs, start, step

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of all runs."""
    return own_runs(tmp_path, monkeypatch)


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def attend(folder: Path, name: str) -> subprocess.Popen[str]:
    """A process that attends a run and does nothing until it is told to stop."""
    code = """
        import signal, sys, time
        from pathlib import Path
        from deepfake.training.recipe import RECIPES
        from deepfake.runs.process import run_session
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with run_session(Path(sys.argv[1]), RECIPES["seed"], Path(sys.argv[1])):
            print("on", flush=True)
            time.sleep(60)
    """
    words = [sys.executable, "-c", textwrap.dedent(code), str(folder / name)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def state_of(folder: Path, name: str) -> str:
    return str(read_json(folder / name / "process.json").get("state"))


# Locks and turns


def test_lock_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    lock = acquire_lock(path)
    assert lock is not None
    assert is_locked(path)
    assert acquire_lock(path, patience=0) is None
    lock.close()
    assert not is_locked(path)


def test_one_run_at_a_time_and_kill_9_frees_the_place(folder: Path) -> None:
    first = attend(folder, "first")
    others: list[subprocess.Popen[str]] = []
    try:
        until(lambda: state_of(folder, "first") == "running")
        assert run_process.training_owner(folder)["run"] == "first"
        others.append(attend(folder, "second"))
        until(lambda: state_of(folder, "second") == "queued")
        others.append(attend(folder, "third"))
        until(lambda: state_of(folder, "third") == "queued")
        assert [name for _, name in run_process.waiting_runs(folder)] == ["second", "third"]
        assert runs.open_run("second").state.code == "queued"
        assert "Waiting for first" in runs.open_run("second").state.sentence

        first.kill()
        first.wait()
        until(lambda: state_of(folder, "second") == "running")
        assert state_of(folder, "third") == "queued"
        assert runs.open_run("first").state.code == "killed"
        assert runs.open_run("second").state.code == "starting"

        runs.stop("third")
        runs.stop("second")
        for other in others:
            assert other.wait(20) != 0
        assert [state_of(folder, name) for name in ("second", "third")] == ["stopped", "stopped"]
        state = runs.open_run("third").state
        assert (state.code, state.active) == ("stopped", False)
        assert not is_locked(folder / ".training.lock")
    finally:
        for process in (first, *others):
            process.kill()


def test_a_run_is_worked_on_by_one_process(folder: Path) -> None:
    with run_session(folder / "a", RECIPES["seed"], folder):
        with (
            pytest.raises(UserError) as caught,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setattr(run_process, "acquire_lock", lambda path, **_: acquire_lock(path, patience=0))
            with run_session(folder / "a", RECIPES["seed"], folder):
                raise AssertionError("two at once")
        assert caught.value.code == "run_active"
        assert str(os.getpid()) in caught.value.message
        for refused in (runs.delete, runs.resume, lambda name: runs.rename(name, "b")):
            with pytest.raises(UserError) as caught:
                refused("a")
            assert caught.value.code == "run_active"
    assert state_of(folder, "a") == "ended"
    assert not (folder / "a" / "reserve").exists()


def test_a_failure_is_noted(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, run_session(folder / "a", RECIPES["seed"], tmp_path):
        assert (folder / "a" / "reserve").stat().st_size == 65_536
        raise MemoryError
    assert caught.value.code == "out_of_memory"
    assert read_json(folder / "a" / "process.json")["code"] == "out_of_memory"
    assert runs.open_run("a").state.code == "failed"


def test_failures_in_words(tmp_path: Path) -> None:
    assert as_user_error(OSError(28, "No space left on device"), tmp_path).code == "disk_full"
    assert as_user_error(MemoryError(), tmp_path).code == "out_of_memory"
    assert as_user_error(RuntimeError("OOM when allocating tensor"), tmp_path).code == "out_of_memory"
    assert as_user_error(RuntimeError("boom"), tmp_path / "gone").code == "data_gone"
    assert as_user_error(UserError("broken_image", "x"), tmp_path / "gone").code == "data_gone"
    known = UserError("broken_image", "x")
    assert as_user_error(known, tmp_path) is known
    other = as_user_error(ZeroDivisionError("one\ntwo"), tmp_path)
    assert (other.code, "ZeroDivisionError: one" in other.message, "two" in other.message) == (
        "unexpected", True, False,
    )  # fmt: skip


# States


@pytest.mark.parametrize(
    ("events", "process", "wanted"),
    [
        ([start(), epoch(1), end("finished")], {}, ("finished", "epoch: 1", False)),
        ([start(), epoch(1), end("finished", early=True)], {}, ("finished", "ended early", False)),
        ([start(), epoch(1), end("stopped")], {}, ("stopped", "Resume continues", True)),
        ([start(), end("stopped", best_epoch=0)], {}, ("stopped", "no network was saved", False)),
        (
            [start(), epoch(1), end("diverged", message="Loss nan.")],
            {},
            ("diverged", "smaller learning", False),
        ),
        (
            [start(), epoch(1), end("failed", message="The disk is full.")],
            {},
            ("failed", "disk is full", True),
        ),
        ([start(), epoch(1)], {"state": "running"}, ("killed", "ended without a message", True)),
        ([start(), epoch(1)], {"boot": "other"}, ("killed", "restarted", True)),
        ([start(), epoch(1)], {"memory_kills": -1}, ("killed", "ran out of memory", True)),
        ([], {"state": "stopped"}, ("stopped", "before the first step", False)),
        ([], {"state": "failed", "message": "No such image."}, ("failed", "No such image", False)),
        ([start(), epoch(1), end("stopped")], {"since": 160.0}, ("killed", "ended without", True)),
        ([start(), epoch(1)], None, ("killed", "ended without", True)),
    ],
)
def test_states_in_words(
    folder: Path, events: list[Any], process: dict[str, Any] | None, wanted: tuple[str, str, bool]
) -> None:
    code, words, resumable = wanted
    a_run(folder, "a", *events, process=process)
    state = runs.open_run("a").state
    assert (state.code, state.resumable, state.active) == (code, resumable, False)
    assert words in state.sentence


def test_death_with_no_memory_left(folder: Path) -> None:
    last = {**step(101, 1, 1, 1.0), "memory_free_mb": 40}
    a_run(folder, "a", start(), last, process={"state": "running"})
    assert "almost no memory" in runs.open_run("a").state.sentence


def test_run_of_an_older_version_counts_as_active_for_a_while(folder: Path) -> None:
    a_run(folder, "a", start(time.time() - 20))
    state = runs.open_run("a").state
    assert (state.code, state.stoppable) == ("running", False)
    with pytest.raises(UserError) as caught:
        runs.stop("a")
    assert caught.value.code == "not_running"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"recipe": 3}', '{"recipe": {}}', "\x00", '{"data": 1}']
)
def test_damaged_settings(text: str, folder: Path) -> None:
    run = a_run(folder, "a", start(), epoch(1), end("stopped"))
    (run / "settings.json").write_text(text)
    state = runs.open_run("a").state
    assert state.code == "damaged"
    assert "settings.json is damaged" in state.sentence
    with pytest.raises(UserError) as caught:
        runs.resume("a")
    assert caught.value.code == "bad_settings"
    assert runs_table([runs.open_run("a")])["recipe"].tolist()[0] in ("unreadable",)


@pytest.mark.parametrize("changes", [{"epochs": "two"}, {"epochs": None}, {"unheard_of": 1}])
def test_settings_of_a_wrong_kind(changes: dict[str, Any], folder: Path) -> None:
    run = a_run(folder, "a", start(), epoch(1), end("stopped"))
    settings = json.loads((run / "settings.json").read_text())
    settings["recipe"] |= changes
    (run / "settings.json").write_text(json.dumps(settings))
    assert runs.open_run("a").state.code == "damaged"


# Start, stop, rename, delete


def test_launch_says_what_the_process_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as caught:
        runs.launch("a", tmp_path / "empty", ["--recipe", "seed"])
    assert caught.value.code == "not_started"
    assert caught.value.message.startswith("No labeled images in")
    assert not (folder / "a").exists(), "another try may take the name"


def test_started_process_has_a_session_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_command(words: list[str], log: Path) -> Any:
        assert words[:2] == ["train", str(folder)]
        process = attend(folder, words[words.index("--run") + 1])
        started.append(process)
        return process

    started: list[subprocess.Popen[str]] = []
    monkeypatch.setattr(runs, "spawn", other_command)
    try:
        runs.launch("a", folder, [])
        assert read_json(folder / "a" / "process.json")["pid"] == started[0].pid
        with pytest.raises(UserError) as caught:
            runs.launch("a", folder, [])
        assert caught.value.code == "run_exists"
        runs.stop("a")
        assert runs.open_run("a").state.code in ("stopping", "stopped")
    finally:
        started[0].kill()


def test_a_run_at_work_names_no_machine_and_no_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every visitor of the page reads the state."""
    owner = {"pid": 6420, "user": "someone", "host": "the-server"}
    run = a_run(folder, "a", start(), process={**owner, "state": "running", "began": 1_764_590_000.0})
    lock = acquire_lock(run / "run.lock")
    assert lock is not None
    with lock:
        state = runs.open_run("a").state
        assert state.sentence == "Training in progress since 2025-12-01 11:53 UTC."
        monkeypatch.setattr(os, "kill", lambda *_: (_ for _ in ()).throw(PermissionError(1, "not permitted")))
        with pytest.raises(UserError) as caught:
            runs.stop("a")
        assert not any(str(value) in caught.value.message for value in owner.values())


def test_process_that_ends_while_it_is_looked_at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(folder, "a", start(), epoch(1), process={"state": "running"})
    lock = acquire_lock(run / "run.lock")
    assert lock is not None

    def alive_and_then_not(asked: Path) -> bool:
        answer = process_alive(asked)
        with (run / "events.jsonl").open("a") as events:
            events.write(json.dumps(end("stopped")) + "\n")
        lock.close()
        return answer

    monkeypatch.setattr(runs, "process_alive", alive_and_then_not)
    assert runs.open_run("a").state.active, "not taken for a killed one"
    monkeypatch.undo()
    monkeypatch.setenv("DEEPFAKE_RUNS", str(folder))
    assert runs.open_run("a").state.code == "stopped"


def test_spawned_command_leaves_the_session(folder: Path) -> None:
    process = spawn(["--version"], folder / "log.txt")
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    process.wait(20)
    assert log_tail(folder / "log.txt") == "0.1.0"


@pytest.mark.parametrize("value", ["off", "OFF", "0", "false", " no "])
def test_switched_off(value: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_run(folder, "a", start(), epoch(1), end("stopped"))
    monkeypatch.setenv("DEEPFAKE_TRAINING", value)
    monkeypatch.setattr(runs, "spawn", lambda *_: pytest.fail("started"))
    calls: list[Callable[[], Any]] = [
        lambda: runs.launch("b", folder, []),
        lambda: runs.resume("a"),
        lambda: runs.stop("a"),
        lambda: runs.delete("a"),
        lambda: runs.rename("a", "b"),
        lambda: runs.launch_publishing("a", "b"),
    ]
    for call in calls:
        with pytest.raises(UserError) as caught:
            call()
        assert caught.value.code == "training_off"
    assert runs.run_names() == ["a"]


def test_rename_and_delete(folder: Path) -> None:
    a_run(folder, "a", start(), epoch(1), end("stopped"))
    a_run(folder, "b", start())
    assert len(runs.open_run("a").history.epochs) == 1
    for bad in ("b", "../c", ".hidden", "", "x" * 81):
        with pytest.raises(UserError) as caught:
            runs.rename("a", bad)
        assert caught.value.code in ("run_exists", "bad_name")
    runs.rename("a", "c")
    assert sorted(runs.run_names()) == ["b", "c"]
    assert len(runs.open_run("c").history.epochs) == 1
    for gone in ("a", "..", "nothing"):
        with pytest.raises(UserError):
            runs.open_run(gone)
    runs.delete("c")
    assert runs.run_names() == ["b"]


def test_a_link_is_no_run(folder: Path, tmp_path: Path) -> None:
    other = a_run(tmp_path, "other", start())
    (folder / "link").symlink_to(other)
    assert runs.run_names() == []
    with pytest.raises(UserError):
        runs.delete("link")
    assert (other / "settings.json").exists()


def test_stop_of_what_does_not_run(folder: Path) -> None:
    a_run(folder, "a", start(), end("stopped"), process={"pid": os.getpid()})
    with pytest.raises(UserError) as caught:
        runs.stop("a")  # a number of a dead process may be another's by now
    assert caught.value.code == "not_running"


def test_sigterm_waits_for_what_must_not_be_cut() -> None:
    from deepfake.util.process import defer_signals

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    done = []
    try:
        with pytest.raises(KeyboardInterrupt), defer_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            done.append(True)
        assert done
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


# Publishing from outside


def test_publishing_is_told_through_the_folder(folder: Path) -> None:
    run = a_run(folder, "a", start())
    assert publishing_state(run).code == "none"
    with pytest.raises(UserError) as caught:
        runs.launch_publishing("a", "mine")
    assert caught.value.code == "nothing_to_publish"
    with publishing(run, "mine"):
        assert publishing_state(run).code == "going_on"
        with pytest.raises(UserError), publishing(run, "other"):
            pass
    assert (publishing_state(run).code, publishing_state(run).detector) == ("done", "mine")
    with pytest.raises(UserError), publishing(run, "mine"):
        raise UserError("nothing_to_publish", "Nothing.")
    assert publishing_state(run).message == "Nothing."
    write_json(run / "published.json", {"state": "going_on", "detector": "mine"})
    assert publishing_state(run).code == "failed", "the process was killed"
    write_json(run / "published.json", {"state": "launched", "detector": "mine", "time": time.time()})
    assert publishing_state(run).code == "going_on", "the process has not said a word yet"
    write_json(run / "published.json", {"state": "launched", "detector": "mine", "time": time.time() - 200})
    assert publishing_state(run).code == "failed", "it never will"


@pytest.mark.usefixtures("use_tiny_models")
def test_publishing_replaces_what_no_other_detector_needs(
    folder: Path, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(folder, "a", start(), epoch(1))
    (run / "best.keras").write_bytes(b"")
    spawned: list[list[str]] = []
    monkeypatch.setattr(runs, "spawn", lambda words, _: spawned.append(words))
    runs.launch_publishing("a", "mine")
    runs.launch_publishing("a", "tiny")
    assert [words[2:] for words in spawned] == [["mine"], ["tiny", "--replace"]]
    models = tmp_path / "models"
    shutil.copytree(tiny_models, models)
    (models / "both").mkdir()
    write_json(models / "both" / "card.json", {"second": {"main": "tiny"}})
    monkeypatch.setenv("DEEPFAKE_MODELS", str(models))
    with pytest.raises(UserError, match="both would stop working") as caught:
        runs.launch_publishing("a", "tiny")
    assert (caught.value.code, len(spawned)) == ("needed", 2)


# The table


def test_table_and_differing_settings(folder: Path) -> None:
    a_run(folder, "a", start(), epoch(1, hard=0.75), end("finished"))
    other = a_run(folder, "b", start(200.0))
    write_json(other / "settings.json", {"recipe": RECIPES["compact"].to_dict(), "data": str(folder)})
    table = runs_table([runs.open_run("a"), runs.open_run("b")])
    first, second = table.to_dict("records")
    assert (first["state"], first["recipe"], first["roc_auc"], first["roc_auc_perturbed"]) == (
        "Finished", "seed", 0.9, 0.75,
    )  # fmt: skip
    assert first["minutes"] == pytest.approx(50 / 60, abs=0.05)
    assert second["best_epoch"] is None or second["best_epoch"] != second["best_epoch"]
    differing = differing_settings([folder / "a", folder / "b"])
    assert list(differing.loc["Epochs"]) == ["5", "16"]
    assert list(differing.loc["Image size in training (pixels)"]) == ["128", "160"]
    assert "Random seed" not in differing.index
    settings = settings_table(folder / "a").set_index("Setting")["Value"]
    assert settings["Dataset"] == folder.name, "visitors need not know the server's folders"
    assert "Validation images, at most" in settings.index


# What there is to choose


def test_data_sets_to_train_on(tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPFAKE_DATA", raising=False)
    assert (allowed_roots(), list_sets()) == ([], {})
    (tmp_path / "data" / "deep").mkdir(parents=True)
    shutil.copytree(tiny_dataset, tmp_path / "data" / "deep" / "set")
    (tmp_path / "data" / "deep" / "link").symlink_to(tiny_dataset)  # leads out of what may be read
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "manifest.csv").write_text("path,split,label\n")
    roots = [tmp_path / "data", tmp_path / "missing", tmp_path / "listed"]
    monkeypatch.setenv("DEEPFAKE_DATA", os.pathsep.join(map(str, roots)))
    assert len(allowed_roots()) == 2
    assert list_sets() == {"data/deep/set": tmp_path / "data" / "deep" / "set", "listed": tmp_path / "listed"}
    assert all(map(can_train, list_sets().values()))
    assert not can_train(tmp_path / "data")
    assert image_counts(index_dataset(tiny_dataset)) == dict.fromkeys(
        ("Train", "Validation", "Test"), (16, 16)
    )
    assert resolve_in_roots("deep") == tmp_path / "data" / "deep"
    assert resolve_in_roots(str(tmp_path / "listed")) == tmp_path / "listed"
    for bad, code in (
        ("..", "outside_roots"),
        ("/etc", "outside_roots"),
        ("no", "not_found"),
        ("\0", "outside_roots"),
    ):
        with pytest.raises(UserError) as caught:
            resolve_in_roots(bad)
        assert caught.value.code == code


def test_every_option_is_a_flag_and_a_field_of_recipes() -> None:
    from deepfake.cli.parser import command_parser

    options = vars(command_parser().parse_args(["train", "DATA", "--run", "a"]))
    assert {option.name for option in OPTIONS} <= options.keys()
    own = {field.name for field in dataclasses.fields(Recipe)} | {"image_size", "tensorboard"}
    assert {option.name for option in OPTIONS} <= own


def test_settings_become_words_that_the_command_takes(tmp_path: Path) -> None:
    from deepfake.cli.parser import command_parser
    from deepfake.cli.train import chosen_recipe

    values = {"epochs": 3, "batch_size": 16, "learning_rate": 1e-3, "image_size": 96, "perturbed": None}
    values |= {"weights": "none", "seed": 7, "patience": 2, "tensorboard": True, "precision": "float32"}
    assert values.keys() == {option.name for option in OPTIONS if option.title}, "all that the form asks"
    options = command_parser().parse_args(["train", "DATA", "--run", "a", *to_arguments("compact", values)])
    recipe = chosen_recipe(options, tmp_path)
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate, recipe.seed) == (3, 16, 1e-3, 7)
    assert (recipe.train_input.size, recipe.serve_input.size) == (96, 115)
    assert (recipe.perturbed, recipe.patience, options.tensorboard) == (None, 2, True)
    assert free_name("a", ["a-1", "a-2"]) == "a-3"


@pytest.mark.parametrize(("typed", "kept"), [("0.3", True), ("0", False), ("none", False)])
def test_a_typed_share_of_perturbed_images_is_that_of_every_source(
    tmp_path: Path, typed: str, kept: bool
) -> None:
    from deepfake.cli.parser import command_parser
    from deepfake.cli.train import chosen_recipe

    words = ["train", "DATA", "--run", "a", "--recipe", "faces", "--perturbed", typed]
    recipe = chosen_recipe(command_parser().parse_args(words), tmp_path)
    assert recipe.perturbed == (None if typed == "none" else float(typed))
    assert (recipe.source_perturbed == RECIPES["faces"].source_perturbed) == kept
