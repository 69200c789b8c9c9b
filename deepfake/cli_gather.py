"""``python -m deepfake gather | landmarks | remake | generate``: data of several sources to learn from."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from deepfake.cli_options import input_path, output_folder, output_path, positive


def add_gather(commands: Any) -> None:
    """Adds the four commands to the parser's."""
    gather = commands.add_parser("gather", help="lay several collections side by side, in one form")
    gather.add_argument(
        "plan", type=input_path, help="a TOML file of [[folder]] tables, such as models/faces.toml"
    )
    gather.add_argument("collections", type=input_path, help="where the plan's folders lie")
    gather.add_argument("out", type=input_path, help="the new data set's folder")
    gather.add_argument(
        "--unlike",
        type=input_path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="leave out what looks like, or is named like, an image in here (repeat): keeps tests honest",
    )
    gather.add_argument(
        "--each",
        type=positive,
        metavar="N",
        help="of each folder of the plan at most N files, drawn by a hash of their names (default: all)",
    )
    gather.set_defaults(command=_gather)
    landmarks = commands.add_parser("landmarks", help="find the faces' landmarks, for self-blended images")
    landmarks.add_argument(
        "data", type=input_path, help="the data set's folder; landmarks.csv is written into it"
    )
    landmarks.add_argument("--source", help="only this source")
    landmarks.set_defaults(command=_landmarks)
    remake = commands.add_parser(
        "remake", help="add fakes made of the data set's photographs by autoencoders"
    )
    remake.add_argument(
        "data", type=input_path, help="the data set's folder; the source 'remade' is added to it"
    )
    remake.add_argument(
        "halves",
        type=input_path,
        nargs="+",
        metavar="FILE",
        help="an encoder and its decoder of the TAESD family, such as taesd_encoder.safetensors "
        "taesd_decoder.safetensors; then the next pair",
    )
    remake.add_argument(
        "--images", type=int, default=4000, help="photographs to remake at most (default 4000)"
    )
    remake.add_argument("--seed", type=int, default=0, help="of every random draw (default 0)")
    remake.set_defaults(command=_remake)
    generate = commands.add_parser("generate", help="make whole faces by MobileStyleGAN, as a collection")
    generate.add_argument("out", type=input_path, help="the collection's folder; what is there already stays")
    generate.add_argument("--images", type=int, default=500, help="how many there shall be (default 500)")
    generate.add_argument("--seed", type=int, default=0, help="of every random draw (default 0)")
    generate.set_defaults(command=_generate)


def _gather(options: argparse.Namespace) -> int:
    from deepfake.gathering import gather, read_plan

    output_folder(options.out)  # said now, not after the work
    folders = read_plan(options.plan)
    table = gather(folders, options.collections, options.out, unlike=options.unlike, each=options.each)
    print(table.groupby(["source", "split", "label"]).size().to_string())
    return 0


def _landmarks(options: argparse.Namespace) -> int:
    from deepfake.dataset import DatasetIndex, index_dataset
    from deepfake.landmarks import FILE, write_landmarks

    output_path(options.data / FILE)  # said now, not after the work
    data = index_dataset(options.data).select(split="Train", source=options.source)
    photographs = data.table[data.table["label"] == 0].reset_index(drop=True)

    def progress(done: int) -> None:
        if done % 500 == 0:
            print(f"{done:,}/{len(photographs):,}", file=sys.stderr, flush=True)

    found = write_landmarks(DatasetIndex(data.root, photographs), on_progress=progress)
    print(f"Landmarks of {found:,} of {len(photographs):,} photographs.")
    return 0


def _remake(options: argparse.Namespace) -> int:
    from deepfake.autoencoder import load_autoencoder
    from deepfake.dataset import index_dataset
    from deepfake.errors import UserError
    from deepfake.remaking import remake

    if len(options.halves) % 2:
        raise UserError(
            "bad_halves",
            f"{len(options.halves)} files were given; each encoder needs its decoder after it.",
        )
    output_folder(options.data)  # said now, not after the work
    pairs = zip(options.halves[::2], options.halves[1::2], strict=True)
    autoencoders = [load_autoencoder(*pair) for pair in pairs]

    def progress(done: int) -> None:
        print(f"{done:,} photographs", file=sys.stderr, flush=True)

    data = index_dataset(options.data)
    added = remake(data, autoencoders, images=options.images, seed=options.seed, on_progress=progress)
    print(added.groupby(["split", "label", "generator"]).size().to_string())
    return 0


def _generate(options: argparse.Namespace) -> int:
    from deepfake.random_faces import make_faces

    def progress(done: int) -> None:
        if done % 50 == 0:
            print(f"{done:,}/{options.images:,}", file=sys.stderr, flush=True)

    made = make_faces(output_folder(options.out), options.images, seed=options.seed, on_progress=progress)
    print(f"{made:,} faces made; {options.out} holds {options.images:,}.")
    return 0
