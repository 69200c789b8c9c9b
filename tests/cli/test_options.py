"""Where a command may write is said before it works."""

from __future__ import annotations

import argparse
import errno
import os
from pathlib import Path

import pytest

from deepfake.cli import main
from deepfake.cli.options import output_path, plain_text
from deepfake.cli.parser import command_parser
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
    assert main(["predict", f"{flag}={tmp_path}", "a.png"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"deepfake: {flag} takes no value. Received: '{tmp_path}'.")
    assert more in said
    assert "usage" not in said


@pytest.mark.parametrize("text", ["", " ", "k\udcff", "two\nlines", "\x1b[2J"])
def test_a_title_that_cannot_be_shown_is_refused_before_the_work(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["evaluate", "--keep"], ["evaluate", "--record"], ["index", "--title"]):
        assert main([words[0], str(tmp_path), words[1], text]) == 1
        assert ("title is empty" if not text.strip() else "cannot be shown") in capsys.readouterr().err
    if text.strip():
        with pytest.raises(UserError) as caught:
            plain_text(text)
        assert caught.value.message.isprintable()


def test_a_number_that_is_none_is_named_with_what_is_expected(capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "whole number": [["serve", "--port"], ["train", "d", "--run", "a", "--epochs"]],
        "number": [["train", "d", "--run", "a", "--learning-rate"]],
    }
    for expected, commands in given.items():
        for words in commands:
            with pytest.raises(SystemExit):
                main([*words, "abc"])
            assert f"must be a {expected}, received abc" in capsys.readouterr().err


def test_what_cannot_be_read_is_not_called_unwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.csv"
    file.touch()

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    monkeypatch.setattr("deepfake.cli.evaluate._read", refuse)
    words = ["compare", str(file), str(tmp_path / "b.csv")]
    for may, expected in ((False, "This cannot be read"), (True, "What came of it cannot be written")):
        monkeypatch.setattr(os, "access", lambda *_, may=may: may)
        assert main(words) == 1
        assert expected in capsys.readouterr().err


def test_every_option_is_told_in_one_style() -> None:
    commands = next(a for a in command_parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        for action in command._actions:
            assert action.help, (name, action)
            assert not action.help.endswith("."), (name, action)
            assert action.help[0].islower() or action.help.startswith("Train, "), (name, action)
