"""Options that several commands share."""

from __future__ import annotations

import argparse

from deepfake.registry import OperatingPoint


def add_verdict_options(parser: argparse.ArgumentParser) -> None:
    """Which detector judges, and how strictly."""
    parser.add_argument("--model", metavar="NAME", help="the detector (default: the default one)")
    parser.add_argument(
        "--few-false-alarms", action="store_true", help="call fewer real faces fake, miss more fakes"
    )


def operating_point(options: argparse.Namespace) -> OperatingPoint:
    """The threshold that ``--few-false-alarms`` asks for."""
    return "few_false_alarms" if options.few_false_alarms else "balanced"
