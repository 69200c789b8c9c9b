"""The command line: ``python -m deepfake COMMAND``.

Nothing slow is imported up here: Ctrl-C while the modules load is met in ``main`` too.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from deepfake.errors import UserError
from deepfake.util.interrupts import was_interrupted
from deepfake.util.text import printable

_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)
_WRONG_PATH = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)

_WRONG_USAGE = frozenset({"bad_option", "bad_shard", "no_value"})
"""Codes of command lines that make no sense, whatever lies on the disk."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (0 good, 1 something was refused, 2 wrong usage)."""
    try:
        from deepfake.cli.parser import command_parser

        _write_any_letter()
        options = command_parser().parse_args(arguments)
        return options.command(options)
    except UserError as error:
        print(f"deepfake: {printable(error.message)}", file=sys.stderr)
        return 2 if error.code in _WRONG_USAGE else 1
    except (KeyboardInterrupt, ImportError) as error:
        if not was_interrupted(error):
            raise
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, `head` say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (*_NOT_WRITTEN, *_WRONG_PATH):
            raise
        where = f": {printable(str(error.filename))}" if error.filename else ""
        wrong = _what_is_wrong(error)
        print(f"deepfake: {wrong} ({error.strerror}{where}).", file=sys.stderr)
        return 1


def _what_is_wrong(error: OSError) -> str:
    if error.errno in _WRONG_PATH:
        return "A path is wrong"
    if error.errno in (errno.EACCES, errno.EPERM) and isinstance(error.filename, (str, bytes)):
        if os.path.lexists(error.filename) and not os.access(error.filename, os.R_OK):
            return "This cannot be read"
        if not os.path.lexists(error.filename) and not os.access(
            Path(os.fsdecode(error.filename)).parent, os.X_OK
        ):
            return "This cannot be opened"
    return "What came of it cannot be written"


def _write_any_letter() -> None:
    """Letters that the terminal's encoding lacks (cp1252, ascii) are written as codes: ``\\u0142``."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
