"""Five landmarks of each face of a data set, found once and kept beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from deepfake.data.index import DatasetIndex
from deepfake.faces.finder import find_landmarks
from deepfake.images.load import ImageRefused, load_image
from deepfake.types import Landmarks

LANDMARKS_FILE = "landmarks.csv"
_NUMBERS = [f"{axis}{place}" for place in range(5) for axis in "xy"]


def write_landmarks(data: DatasetIndex, *, on_progress: Callable[[int], None] | None = None) -> int:
    """Finds the landmarks of every image and appends them to ``landmarks.csv`` in the data set's folder.

    Images that are in the file already are not looked at again, so a stopped search goes on where it
    was. About 50 ms an image. An image without a face, or with several, gets no row of numbers.

    Args:
        data: the images.
        on_progress: told how many images are done.

    Returns:
        How many of the images have landmarks.
    """
    csv_file = data.root / LANDMARKS_FILE
    known = set(pd.read_csv(csv_file)["path"]) if csv_file.is_file() else set()
    new = not csv_file.is_file()
    with csv_file.open("a", encoding="utf-8") as file:
        if new:
            file.write(",".join(["path", *_NUMBERS]) + "\n")
        for done, (name, path) in enumerate(zip(data.table["path"], data.paths(), strict=True)):
            if name in known:
                continue
            try:
                found = find_landmarks(load_image(path).pixels)
            except ImageRefused:
                found = None
            numbers = [""] * 10 if found is None else [f"{value:.4f}" for value in found.ravel()]
            file.write(",".join([f'"{name}"', *numbers]) + "\n")
            if on_progress is not None:
                on_progress(done + 1)
    there = read_landmarks(data.root)
    return sum(name in there for name in data.table["path"])


def read_landmarks(root: Path) -> dict[str, Landmarks]:
    """Landmarks by path in the data set; empty where none were looked for."""
    file = root / LANDMARKS_FILE
    if not file.is_file():
        return {}
    table = pd.read_csv(file).dropna()
    numbers = table[_NUMBERS].to_numpy(np.float32).reshape(-1, 5, 2)
    return dict(zip(table["path"], numbers, strict=True))
