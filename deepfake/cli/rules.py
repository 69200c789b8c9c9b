"""``python -m deepfake rules`` and ``kinds``: what scores may decide, what kind a fake is, into a card."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.features import add_weights
from deepfake.cli.options import input_path, output_path, positive, say, writing
from deepfake.errors import UserError
from deepfake.util.text import printable

if TYPE_CHECKING:
    from deepfake.detection.rules import Rules


def add_rules(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "rules",
        help="measure the rules for small faces, many faces and whole images, and write them to the card",
    )
    parser.add_argument(
        "data", type=input_path, metavar="DATA", help="labeled face crops; the split Validation is used"
    )
    parser.add_argument(
        "--scenes",
        type=input_path,
        metavar="FOLDER",
        help="real photos of several people, not used in training",
    )
    parser.add_argument(
        "--generated", type=input_path, metavar="FOLDER", help="whole images of people made by generators"
    )
    parser.add_argument("--model", metavar="NAME", help="the detector (default: the default one)")
    parser.add_argument(
        "--faces",
        type=positive,
        default=400,
        metavar="N",
        help="maximum number of each source and class (default: 400)",
    )
    parser.set_defaults(command=run_rules)


def run_rules(options: argparse.Namespace) -> int:
    """Measure, print and write into the card; returns the exit status 0.

    Raises:
        UserError: no such detector, data set or folder, or a card that cannot be written.
    """
    from deepfake.data.index import index_dataset
    from deepfake.detection.card import load_card
    from deepfake.detection.detector import get_detector
    from deepfake.training.rules import fit_rules
    from deepfake.util.files import write_json

    scenes, generated = (_images(folder) for folder in (options.scenes, options.generated))
    data = index_dataset(options.data).select(split="Validation")
    data.check_files()
    file = output_path(load_card(options.model).folder / "card.json")  # said now, not after the work
    detector = get_detector(options.model)
    typed = [
        "python -m deepfake rules DATA",
        "--scenes SCENES" * bool(scenes),
        "--generated IMAGES" * bool(generated),
    ]
    command = " ".join(filter(None, [*typed, f"--faces {options.faces} --model {detector.card.name}"]))
    rules = fit_rules(detector, data, scenes, generated, command=command, faces=options.faces)
    print_rules(rules)  # before they are written: what can still go wrong then costs a file, not the work
    with writing(file):
        write_json(file, {**load_card(detector.card.name).contents, "rules": rules.to_dict()})
    return 0


def print_rules(rules: Rules) -> None:
    """What was measured, a line a size of face, then a sentence a rule."""
    print(
        "face  fakes  real  decided  accuracy  false positives  fake from  found "
        f"(smallest: {rules.smallest_face})"
    )
    for row in rules.by_face_size:
        right = "undefined" if row.accuracy is None else f"{row.accuracy:.3f}"
        print(
            f"{row.face:4}  {row.n_fake:5}  {row.n_real:4}  {row.decided:7.3f}  {right:>8}  "
            f"{row.false_positive_rate:15.3f}  {row.fake_from:9.3f}  {row.found:.3f}"
        )
    if rules.real_scores:
        print(f"Scores of {rules.real_scores.n:,} real faces are kept for images with several faces.")
    if rules.whole:
        whole = rules.whole
        print(
            f"The whole image counts for up to {whole.most_faces} faces, the largest at least "
            f"{whole.least_share:.0%} of the shorter side, from {whole.fake_from:.3f}: "
            f"{whole.called_fake} of {whole.scenes} photos, {whole.found} of {whole.generated} fakes."
        )
    else:
        print("The whole image does not count.")
    if rules.overlay:
        over = rules.overlay
        print(f"Of {over.n} real faces, {over.called_fake} are called fake, {over.overlaid} with an overlay.")


def _images(folder: Path | None) -> list[str]:
    from deepfake.images.walk import list_image_files

    if folder is None:
        return []
    files = list_image_files(folder) if folder.is_dir() else []
    if not files:
        raise UserError("no_images", f"{printable(str(folder))} holds no images. Name a folder of images.")
    return [str(file) for file in files]


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
    from deepfake.detection.embedding.kinds import KINDS_FILE, kinds_bytes
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
