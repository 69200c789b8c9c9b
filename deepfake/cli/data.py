"""The commands for data sets: ``data``, ``demo``, ``gather``, ``landmarks``, ``generate``."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import input_path, output_folder, output_path, positive, progress, say
from deepfake.errors import UserError
from deepfake.util.text import counted, printable

if TYPE_CHECKING:
    from deepfake.data.audit import Audit
    from deepfake.data.inventory import Inventory


_SHOWN = 20  # rows of a list on the terminal


def add_data(commands: Any) -> None:
    """Add both commands to the subparsers of the command line."""
    demo = commands.add_parser("demo", help="draw a small dataset of cartoon faces (not photos)")
    demo.add_argument("folder", type=input_path, help="a new or empty folder")
    demo.add_argument("--images", type=int, default=480, metavar="N", help="number of images (default: 480)")
    demo.add_argument("--seed", type=int, default=0, help="another seed draws other faces (default: 0)")
    demo.set_defaults(command=run_demo)
    data = commands.add_parser(
        "data", help="show what is in a dataset and, with --audit, what is wrong with it"
    )
    data.add_argument("folder", type=input_path, help="the dataset's folder")
    data.add_argument(
        "--audit",
        action="store_true",
        help="read every image and report copies, leaks, outliers and shortcuts",
    )
    data.add_argument("--json", action="store_true", help="print everything as one JSON object")
    data.add_argument("--refresh", action="store_true", help="read every file again and ignore the cache")
    data.set_defaults(command=run_data)


def run_demo(options: argparse.Namespace) -> int:
    """Draws the set; returns the exit status 0.

    Raises:
        DemoError: the folder is not empty or cannot be written.
    """
    from deepfake.data.demo import write_demo

    if options.seed < 0:
        raise UserError("bad_seed", f"The seed must be 0 or more. Received: {options.seed}.")
    written = write_demo(options.folder, images=options.images, seed=options.seed)
    print(f"{written} drawings in {options.folder}. Train on them, about a minute and a half on two cores:")
    print(f"  python -m deepfake train {options.folder} --run demo")
    return 0


def run_data(options: argparse.Namespace) -> int:
    """Prints what is in a data set; returns the exit status 0.

    Raises:
        DatasetError: the folder cannot be read as a data set.
    """
    from deepfake.data.inventory import take_inventory

    inventory = take_inventory(
        options.folder.resolve(), refresh=options.refresh, on_progress=progress("files listed")
    )
    result = None
    if options.audit:
        from deepfake.data.audit import audit

        result = audit(inventory, refresh=options.refresh, on_progress=progress("images measured"))
    if options.json:
        print(json.dumps(facts_object(inventory, result), indent=2))
    else:
        print("\n".join(facts_lines(inventory, result)))
    return 0


def facts_object(inventory: Inventory, result: Audit | None) -> dict[str, Any]:
    """Everything, ready for JSON: ``images``, ``splits``, ``sources``, ``sizes``, ``notes``, ``audit``."""
    from deepfake.data.figures import counts_table, sizes_table
    from deepfake.types import CLASS_NAMES

    found: dict[str, Any] = {
        "folder": str(inventory.root),
        "images": len(inventory),
        "class_indices": {name: index for index, name in enumerate(CLASS_NAMES)},
        "labels": {"Fake": 1, "Real": 0},
        "splits": counts_table(inventory.table, "split").to_dict("records"),
        "sources": counts_table(inventory.table, "source").to_dict("records"),
        "sizes": sizes_table(inventory.table).to_dict("records"),
        "notes": list(inventory.notes),
    }
    if result is not None:
        found["audit"] = {
            **result.summary(),
            "unreadable_files": result.unreadable.to_dict("records"),
            "duplicates": result.duplicates.to_dict("records"),
            "near": result.near.to_dict("records"),
            "out_of_line_files": result.out_of_line.to_dict("records"),
        }
    return found


def facts_lines(inventory: Inventory, result: Audit | None) -> list[str]:
    """The same as lines for a person."""
    from deepfake.data.figures import counts_table, sizes_table
    from deepfake.data.text import audit_lines, balance_lines
    from deepfake.util.text import format_bytes

    lines = [f"{counted(len(inventory), 'image')} in {printable(str(inventory.root))}", ""]
    lines.append(f"{'split':16} {'Fake':>9} {'Real':>9} {'share fake':>11} {'size':>10}")
    for row in counts_table(inventory.table).to_dict("records"):
        split, size = printable(row["split"]), format_bytes(int(row["n_bytes"]))
        lines.append(f"{split:16} {row['Fake']:>9,} {row['Real']:>9,} {row['share_fake']:>11.1%} {size:>10}")
    lines.append("")
    for row in sizes_table(inventory.table, most=5).to_dict("records"):
        lines.append(f"{row['size']:>12} {row['format']:8} {row['Fake'] + row['Real']:>9,}")
    for sentence in (*inventory.notes, *balance_lines(inventory)):
        lines.append(f"note: {printable(sentence)}")
    if result is not None:
        marks = {"bad": "WRONG", "note": "note ", "good": "good "}
        lines += ["", *(f"{marks[level]}  {printable(text)}" for level, text in audit_lines(result))]
        for row in result.unreadable.head(_SHOWN).to_dict("records"):
            lines.append(f"       unreadable: {printable(row['path'])}: {row['reason']}")
        if len(result.unreadable) > _SHOWN:
            lines.append(f"       ... and {len(result.unreadable) - _SHOWN:,} more; --json lists all")
    return lines


def add_gather(commands: Any) -> None:
    """Adds the four commands to the parser's."""
    gather = commands.add_parser("gather", help="combine several collections into one dataset")
    gather.add_argument(
        "plan", type=input_path, help="a TOML file of [[folder]] tables, such as models/faces.toml"
    )
    gather.add_argument("collections", type=input_path, help="folder that holds the plan's folders")
    gather.add_argument("out", type=input_path, help="the new dataset's folder")
    gather.add_argument(
        "--unlike",
        type=input_path,
        action="append",
        default=[],
        metavar="FOLDER",
        help="leave out images that look like, or are named like, one in this folder (repeatable); keeps "
        "test sets independent",
    )
    gather.add_argument(
        "--each",
        type=positive,
        metavar="N",
        help="at most N files of each folder of the plan, chosen by a hash of their names (default: all)",
    )
    gather.add_argument(
        "--whole", action="append", default=[], metavar="SOURCE",
        help="a source to take whole despite --each (repeatable)",
    )  # fmt: skip
    gather.set_defaults(command=_gather)
    landmarks = commands.add_parser("landmarks", help="find the faces' landmarks, for self-blended images")
    landmarks.add_argument(
        "data", type=input_path, help="the dataset's folder; landmarks.csv is written into it"
    )
    landmarks.add_argument("--source", help="only this source")
    landmarks.set_defaults(command=_landmarks)
    generate = commands.add_parser("generate", help="make whole faces by MobileStyleGAN, as a collection")
    generate.add_argument("out", type=input_path, help="the collection's folder; existing files are kept")
    generate.add_argument("--images", type=int, default=500, help="total number of faces (default: 500)")
    generate.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    generate.set_defaults(command=_generate)


