"""What ended a run early, in words that say what to do."""

from __future__ import annotations

import errno
from pathlib import Path

from deepfake.errors import UserError

_IMAGE_CODES = {"broken_image", "not_found", "unreadable", "missing_file"}
_MEMORY_WORDS = (
    "OutOfMemory",
    "Insufficient memory",
    "Resource exhausted",
    "bad_alloc",
    "OOM when allocating",
)


def as_user_error(error: BaseException, data: Path) -> UserError:
    """The failure for the person who started the run.

    Args:
        error: what was raised.
        data: the data set's folder.

    Returns:
        ``error`` itself where it is a UserError with nothing behind it; else one with the code ``data_gone``,
        ``disk_full``, ``out_of_memory`` or ``unexpected``.
    """
    if isinstance(error, UserError):
        if error.code in _IMAGE_CODES and not data.is_dir():
            return _data_gone(data)
        return error
    text = f"{type(error).__name__}: {error}"
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or "No space left" in text:
        return UserError(
            "disk_full",
            "The disk with the runs is full, so the run could not go on. Free some room (deleting old runs "
            "helps), then resume: it goes on after the last whole epoch.",
        )
    if isinstance(error, MemoryError) or any(word in text for word in _MEMORY_WORDS):
        return UserError(
            "out_of_memory",
            "There was not enough memory for the run. Close other programs and resume, or start a new run "
            "with a smaller batch size or image size.",
        )
    if not data.is_dir():
        return _data_gone(data)
    line = (str(error).strip() or "no message").splitlines()[0][:300]
    return UserError(
        "unexpected",
        f"The run ended with an unexpected error ({type(error).__name__}: {line}). Its log holds more.",
    )


def _data_gone(data: Path) -> UserError:
    return UserError(
        "data_gone",
        f"The dataset's folder {data} is not there any more, so the run could not go on. Bring it back, "
        "then resume: it goes on after the last whole epoch.",
    )
