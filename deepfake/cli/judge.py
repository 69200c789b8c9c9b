"""The command ``python -m deepfake predict``: photographs, folders and zip archives of them."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import EMPTY_PATH, add_verdict_options, operating_point, printable
from deepfake.detection.text import Outcome, crowd_line, headline, stress_line, write_outcomes_csv
from deepfake.errors import UserError

if TYPE_CHECKING:
    from deepfake.detection.batch import Judged


def add_predict(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    predict = commands.add_parser("predict", help="judge photographs; folders and zip archives are walked")
    predict.add_argument("paths", nargs="+", metavar="PATH")
    form = predict.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line")
    form.add_argument("--csv", action="store_true", help="a CSV table, a row a file")
    add_verdict_options(predict)
    predict.add_argument(
        "--stress",
        action="store_true",
        help="also score each face compressed, resized and so on; what does not survive is uncertain",
    )
    predict.set_defaults(command=run_predict)


def run_predict(options: argparse.Namespace) -> int:
    """Judge every file, each printed as it comes; returns 1 where one was refused, else 0.

    Raises:
        UserError: there is no such detector, or it is damaged.
    """
    refused = 0

    def counted() -> Iterator[Judged]:
        nonlocal refused
        for row in _judged(options):
            refused += row.problem is not None
            yield row

    if options.csv:
        write_outcomes_csv((_outcome(row) for row in counted()), sys.stdout)
    else:
        for row in counted():
            (_print_json if options.json else _print_words)(row)
    return 1 if refused else 0


def _judged(options: argparse.Namespace) -> Iterator[Judged]:
    """Every file with its verdict or the reason why there is none; an empty folder counts as a file."""
    from deepfake.detection.batch import Judged, judge_source, sources_below
    from deepfake.detection.detector import get_detector

    detector = get_detector(options.model)
    point = operating_point(options)
    for given in options.paths:
        if not given:  # Path("") is the folder one stands in
            yield Judged(given, problem=UserError("no_path", EMPTY_PATH))
            continue
        for source in sources_below(Path(given)):
            yield judge_source(detector, source, point, stress=options.stress)


def _outcome(row: Judged) -> Outcome:
    name = os.fsencode(row.name).decode(errors="replace")  # names on Linux are bytes, not always text
    return replace(row.outcome(), file=name)


def _print_json(row: Judged) -> None:
    print(json.dumps(row.to_dict()), flush=True)


def _print_words(row: Judged) -> None:
    name = printable(row.name)
    if row.verdict is None:
        print(
            f"refused    {name or '(no path)'}: {row.problem.message if row.problem else ''}", file=sys.stderr
        )
        return
    verdict = row.verdict
    faces = f"{len(verdict.faces)} face{'s' * (len(verdict.faces) != 1)}"
    crowd = crowd_line(verdict) if len(verdict.deciding) > 1 else ""
    rests = headline(verdict) if verdict.basis == "whole" else ""
    said = " ".join(filter(None, [*verdict.warnings, crowd, rests, stress_line(verdict)]))
    notes = f"  ({said})" if said else ""
    number = "  -  " if verdict.p_fake is None else f"{verdict.p_fake:.3f}"
    print(f"{verdict.verdict:9}  p_fake {number}  {faces:8}  {name}{notes}", flush=True)
