"""Where a command may write is said before it works."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deepfake.cli import main
from deepfake.cli.options import output_path
from deepfake.errors import UserError
from deepfake.util.text import printable


def test_a_file_that_can_be_written_passes(tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("old", encoding="utf-8")
    for path in (there, tmp_path / "new.json", Path(os.devnull)):
        assert output_path(str(path)) == output_path(path) == path
    assert output_path("-") == Path("-")
    assert there.read_text(encoding="utf-8") == "old"
    assert not (tmp_path / "new.json").exists()


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "no_file", "is empty"),
        (".", "no_file", "is empty"),
        ("{}", "not_written", "it is a folder"),
        ("{}/none/x.json", "no_folder", "There is no folder"),
        ("{}/file/x.json", "no_folder", "There is no folder"),
        ("{}/" + 300 * "a", "not_written", "too long"),
        ("{}/a\0b", "not_written", "null character"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, text: str, code: str, words: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=words) as caught:
        output_path(text.format(tmp_path))
    assert caught.value.code == code
    assert caught.value.message.isprintable()


def test_a_closed_folder_or_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(UserError, match="this user may not"):
        output_path(tmp_path / "x.json")


def test_names_do_not_steer_the_terminal() -> None:
    assert printable("a\x1b[2Jb\udce4\n") == "a?[2Jb??"


@pytest.mark.parametrize(("flag", "more"), [("--csv", "> FILE"), ("--json", "> FILE"), ("--stress", "")])
def test_a_switch_that_is_given_a_value_says_so(
    flag: str, more: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", f"{flag}={tmp_path}", "a.png"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"deepfake: {flag} takes no value. Received: '{tmp_path}'.")
    assert more in said
    assert "usage" not in said
