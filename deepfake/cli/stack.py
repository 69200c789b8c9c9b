"""``python -m deepfake stack`` and ``pair``: a detector and a head on a frozen tower become one answer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from deepfake.cli.features import add_head, add_weights, head_settings
from deepfake.cli.options import input_path, output_path, positive, say
from deepfake.cli.train import add_card_texts, add_replace, card_texts, check_target, published_line


def add_stack(commands: Any) -> None:
    """Adds the command to the parser's."""
    stack = commands.add_parser(
        "stack", help="fit how to combine a detector with a head on kept features, and when they decide"
    )
    stack.add_argument("data", type=input_path, help="the dataset's folder, with generators in its manifest")
    stack.add_argument("features", type=input_path, help="the folder that 'features' wrote")
    stack.add_argument(
        "logits", type=Path, help="a folder for the detector's logits; an interrupted run continues"
    )
    stack.add_argument("out", type=output_path, help="the file to write, such as stack.json")
    stack.add_argument("--model", default="faces", metavar="NAME", help="the detector (default: faces)")
    add_weights(stack)
    add_head(stack)
    stack.add_argument(
        "--seen", nargs="+", default=[], metavar="GENERATOR",
        help="generators that were in the detector's training data under another name",
    )  # fmt: skip
    stack.add_argument(
        "--together", nargs="+", default=[], metavar="GENERATOR",
        help="unseen generators of one family, left out together",
    )  # fmt: skip
    stack.add_argument(
        "--keep", default="openforensics", metavar="SOURCE",
        help="source on whose perturbed images accuracy must not drop (default: openforensics)",
    )  # fmt: skip
    stack.set_defaults(command=_stack)


def _stack(options: argparse.Namespace) -> int:
    from deepfake.data.index import index_dataset
    from deepfake.detection.card import load_card
    from deepfake.detection.detector import Detector
    from deepfake.training.frozen.cache import FeatureCache
    from deepfake.training.frozen.features import open_features
    from deepfake.training.frozen.stack_fitting import fit, judge
    from deepfake.util.files import write_json
    from deepfake.util.tensorflow import import_tensorflow

    data = index_dataset(options.data)
    import_tensorflow()
    detector = Detector(load_card(options.model))
    logits = FeatureCache(options.logits, {"detector": detector.card.name, "sha256": detector.card.sha256})
    judged = judge(
        data, open_features(options.features, options.weights), logits, detector,
        head_settings(options),
        seen=options.seen, together=options.together, say=say,
    )  # fmt: skip
    stack, honest = fit(judged, keep=options.keep)
    fitted = {**stack.fitted, "detector": detector.card.name, "detector_sha256": detector.card.sha256}
    write_json(options.out, replace(stack, fitted=fitted).to_dict())
    say("| share | log loss, unseen | accuracy kept |\n| ---: | ---: | ---: |")
    for row in fitted["tried"]:
        say(f"| {row['share']:.2f} | {row['log_loss']:.4f} | {row['kept_accuracy']:.4f} |")
    for title, rows in (
        ("Kinds that neither knows", fitted["by_kind"]),
        ("The same, the stack fitted without the kind", honest),
        ("Known kinds, validation images", fitted["known_kinds"]),
    ):
        say(f"\n{title}\n")
        print_risk(rows)
    say(
        f"\nshare {stack.share:.4f}, scale {stack.scale:.4f}, bias {stack.bias:.4f}, "
        f"margin {stack.margin:.3f}, fake from {stack.fake_from:.3f} "
        f"({stack.few_from:.3f} for few false alarms), alone {stack.alone:.3f}: {options.out}"
    )
    return 0


def add_pair(commands: Any) -> None:
    """Adds the command to the parser's."""
    pair = commands.add_parser(
        "pair", help="combine a detector with a second network from 'fit' into a new detector"
    )
    pair.add_argument("main", help="the detector that runs first; it is not changed")
    pair.add_argument("run", type=input_path, help="the run's folder, written by 'fit'")
    pair.add_argument("stack", type=input_path, help="the file that 'stack' wrote")
    pair.add_argument("name", help="the new detector's name")
    pair.add_argument("--data", type=input_path, required=True, help="the dataset to calibrate on")
    pair.add_argument(
        "--images",
        type=positive,
        default=2000,
        help="number of images, in the detector's proportions (default: 2000)",
    )
    add_replace(pair)
    add_card_texts(pair)
    pair.set_defaults(command=_pair)


def _pair(options: argparse.Namespace) -> int:
    from deepfake.data.index import index_dataset
    from deepfake.detection.card import load_card
    from deepfake.training.frozen.stack import Stack
    from deepfake.training.pair import pair

    check_target(options.name, replace=options.replace)
    card = pair(
        load_card(options.main), options.run, Stack.read(options.stack), options.name,
        data=index_dataset(options.data), texts=card_texts(options), most=options.images,
        replace=options.replace, say=say,
    )  # fmt: skip
    say(published_line(card))
    return 0


RISKS = {
    "decided": "decided", "wrong": "wrong of it", "fakes_wrong": "fakes wrong", "real_wrong": "real wrong",
    "wrong_if_all_decided": "wrong of all", "roc_auc": "ROC AUC", "main_roc_auc": "detector alone",
}  # fmt: skip


def print_risk(rows: Sequence[dict[str, Any]]) -> None:
    """The rows of ``stack.risk_table`` as Markdown."""
    say(f"| kind | fakes | real | {' | '.join(RISKS.values())} |\n| --- |{' ---: |' * (2 + len(RISKS))}")
    for row in rows:
        cells = " | ".join("-" if row[name] is None else f"{row[name]:.3f}" for name in RISKS)
        say(f"| {row['kind']} | {row['fakes']} | {row['real']} | {cells} |")
