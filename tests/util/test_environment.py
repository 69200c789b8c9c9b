"""What the environment may lack: letters, a home folder, a path. Each is a sentence, and the rest goes on."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepfake.cli import main
from deepfake.cli.options import output_folder
from deepfake.data.sets import make_demo
from deepfake.detection import card, feedback
from deepfake.detection.batch import sources_below
from deepfake.errors import UserError
from deepfake.faces.finder import FaceScan
from deepfake.images.thumbnails import thumbnail
from deepfake.runs import runs
from deepfake.settings import DataRootError, allowed_roots, own_sets_folder, resolve_in_roots
from deepfake.util.cache import cache_folder, changed
from tests.support.images import encoded, noise_image

pwd = pytest.importorskip("pwd")


@pytest.fixture(autouse=True)
def detector(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepfake.detection.detector.find_faces", lambda pixels: FaceScan((), "no_face"))


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `docker run --user 12345`: a user whom nobody knows, without HOME."""

    def unknown(*_: Any) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "DEEPFAKE_CACHE", "USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Runs a command on a terminal of a certain encoding."""

    def run(encoding: str, *words: object) -> tuple[int, str, str]:
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="\n") for _ in range(2)]
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", streams[0])
            patch.setattr(sys, "stderr", streams[1])
            status = main([str(word) for word in words])
        for stream in streams:
            stream.flush()
        out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams)  # pyright: ignore
        return status, out, err

    return run


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize("form", ["", "--json", "--csv"])
def test_letters_that_a_terminal_lacks_do_not_end_a_batch(
    encoding: str, form: str, tmp_path: Path, terminal: Any
) -> None:
    for name in ("a.png", "b Łódź 東京.png", "c.png"):
        (tmp_path / name).write_bytes(encoded(noise_image(1)))
    (tmp_path / os.fsdecode(b"d caf\xe9.png")).symlink_to(tmp_path / "a.png")  # no valid Unicode at all
    status, out, err = terminal(encoding, "predict", *filter(None, [form]), tmp_path, tmp_path / "gone ł.png")
    assert status == 1
    assert out.count(".png") >= 4
    assert "c.png" in out
    if form == "--json":
        assert json.loads(out.splitlines()[1])["path"] == str(tmp_path / "b Łódź 東京.png")
    else:
        assert ("b Łódź 東京" if encoding == "utf-8" else "\\u0141") in out
        assert "gone" in (out if form else err)


def test_an_empty_path_is_refused_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("below.png", "given.png"):
        Path(name).write_bytes(encoded(noise_image(1)))
    for command in ("predict", "video"):
        assert main([command, "--json", "", "given.png"]) == 1
        first, second = map(json.loads, capsys.readouterr().out.splitlines())
        assert (first["path"], first["error"]["code"]) == ("", "no_path")
        assert second["path"] == "given.png"
    assert main(["predict", ""]) == 1
    assert "The path is empty" in capsys.readouterr().err
    for words in (
        ["robustness", ""],
        ["train", "", "--run", "x"],
        ["report", "", "--html", "x"],
        ["index", ""],
    ):
        assert main(words) == 1
        assert "The path is empty" in capsys.readouterr().err


def test_a_path_that_cannot_be_looked_at_is_one_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(encoded(noise_image(1)))
    long = tmp_path / ("a" * 300)
    assert main(["predict", "--json", str(long), str(long / "b.png"), str(tmp_path / "a.png")]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row.get("error", {}).get("code") for row in rows] == ["not_found", "not_found", None]

    scandir = os.scandir

    def closed(path: str) -> Any:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "scandir", closed)
    found = [(Path(s.name).name, s.refusal.code if s.refusal else "") for s in sources_below(tmp_path)]
    assert found == [("closed", "unreadable"), ("a.png", "")]

    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr(Path, "stat", denied)
    (source,) = sources_below(tmp_path / "a.png")
    assert source.content == tmp_path / "a.png"


def test_without_a_home_nothing_is_kept_and_all_else_works(
    homeless: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError):
        Path.home()
    with pytest.raises(OSError, match="no home folder, and DEEPFAKE_CACHE names none"):
        cache_folder()
    assert changed("audits", "x") == 0
    picture = tmp_path / "a.png"
    picture.write_bytes(encoded(noise_image(1)))
    assert thumbnail(picture)
    assert main(["predict", str(picture)]) == 0
    monkeypatch.setenv("DEEPFAKE_DATA", f"~/nowhere{os.pathsep}~nobody/x{os.pathsep}{tmp_path}")
    assert allowed_roots() == [tmp_path]
    assert resolve_in_roots("a.png") == picture
    with pytest.raises(DataRootError):
        resolve_in_roots("~/a.png")
    for make in (own_sets_folder, make_demo):
        with pytest.raises(DataRootError, match="DEEPFAKE_CACHE set to a folder") as caught:
            make()
        assert caught.value.code == "no_cache_folder"


def test_folders_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    readers: dict[str, Callable[[], Path | None]] = {
        "DEEPFAKE_MODELS": card.models_folder,
        "DEEPFAKE_RUNS": runs.runs_folder,
        "DEEPFAKE_FEEDBACK": feedback.feedback_folder,
        "DEEPFAKE_CACHE": cache_folder,
    }
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    for name, read in readers.items():
        monkeypatch.delenv(name, raising=False)
        usual = read()
        for value, folder in (("~/own", tmp_path / "own"), (" ", usual), ("", usual), ("own", Path("own"))):
            if name != "DEEPFAKE_CACHE" or value != "own":
                monkeypatch.setenv(name, value)
                assert read() == folder, (name, value)


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "a.csv", "b.csv", "--json", "{}"],
        ["robustness", "data", "--json", "{}"],
        ["report", "a.png", "--html", "{}"],
        ["report", "a.png", "--pdf", "{}/none/x.pdf"],
        ["report", "a.png", "--html", ""],
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(*_: Any, **__: Any) -> None:
        raise AssertionError("the work began")

    for name in (
        *("detection.detector.get_detector", "images.load.load_image"),
        *("data.index.index_dataset", "evaluation.compare.compare"),
    ):
        monkeypatch.setattr(f"deepfake.{name}", work)
    assert main([word.format(tmp_path) for word in words]) == 1
    assert capsys.readouterr().err.startswith(
        ("deepfake: There is no folder", "deepfake: /", "deepfake: The n")
    )


def test_a_report_never_takes_the_images_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(encoded(noise_image(1)))
    (tmp_path / "link.html").symlink_to(picture)
    before = picture.read_bytes()
    for words in (["--html", picture], ["--pdf", tmp_path / "link.html"]):
        assert main(["report", str(picture), *map(str, words)]) == 1
        assert "is the image itself" in capsys.readouterr().err
    same = str(tmp_path / "x")
    assert main(["report", str(picture), "--html", same, "--pdf", same]) == 2
    assert main(["report", str(picture), "--html", "-"]) == 2
    assert picture.read_bytes() == before


def test_a_folder_that_cannot_be_written_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    output_folder(tmp_path / "new" / "deeper")
    assert not (tmp_path / "new").exists()
    for folder in (tmp_path / "file", tmp_path / "file" / "x", tmp_path / ("a" * 300)):
        with pytest.raises(UserError, match="cannot be written: "):
            output_folder(folder)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match="this user may not"):
        output_folder(tmp_path)
