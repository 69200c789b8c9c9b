"""The command ``python -m deepfake kinds``: fits what kind of fake an image is most like, into a card."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from deepfake.cli.features import add_weights
from deepfake.cli.options import input_path, output_path, say
from deepfake.errors import UserError


def add_kinds(commands: Any) -> None:
    """Adds the command to the parser's."""
    kinds = commands.add_parser(
        "kinds", help="fit the kind of fake on kept features, measure it, and write both beside the card"
    )
    kinds.add_argument("data", type=input_path, help="the dataset's folder, with generators in its manifest")
    kinds.add_argument("features", type=input_path, help="the folder that 'features' wrote")
    kinds.add_argument(
        "--model", metavar="NAME", help="a detector with a second network (default: the default detector)"
    )
    add_weights(kinds)
    kinds.set_defaults(command=_kinds)


def _kinds(options: argparse.Namespace) -> int:
    import hashlib

    from deepfake.data.index import index_dataset
    from deepfake.detection.card import load_card
    from deepfake.detection.kinds import KINDS_FILE, kinds_bytes
    from deepfake.training.frozen.features import feature_key, open_features
    from deepfake.training.frozen.kinds import KindsError, fit_kinds, read_samples
    from deepfake.util.files import write_json, write_whole

    card = load_card(options.model)
    result = (card.contents.get("second_network") or {}).get("result") or {}
    head, features = result.get("head"), result.get("features")
    if card.second is None or head is None or features is None:
        raise UserError(
            "no_second",
            f"The detector '{card.name}' has no second network made by 'fit', whose embedding tells the "
            "kinds. Name one that 'pair' made with --model.",
        )
    if feature_key(options.weights) != features:
        raise KindsError(
            "other_features",
            f"The second network of '{card.name}' reads other features than those of --weights "
            f"{options.weights}. Give the weights that it was made with, such as "
            f"{card.folder / 'norms.npz'}.",
        )
    file = output_path(card.folder / "card.json")  # said now, not after the work
    samples = read_samples(
        index_dataset(options.data), open_features(options.features, options.weights), head["blocks"],
        deviation=head["deviation"], say=say,
    )  # fmt: skip
    fitted, measured = fit_kinds(samples, say=say)
    content = kinds_bytes(fitted)
    entry = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "network_sha256": card.second.served_sha256,
        "command": f"python -m deepfake kinds DATA FEATURES --model {card.name} --weights NORMS",
        **measured,
    }
    print_kinds(entry)
    try:
        write_whole(card.folder / KINDS_FILE, content)
        write_json(file, {**load_card(card.name).contents, "kinds": entry})
    except OSError as error:
        raise UserError("not_written", f"{card.folder} cannot be written: {error.strerror}.") from error
    return 0


def print_kinds(entry: Mapping[str, Any]) -> None:
    """What was measured, as Markdown."""
    named = ", ".join(f"{name} from {value:.2f}" for name, value in entry["named_from"].items())
    say(f"Named by probability: {named}; no other kind.")
    for view, table in entry["held_out"].items():
        say(f"\nHeld-out images, {view}\n")
        _print_rows([(kind, called) for kind, called in table.items()])
    say("\nFamilies of generators that were left out\n")
    _print_rows(
        [
            (f"{row['kind']}: {', '.join(row['generators'])}", row["called"])
            for row in entry["left_out_families"]
        ]
    )
    say("\nBoth, and photos of left-out sources\n")
    _print_rows([(kind, called) for kind, called in entry["left_out"].items()])


def _print_rows(rows: Sequence[tuple[str, Mapping[str, int]]]) -> None:
    columns = list(rows[0][1])
    say(f"| is | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}")
    for name, called in rows:
        say(f"| {name} | {' | '.join(str(called[column]) for column in columns)} |")
