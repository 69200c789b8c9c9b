"""``models/NAME/robustness.json``: what a detector's sweep gave, shipped beside its card."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.perturbations.graded import KINDS
from deepfake.robustness.sweep import Robustness
from deepfake.robustness.table import CONDITION_COLUMNS
from deepfake.types import Thresholds
from deepfake.util.files import write_json

ROBUSTNESS_FILE = "robustness.json"
DIGITS = 5


class RobustnessError(UserError):
    """Recorded results that cannot be used; codes ``bad_robustness`` and ``other_version``."""


@dataclass(frozen=True)
class RecordedRobustness:
    """A result and the command that makes it again ("" where it was measured on the page)."""

    result: Robustness
    command: str


def to_dict(result: Robustness, command: str = "") -> dict[str, Any]:
    """Ready for JSON: the attributes, the table as ``columns`` and ``rows``, None where undefined."""
    rows = [
        [_plain(value) for value in row]
        for row in result.table[list(CONDITION_COLUMNS)].itertuples(index=False)
    ]
    return {
        "model": result.model,
        "sha256": result.version,
        "score_version": result.score_version,
        "threshold": result.threshold,
        "thresholds": asdict(result.thresholds),
        "data": result.data,
        "n_fake": result.n_fake,
        "n_real": result.n_real,
        "refused": len(result.refused),
        "command": command,
        "columns": list(CONDITION_COLUMNS),
        "rows": rows,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | np.integer):
        return value if isinstance(value, str) else int(value)
    return None if math.isnan(value) else round(float(value), DIGITS)


def write_robustness(card: Card, result: Robustness, command: str) -> Path:
    """Writes a detector's result beside its card, in place of an earlier one; returns the file."""
    path = card.folder / ROBUSTNESS_FILE
    lines = to_dict(result, command)
    write_json(path, lines)
    return path


def add_kinds(card: Card, result: Robustness) -> Path:
    """Puts the rows of a sweep of some kinds among a detector's recorded ones; returns the file.

    Args:
        card: the detector's.
        result: of the same images as the recorded one.

    Raises:
        RobustnessError: code ``other_sweep``: nothing is recorded, or other images were scored.
    """
    path = card.folder / ROBUSTNESS_FILE
    recorded = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    new = to_dict(result)
    apart = [
        key for key in new if key not in ("rows", "command", "refused") and recorded.get(key) != new[key]
    ]
    if apart:
        raise RobustnessError(
            "other_sweep",
            f"The sweep of '{card.name}' that is recorded differs in: {', '.join(apart)}. Measure the same "
            "images as its command does, or all kinds anew without --kind.",
        )
    measured = {row[0] for row in new["rows"]} - {"clean"}
    kept = [row for row in recorded["rows"] if row[0] not in measured]
    order = ["clean", *(kind.name for kind in KINDS)]  # attacks come last
    rows = [*kept, *(row for row in new["rows"] if row[0] in measured)]
    rows.sort(key=lambda row: order.index(row[0]) if row[0] in order else len(order))
    write_json(path, {**recorded, "rows": rows})
    return path


def read_robustness(card: Card) -> RecordedRobustness | None:
    """A detector's recorded result; None where there is none.

    Raises:
        RobustnessError: it cannot be read, or belongs to another version of the detector.
    """
    path = card.folder / ROBUSTNESS_FILE
    if not path.is_file():
        return None
    again = f"Run 'python -m deepfake robustness DATA --model {card.name} --record' again."
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        if lacking := [name for name in CONDITION_COLUMNS if name not in contents["columns"]]:
            words = ", ".join(name for name in lacking if not name.endswith(("_low", "_high")))
            raise RobustnessError(
                "bad_robustness",
                f"The robustness results of '{card.name}' cannot be read: they lack {words}. {again}",
            )
        result = _from_dict(contents)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RobustnessError(
            "bad_robustness", f"The robustness results of '{card.name}' cannot be read ({error!r}). {again}"
        ) from error
    same = result.thresholds == card.thresholds and result.score_version == card.score_version
    if result.version != card.sha256 or not same:
        raise RobustnessError(
            "other_version",
            f"The robustness results of '{card.name}' belong to another version of it. {again}",
        )
    return RecordedRobustness(result, str(contents["command"]))


def _from_dict(contents: dict[str, Any]) -> Robustness:
    table = pd.DataFrame(contents["rows"], columns=contents["columns"])[list(CONDITION_COLUMNS)]
    numbers = [column for column in CONDITION_COLUMNS if column != "perturbation"]
    table[numbers] = table[numbers].astype(float)
    if table.empty or table["perturbation"].iloc[0] != "clean":
        raise ValueError("the table does not start with the clean images")
    return Robustness(
        model=str(contents["model"]),
        version=str(contents["sha256"]),
        thresholds=Thresholds(**contents["thresholds"]),
        data=str(contents["data"]),
        n_fake=int(contents["n_fake"]),
        n_real=int(contents["n_real"]),
        table=table.astype({"level": int, "n": int}),
        score_version=str(contents["score_version"]),
    )
