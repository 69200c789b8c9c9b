"""``python -m deepfake combine``: several detectors in one."""

from __future__ import annotations

import argparse
from typing import Any

from deepfake.cli.options import input_path


def add_combine(commands: Any) -> None:
    """Adds the command to the parser's."""
    combine = commands.add_parser(
        "combine", help="make a run whose network gives the mean of detectors' logits, to be published"
    )
    combine.add_argument("names", nargs="+", metavar="DETECTOR", help="two or more, with the same input")
    combine.add_argument(
        "--run", required=True, type=input_path, metavar="FOLDER", help="the run's folder, made new"
    )
    combine.add_argument(
        "--weights", nargs="+", type=float, metavar="WEIGHT",
        help="how much each detector counts in the mean, in their order (default: all alike)",
    )  # fmt: skip
    combine.add_argument(
        "--average",
        action="store_true",
        help="average the weights of detectors trained on from one another instead: as fast as one",
    )
    combine.add_argument(
        "--half",
        action="store_true",
        help="store the weights in 16 bits: half the file, logits a few hundredths off",
    )
    combine.set_defaults(command=_combine)


def _combine(options: argparse.Namespace) -> int:
    from deepfake.training.combine import combine

    combine(options.names, options.run, options.weights, average=options.average, half=options.half)
    print(f"{options.run}: publish it with python -m deepfake publish {options.run} NAME --data DATA")
    return 0
