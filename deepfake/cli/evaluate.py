"""``python -m deepfake evaluate``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepfake.cli.options import input_path, output_path, printable
from deepfake.util.files import write_json


def add_evaluate(commands: Any) -> None:
    """Adds the command to the parser's."""
    evaluate = commands.add_parser("evaluate", help="measure a detector on labelled face crops")
    evaluate.add_argument("data", type=input_path, help="the data set's folder")
    evaluate.add_argument("--split", help="Train, Validation or Test (default: all images)")
    evaluate.add_argument("--source", help="only this source of the data set's manifest")
    evaluate.add_argument("--model", metavar="NAME", help="the detector (default: the default one)")
    evaluate.add_argument("--perturbed", action="store_true", help="score one perturbed copy of each image")
    evaluate.add_argument(
        "--json", type=output_path, metavar="FILE", help="write all numbers; - for the terminal"
    )
    evaluate.add_argument(
        "--scores", type=output_path, metavar="FILE", help="write the score of each image as CSV"
    )
    evaluate.add_argument(
        "--progress",
        type=output_path,
        metavar="FILE",
        help="keep how far it is in FILE, as JSON: done and total",
    )
    evaluate.add_argument(
        "--record", metavar="TITLE", help="write it into the detector's card under this title"
    )
    evaluate.add_argument(
        "--keep", metavar="TITLE", help="keep it on this machine for the page Evaluation, apart from the card"
    )
    evaluate.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from deepfake.data.index import index_dataset
    from deepfake.detection.card import load_card
    from deepfake.detection.detector import get_detector
    from deepfake.evaluation.kept import keep
    from deepfake.evaluation.measure import measure
    from deepfake.evaluation.records import below_roots
    from deepfake.evaluation.report_text import measurement_lines
    from deepfake.evaluation.scores import write_scores
    from deepfake.training.publish import evaluation_entry, record

    index = index_dataset(options.data)
    for note in index.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    data = index.select(split=options.split, source=options.source)
    data.check_files()
    if options.record and not options.scores:  # with --scores nothing is lost where the card is closed
        output_path(load_card(options.model).folder / "card.json")
    detector = get_detector(options.model)
    result = measure(
        detector, data, perturbed=options.perturbed, on_progress=_progress(len(data), options.progress)
    )
    for path, why in result.refused:
        print(f"left out {path}: {why}", file=sys.stderr)
    text = json.dumps({"model": detector.card.name, **result.to_dict()}, indent=2)
    # Shown before it is written: what can still go wrong then costs a file, not the work.
    print(text if str(options.json) == "-" else measurement_lines(result), flush=True)
    if options.scores:
        write_scores(result.table, options.scores)
    about: dict[str, Any] = {
        "split": options.split,
        "perturbed": options.perturbed,
        "command": f"python -m deepfake evaluate DATA{_shown(options)} --model {detector.card.name}",
        "source": options.source,
        "folder": below_roots(options.data),
    }
    if options.json and str(options.json) != "-":
        options.json.write_text(text + "\n", encoding="utf-8")
    if options.keep:
        keep(detector.card, result, evaluation_entry(result, data=options.keep, **about))
    if options.record:
        record(detector.card, result, data=options.record, **about)
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
