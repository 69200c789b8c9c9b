"""The name that a new detector takes in ``models/``: whether it is free, and who needs what has it."""

from __future__ import annotations

from deepfake.detection.card import models_folder
from deepfake.errors import UserError
from deepfake.util.files import read_json
from deepfake.util.text import plain_name


def needed_by(name: str) -> list[str]:
    """The detectors whose first network is that of the detector ``name``, as ``pair`` made them."""
    cards = models_folder().glob("*/card.json")
    return sorted(path.parent.name for path in cards if _main(read_json(path)) == name)


def check_free(name: str, *, replace: bool = False) -> list[str]:
    """Refuses a name that a detector has, unless that one is to be replaced.

    Args:
        name: the new detector's.
        replace: the one of this name may go.

    Returns:
        Of a name that may be taken, the detectors that will not work until they are made again.

    Raises:
        UserError: ``bad_name``, or ``name_taken``.
    """
    folder = models_folder() / plain_name(name)
    if not folder.is_dir() or not any(folder.iterdir()):
        return []
    needed = [each for each in needed_by(name) if each != name]
    if replace:
        return needed
    broken = f" {' and '.join(needed)} would stop working, for want of its network." if needed else ""
    raise UserError(
        "name_taken",
        f"The name '{name}' is taken by the detector in {folder}.{broken} Choose another name, or use "
        "--replace to drop that detector, with its score tables and evaluations.",
    )


def broken_note(name: str, needed: list[str]) -> str:
    """What is said before the detector ``name`` is replaced although others need its network."""
    them = " and ".join(needed)
    return (
        f"note: {them} will stop working, for want of the network of {name} that is replaced. Make it again: "
        f"python -m deepfake pair {name} RUN STACK {needed[0]} --data DATA --replace"
    )


def _main(card: dict[str, object]) -> object:
    second = card.get("second")
    return second.get("main") if isinstance(second, dict) else None
