"""The images behind a recorded evaluation, as the detector saw them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from deepfake.detection.card import load_card
from deepfake.evaluation.cells import find_image
from deepfake.evaluation.kept import known_evaluations
from deepfake.evaluation.records import RecordError, read_recorded_scores
from deepfake.images.load import load_image
from deepfake.perturbations.mix import perturbed_copy
from deepfake.types import Pixels


@dataclass(frozen=True)
class RecordedImage:
    """One image of a recorded evaluation.

    Attributes:
        path: its file below one of ``data_roots.allowed_roots``.
        perturbed: its perturbed copy was scored, not the file as it is.
        label: 1 Fake, 0 Real.
        p_fake: what the detector said, 0..1.
    """

    path: Path
    perturbed: bool
    label: int
    p_fake: float


def recorded_image(detector: str, title: str, image_id: str) -> RecordedImage:
    """The image of that name among those that an evaluation scored; no other file can be named.

    Args:
        detector: a detector's name.
        title: of one of its recorded evaluations.
        image_id: as in the score table.

    Raises:
        UserError: ``unknown_model``; ``unknown_evaluation``; ``unknown_image``: the evaluation has no such
            image; ``image_not_here``: its file is not on this machine; or as ``read_recorded_scores``.
    """
    matching = [each for each in known_evaluations(load_card(detector))[0] if each.title == title]
    if not matching:
        raise RecordError(
            "unknown_evaluation", f"The detector '{detector}' has no evaluation called '{title}'."
        )
    table = read_recorded_scores(matching[0])
    rows = table[table["image_id"] == image_id]
    if rows.empty:
        raise RecordError("unknown_image", f"No picture of '{title}' is called '{image_id}'.")
    row = rows.iloc[0]
    path = find_image(image_id, str(row["source"]), matching[0].folder)
    if path is None:
        raise RecordError(
            "image_not_here",
            f"The picture '{image_id}' of '{title}' is not in the data folders of this server.",
        )
    return RecordedImage(path, matching[0].perturbed, int(row["label"]), float(row["p_fake"]))


def scored_pixels(path: Path, *, perturbed: bool) -> Pixels:
    """What was scored: the file's pixels, or the one perturbed copy of them; (H, W, 3) uint8 RGB.

    Raises:
        ImageRefused: the file is not an image that can be used.
    """
    image = load_image(path)
    return perturbed_copy(image.pixels, image.facts.sha256) if perturbed else image.pixels


def scored_bytes(path: Path, *, perturbed: bool) -> bytes:
    """The same as a file's bytes: the file itself, or the perturbed copy as a PNG.

    Raises:
        ImageRefused: as ``scored_pixels``.
        OSError: the file cannot be read.
    """
    if not perturbed:
        return path.read_bytes()
    buffer = io.BytesIO()
    Image.fromarray(scored_pixels(path, perturbed=True)).save(buffer, "PNG")
    return buffer.getvalue()
