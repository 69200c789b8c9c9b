"""``python -m deepfake collect``: fetch the public collections that a plan is made of."""

from __future__ import annotations

import argparse
from typing import Any

from deepfake.cli.options import input_path, output_folder, say


def add_collect(commands: Any) -> None:
    """Adds the command to the parser's."""
    collect = commands.add_parser(
        "collect", help="download the collections that a plan names, at their commits, for 'gather'"
    )
    collect.add_argument(
        "plan", type=input_path, help="a TOML file of [[collection]] tables, such as models/faces.toml"
    )
    collect.add_argument(
        "collections",
        type=input_path,
        help="destination folder; collections already there are not downloaded again",
    )
    collect.add_argument(
        "--mirror", type=input_path, metavar="FOLDER",
        help="read git directories in here, each named OWNER+NAME, and fetch only what it lacks",
    )  # fmt: skip
    collect.set_defaults(command=_collect)


def _collect(options: argparse.Namespace) -> int:
    from deepfake.data.collections import collect, read_collections

    output_folder(options.collections)  # said now, not after the work
    collections = read_collections(options.plan)
    new = collect(collections, options.collections, mirror=options.mirror, say=say)
    say(f"{options.collections}: {len(collections)} collections, {new} of them new")
    return 0
