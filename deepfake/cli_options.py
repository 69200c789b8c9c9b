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


def positive(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {text}")
    return value


def positive_number(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, received {text}")
    return value


def address(text: str) -> tuple[str, int]:
    """HOST:PORT."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, received {text}")
    return host, int(port)


def image_size(text: str) -> int:
    """A side in pixels, 32 to 512."""
    value = int(text)
    if not 32 <= value <= 512:
        raise argparse.ArgumentTypeError(f"must be from 32 to 512, received {text}")
    return value


def share(text: str) -> float:
    """0 to 1, or none, which -1 stands for."""
    value = -1.0 if text == "none" else float(text)
    if text != "none" and not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1 or none, received {text}")
    return value


def say(line: str) -> None:
    """Prints a line at once."""
    print(line, flush=True)
