"""``deepfake evaluate``, ``compare`` and ``robustness``: how good detectors are."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.bulk import add_run_options, check_run_options, scores_in_folder
from deepfake.cli.options import (
    add_detector_options,
    card_title,
    detector_name,
    give_result,
    input_path,
    output_path,
    progress,
)
from deepfake.errors import UserError
from deepfake.util.text import printable

if TYPE_CHECKING:
    import pandas as pd

    from deepfake.evaluation.compare import Comparison, PairComparison
    from deepfake.perturbations.graded import GradedPerturbation
    from deepfake.robustness.sweep import Robustness


def add_evaluate(commands: Any) -> None:
    """Adds the command to the parser's."""
    evaluate = commands.add_parser("evaluate", help="evaluate a detector on labeled face crops")
    evaluate.add_argument("data", type=input_path, help="the dataset's folder")
    evaluate.add_argument("--split", help="Train, Validation or Test (default: all images)")
    evaluate.add_argument("--source", help="only this source of the dataset's manifest")
    add_detector_options(evaluate)
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
        help="write progress to FILE as JSON: done and total",
    )
    evaluate.add_argument(
        "--record",
        type=card_title,
        metavar="TITLE",
        help="record the results in the detector's card under this title",
    )
    evaluate.add_argument(
        "--keep",
        type=card_title,
        metavar="TITLE",
        help="keep the results on this machine for the page Evaluation, not in the card",
    )
    add_run_options(
        evaluate, "also keep the score of each image in this folder, so that a stopped run can go on"
    )
    evaluate.set_defaults(command=_evaluate)


def _evaluate(options: argparse.Namespace) -> int:
    from deepfake.cli.evaluation_lines import measurement_lines
    from deepfake.data.index import index_dataset
    from deepfake.detection.card import load_card
    from deepfake.detection.detector import get_detector
    from deepfake.evaluation.kept import keep
    from deepfake.evaluation.measure import measure
    from deepfake.evaluation.records import below_roots
    from deepfake.evaluation.scores import write_scores
    from deepfake.training.publish import evaluation_entry, record

    check_run_options(options)
    index = index_dataset(options.data)
    for note in index.notes:
        print(f"note: {printable(note)}", file=sys.stderr)
    data = index.select(split=options.split, source=options.source)
    data.check_files()
    name = detector_name(options)
    if options.record and not options.scores:  # with --scores nothing is lost where the card is closed
        output_path(load_card(name).folder / "card.json")
    detector = get_detector(name)
    show = progress("images", len(data), file=options.progress)
    score = scores_in_folder(options, detector.card, data) if options.output else None
    result = measure(detector, data, perturbed=options.perturbed, on_progress=show, score=score)
    for path, why in result.refused:
        print(f"left out {path}: {why}", file=sys.stderr)
    give_result({"model": detector.card.name, **result.to_dict()}, measurement_lines(result), options.json)
    if options.scores:
        write_scores(result.table, options.scores)
    about: dict[str, Any] = {
        "split": options.split,
        "perturbed": options.perturbed,
        "command": f"python -m deepfake evaluate DATA{_shown(options)} --model {detector.card.name}",
        "source": options.source,
        "folder": below_roots(options.data),
    }
    if options.keep:
        keep(detector.card, result.table, evaluation_entry(result, data=options.keep, **about))
    if options.record:
        record(detector.card, result, data=options.record, **about)
    return 0


def _shown(options: argparse.Namespace) -> str:
    words = [f" --{name} {value}" for name in ("split", "source") if (value := getattr(options, name))]
    return "".join(words) + (" --perturbed" if options.perturbed else "")


_TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "tpr_at_fpr_1pct": "found at 1% FPR",
    "brier": "Brier score",
}
USUAL_THRESHOLD = 0.5


@dataclass(frozen=True)
class Threshold:
    """A detector's threshold and where it comes from, in words."""

    value: float
    origin: str


