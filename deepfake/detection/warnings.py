"""The sentences that travel inside a verdict: why a face is left out, how the picture was turned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a verdict holds these sentences
    from deepfake.detection.verdict import FaceVerdict, Reason

_BARRED: tuple[tuple[Reason, str, str, str], ...] = (
    (
        "not_a_photograph",
        "This does not look like a photo. The detector checks photos only.",
        "does not look like a photo and was left out.",
        "do not look like photos and were left out.",
    ),
    (
        "too_small",
        "The face is too small to analyze: it needs at least {smallest} pixels from hairline to chin.",
        "is too small to analyze (less than {smallest} pixels from hairline to chin) and was left out.",
        "are too small to analyze (less than {smallest} pixels from hairline to chin) and were left out.",
    ),
    (
        "out_of_scope",
        "The face is too unlike the training images: its score is no verdict.",
        "is too unlike the training images: its score is no verdict.",
        "are too unlike the training images: their scores are no verdict.",
    ),
)


NO_FACE = "No face was found, so nothing was analyzed: the detector checks faces only."


REASON_WORDS: Mapping[Reason, str] = {
    "out_of_scope": "too unlike the training images",
    "not_a_photograph": "not a photo",
    "too_small": "too small to analyze",
    "fake_as_a_whole": "no sign of its own",
}
"""Why a face is uncertain whatever its score, after its name."""


def turned_line(turn: int, faces: int) -> str:
    """That a picture does not stand upright.

    Args:
        turn: degrees (90, 180, 270) anticlockwise by which it was turned.
        faces: found in it.
    """
    by = {90: "90 degrees counterclockwise", 180: "180 degrees", 270: "90 degrees clockwise"}[turn]
    found = "The face was" if faces == 1 else "The faces were"
    return f"{found} found after rotating the image {by}."


def barred_warnings(faces: Sequence[FaceVerdict], smallest: int) -> list[str]:
    """Sentences on the faces whose scores do not decide.

    Args:
        faces: of one picture.
        smallest: longest side in pixels below which a face is too small.
    """
    lines = []
    for reason, alone, one, several in _BARRED:
        n = sum(face.reason == reason for face in faces)
        if n:
            line = alone if len(faces) == 1 else f"{n} of {len(faces)} faces {one if n == 1 else several}"
            lines.append(line.format(smallest=smallest))
    return lines
