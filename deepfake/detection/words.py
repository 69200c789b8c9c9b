"""The word *uncertain*, and the sentences that travel inside a verdict; those of views are in ``text``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deepfake.types import Reason

UNCERTAIN = "uncertain"
"""What a verdict that is neither fake nor real is called within a sentence; all of them take it from here."""

_EXCLUDED: tuple[tuple[Reason, str, str, str], ...] = (
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


NO_FACE_WARNING = "No face was found, so nothing was analyzed: the detector checks faces only."


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


def excluded_warnings(reasons: Sequence[Reason | None], smallest: int) -> list[str]:
    """Sentences on the faces whose scores do not decide.

    Args:
        reasons: of the faces of one picture, None for one whose score decides.
        smallest: longest side in pixels below which a face is too small.
    """
    lines = []
    for reason, alone, one, several in _EXCLUDED:
        n = reasons.count(reason)
        if n:
            line = alone if len(reasons) == 1 else f"{n} of {len(reasons)} faces {one if n == 1 else several}"
            lines.append(line.format(smallest=smallest))
    return lines