def _gather(options: argparse.Namespace) -> int:
    from deepfake.data.gather import gather, read_plan

    output_folder(options.out)  # said now, not after the work
    folders = read_plan(options.plan)
    table = gather(
        folders, options.collections, options.out,
        unlike=options.unlike, each=options.each, whole=options.whole,
    )  # fmt: skip
    print(table.groupby(["source", "split", "label"]).size().to_string())
    return 0


def _landmarks(options: argparse.Namespace) -> int:
    from deepfake.data.index import DatasetIndex, index_dataset
    from deepfake.data.synthesis.landmarks import LANDMARKS_FILE, write_landmarks

    output_path(options.data / LANDMARKS_FILE)  # said now, not after the work
    data = index_dataset(options.data).select(split="Train", source=options.source)
    photographs = data.table[data.table["label"] == 0].reset_index(drop=True)

    show = progress("photographs", len(photographs), every=500)
    found = write_landmarks(DatasetIndex(data.root, photographs), on_progress=show)
    print(f"Landmarks of {found:,} of {len(photographs):,} photos.")
    return 0


def _generate(options: argparse.Namespace) -> int:
    from deepfake.data.synthesis.stylegan import make_faces

    show = progress("faces", options.images, every=50)
    made = make_faces(output_folder(options.out), options.images, seed=options.seed, on_progress=show)
    print(f"{counted(made, 'face')} made; {options.out} holds {options.images:,}.")
    return 0


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
    from deepfake.data.derived import derive, read_derived

    output_folder(options.collections)  # said now, not after the work
    collections, derived = read_collections(options.plan), read_derived(options.plan)
    new = collect(collections, options.collections, mirror=options.mirror, say=say)
    made = derive(derived, options.collections, say=say)
    say(f"{options.collections}: {counted(len(collections), 'collection')}, {new} of them new")
    if derived:
        say(f"{counted(len(derived), 'folder')} made of them, {made} new")
    return 0
