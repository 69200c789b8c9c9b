"""``deepfake verify``: whether a receipt holds for a file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import EMPTY_PATH
from deepfake.errors import UserError
from deepfake.util.text import printable

if TYPE_CHECKING:
    from deepfake.report.verification import Verification

AGREES, DIFFERS, NOT_CHECKED = 0, 1, 2


def add_verify(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "verify",
        help="check an image again and compare with a receipt: exit status 0 where it agrees, 1 where it "
        "does not, 2 where it cannot be checked",
    )
    parser.add_argument("receipt", metavar="RECEIPT", help="the JSON file that 'report' wrote")
    parser.add_argument("image", metavar="FILE", help="the image that it is about")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(command=run_verify)


def run_verify(options: argparse.Namespace) -> int:
    """Print what agrees and what does not; returns 0, 1 or 2 as ``add_verify`` says."""
    try:
        found = _verified(options.receipt, options.image)
    except UserError as error:
        if options.json:
            fields = {"agrees": None, "error": {"code": error.code, "message": error.message}}
            print(json.dumps(fields), flush=True)
        else:
            print(f"deepfake: cannot be checked: {printable(error.message)}", file=sys.stderr)
        return NOT_CHECKED
    if options.json:
        print(json.dumps(found.to_dict()), flush=True)
    else:
        _print_words(options.image, found)
    return NOT_CHECKED if found.agrees is None else AGREES if found.agrees else DIFFERS


def _verified(receipt: str, image: str) -> Verification:
    if not receipt or not image:
        raise UserError("no_path", EMPTY_PATH)
    from deepfake.images.load import read_file
    from deepfake.report.receipt import read_receipt_file
    from deepfake.report.verification import verify

    read = read_receipt_file(Path(receipt))
    return verify(read, read_file(Path(image)))


def _print_words(image: str, verification: Verification) -> None:
    answer = {True: "agrees", False: "does not agree", None: "cannot be checked"}
    print(f"{answer[verification.agrees]}: {printable(image)}")
    words = {True: "agrees", False: "differs", None: "not checked"}
    for part in verification.parts:
        print(f"  {part.part:10}  {words[part.agrees]:11}  {printable(part.finding)}")
    for note in verification.notes:
        print(f"  not counted: {printable(note)}")
    sys.stdout.flush()
