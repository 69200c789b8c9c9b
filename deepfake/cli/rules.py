"""The command ``python -m deepfake rules``: measures what a detector's scores may decide, into its card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import input_path, output_path, positive
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
    try:
        write_json(file, {**load_card(detector.card.name).contents, "rules": rules.to_dict()})
    except OSError as error:
        raise UserError("not_written", f"{file} cannot be written: {error.strerror}.") from error
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
