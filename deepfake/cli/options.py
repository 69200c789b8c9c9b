"""Options that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from deepfake.errors import UserError
from deepfake.types import OperatingPoint
from deepfake.util.files import write_json
from deepfake.util.text import printable


def add_verdict_options(parser: argparse.ArgumentParser) -> None:
    """Which detector judges, and how strictly."""
    add_detector_options(parser)
    parser.add_argument(
        "--few-false-alarms", action="store_true", help="call fewer real faces fake, but miss more fakes"
    )


def add_detector_options(parser: argparse.ArgumentParser) -> None:
    """Which detector judges."""
    parser.add_argument("--model", metavar="NAME", help="the detector (default: the default one)")
    parser.add_argument(
        "--fast", action="store_true",
        help="use only the first network of a detector that has two: about seven times as fast on face "
        "crops, 1.6 times on photos, whose faces must be found",
    )  # fmt: skip


def detector_name(options: argparse.Namespace) -> str | None:
    """The detector that ``--model`` and ``--fast`` ask for; None for the default one.

    Raises:
        ModelError: there is no such detector.
    """
    from deepfake.detection.card import quick_name

    return quick_name(options.model) if options.fast else options.model


def operating_point(options: argparse.Namespace) -> OperatingPoint:
    """The threshold that ``--few-false-alarms`` asks for."""
    return "few_false_alarms" if options.few_false_alarms else "balanced"


_CLOSED = "this user may not, or the disk is read-only"
EMPTY_PATH = "The path is empty. Give the path of a file or folder; a single dot is the current folder."


def input_path(text: str) -> Path:
    """A file or folder to read, as an argparse type: ``""`` is not the folder one stands in.

    Raises:
        UserError: ``no_path``.
    """
    if not text:
        raise UserError("no_path", EMPTY_PATH)
    return Path(text)


def output_path(text: str | Path) -> Path:
    """Where a command is to write a file, checked before the work begins: an argparse type, or a check.

    Nothing is written yet. A lone ``-`` stands for the terminal and is passed through.

    Args:
        text: as typed.

    Returns:
        The path: of a file that can be replaced, or of one that can be made.

    Raises:
        UserError: ``no_file`` for an empty name, ``no_folder`` where the folder is missing, ``not_written``
            where the path is a folder, cannot be a path, or is closed to this user.
    """
    path = Path(text)
    if not str(text).strip() or str(path) == ".":
        raise UserError("no_file", "The name of the file to write is empty. Give a file's name.")
    if str(path) == "-":
        return path
    why = _why_not_written(path)
    if why == "no_folder":
        folder, name = printable(str(path.parent)), printable(path.name)
        raise UserError("no_folder", f"There is no folder {folder} to write {name} into.")
    if why:
        raise UserError("not_written", f"{printable(str(path))} cannot be written: {why}. Give another file.")
    return path


def plain_text(text: str) -> str:
    """Words that are kept and shown, such as those of a card, as an argparse type.

    Raises:
        UserError: ``bad_text``: a byte that is no letter, a line break.
    """
    if not text.isprintable():
        raise UserError(
            "bad_text",
            f"'{printable(text[:80])}' cannot be kept: it has a character that cannot be shown. Use letters, "
            "digits and signs in one line.",
        )
    return text


def card_title(text: str) -> str:
    """A title of results or of a dataset, as an argparse type.

    Raises:
        UserError: ``bad_text``, or ``no_title``.
    """
    if not text.strip():
        raise UserError("no_title", "The title is empty. Give one, such as the name of the dataset.")
    return plain_text(text)


@contextlib.contextmanager
def writing(file: Path) -> Iterator[None]:
    """Around what writes a file of a command.

    Raises:
        UserError: code ``not_written``: the system refused after all.
    """
    try:
        yield
    except OSError as error:
        text = f"{printable(str(file))} cannot be written: {error.strerror}."
        raise UserError("not_written", text) from error


def give_result(value: Any, words: str, file: Path | None, *, indent: int = 2) -> None:
    """Prints what a command found in words, and writes it as JSON where that is asked for.

    It is shown before it is written: what can still go wrong then costs a file, not the work.

    Args:
        value: for JSON.
        words: for a person.
        file: of ``--json``; ``-``: JSON is printed in place of the words.
        indent: of the JSON.
    """
    text = json.dumps(value, indent=indent)
    to_terminal = str(file) == "-"
    print(text if to_terminal else words, flush=True)
    if file and not to_terminal:
        with writing(file):
            file.write_text(text + "\n", encoding="utf-8")


def output_folder(path: Path) -> Path:
    """A folder that a command is to fill, there already or still to be made, checked before the work begins.

    Raises:
        UserError: code ``not_written``: it is a file, cannot be a path, or is closed to this user.
    """
    why = ""
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.lstat()  # too long a name is an error here, and no more than a missing file below
        there = next(
            folder for folder in (path.absolute(), *path.absolute().parents) if os.path.lexists(folder)
        )
        if not there.is_dir():
            why = f"{printable(str(there))} is no folder"
        elif not os.access(there, os.W_OK | os.X_OK):
            why = f"this user may not write into {printable(str(there))}, or the disk is read-only"
    except UnicodeEncodeError:
        why = "this system's file names cannot hold one of its letters"
    except (OSError, ValueError) as error:  # too long a name, a circle of links, a null character
        why = getattr(error, "strerror", None) or str(error)
    if why:
        raise UserError(
            "not_written", f"{printable(str(path))} cannot be written: {why}. Give another folder."
        )
    return path


def _why_not_written(path: Path) -> str:
    """Empty where nothing speaks against it; ``no_folder`` where its folder is missing."""
    try:
        if b"\0" in os.fsencode(path):
            return "no file's name may hold a null character"
        if path.is_dir():
            return "it is a folder"
        if not path.parent.is_dir():
            return "no_folder"
        may = os.access(path if path.exists() else path.parent, os.W_OK)
        return "" if may else _CLOSED
    except UnicodeEncodeError:
        return "this system's file names cannot hold one of its letters"
    except OSError as error:  # too long a name, a circle of links, a folder closed to this user
        return error.strerror or "the system refuses it"


def whole_number(text: str) -> int:
    """A whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, received {text}") from None


