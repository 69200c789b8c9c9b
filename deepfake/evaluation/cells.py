"""From a cell of the confusion matrix to its images, surest first."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd

from deepfake.images.walk import IMAGE_EXTENSIONS
from deepfake.settings import allowed_roots

CellName = Literal["missed", "false_alarms", "found", "passed"]
CELLS: dict[CellName, str] = {
    "missed": "Fakes missed",
    "false_alarms": "Real called fake",
    "found": "Fakes found",
    "passed": "Real let pass",
}
CELL_MEANINGS: dict[CellName, str] = {
    "missed": "Fake pictures that score below the threshold (false negatives), the most real-looking first.",
    "false_alarms": "Real pictures that score at or above it (false positives), the most fake-looking first.",
    "found": "Fake pictures that score at or above the threshold (true positives), the surest first.",
    "passed": "Real pictures that score below the threshold (true negatives), the surest first.",
}


@dataclass(frozen=True)
class SortedTable:
    """A score table split by class, each part in rising order of p_fake."""

    fake: pd.DataFrame
    real: pd.DataFrame


def sort_table(table: pd.DataFrame) -> SortedTable:
    """Splits and sorts a score table once; images of the same score in the order of their names."""
    ordered = table.sort_values(["p_fake", "image_id"], kind="stable")
    return SortedTable(ordered[ordered["label"] == 1], ordered[ordered["label"] == 0])


def cell_images(table: SortedTable, threshold: float, cell: CellName) -> pd.DataFrame:
    """The images of a cell: rows of the score table, surest first.

    Args:
        table: from ``sort_table``.
        threshold: fake when p_fake >= threshold.
        cell: see ``CELLS``.
    """
    rows = table.fake if cell in ("missed", "found") else table.real
    cut = int(np.searchsorted(rows["p_fake"].to_numpy(), threshold, side="left"))
    if cell in ("missed", "passed"):
        return rows.iloc[:cut]
    return rows.iloc[cut:][::-1]


def find_image(image_id: str, source: str = "", folder: str = "") -> Path | None:
    """The file of an image below one of ``data_roots.allowed_roots``, or None; see ``image_file``."""
    for root in allowed_roots():
        found = image_file(root, image_id, source, folder)
        if found is not None:
            return found
    return None


def image_file(root: Path, image_id: str, source: str = "", folder: str = "") -> Path | None:
    """The file of an image below a root, or None.

    It is looked for as ROOT/folder/image_id, ROOT/image_id and ROOT/source/image_id. Names come from a file,
    so whatever leads out of the root, by ``..``, as an absolute path or through a link, is not opened, nor is
    what has no image's extension.
    """
    for start in dict.fromkeys((folder, "", source)):
        name = f"{start}/{image_id}" if start else image_id
        parts = PurePosixPath(name.replace("\\", "/"))
        unsafe = not name or "\0" in name or parts.is_absolute() or ".." in parts.parts or ":" in name
        if unsafe or parts.suffix.lower() not in IMAGE_EXTENSIONS:
            continue
        try:
            path = root.joinpath(*parts.parts).resolve()
            if path.is_relative_to(root.resolve()) and path.is_file():
                return path
        except (OSError, RuntimeError):  # too long a name, a circle of links
            continue
    return None
