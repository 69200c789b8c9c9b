"""``deepfake train``, ``publish``, ``convert``, ``export``: from a data set to a detector and its files."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import (
    image_size,
    input_path,
    output_folder,
    output_path,
    plain_text,
    positive,
    positive_number,
    printable,
    progress,
    say,
    share,
    whole_number,
    writing,
)
from deepfake.errors import UserError
from deepfake.training.options import OPTIONS, Option, OptionKind, with_options
from deepfake.training.recipe import RECIPES, Recipe, fitted, without_sources
from deepfake.util.text import counted, plain_name

if TYPE_CHECKING:
    from deepfake.data.index import DatasetIndex
    from deepfake.detection.card import Card
    from deepfake.training.publish import CardTexts
    from deepfake.training.train import TrainingResult
    from deepfake.training.workers import Workers


def add_publish(commands: Any) -> None:
    """Adds the command to the parser's."""
    publish = commands.add_parser("publish", help="publish a run's best network as a detector in models/")
    publish.add_argument("run", type=input_path, help="the run's folder")
    publish.add_argument("name", help="the detector's name")
    publish.add_argument("--data", type=input_path, help="the dataset's current folder, if it was moved")
    add_replace(publish)
    add_card_texts(publish)
    publish.add_argument(
        "--whole-pictures",
        action="store_true",
        help="it was also trained on whole images: check them as well as the face crops",
    )
    publish.set_defaults(command=_publish)


def add_replace(command: argparse.ArgumentParser) -> None:
    """The option that lets a name in use be taken."""
    command.add_argument(
        "--replace",
        action="store_true",
        help="if the name is taken, drop that detector, with its score tables and evaluations",
    )


def add_card_texts(command: argparse.ArgumentParser) -> None:
    """The options whose words go into a detector's card."""
    command.add_argument("--description", type=plain_text, default="", help="one sentence for the card")
    command.add_argument(
        "--knows",
        type=plain_text,
        action="append",
        default=[],
        metavar="KIND",
        help="a kind of fake that it was trained on, for the card (repeatable)",
    )
    command.add_argument(
        "--does-not-know",
        type=plain_text,
        action="append",
        default=[],
        metavar="KIND",
        help="a kind of fake that it was not trained on, for the card (repeatable)",
    )
    command.add_argument(
        "--false-alarms",
        type=plain_text,
        default="",
        help="which real images it tends to call fake, for the card",
    )
    command.add_argument(
        "--licence", type=plain_text, default="", help="license of the training data, for the card"
    )


def card_texts(options: argparse.Namespace) -> CardTexts:
    """The words of ``add_card_texts``."""
    from deepfake.training.publish import CardTexts

    knows, does_not_know = tuple(options.knows), tuple(options.does_not_know)
    return CardTexts(options.description, knows, does_not_know, options.licence, options.false_alarms)


def _publish(options: argparse.Namespace) -> int:
    texts = replace(card_texts(options), whole_pictures=options.whole_pictures)
    publish_run(options.run, options.name, options.data, texts, replace=options.replace)
    return 0


def add_convert(commands: Any) -> None:
    """Adds the command to the parser's."""
    convert = commands.add_parser(
        "convert", help="rebuild a detector's served file, model.tflite, from model.keras"
    )
    convert.add_argument("name", help="the detector's name")
    convert.set_defaults(command=_convert)


def _convert(options: argparse.Namespace) -> int:
    from deepfake.detection.card import load_card
    from deepfake.training.publish import convert

    card = convert(load_card(options.name))
    say(f"{card.name}: served from {card.folder / 'model.tflite'}, SHA-256 {card.served_sha256[:12]}...")
    return 0


def add_export(commands: Any) -> None:
    """Adds the command to the parser's."""
    export = commands.add_parser(
        "export", help="write a detector's networks as ONNX, each checked against its served file"
    )
    export.add_argument("name", help="the detector's name")
    export.add_argument("folder", type=Path, metavar="FOLDER", help="for model.onnx, and second.onnx if any")
    export.set_defaults(command=_export)


