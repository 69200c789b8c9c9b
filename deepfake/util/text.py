"""Names that become folders."""

from __future__ import annotations

from deepfake.errors import UserError

LONGEST = 80


def plain_name(name: str) -> str:
    """A name that is safe as a folder's name.

    Raises:
        UserError: code ``bad_name``.
    """
    sound = name and not name.startswith(".") and all(c.isalnum() or c in "-_." for c in name)
    if not sound or len(name.encode()) > LONGEST:
        raise UserError(
            "bad_name",
            f"'{name[:LONGEST]}' cannot be a name. Use at most {LONGEST} letters, digits, '-', '_' and '.', "
            "not starting with '.'.",
        )
    return name