def any_number(text: str) -> float:
    """A number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, received {text}") from None


def positive(text: str) -> int:
    """A whole number of at least 1."""
    value = whole_number(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {text}")
    return value


def positive_number(text: str) -> float:
    """A number above 0."""
    value = any_number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, received {text}")
    return value


def image_size(text: str) -> int:
    """A side in pixels, 32 to 512."""
    value = whole_number(text)
    if not 32 <= value <= 512:
        raise argparse.ArgumentTypeError(f"must be from 32 to 512, received {text}")
    return value


def share(text: str) -> float:
    """0 to 1, or none, which -1 stands for."""
    value = -1.0 if text == "none" else any_number(text)
    if text != "none" and not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1 or none, received {text}")
    return value


def say(line: str) -> None:
    """Prints a line at once."""
    print(line, flush=True)


def progress(unit: str, total: int = 0, *, every: int = 0, file: Path | None = None) -> Callable[..., None]:
    """Takes (done) or (done, total) and tells it: into a file, else on standard error.

    Args:
        unit: what is counted, in the plural.
        total: of all; 0 where it is not known or comes along.
        every: in a log a line comes each so many; 0: this is for a terminal only.
        file: to keep ``{"done": ..., "total": ...}`` in instead.
    """
    terminal = sys.stderr.isatty()

    def tell(done: int, total: int = total) -> None:
        line = f"{done:,} of {total:,} {unit}" if total else f"{done:,} {unit}"
        if file is not None:
            write_json(file, {"done": done, "total": total})
        elif terminal:
            print(f"\r{line}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif every and done % every == 0:
            print(line, file=sys.stderr, flush=True)

    if file is not None:
        tell(0)
    return tell