def _export(options: argparse.Namespace) -> int:
    from deepfake.detection.card import load_card, served_files
    from deepfake.networks.onnx_file import onnx_file
    from deepfake.util.files import write_whole

    card, folder = load_card(options.name), output_folder(options.folder)
    for name, content in served_files(card).items():
        made = onnx_file(content, card.input)
        file = (folder / name).with_suffix(".onnx")
        with writing(file):
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(file, made.content)
        size, rounding = f"{len(made.content) / 1e6:.1f} MB", made.rounding
        say(f"{printable(str(file))}: {size}, logits within {made.difference:.2g}, as run {rounding:.2g}")
    return 0


def check_target(name: str, *, replace: bool) -> None:
    """Refuses a detector's name, or a models folder, that will not do, before there is any work to lose.

    Says which other detectors suffer where one is replaced.

    Raises:
        UserError: ``bad_name``, ``name_taken`` or ``not_written``.
    """
    from deepfake.detection.card import models_folder
    from deepfake.training.target import broken_note, check_free

    output_folder(models_folder() / plain_name(name))
    if needed := check_free(name, replace=replace):
        say(broken_note(name, needed))


def publish_run(
    run: Path,
    name: str,
    data: Path | None = None,
    texts: CardTexts | None = None,
    *,
    replace: bool = False,
) -> None:
    """Makes a run's best network the detector ``name`` and says so.

    Args:
        run: the run's folder.
        name: the detector's.
        data: where the run's data set lies now; None for where it lay.
        texts: for the card.
        replace: a detector of that name may go.

    Raises:
        UserError: it is no run, the name will not do, or what the publishing refuses.
    """
    from deepfake.data.index import index_dataset
    from deepfake.runs.runs import publishing
    from deepfake.training.log import read_data_folder, read_settings
    from deepfake.training.publish import CardTexts, publish

    read_settings(run)  # what is no run is refused before anything is written there
    check_target(name, replace=replace)
    index = index_dataset(data or read_data_folder(run))
    with publishing(run, name):
        card = publish(run, name, index, texts or CardTexts(), replace=replace, say=say)
    say(published_line(card))


def published_line(card: Card) -> str:
    """Where a new detector lies, and how its scores become verdicts."""
    cuts = card.thresholds
    return (
        f"Published as {card.folder}: temperature {card.temperature:.2f}; "
        f"fake from {cuts.uncertain_high:.3f}, real below {cuts.uncertain_low:.3f}, "
        f"forced choice at {cuts.balanced:.3f}"
    )


INTERRUPTED = 130
"""Exit status of what Ctrl-C or ``kill`` ended, as shells have it."""


def add_train(commands: Any) -> None:
    """Adds the command to the parser's."""
    train = commands.add_parser("train", help="train a detector on Train|Validation / Fake|Real folders")
    train.add_argument("data", type=input_path, help="the dataset's folder")
    train.add_argument("--recipe", choices=sorted(RECIPES), help="default: compact")
    train.add_argument("--run", required=True, metavar="NAME", help="the run's name; its folder is RUNS/NAME")
    train.add_argument(
        "--runs",
        type=input_path,
        help="folder of all runs (default: $DEEPFAKE_RUNS, or runs beside the package)",
    )
    for option in OPTIONS:
        _add_option(train, option)
    train.add_argument(
        "--leave-out",
        action="append",
        default=[],
        metavar="SOURCE",
        help="recipe faces: leave a source out of training, to evaluate on it what the others teach "
        "(repeatable)",
    )
    train.add_argument("--resume", action="store_true", help="continue after the last completed epoch")
    train.add_argument("--at-once", action="store_true", help="do not wait for other runs to end")
    train.add_argument(
        "--estimate",
        action="store_true",
        help="dry run: time a few steps and print steps, seconds and memory as JSON",
    )
    train.add_argument(
        "--progress",
        type=output_path,
        metavar="FILE",
        help="with --estimate: write progress to FILE as JSON: done and total",
    )
    train.add_argument("--publish", metavar="NAME", help="then publish it as the detector models/NAME")
    train.add_argument(
        "--replace",
        action="store_true",
        help="with --publish: if NAME is taken, drop that detector, with its score tables and evaluations",
    )
    train.set_defaults(command=_train)


_TYPES: dict[OptionKind, Callable[[str], Any]] = {
    "count": positive,
    "number": positive_number,
    "side": image_size,
    "share": share,
    "start": str,
    "integer": whole_number,
}


