"""Families of a collection: an original and the fakes made of it, as the collection's own table tells them.

A detector that has seen an original in training and meets its fake in validation has seen half of the answer,
and one that sees the two sides of different families learns the people. So a family stays together: in one
split, or nowhere.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from deepfake.errors import UserError

METADATA_COLUMNS = ("videoname", "label", "original")
SIZE_COLUMNS = ("original_width", "original_height")
LABELS = {"FAKE": "Fake", "REAL": "Real"}


class FamilyError(UserError):
    """A collection's table or a list of names cannot be used."""


@dataclass(frozen=True)
class Member:
    """One picture of a family.

    Attributes:
        name: its file's name without the extension.
        label: ``Fake`` or ``Real``.
        family: name of the original; of an original its own.
        side: pixels of the shorter side before the collection scaled it, 0 where the table does not tell.
    """

    name: str
    label: str
    family: str
    side: int = 0


def read_metadata(table: Path, *, sizes: bool = False) -> list[Member]:
    """The rows of a collection's table, such as DFDC's ``metadata.csv``.

    Args:
        table: CSV with ``videoname``, ``label`` (``FAKE`` or ``REAL``) and ``original`` (empty where it is
            real); names with or without an extension.
        sizes: whether ``original_width`` and ``original_height``, whole pixels, are needed.

    Raises:
        FamilyError: ``no_metadata``: the table is missing; ``bad_metadata``: a column or a value is.
    """
    needed = METADATA_COLUMNS + (SIZE_COLUMNS if sizes else ())
    try:
        with table.open(encoding="utf-8", newline="") as text:
            rows = csv.DictReader(text)
            absent = [column for column in needed if column not in (rows.fieldnames or ())]
            if absent:
                raise FamilyError(
                    "bad_metadata",
                    f"{table} lacks the column {', '.join(absent)}. Expected a CSV file with "
                    f"{', '.join(needed)}, as the collection publishes it.",
                )
            return [_member(table, number, row, sizes) for number, row in enumerate(rows, start=2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FamilyError(
            "no_metadata",
            f"The collection's table {table} cannot be read ({error}). It tells which fake was made of which "
            "original; without it they would fall into different splits. Fetch it with the collection.",
        ) from error


def _member(table: Path, number: int, row: dict[str, str | None], sizes: bool) -> Member:
    name, label = _stem(row["videoname"]), LABELS.get((row["label"] or "").strip().upper())
    original = _stem(row["original"])
    if not name or label is None or (label == "Fake" and not original):
        raise FamilyError(
            "bad_metadata",
            f"Line {number} of {table} cannot be used: name {row['videoname']!r}, label {row['label']!r}, "
            f"original {row['original']!r}. Expected a name, FAKE or REAL, and a fake's original.",
        )
    side = 0
    if sizes:
        try:
            side = min(int(row[column] or "") for column in SIZE_COLUMNS)
        except ValueError:
            raise FamilyError(
                "bad_metadata",
                f"Line {number} of {table} tells no size in whole pixels in {' and '.join(SIZE_COLUMNS)}. "
                "Correct the line, or leave min_side out of the plan.",
            ) from None
    return Member(name, label, original if label == "Fake" else name, side)


def _stem(name: str | None) -> str:
    return Path((name or "").strip()).stem


def read_names(file: Path) -> frozenset[str]:
    """Names that must be left out, one a line; an extension does not count.

    Raises:
        FamilyError: ``no_list``: it is missing or empty.
    """
    try:
        names = frozenset(_stem(line) for line in file.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise FamilyError(
            "no_list",
            f"The list of names to leave out, {file}, cannot be read ({error}). They are kept for measuring: "
            "put the list there before anything is gathered.",
        ) from error
    if not names - {""}:
        raise FamilyError(
            "no_list", f"The list of names to leave out, {file}, is empty. Expected a name a line."
        )
    return names - {""}


def whole_families(
    members: Iterable[Member],
    there: Iterable[str],
    *,
    left_out: frozenset[str] = frozenset(),
    min_side: int = 0,
    per_family: int = 0,
    say: Callable[[str], None] = print,
) -> list[Member]:
    """The members that may be taken: of families that have both sides left.

    Args:
        members: what the collection's table names.
        there: names, without extension, of the files that the collection holds.
        left_out: names that nothing may be learnt from; a family whose original is one of them goes with it.
        min_side: least shorter side in pixels.
        per_family: most members of either label, drawn by their names; 0 takes all.
        say: takes a line where families are left out for want of a side.

    Returns:
        The members, by family and name.

    Raises:
        FamilyError: ``one_sided``: no family has both sides.
    """
    held = set(there)
    families: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        if (
            left_out.isdisjoint((member.name, member.family))
            and member.name in held
            and member.side >= min_side
        ):
            families[member.family].append(member)
    whole = {
        name: family for name, family in families.items() if len({member.label for member in family}) == 2
    }
    if not whole:
        raise FamilyError(
            "one_sided",
            f"None of the {len(families):,} families that are left has both an original and a fake. Check "
            "that the collection holds both, that its table names originals, and left_out and min_side.",
        )
    if len(whole) < len(families):
        say(
            f"{len(families) - len(whole):,} of {len(families):,} families were left out: they have one side "
            "only, an original without a fake or fakes without their original."
        )
    taken: list[Member] = []
    for name in sorted(whole):
        for label in ("Fake", "Real"):
            side = sorted((m for m in whole[name] if m.label == label), key=_order)
            taken += side[: per_family or len(side)]
    return taken


def _order(member: Member) -> str:
    return hashlib.sha256(member.name.encode()).hexdigest()
