"""``deepfake facts``: facts of the images that a detector was evaluated on, and what they alone tell."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepfake.cli.options import input_path, output_path, progress, say
from deepfake.errors import UserError
from deepfake.util.text import counted, printable

if TYPE_CHECKING:
    import pandas as pd

    from deepfake.evaluation.records import Recorded
    from deepfake.slices.shortcuts import Shortcuts


def add_facts(commands: Any) -> None:
    """Add the command to the subparsers of the command line."""
    parser = commands.add_parser(
        "facts",
        help="measure face size, JPEG quality, sharpness and brightness of the images that a detector was "
        "evaluated on",
    )
    parser.add_argument(
        "data", type=input_path, nargs="+", metavar="DATA", help="folders of the datasets; the first that "
        "holds an image counts",
    )  # fmt: skip
    parser.add_argument("--model", metavar="NAME", help="the detector (default: the default one)")
    parser.add_argument(
        "--again", action="store_true", help="measure every image again (default: those not measured yet)"
    )
    parser.set_defaults(command=run_facts)


def run_facts(options: argparse.Namespace) -> int:
    """Write ``facts-*.csv`` beside the scores and ``shortcuts.json`` beside the card; returns 0.

    Raises:
        UserError: no such detector, no evaluation in its card, a folder that is not there, or a file that
            cannot be written.
    """
    from deepfake.detection.card import load_card
    from deepfake.evaluation.records import recorded_evaluations
    from deepfake.slices.held_out import held_out
    from deepfake.slices.shortcuts import SHORTCUTS_FILE, ShortcutsError, fit_shortcuts, write_shortcuts

    for root in options.data:
        if not root.is_dir():
            raise UserError(
                "not_found", f"There is no folder {printable(str(root))}. Give a dataset's folder."
            )
    card = load_card(options.model)
    output_path(card.folder / SHORTCUTS_FILE)  # said now, not after the work
    evaluations, complaints = recorded_evaluations(card)
    for complaint in complaints:
        say(complaint)
    if not evaluations:
        raise UserError(
            "no_evaluations",
            f"The card of '{card.name}' holds no evaluation. Record one: python -m deepfake evaluate DATA "
            f"--model {card.name} --record TITLE",
        )
    for recorded in evaluations:
        say(_measure(recorded, options.data, again=options.again))
    held = held_out(evaluations)
    say(f"{len(held):,} held-out images, {held.twice:,} more stand in another evaluation too.")
    try:
        shortcuts = fit_shortcuts(held.table)
    except ShortcutsError as error:
        say(f"{SHORTCUTS_FILE} was not written. {error.message}")
        return 0
    write_shortcuts(shortcuts, card)
    say(_shortcut_lines(shortcuts))
    return 0


def _measure(recorded: Recorded, roots: Sequence[Path], *, again: bool) -> str:
    """Measures an evaluation's images and writes their facts; a line on what was done."""
    import pandas as pd

    from deepfake.data.sets import image_file
    from deepfake.evaluation.records import read_recorded_scores
    from deepfake.slices.facts import measure_facts, write_facts
    from deepfake.slices.held_out import facts_path

    try:
        scores = read_recorded_scores(recorded)
    except UserError as error:
        return f"{printable(recorded.title)}: left out. {error.message}"
    known = None if again else _known(recorded, scores)
    measured = set() if known is None else set(known["image_id"])
    files: dict[str, Path] = {}
    for name, source in zip(scores["image_id"], scores["source"], strict=True):
        if name in measured:
            continue
        found = (image_file(root, name, source, recorded.folder) for root in roots)
        if file := next(filter(None, found), None):
            files[name] = file
    table = measure_facts(files, perturbed=recorded.perturbed, on_progress=progress("images", len(files)))
    if known is not None:
        table = pd.concat([known, table], ignore_index=True) if len(table) else known
    if len(table):
        order = {name: row for row, name in enumerate(scores["image_id"])}
        write_facts(table.sort_values("image_id", key=lambda names: names.map(order)), facts_path(recorded))
    missing = len(scores) - len(table)
    lacking = f", {missing:,} not at hand or not readable" if missing else ""
    count = counted(len(table), "image")
    return f"{printable(recorded.title)}: {count}, {len(files):,} measured now{lacking}"


def _known(recorded: Recorded, scores: pd.DataFrame) -> pd.DataFrame | None:
    """What is known of these images already: beside these scores, or those of another detector."""
    from deepfake.detection.card import model_names, models_folder
    from deepfake.slices.facts import FactsError, read_facts
    from deepfake.slices.held_out import facts_path

    name = facts_path(recorded).name
    for path in (facts_path(recorded), *(models_folder() / other / name for other in model_names())):
        try:
            facts = read_facts(path) if path.is_file() else None
        except FactsError:  # it is made anew
            continue
        mine = None if facts is None else facts[facts["image_id"].isin(scores["image_id"])]
        if mine is not None and len(mine):
            return mine
    return None


def _shortcut_lines(shortcuts: Shortcuts) -> str:
    from deepfake.slices.shortcuts import SHORTCUTS_FILE
    from deepfake.slices.text import clue_words

    low, high = shortcuts.interval
    lines = [
        f"{SHORTCUTS_FILE}: {clue_words(shortcuts)} alone tell {shortcuts.n_fake:,} fake from "
        f"{shortcuts.n_real:,} real images with a ROC AUC of {shortcuts.auc:.3f} ({low:.3f} to {high:.3f}), "
        f"on sets left out {shortcuts.left_out:.3f}."
    ]
    lines += [
        f"  {printable(name):16} {one.n_fake:5,} fake {one.n_real:5,} real  ROC AUC {one.auc:.3f}, left out "
        f"{one.left_out:.3f}"
        for name, one in shortcuts.sources.items()
    ]
    return "\n".join(lines)