def _add_option(parser: Any, option: Option) -> None:
    words = (option.help[0].lower() + option.help[1:]).removesuffix(".")  # the page shows it as a sentence
    if option.kind == "switch":
        parser.add_argument(option.flag, action="store_true", help=words)
    elif option.kind == "choice":
        parser.add_argument(option.flag, choices=option.choices, help=words)
    else:
        parser.add_argument(option.flag, type=_TYPES[option.kind], metavar=option.metavar, help=words)


def _train(options: argparse.Namespace) -> int:
    if threading.current_thread() is threading.main_thread():  # not where Ray calls this
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` stops as Ctrl-C does
    from deepfake.data.index import index_dataset
    from deepfake.runs.runs import runs_folder

    folder = output_folder((options.runs or runs_folder()) / plain_name(options.run))
    if options.publish is not None:
        check_target(options.publish, replace=options.replace)  # said now, not after the work
    workers = None if options.estimate else _workers(options, folder)
    data = index_dataset(options.data)
    recipe = chosen_recipe(options, folder, int((data.table["split"] == "Train").sum()))
    if not options.estimate:
        for note in data.notes:
            say(f"note: {printable(note)}")
    if options.estimate:
        from deepfake.runs.estimate import estimate

        show = progress("steps", file=options.progress)
        print(json.dumps(estimate(data, recipe, on_progress=show).to_dict(), indent=2))
        return 0
    result = _trained(options, data, recipe, folder, workers)
    if workers and not workers.chief:
        return 0 if result.state == "finished" else INTERRUPTED
    kept = f"kept epoch {result.best_epoch}: {result.folder}/best.keras"
    say(f"{result.state} after {counted(result.epochs, 'epoch')}; {kept}")
    if result.state != "finished":
        if options.publish:
            words = f"publish {folder} {options.publish}{' --replace' * options.replace}"
            say(
                f"Not published as {options.publish}, since the run was stopped. To publish the best network "
                f"so far: python -m deepfake {words}"
            )
        return INTERRUPTED
    if options.publish:
        publish_run(folder, options.publish, options.data, replace=options.replace)
    return 0


def _workers(options: argparse.Namespace, folder: Path) -> Workers | None:
    """The processes that train together, where a launcher started several; None for this one alone.

    A launcher starts the same command again after a failure. So here ``--resume`` begins anew where there is
    nothing to go on from yet; ``options.anew`` tells of it.
    """
    options.anew = False
    if "TF_CONFIG" not in os.environ:
        return None
    from deepfake.training.workers import joined

    workers = joined()
    if workers and options.resume and not (folder / "state.npz").is_file():
        options.resume, options.anew = False, True
    return workers


def _trained(
    options: argparse.Namespace, data: DatasetIndex, recipe: Recipe, folder: Path, workers: Workers | None
) -> TrainingResult:
    """The run; of several workers the chief alone has the run's folder, and speaks."""
    from deepfake.runs.process import run_session

    with contextlib.ExitStack() as stack:
        own, tell = folder, say
        if workers:
            own = stack.enter_context(workers.folder(folder))
        if workers is None or workers.chief:
            session = run_session(folder, recipe, data.root.resolve(), at_once=options.at_once, say=say)
            stack.enter_context(session)
        else:
            tell = _silent
        if options.anew:
            (own / "settings.json").unlink(missing_ok=True)
        from deepfake.training import train as training

        listeners: list[Callable[[dict[str, Any]], None]] = []
        if options.tensorboard:
            from deepfake.training.log import EventFiles

            listeners.append(EventFiles(own / "tensorboard").add)
        return training.train(
            data, recipe, own, resume=options.resume, say=tell, listeners=listeners, workers=workers
        )


def _silent(_: str) -> None:
    """For workers that are not the chief."""


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
    changes = {
        option.name: value for option in OPTIONS if (value := getattr(options, option.name)) is not None
    }
    if options.perturbed is not None and options.perturbed < 0:
        changes["perturbed"] = None
    changed = with_options(recipe, changes)
    if not options.resume:
        return without_sources(changed, options.leave_out) if options.leave_out else changed
    differing = [option.name for option in OPTIONS if option.of(changed) != option.of(recipe)]
    if options.recipe not in (None, recipe.name):
        differing.append("recipe")
    if set(options.leave_out) & set(recipe.shares or {}):
        differing.append("leave_out")
    if differing:
        raise UserError(
            "resume_changes",
            f"A resumed run keeps its settings. Leave out: {', '.join(sorted(differing))}.",
        )
    return recipe
