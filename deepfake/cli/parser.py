"""All commands and their options."""

from __future__ import annotations

import argparse
import re
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