def add_compare(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "compare", help="compare detectors on the same images, from the score files that evaluate writes"
    )
    parser.add_argument("scores", type=input_path, nargs="+", metavar="SCORES.csv", help="two or more files")
    parser.add_argument(
        "--names",
        nargs="+",
        metavar="NAME",
        help="of the detectors, one for each file (default: names of files or folders)",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        nargs="+",
        metavar="P",
        help="fake when p_fake >= P: one for all files, or one for each (default: the forced-choice "
        "threshold of the detector whose folder a file lies in; 0.5 for other files)",
    )
    parser.add_argument(
        "--ensemble",
        action="store_true",
        help="add the mean of the detectors' calibrated logits as one more detector",
    )
    parser.add_argument(
        "--json", type=output_path, metavar="FILE", help="write all numbers; - for the terminal"
    )
    parser.set_defaults(command=run_compare)


def run_compare(options: argparse.Namespace) -> int:
    """Compare the score files of the command line; returns the exit status 0.

    Raises:
        UserError: a file or card that cannot be read, a file that cannot be written, names or thresholds
            that do not match the files, or tables that `deepfake.evaluation.compare.compare` refuses.
    """
    if len(options.scores) < 2:
        raise UserError("bad_option", "compare takes two or more score files. Received 1.")
    names = _names(options.scores, options.names)
    chosen = _thresholds(names, options.scores, options.threshold)
    from deepfake.evaluation.compare import ENSEMBLE, compare, ensemble_threshold, mean_of_logits

    tables = {name: _read(path) for name, path in zip(names, options.scores, strict=True)}
    if options.ensemble:
        if ENSEMBLE in tables:
            raise UserError("bad_names", f"A detector is called {ENSEMBLE} too. Rename it with --names.")
        tables[ENSEMBLE] = mean_of_logits(tables)
        chosen[ENSEMBLE] = Threshold(
            ensemble_threshold([cut.value for cut in chosen.values()]), "mean of the thresholds' logits"
        )
    result = compare(tables, {name: cut.value for name, cut in chosen.items()})
    origins = {name: cut.origin for name, cut in chosen.items()}
    words = comparison_lines(result, origins)
    give_result({**result.to_dict(), "threshold_origins": origins}, words, options.json)
    return 0


def _thresholds(
    names: Sequence[str], files: Sequence[Path], given: Sequence[float] | None
) -> dict[str, Threshold]:
    """A threshold for each name: those given, or each detector's own."""
    if given is None:
        return {name: _own_threshold(file) for name, file in zip(names, files, strict=True)}
    cuts = [*given] * len(names) if len(given) == 1 else [*given]
    if len(cuts) != len(names):
        raise UserError(
            "bad_thresholds",
            f"Give one threshold, or one for each of {len(names)} files. Received {len(cuts)}.",
        )
    return {name: Threshold(cut, "given") for name, cut in zip(names, cuts, strict=True)}


def _own_threshold(file: Path) -> Threshold:
    from deepfake.detection.card import load_card, model_names, models_folder

    folder = file.resolve().parent
    if folder.parent == models_folder().resolve() and folder.name in model_names():
        return Threshold(
            load_card(folder.name).thresholds.balanced, f"forced choice, of the card of {folder.name}"
        )
    return Threshold(USUAL_THRESHOLD, "no card beside the file")


def comparison_lines(result: Comparison, origins: Mapping[str, str]) -> str:
    """The detectors, then every pair: differences with intervals, McNemar's test, the agreement table.

    Args:
        result: from ``compare.compare``.
        origins: where each detector's threshold comes from, in words.
    """
    lines = [f"{result.n} common images ({result.n_fake} fake, {result.n_real} real)"]
    for name in result.names:
        shown = ", ".join(f"{title} {_number(result.metrics[name][key])}" for key, title in _TITLES.items())
        cut = f"{result.thresholds[name]:.3f} ({origins[name]})"
        lines.append(f"{name}: {shown}; fake at p_fake >= {cut}")
    for pair in result.pairs:
        lines += ["", *_pair_lines(pair)]
    if result.n_bootstrap:
        how = f"paired stratified bootstrap, {result.n_bootstrap} resamples"
        lines += ["", f"[{result.confidence * 100:.0f}% intervals: {how}]"]
    return _printable([*lines, *result.notes])


