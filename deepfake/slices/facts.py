"""Facts of scored images: how large the face is, how the file was compressed, how sharp and light it is.

A score table names images; a table of facts beside it, with the same ``image_id``, says what was scored. It
holds numbers and no pixels, so that it can lie beside a detector's card where the images are not at hand.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import pandas as pd

from deepfake.data.image_stats import pixel_stats
from deepfake.detection.detector import scored_parts
from deepfake.detection.verdict import Verdict
from deepfake.errors import UserError
from deepfake.faces.finder import find_faces
from deepfake.forensics.metadata import read_compression
from deepfake.images.load import ImageRefused, LoadedImage, load_image
from deepfake.images.pixels import resize
from deepfake.perturbations.mix import FINAL_QUALITY, perturbed_copy
from deepfake.types import Pixels
from deepfake.util.files import replacing
from deepfake.util.jobs import Stopped

FACT_COLUMNS = ("face", "side", "quality", "sharpness", "brightness", "age")
COMMON_SIDE = 256
"""Pixels to which a scored square is brought before its sharpness is measured: those of the shipped sets."""
_CHUNK = 32  # files handed to a thread at once
_UTKFACE = re.compile(r"(?:^|[-_])(\d{1,3})_[01]_[0-4]_\d{17}")
"""Names of UTKFace (Zhang et al., 2017): age, sex, origin, date and time."""


class FactsError(UserError):
    """A table of facts that cannot be used; code ``bad_facts``."""


@dataclass(frozen=True)
class SquareFacts:
    """What is known of a scored square beside what it shows; NaN where it is not known.

    Attributes:
        face: longest side of the face in pixels of the image; NaN where none was found.
        side: of the square, in pixels of the image.
        quality: JPEG quality of the file, 1 to 100 (``forensics.metadata.read_compression``); NaN where the
            file is no JPEG.
        sharpness: variance of the Laplacian (``image_stats.pixel_stats``) at ``COMMON_SIDE``.
        brightness: mean grey of the square, 0 to 255.
        age: of the person, in years, as the data set says.
    """

    face: float
    side: float
    quality: float
    sharpness: float
    brightness: float
    age: float = math.nan

    @property
    def framing(self) -> float:
        """The face's part of the square's side, 0..1 as a rule."""
        return self.face / self.side


def age_in_name(name: str) -> float:
    """The age that a file's name tells as UTKFace's do, in years; NaN for other names.

    >>> age_in_name("ages/Test/Real/utkface-26_0_1_20170116184024662.jpg"), age_in_name("26.jpg")
    (26.0, nan)
    """
    found = _UTKFACE.search(name.rpartition("/")[2])
    return float(found[1]) if found else math.nan


def facts_of_file(path: Path, *, perturbed: bool = False) -> SquareFacts:
    """Of a file that was scored whole, as ``evaluate`` does.

    Args:
        path: the file; its name may tell an age.
        perturbed: of its one perturbed copy (``mix.perturbed_copy``).

    Raises:
        ImageRefused: the file is no image that can be used.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    image = load_image(content)
    pixels = perturbed_copy(image.pixels, image.facts.sha256) if perturbed else image.pixels
    faces = find_faces(pixels).faces
    face = float(faces[0].long_side) if faces else math.nan
    quality = float(FINAL_QUALITY) if perturbed else _quality(content)
    return _facts(pixels, face, quality, age_in_name(path.name))


def facts_of_part(image: LoadedImage, content: bytes, verdict: Verdict, number: int) -> SquareFacts:
    """Of one face of an image with a verdict.

    Args:
        image: the image.
        content: its file's bytes.
        verdict: of it.
        number: of the face, from 0.
    """
    left, top, right, bottom = verdict.faces[number].box
    square = scored_parts(image.pixels, verdict)[number]
    return _facts(square, float(max(right - left, bottom - top)), _quality(content), math.nan)


def _quality(content: bytes) -> float:
    found = read_compression(content).quality
    return math.nan if found is None else float(found)


def _facts(square: Pixels, face: float, quality: float, age: float) -> SquareFacts:
    seen = pixel_stats(resize(square, COMMON_SIDE))
    return SquareFacts(face, float(min(square.shape[:2])), quality, seen.sharpness, seen.brightness, age)


def measure_facts(
    files: Mapping[str, Path],
    *,
    perturbed: bool = False,
    on_progress: Callable[[int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> pd.DataFrame:
    """The facts of images that were scored whole; 20 ms each, most of it for finding the face.

    Args:
        files: the file of each image, by its ``image_id``. One that cannot be read is left out.
        perturbed: of their perturbed copies.
        on_progress: told how many are done.
        stopped: asked now and then whether to stop.

    Returns:
        columns image_id and ``FACT_COLUMNS``.

    Raises:
        Stopped: ``stopped`` said so.
    """
    cv2.setNumThreads(0)

    def measure(item: tuple[str, Path]) -> dict[str, object] | None:
        try:
            return {"image_id": item[0], **asdict(facts_of_file(item[1], perturbed=perturbed))}
        except (ImageRefused, OSError):
            return None

    rows: list[dict[str, object]] = []
    waiting = list(files.items())
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(waiting), _CHUNK):
            rows += [row for row in pool.map(measure, waiting[start : start + _CHUNK]) if row]
            if on_progress is not None:
                on_progress(min(start + _CHUNK, len(waiting)))
            if stopped():
                raise Stopped
    return pd.DataFrame(rows, columns=["image_id", *FACT_COLUMNS])


def write_facts(table: pd.DataFrame, path: Path) -> None:
    """Writes a table of facts as CSV: whole numbers, sharpness to four digits, empty where not known.

    Raises:
        OSError: it cannot be written.
    """
    words = {"image_id": table["image_id"].tolist()}
    for name in FACT_COLUMNS:
        digits = "{:.4g}" if name == "sharpness" else "{:.0f}"
        words[name] = [_number(value, digits) for value in table[name].to_numpy(float).tolist()]
    with replacing(path) as partial:
        pd.DataFrame(words).to_csv(partial, index=False, lineterminator="\n")


def _number(value: float, digits: str) -> str:
    return "" if math.isnan(value) else digits.format(value)


def read_facts(path: Path) -> pd.DataFrame:
    """A table of facts from CSV, with ``framing`` (``SquareFacts``) as one more column.

    Raises:
        FactsError: the file is missing, is no CSV, lacks a column, or holds what is no number.
    """
    again = "Make it again with 'python -m deepfake facts'."
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise FactsError("bad_facts", f"The facts in {path.name} cannot be read: {error}. {again}") from error
    missing = [name for name in ("image_id", *FACT_COLUMNS) if name not in table.columns]
    if missing:
        raise FactsError(
            "bad_facts",
            f"The facts in {path.name} lack {', '.join(missing)}. "
            f"Received {', '.join(map(str, table.columns))}. {again}",
        )
    try:
        numbers = {name: pd.to_numeric(table[name].mask(table[name] == "")) for name in FACT_COLUMNS}
    except (ValueError, TypeError) as error:
        raise FactsError("bad_facts", f"The facts in {path.name} are no numbers: {error}. {again}") from error
    found = pd.DataFrame({"image_id": table["image_id"], **numbers}).drop_duplicates("image_id")
    return found.astype(dict.fromkeys(FACT_COLUMNS, float)).assign(framing=found["face"] / found["side"])
