"""The command ``python -m deepfake compare``: detectors against each other, from their score files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import input_path, output_path, printable
from deepfake.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from deepfake.evaluation.compare import Comparison, PairComparison

_TITLES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "tpr_at_fpr_1pct": "found at 1 % FPR",
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
    parser.add_argument("scores", type=input_path, nargs="+", metavar="SCORES.csv", help="two files or more")
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
    to_terminal = str(options.json) == "-"
    names = _names(options.scores, options.names)
    chosen = _thresholds(names, options.scores, options.threshold)
    from deepfake.evaluation.compare import compare
    from deepfake.evaluation.ensemble import ENSEMBLE, ensemble_threshold, mean_of_logits

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
    text = json.dumps({**result.to_dict(), "threshold_origins": origins}, indent=2)
    print(text if to_terminal else comparison_lines(result, origins), flush=True)
    if options.json and not to_terminal:
        try:
            options.json.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UserError("not_written", f"{options.json} cannot be written: {error.strerror}.") from error
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
        result: from ``comparison.compare``.
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
        lines += ["", f"[{result.confidence * 100:.0f} % intervals: {how}]"]
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
        f"  McNemar's test     {p}{statistic} ({test.method}, {test.discordant} images right for one only)",
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