def _pair_lines(pair: PairComparison) -> list[str]:
    lines = [f"{pair.a} minus {pair.b}"]
    for key, title in _TITLES.items():
        found = pair.differences[key]
        interval = f"  [{found.interval[0]:+.4f}, {found.interval[1]:+.4f}]" if found.interval else ""
        lines.append(f"  {title:18} {_number(found.value, '+')}{interval}")
    test, agreement = pair.mcnemar, pair.agreement
    statistic = "" if test.statistic is None else f", chi-square {test.statistic:.2f}"
    p = f"p = {test.p_value:.4f}" if test.p_value >= 0.0001 else "p < 0.0001"
    return [
        *lines,
        f"  McNemar's test     {p}{statistic} ({test.method}, {test.discordant} images correct for one only)",
        f"  both right {agreement.both_right}, only {pair.a} {agreement.only_a_right}, "
        f"only {pair.b} {agreement.only_b_right}, both wrong {agreement.both_wrong}",
    ]


def _number(value: float | None, sign: str = "") -> str:
    return "undefined" if value is None else f"{value:{sign}.4f}"


def _printable(lines: Sequence[str]) -> str:
    """Names come from files: none of them may steer the terminal."""
    return "\n".join(map(printable, lines))


def _names(paths: Sequence[Path], given: Sequence[str] | None) -> list[str]:
    """Names for the files: those given, or the first of file name, folder and path that tells all apart."""
    if given is not None and len(given) != len(paths):
        raise UserError("bad_names", f"Give one name for each of {len(paths)} files. Received {len(given)}.")
    folders = [path.resolve().parent.name for path in paths]
    found = [[path.stem for path in paths], folders, [str(path) for path in paths]]
    choices = found if given is None else [given]
    for choice in choices:
        if len(set(choice)) == len(paths):
            return list(choice)
    raise UserError(
        "bad_names",
        f"The names {', '.join(choices[-1])} do not tell the files apart. "
        "Give each file once, and each a name of its own with --names.",
    )


def _read(path: Path) -> pd.DataFrame:
    from deepfake.errors import EvaluationError
    from deepfake.evaluation.scores import read_scores

    try:
        return read_scores(path)
    except EvaluationError as error:
        message = error.message if str(path) in error.message else f"{path}: {error.message}"
        raise EvaluationError(error.code, message) from error


DEFAULT_IMAGES = 400


def add_robustness(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "robustness", help="test detectors under perturbations and attacks of rising strength"
    )
    parser.add_argument("data", type=input_path, help="the dataset's folder")
    parser.add_argument("--split", help="Train, Validation or Test (default: all images)")
    parser.add_argument("--source", help="only this source of the dataset's manifest")
    parser.add_argument(
        "--model", action="append", metavar="NAME", help="a detector (repeatable; default: the default one)"
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
        help="only this perturbation, no attacks (repeatable; default: all); --record adds it to the others",
    )
    parser.add_argument(
        "--json", type=output_path, metavar="FILE", help="write all numbers; - for the terminal"
    )
    parser.add_argument(
        "--record", action="store_true", help="record the results as models/NAME/robustness.json"
    )
    parser.set_defaults(command=run_robustness)


def run_robustness(options: argparse.Namespace) -> int:
    """Run the sweep of the command line; returns the exit status 0.

    Raises:
        UserError: a data set or detector that cannot be used, or a file that cannot be written.
    """
    if options.images < 2:
        raise UserError("bad_images", f"--images must be 2 or more. Received {options.images}.")
    from deepfake.data.index import index_dataset
    from deepfake.detection.detector import get_detector
    from deepfake.robustness.record import ROBUSTNESS_FILE, add_kinds, to_dict, write_robustness
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
            output_path(each.card.folder / ROBUSTNESS_FILE)  # said now, not after the work
    title = data_title(data, options.split, options.source)
    start = time.perf_counter()
    results = sweep(
        [subject_of(each) for each in detectors],
        data,
        title=title,
        kinds=kinds,
        epsilons=() if options.kind else EPSILONS,
        on_progress=progress("images", len(data)),
    )
    seconds = time.perf_counter() - start
    for path, why in results[0].refused:
        print(f"left out {printable(path)}: {why}", file=sys.stderr)
    words = "\n\n".join(map(robustness_lines, results))
    give_result({result.model: to_dict(result) for result in results}, words, options.json, indent=1)
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


def _kinds(names: list[str] | None) -> list[GradedPerturbation]:
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
    """A line a condition: amount; forced-choice accuracy and ROC AUC with 95% intervals, forced choices that
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
