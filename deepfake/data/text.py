"""What an audit found, in sentences and tables for a person."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from deepfake.data.audit import FEATURES, Audit, Shortcut
from deepfake.data.inventory import Inventory
from deepfake.types import class_name

Level = Literal["bad", "note", "good"]
UNEVEN = 0.4
"""A share of the rarer class below which a split is called uneven."""


def count(number: int, one: str, several: str = "") -> str:
    """A number and its noun.

    >>> count(1, "file"), count(1200, "file"), count(2, "copy", "copies")
    ('1 file', '1,200 files', '2 copies')
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def audit_lines(audit: Audit) -> list[tuple[Level, str]]:
    """One sentence for each thing looked for, worst first."""
    leaks, conflicts = audit.leaks(), audit.conflicts()
    summary = audit.summary()
    lines: list[tuple[Level, str]] = []
    if conflicts.empty:
        lines.append(("good", "No image has conflicting labels."))
    else:
        lines.append(
            (
                "bad",
                f"{count(conflicts['group'].nunique(), 'content')} with conflicting labels (Fake and Real).",
            )
        )
    lines += _alike_lines(audit)
    if leaks.empty:
        lines.append(("good", "No image appears in more than one split."))
    else:
        lines.append(
            (
                "bad",
                f"Leak: {count(leaks['group'].nunique(), 'content')} in more than one split. Results on "
                f"images seen in training are too good to be true.",
            )
        )
    near = summary["near_pairs_across_splits"]
    if near:
        lines.append(
            (
                "bad",
                f"Possible leak: {_at_least(audit)}{count(near, 'pair')} of near-duplicates across two "
                f"splits.",
            )
        )
    levels: dict[str, Level] = {"strong": "bad", "none": "good"}
    for one in audit.shortcuts:
        lines.append((levels.get(one.level, "note"), shortcut_line(one)))
    if len(audit.unreadable):
        lines.append(("bad", f"{count(len(audit.unreadable), 'file')} cannot be read as an image."))
    else:
        lines.append(("good", f"All {audit.images:,} files can be read."))
    lines.append(_copies_line(audit))
    if summary["near_pairs"]:
        lines.append(("note", f"{count(summary['near_pairs'], 'pair')} of near-duplicates."))
    for reason, number in summary["out_of_line"].items():
        lines.append(("note", f"{count(int(number), 'outlier')}: {reason}."))
    order: dict[Level, int] = {"bad": 0, "note": 1, "good": 2}
    return sorted(lines, key=lambda line: order[line[0]])


def _alike_lines(audit: Audit) -> list[tuple[Level, str]]:
    """Files that look alike and differ in label, which equal bytes do not tell."""
    pairs = audit.near_conflicts()
    lines: list[tuple[Level, str]] = []
    levels: tuple[tuple[Level, str, pd.DataFrame], ...] = (
        ("bad", "the same", pairs[pairs["bits"] == 0]),
        ("note", "nearly the same", pairs[pairs["bits"] > 0]),
    )
    for level, alike, some in levels:
        if len(some):
            pairs_found = f"{_at_least(audit)}{count(len(some), 'pair')}"
            example = f"{some.iloc[0]['first']} and {some.iloc[0]['second']}"
            sentence = (
                f"{pairs_found[0].upper()}{pairs_found[1:]} of different files look {alike}, but one is "
                "labeled Fake and the other Real: wrong labels, or fakes next to the photos they were made "
                f"from. First example: {example}."
            )
            lines.append((level, sentence))
    return lines


def _at_least(audit: Audit) -> str:
    """Where more pairs were found than are kept."""
    return "at least " if audit.near_found > len(audit.near) else ""


def _copies_line(audit: Audit) -> tuple[Level, str]:
    surplus = audit.surplus()
    total = audit.summary()["surplus_copies"]
    if not total:
        return "good", "No file is a copy of another, byte for byte."
    parts = ", ".join(
        f"{row['split']}/{class_name(row['label'])} {row['surplus']:,}" for row in surplus.to_dict("records")
    )
    where = f" Surplus within one part: {parts}." if parts else ""
    return "note", f"{count(total, 'file is a copy', 'files are copies')} of another, byte for byte.{where}"


def shortcut_line(shortcut: Shortcut) -> str:
    """How far the label of a split can be told without its pixels."""
    low, high = shortcut.interval
    number = f"ROC AUC {shortcut.auc:.2f}, 95% interval {low:.2f} to {high:.2f}"
    clues = f"{shortcut.split}: file properties, brightness and sharpness"
    if shortcut.level == "none":
        return f"{clues} barely reveal the label ({number})."
    best, most = next(iter(shortcut.single.items()))
    if shortcut.level == "possible":
        return (
            f"Possible shortcut in {clues} may partly reveal the label without looking at the face "
            f"({number}; {FEATURES[best]} alone {most:.2f}). It takes more images to be sure."
        )
    much = "almost reveal the label" if shortcut.level == "strong" else "partly reveal the label"
    return (
        f"Shortcut in {clues} {much} without looking at the face ({number}; most of it from "
        f"{FEATURES[best]}). A detector can learn this shortcut instead of the fakes."
    )


def balance_lines(inventory: Inventory) -> list[str]:
    """Splits in which one class is much rarer than the other."""
    lines = []
    for split, labels in inventory.table.groupby("split", observed=True)["label"]:
        share = float((labels == 1).mean())
        if 0 < min(share, 1 - share) < UNEVEN:
            lines.append(
                f"{split} is uneven: {share:.0%} of it is Fake. Accuracy then flatters a detector that "
                f"always says {'Fake' if share > 0.5 else 'Real'}; use balanced accuracy or ROC AUC."
            )
    return lines


def shown_pairs(near: pd.DataFrame) -> pd.DataFrame:
    """Near-duplicates with words for their labels."""
    return near.assign(
        first_label=[class_name(label) for label in near["first_label"]],
        second_label=[class_name(label) for label in near["second_label"]],
    )
