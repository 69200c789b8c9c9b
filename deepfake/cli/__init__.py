"""The command line: ``python -m deepfake COMMAND``."""

from __future__ import annotations

import argparse
import errno
import io
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from deepfake import __version__
from deepfake.cli.data import add_collect, add_data, add_gather
from deepfake.cli.evaluate import add_compare, add_evaluate, add_robustness
from deepfake.cli.facts import add_facts
from deepfake.cli.features import add_features
from deepfake.cli.judge import add_index, add_predict, add_report, add_video
from deepfake.cli.rules import add_kinds, add_rules
from deepfake.cli.serve import add_serve
from deepfake.cli.stack import add_pair, add_stack
from deepfake.cli.train import add_convert, add_export, add_publish, add_train
from deepfake.cli.verify import add_verify
from deepfake.errors import UserError
from deepfake.util.text import printable

_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
_WRONG_PATH = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (0 good, 1 something was refused, 2 wrong usage)."""
    _write_any_letter()
    try:
        options = command_parser().parse_args(arguments)
        return options.command(options)
    except UserError as error:
        print(f"deepfake: {printable(error.message)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, `head` say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (*_NOT_WRITTEN, *_WRONG_PATH):
            raise
        where = f": {printable(str(error.filename))}" if error.filename else ""
        wrong = "What came of it cannot be written" if error.errno in _NOT_WRITTEN else "A path is wrong"
        print(f"deepfake: {wrong} ({error.strerror}{where}).", file=sys.stderr)
        return 1


def _write_any_letter() -> None:
    """Letters that the terminal's encoding lacks (cp1252, ascii) are written as codes: ``\\u0142``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class Parser(argparse.ArgumentParser):
    """Says in a sentence of ours that a switch takes no value."""

    def error(self, message: str) -> NoReturn:
        """Raises UserError for that; all else is argparse's, and ends the program."""
        found = re.fullmatch(r"argument (\S+): ignored explicit argument (.+)", message)
        if found is None:
            super().error(message)
        flag, value = found.groups()
        hint = " What it prints goes into a file with '> FILE'." if flag in ("--csv", "--json") else ""
        raise UserError("no_value", f"{flag} takes no value. Received: {value}.{hint}")


def command_parser() -> argparse.ArgumentParser:
    """Of all commands."""
    parser = Parser(prog="python -m deepfake", description="Tell photos of real faces from deepfakes.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_collect(commands)
    add_gather(commands)
    add_train(commands)
    add_features(commands)
    add_stack(commands)
    add_pair(commands)
    add_publish(commands)
    add_convert(commands)
    add_export(commands)
    add_evaluate(commands)
    add_facts(commands)
    add_compare(commands)
    add_robustness(commands)
    add_data(commands)
    add_index(commands)
    add_rules(commands)
    add_kinds(commands)
    add_predict(commands)
    add_video(commands)
    add_report(commands)
    add_verify(commands)
    add_serve(commands)
    return parser
