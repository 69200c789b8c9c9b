"""The command ``python -m deepfake robustness``: what perturbations and attacks do to detectors."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import input_path, output_path, printable
from deepfake.errors import UserError

if TYPE_CHECKING:
    from deepfake.perturbations.graded import Kind
    from deepfake.robustness.sweep import Robustness

DEFAULT_IMAGES = 400


def add_robustness(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "robustness", help="measure detectors under perturbations and attacks of rising strength"
    )
    parser.add_argument("data", type=input_path, help="the data set's folder")
    parser.add_argument("--split", help="Train, Validation or Test (default: all images)")
    parser.add_argument("--source", help="only this source of the data set's manifest")
    parser.add_argument(
        "--model", action="append", metavar="NAME", help="a detector (repeat; default: the default one)"
    )
    parser.add_argument(
        "--images",
        type=int,
        default=DEFAULT_IMAGES,
        metavar="N",
        help=f"at most N images, half of each class (default: {DEFAULT_IMAGES})",
    )
    parser.add_argument(
        "--kind",
        action="append",
        metavar="NAME",
        help="only this perturbation, no attacks (repeat; default: all); --record adds it to the others",
    )
    parser.add_argument(
        "--json", type=output_path, metavar="FILE", help="write all numbers; - for the terminal"
    )
    parser.add_argument("--record", action="store_true", help="keep them as models/NAME/robustness.json")
    parser.set_defaults(command=run_robustness)


def run_robustness(options: argparse.Namespace) -> int:
    """Run the sweep of the command line; returns the exit status 0.

    Raises:
        UserError: a data set or detector that cannot be used, or a file that cannot be written.
    """
    to_terminal = str(options.json) == "-"
    if options.images < 2:
        raise UserError("bad_images", f"--images must be 2 or more. Received {options.images}.")
    from deepfake.data.index import index_dataset
    from deepfake.detection.detector import get_detector
    from deepfake.robustness.record import FILE, add_kinds, to_dict, write_robustness
    from deepfake.robustness.sweep import EPSILONS, balanced_sample, data_title, subject_of, sweep

    kinds = _kinds(options.kind)
    index = index_dataset(options.data)
    for note in index.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    data = index.select(split=options.split, source=options.source)
    data.check_files()
    data = balanced_sample(data, options.images)
    detectors = [get_detector(name) for name in dict.fromkeys(options.model or [None])]
    if options.record:
        for each in detectors:
            output_path(each.card.folder / FILE)  # said now, not after the work
    title = data_title(data, options.split, options.source)
    start = time.perf_counter()
    results = sweep(
        [subject_of(each) for each in detectors],
        data,
        title=title,
        kinds=kinds,
        epsilons=() if options.kind else EPSILONS,
        on_progress=_progress(len(data)),
    )
    seconds = time.perf_counter() - start
    for path, why in results[0].refused:
        print(f"left out {printable(path)}: {why}", file=sys.stderr)
    text = json.dumps({result.model: to_dict(result) for result in results}, indent=1)
    # Shown before it is written: what can still go wrong then costs a file, not the work.
    print(text if to_terminal else "\n\n".join(map(robustness_lines, results)), flush=True)
    if options.json and not to_terminal:
        try:
            options.json.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError("not_written", f"{options.json} cannot be written: {error.strerror}.") from error
    for detector, result in zip(detectors, results, strict=True):
        if options.record:
            if options.kind:
                path = add_kinds(detector.card, result)
            else:
                path = write_robustness(detector.card, result, _command(options, result.model))
            print(f"recorded in {path}", file=sys.stderr)
    copies = sum(int(result.table["n"].sum()) for result in results)
    print(f"{copies:,} copies scored in {seconds:.0f} s: {copies / seconds:.0f} a second", file=sys.stderr)
    return 0


def _kinds(names: list[str] | None) -> list[Kind]:
    """All, or those named, in their order."""
    from deepfake.perturbations.graded import KINDS

    known = {kind.name for kind in KINDS}
    if unknown := [name for name in names or [] if name not in known]:
        raise UserError(
            "unknown_kind",
            f"There is no perturbation '{unknown[0]}'. Expected one of: {', '.join(sorted(known))}.",
        )
    return [kind for kind in KINDS if names is None or kind.name in names]


def robustness_lines(result: Robustness) -> str:
    """A line a condition: amount; forced-choice accuracy and ROC AUC with 95 % intervals, forced choices that
    changed; of the verdicts the share decided, correct among those, false-positive rate, recall.
    """
    lines = [
        f"{result.model} on {result.data}: {result.n_fake} fake, {result.n_real} real, "
        f"forced choice: fake at p_fake >= {result.threshold:.3f}; verdicts: fake from "
        f"{result.thresholds.fake_from():.3f}, real below {result.thresholds.uncertain_low:.3f}",
        f"{'perturbation':16} {'amount':>6}  {'forced-choice accuracy':24} {'ROC AUC':24} changed  "
        "verdicts: decided  correct  false positives  recall",
    ]
    for row in result.table.to_dict("records"):
        amount = "" if row["level"] == 0 else f"{row['amount']:g}"
        lines.append(
            f"{row['perturbation']:16} {amount:>6}  {_with_interval(row, 'accuracy'):24} "
            f"{_with_interval(row, 'roc_auc'):24} {row['flipped']:7.3f}  "
            f"{_share(row, 'decided'):>17}  {_share(row, 'correct'):>7}  "
            f"{_share(row, 'false_positive_rate'):>15}  {_share(row, 'recall'):>6}"
        )
    return "\n".join(lines)


def _share(row: dict[Any, Any], name: str) -> str:
    return "-" if row[name] != row[name] else f"{row[name]:.3f}"


def _with_interval(row: dict[Any, Any], name: str) -> str:
    if row[name] != row[name]:
        return "undefined"
    return f"{row[name]:.3f}  [{row[name + '_low']:.3f}, {row[name + '_high']:.3f}]"


def _command(options: argparse.Namespace, model: str) -> str:
    words = [f" --{name} {value}" for name in ("split", "source") if (value := getattr(options, name))]
    given = f"{''.join(words)} --model {model} --images {options.images}"
    return f"python -m deepfake robustness DATA{given} --record"


def _progress(total: int) -> Any:
    """Writes how far it is, on a terminal only."""
    if not sys.stderr.isatty():
        return None
    return lambda done: print(f"\r{done}/{total} images", end="\n" if done == total else "", file=sys.stderr)
