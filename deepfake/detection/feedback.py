"""What people say of a verdict, kept in a folder that the operator names; nothing is kept without one."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from deepfake.errors import UserError
from deepfake.images.load import load_image
from deepfake.util.cache import folder_named
from deepfake.util.files import acquire_lock

if TYPE_CHECKING:
    from deepfake.detection.card import Card
    from deepfake.detection.verdict import Verdict

FEEDBACK_VARIABLE = "DEEPFAKE_FEEDBACK"
"""Environment variable that names the folder."""
FEEDBACK_FILE = "feedback.jsonl"
PICTURES = "pictures"
MAX_FILE_BYTES = 64 * 2**20
"""The file of answers grows to this many bytes (64 MiB)."""
MAX_PICTURE_BYTES = 2**30
"""All pictures left with answers come to at most this many bytes (1 GiB)."""
Truth = Literal["real", "fake", "unknown"]


class FeedbackRefused(UserError):
    """An answer that cannot be kept. Codes: ``feedback_off``, ``feedback_full``, ``feedback_failed``."""


@dataclass(frozen=True)
class Feedback:
    """One answer, as a line of the file.

    Attributes:
        sha256: of the picture's file.
        truth: what the person says the picture is.
        model, model_sha256: who judged.
        verdict, operating_point, p_fake: what was said; p_fake is None where nothing could be decided on.
        faces: p_fake of each face.
        picture: the copy's name in the folder of pictures; None where the person did not leave it.
        time: UTC, to the second.
    """

    sha256: str
    truth: Truth
    model: str
    model_sha256: str
    verdict: str
    operating_point: str
    p_fake: float | None
    faces: tuple[float, ...]
    picture: str | None
    time: str

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return {**self.__dict__, "faces": list(self.faces)}


def feedback_folder() -> Path | None:
    """Where answers are kept; None where the operator named no folder."""
    return folder_named(FEEDBACK_VARIABLE)


def keep_feedback(verdict: Verdict, card: Card, truth: Truth, picture: bytes | None = None) -> Feedback:
    """Adds an answer to the operator's file.

    Args:
        verdict: the one that is wrong.
        card: of the detector that gave it.
        truth: what the person says the picture is.
        picture: the file's bytes, only where the person agreed to leave them.

    Raises:
        FeedbackRefused: no folder is named, it is full, or it cannot be written to.
        ImageRefused: ``picture`` is no picture.
    """
    folder = feedback_folder()
    if folder is None:
        raise FeedbackRefused("feedback_off", f"Nothing is kept here: {FEEDBACK_VARIABLE} names no folder.")
    name = None
    if picture is not None:  # the name comes from the bytes, never from the person
        name = f"{verdict.sha256}.{load_image(picture).facts.format.lower()}"
    answer = Feedback(
        sha256=verdict.sha256,
        truth=truth,
        model=card.name,
        model_sha256=card.sha256,
        verdict=verdict.verdict,
        operating_point=verdict.operating_point,
        p_fake=verdict.p_fake,
        faces=tuple(face.p_fake for face in verdict.faces),
        picture=name,
        time=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, answer, picture)
    except OSError as error:
        raise FeedbackRefused(
            "feedback_failed", "Your answer could not be kept: the folder for it cannot be written to."
        ) from error
    return answer


def _write(folder: Path, answer: Feedback, picture: bytes | None) -> None:
    """Picture first, so that no line names one that is not there; a line is written whole or not at all."""
    lock = acquire_lock(folder / "lock", patience=5.0)
    if lock is None:
        raise FeedbackRefused("feedback_failed", "Many answer at once just now. Try again in a moment.")
    with lock, (folder / FEEDBACK_FILE).open("ab") as file:
        line = (json.dumps(answer.to_dict(), allow_nan=False) + "\n").encode()
        if file.tell() + len(line) > MAX_FILE_BYTES:
            raise _full()
        if picture is not None and answer.picture is not None:
            _write_picture(folder / PICTURES, answer.picture, picture)
        start = file.tell()
        try:
            file.write(line)
            file.flush()
        except OSError:  # a full disk must not leave half a line
            file.truncate(start)
            raise


def _write_picture(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(exist_ok=True)
    if (folder / name).exists():
        return
    if sum(entry.stat().st_size for entry in os.scandir(folder)) + len(content) > MAX_PICTURE_BYTES:
        raise _full()
    half = folder / f"{name}.half"
    half.write_bytes(content)
    half.replace(folder / name)


def _full() -> FeedbackRefused:
    return FeedbackRefused(
        "feedback_full", "Your answer could not be kept: the space for answers is used up. Tell the operator."
    )
