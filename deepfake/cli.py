"""The command line: ``python -m deepfake train | publish | evaluate | compare | predict``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deepfake import __version__
from deepfake.cli_compare import add_compare
from deepfake.errors import UserError
from deepfake.recipes import RECIPES


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status (0 good, 1 something was refused, 2 wrong usage)."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    options = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deepfake", description="Tell photographs of real faces from deepfakes."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_train(commands)
    _add_publish(commands)
    _add_evaluate(commands)
    add_compare(commands)
    _add_predict(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser("train", help="train a detector on Train|Validation / Fake|Real folders")
    train.add_argument("data", type=Path, help="the data set's folder")
    train.add_argument("--recipe", choices=sorted(RECIPES), help="default: compact")
    train.add_argument("--run", required=True, metavar="NAME", help="the run's name; its folder is RUNS/NAME")
    train.add_argument("--runs", type=Path, default=Path("runs"), help="where runs live (default: runs)")
    train.add_argument("--epochs", type=_positive)
    train.add_argument("--batch-size", type=_positive)
    train.add_argument("--learning-rate", type=_positive_number)
    train.add_argument(
        "--weights", help="start of resnet50: imagenet (downloads once), none, or a notop .h5 file"
    )
    train.add_argument("--precision", choices=["auto", "float32", "mixed_bfloat16"])
    train.add_argument("--seed", type=int)
    train.add_argument("--resume", action="store_true", help="go on after the last completed epoch")
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
        "--record", metavar="TITLE", help="write it into the detector's card under this title"
    )
    evaluate.set_defaults(command=_evaluate)


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser("predict", help="judge photographs; folders are walked")
    predict.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    predict.add_argument("--model", metavar="NAME", help="the detector (default: the default one)")
    predict.add_argument("--json", action="store_true", help="one JSON object a line")
    predict.add_argument(
        "--few-false-alarms", action="store_true", help="call fewer real faces fake, miss more fakes"
    )
    predict.set_defaults(command=_predict)


def _train(options: argparse.Namespace) -> int:
    from deepfake import training
    from deepfake.dataset import index_dataset
    from deepfake.runlog import read_settings

    folder = options.runs / _plain_name(options.run)
    recipe = read_settings(folder) if options.resume else RECIPES[options.recipe or "compact"]
    names = ("epochs", "batch_size", "learning_rate", "weights", "precision", "seed")
    changes = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.recipe not in (None, recipe.name):
        changes["recipe"] = options.recipe
    if changes and options.resume:
        raise UserError(
            "resume_changes", f"A resumed run keeps its settings. Leave out: {', '.join(sorted(changes))}."
        )
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` stops as Ctrl-C does
    result = training.train(
        index_dataset(options.data),
        dataclasses.replace(recipe, **changes),
        folder,
        resume=options.resume,
        say=_say,
    )
    kept = f"kept epoch {result.best_epoch}: {result.folder}/best.keras"
    _say(f"{result.state} after {result.epochs} epochs; {kept}")
    if options.publish:
        options.run, options.name = folder, options.publish
        return _publish(options)
    return 0


def _publish(options: argparse.Namespace) -> int:
    from deepfake.dataset import index_dataset
    from deepfake.publishing import CardTexts, publish
    from deepfake.runlog import read_data_folder

    texts = CardTexts()
    if hasattr(options, "knows"):
        knows, does_not_know = tuple(options.knows), tuple(options.does_not_know)
        texts = CardTexts(options.description, knows, does_not_know, options.licence, options.false_alarms)
    data = index_dataset(options.data or read_data_folder(options.run))
    card = publish(options.run, _plain_name(options.name), data, texts, say=_say)
    _say(f"Published as {card.folder}: temperature {card.temperature:.2f}, {card.thresholds}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from deepfake.dataset import index_dataset
    from deepfake.detector import get_detector
    from deepfake.measuring import measure
    from deepfake.publishing import record
    from deepfake.report_text import evaluation_lines
    from deepfake.score_table import write_scores

    for file in (options.json, options.scores):
        if file and not file.parent.is_dir():  # said now, not after the work
            raise UserError("no_folder", f"There is no folder {file.parent} to write {file.name} into.")
    data = index_dataset(options.data).select(split=options.split, source=options.source)
    detector = get_detector(options.model)
    result = measure(detector, data, perturbed=options.perturbed, on_progress=_progress(len(data)))
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
        )
    text = json.dumps({"model": detector.card.name, **result.evaluation.to_dict()}, indent=2)
    if options.json and str(options.json) != "-":
        options.json.write_text(text + "\n", encoding="utf-8")
    print(text if str(options.json) == "-" else evaluation_lines(result.evaluation))
    return 0


def _predict(options: argparse.Namespace) -> int:
    from deepfake.detector import get_detector
    from deepfake.images import ImageRefused, list_image_files, load_image

    detector = get_detector(options.model)
    failed = False
    for given in options.paths:
        files = list_image_files(given) if given.is_dir() else [given]
        if not files:
            failed = True
            _refuse(options, given, "no_images", "This folder holds no images.")
        for path in files:
            try:
                verdict = detector.check(
                    load_image(path), "few_false_alarms" if options.few_false_alarms else "balanced"
                )
            except ImageRefused as refusal:
                failed = True
                _refuse(options, path, refusal.code, refusal.message)
                continue
            if options.json:
                _say(json.dumps({"path": str(path), **verdict.to_dict()}))
            else:
                faces = f"{len(verdict.faces)} face{'s' * (len(verdict.faces) != 1)}"
                notes = f"  ({' '.join(verdict.warnings)})" if verdict.warnings else ""
                _say(
                    f"{verdict.verdict:9}  p_fake {verdict.p_fake:.3f}  {faces:8}  {_printable(path)}{notes}"
                )
    return 1 if failed else 0


def _refuse(options: argparse.Namespace, path: Path, code: str, message: str) -> None:
    if options.json:
        _say(json.dumps({"path": str(path), "error": {"code": code, "message": message}}))
    else:
        print(f"refused    {_printable(path)}: {message}", file=sys.stderr)


def _printable(path: Path) -> str:
    """A name that cannot steer the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(path))


def _shown(options: argparse.Namespace) -> str:
    words = [f" --{name} {value}" for name in ("split", "source") if (value := getattr(options, name))]
    return "".join(words) + (" --perturbed" if options.perturbed else "")


def _progress(total: int) -> Callable[[int], None] | None:
    """Writes how far it is, on a terminal only."""
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


def _positive_number(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, received {text}")
    return value


def _plain_name(name: str) -> str:
    """A name that is safe as a folder's name."""
    if not name or name.startswith(".") or not all(c.isalnum() or c in "-_." for c in name):
        raise UserError(
            "bad_name",
            f"'{name}' cannot be a name. Use letters, digits, '-', '_' and '.', not starting with '.'.",
        )
    return name
