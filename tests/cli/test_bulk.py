"""``predict --output`` and ``evaluate --output``, as a person or a scheduler runs them, killed at times."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from deepfake.cli import main
from deepfake.util.files import ROOT
from tests.support.batches import two_detectors
from tests.support.bulk import brief, image_folder, rows_in
from tests.support.images import encoded, noise_image

Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *words: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    capsys.readouterr()
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = image_folder(tmp_path / "in", 10)
    (folder / "broken.png").write_bytes(b"broken")
    return folder


def test_predict_into_a_folder(use_tiny_models: Path, images: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "out"
    status, said, err = call(capsys, "predict", images, "--output", out, "--part-rows", 4)
    assert (status, err) == (0, ""), "a refused file is a row, and no failure of the run"
    assert said.startswith(f"11 images (1 refused, 10 uncertain) in 1 part: {out}\n")
    status, said, err = call(capsys, "predict", "--json", images)
    assert status == 1
    lines = {line["file"]: line for line in map(json.loads, said.splitlines())}
    for row in rows_in(out):
        line = lines.pop(row["file"])
        del line["path"]
        if "error" not in line:
            assert row == {**line, "error": None}
        else:
            assert (row["error"], row["file"]) == (line["error"], line["file"])
    assert not lines


def test_resume_and_its_summary(use_tiny_models: Path, images: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["predict", images, "--output", tmp_path / "out", "--resume", "--json"]
    status, said, _ = call(capsys, *words)
    first = json.loads(said)
    assert (status, first["images"], first["checked"], first["skipped"]) == (0, 11, 11, 0)
    image_folder(images / "more", 2, side=44)
    status, said, _ = call(capsys, *words)
    second = json.loads(said)
    assert (status, second["images"], second["checked"], second["skipped"]) == (0, 13, 2, 11)
    status, said, err = call(capsys, *words, "--few-false-alarms")
    assert (status, json.loads(said)["error"]["code"]) == (1, "other_run")
    assert "operating_point balanced there, few_false_alarms here" in err
    assert "Traceback" not in err


def test_other_detectors_and_thresholds_are_other_runs(
    tiny_models: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    two_detectors(tiny_models, models := tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(models))
    words = ["predict", images, "--output", tmp_path / "out", "--resume"]
    assert call(capsys, *words)[0] == 0
    status, _, err = call(capsys, *words, "--model", "zebra")
    assert (status, "detector tiny there, zebra here" in err) == (1, True)
    card = json.loads((models / "tiny" / "card.json").read_text())
    card["thresholds"]["balanced"] = 0.25
    (models / "tiny" / "card.json").write_text(json.dumps(card))
    status, _, err = call(capsys, *words)
    assert (status, "thresholds.balanced 0.5 there, 0.25 here." in err) == (1, True)
    assert len(rows_in(tmp_path / "out")) == 11


def test_shards_and_lists(use_tiny_models: Path, images: Path, tmp_path: Path, capsys: Capture) -> None:
    out, files = tmp_path / "out", tmp_path / "files.txt"
    files.write_text("".join(f"{path}\n" for path in sorted(images.iterdir())))
    for number in (1, 2):
        status, _, err = call(
            capsys, "predict", "--files-from", files, "--output", out, "--shard", f"{number}/2"
        )
        assert (status, err) == (0, "")
    status, said, _ = call(capsys, "predict", "--json", "--files-from", files)
    lines = [json.loads(line) for line in said.splitlines()]
    assert [name for name, _ in brief(rows_in(out))] == [line["file"] for line in lines]
    assert len(list(out.glob("finished-*"))) == 2


def test_an_address_and_a_local_path_give_the_same(
    use_tiny_models: Path, images: Path, capsys: Capture
) -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs fsspec: pip install fsspec")
    memory = fsspec.filesystem("memory")
    try:
        memory.put(str(images), "/bucket/in", recursive=True)
        assert call(capsys, "predict", "memory://bucket/in", "--output", "memory://bucket/out")[0] == 0
        status, said, _ = call(
            capsys, "predict", "memory://bucket/in", "--output", "memory://bucket/out", "--resume", "--json"
        )
        assert (status, json.loads(said)["skipped"]) == (0, 11)
        local = json.loads(call(capsys, "predict", "--json", images / "0003.png")[1])
        remote = json.loads(call(capsys, "predict", "--json", "memory://bucket/in/0003.png")[1])
        assert {**local, "file": "", "path": ""} == {**remote, "file": "", "path": ""}
        assert call(capsys, "predict", images, "--output", "nonsense://bucket")[0] == 1
    finally:
        memory.store.clear()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a", "--resume"], "--resume goes with --output"),
        (["a", "--shard", "1/2"], "--shard goes with --output"),
        (["a", "--part-rows", "3"], "--part-rows goes with --output"),
        (["a", "--engine", "ray"], "--engine ray goes with --output"),
        (["a", "--output", "o", "--workers", "2"], "go with --engine ray"),
        (["a", "--output", "o", "--csv"], "--csv prints a table"),
        (["a", "--output", "o", "--shard", "3/2"], "--shard takes I/N"),
    ],
)
@pytest.mark.usefixtures("use_tiny_models")
def test_options_that_mean_nothing(
    words: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = call(capsys, "predict", *words)
    assert (status, out) == (2, "")
    assert expected in err
    assert not (tmp_path / "o").exists()


@pytest.mark.usefixtures("use_tiny_models")
def test_no_image_at_all_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "list").touch()
    for words in (
        ["--files-from", "list"],
        ["--files-from", "list", "--output", "o"],
        ["empty", "--output", "p"],
    ):
        status, _, err = call(capsys, "predict", *words)
        assert status == 1
        assert "There is no image in what was named" in err
    assert call(capsys, "predict", "empty", "--output", "q", "--shard", "1/2")[0] == 0, "others may have some"
    status, _, err = call(capsys, "predict", "--files-from", "none")
    assert (status, "The list none cannot be read" in err) == (1, True)


def test_predict_needs_a_path(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict"])
    assert caught.value.code == 2
    assert "PATH, or --files-from FILE" in capsys.readouterr().err


def test_ray_that_is_not_installed(
    use_tiny_models: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    status, _, err = call(capsys, "predict", images, "--output", tmp_path / "out", "--engine", "ray")
    assert (status, "pip install 'ray" in err) == (1, True)


def test_evaluate_goes_on_where_it_was(
    use_tiny_models: Path,
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    data = shutil.copytree(tiny_dataset / "Test", tmp_path / "data")
    (data / "Fake" / "broken.png").write_bytes(b"broken")
    words = ["evaluate", data, "--model", "tiny"]
    status, plain, _ = call(capsys, *words, "--json", "-", "--scores", tmp_path / "plain.csv")
    assert status == 0
    out = ["--output", tmp_path / "out", "--resume", "--json", "-", "--scores", tmp_path / "kept.csv"]
    for _ in range(2):
        status, kept, err = call(capsys, *words, *out)
        assert (status, json.loads(kept)) == (0, json.loads(plain))
        assert err.startswith("left out Fake/broken.png: ")
        assert (tmp_path / "kept.csv").read_bytes() == (tmp_path / "plain.csv").read_bytes()
    rows = rows_in(tmp_path / "out")
    assert len(rows) == 33
    assert len(list((tmp_path / "out").glob("part-*"))) == 1, "the second time nothing was scored"
    status, _, err = call(capsys, *words, *out, "--perturbed")
    assert (status, "perturbed False there, True here" in err) == (1, True)
    status, _, err = call(capsys, "predict", data, "--output", tmp_path / "out", "--resume")
    assert (status, "task evaluate there, predict here" in err) == (1, True)


def command(models: Path, *words: object) -> tuple[list[str], dict[str, str]]:
    environment = {**os.environ, "DEEPFAKE_MODELS": str(models)}
    return [sys.executable, "-m", "deepfake", *map(str, words)], environment


def test_told_to_end_it_writes_what_it_has(tiny_models: Path, tmp_path: Path) -> None:
    """As schedulers do before they kill."""
    images, out = image_folder(tmp_path / "in", 600), tmp_path / "out"
    words, environment = command(tiny_models, "predict", images, "--output", out, "--part-rows", 64)
    process = subprocess.Popen(words, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    _wait_for(lambda: any(out.glob("part-*")), process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err.splitlines()[-1]) == (130, "Stopped.")
    assert "Traceback" not in err
    assert 64 <= len(rows_in(out)) < 600


def _wait_for(true: object, process: subprocess.Popen[str], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "each"), [("predict", 150), ("evaluate", 700)])
def test_killed_with_9_again_and_again_the_result_is_that_of_one_run(
    task: str, each: int, tiny_models: Path, tmp_path: Path
) -> None:
    """``evaluate`` finds no faces, so it needs more images to be caught at work."""
    images = image_folder(tmp_path / "in" / "Fake", each)
    image_folder(tmp_path / "in" / "Real", each, side=44)
    (images / "broken.png").write_bytes(b"broken")
    rng, out = random.Random(0), tmp_path / "out"
    words, environment = command(
        tiny_models, task, tmp_path / "in", "--output", out, "--resume", "--part-rows", 8
    )
    kills = 0
    while kills < 3:
        seen = len(list(out.glob("part-*")))
        process = subprocess.Popen(
            words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        _wait_for(lambda seen=seen: len(list(out.glob("part-*"))) > seen, process)
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        kills += process.returncode == -signal.SIGKILL
        names = [row["file"] for row in rows_in(out)]
        assert len(names) == len(set(names))
        assert not list(out.glob("finished-*"))
    subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=300)
    words[words.index(str(out))] = str(tmp_path / "once")
    subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=300)
    assert rows_in(out) == rows_in(tmp_path / "once")
    assert len(rows_in(out)) == 2 * each + 1


def test_noise_and_names_for_terminals(use_tiny_models: Path, tmp_path: Path, capsys: Capture) -> None:
    """A folder's name cannot steer the terminal."""
    folder = tmp_path / "a\x1b[31mb"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded(noise_image(1)))
    status, out, err = call(capsys, "predict", folder, "--output", folder / "out")
    assert (status, err) == (0, "")
    assert "\x1b" not in out
