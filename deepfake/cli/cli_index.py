"""The command ``python -m deepfake index``: training pictures, to look up what a face resembles."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from deepfake.cli.options import input_path, output_path


def add_index(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser("index", help="index training pictures, to show those that a face resembles")
    parser.add_argument(
        "data", type=input_path, metavar="DATA", help="the data set that the detector learnt from"
    )
    parser.add_argument("--model", metavar="NAME", help="the detector (default: the default one)")
    parser.add_argument("--images", type=int, default=2500, metavar="N", help="at most (default: 2500)")
    parser.add_argument("--title", metavar="TEXT", help="the data set's name (default: its folder's)")
    parser.set_defaults(command=run_index)


def run_index(options: argparse.Namespace) -> int:
    """Write ``lookalikes.npz`` beside the model; returns the exit status 0.

    Raises:
        UserError: no such detector or data set, or a file that cannot be written.
    """
    from deepfake.errors import UserError

    if options.images < 1:
        raise UserError("bad_images", f"--images must be at least 1, received {options.images}.")
    from deepfake.data.index import index_dataset
    from deepfake.detection.detector import get_detector
    from deepfake.detection.neighbour_index import make_index
    from deepfake.detection.neighbours import FILE_NAME, write_index
    from deepfake.evaluation.records import below_roots

    data = index_dataset(options.data)
    data.check_files()
    detector = get_detector(options.model)
    file = output_path(detector.card.folder / FILE_NAME)  # said now, not after the work
    held = set(data.select(split="Train").table["source"])
    if missing := [source for source in detector.card.sources if source not in held]:
        print(
            f"It was also trained on {', '.join(missing)}, of which DATA holds nothing: faces like those "
            "will look out of scope. Give the whole training set if you have it.",
            file=sys.stderr,
        )

    def progress(done: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} pictures", end="", file=sys.stderr)

    index = make_index(
        detector,
        data,
        name=options.title or data.root.resolve().name,
        folder=below_roots(options.data),
        images=options.images,
        on_progress=progress,
    )
    try:
        write_index(index, file)
    except OSError as error:
        raise UserError("not_written", f"{file} cannot be written: {error.strerror}.") from error
    size = file.stat().st_size / 1e6
    counts = f"{len(index)} training pictures of {len(set(index.sources))} sources"
    print(f"{counts}, {len(index.reference)} validation pictures, {size:.1f} MB: {file}", flush=True)
    return 0
