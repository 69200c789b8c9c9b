"""Which folders of this machine the app may read: the operator says so, a visitor cannot.

In a public demo there is none.
"""

from __future__ import annotations

import os
from pathlib import Path

from deepfake.errors import UserError
from deepfake.util.cache import CACHE_VARIABLE, cache_folder, expanded

DEMO_VARIABLE = "DEEPFAKE_DEMO"
DEMO_EXPLANATION = (
    f"This is a public demo ({DEMO_VARIABLE}=1): it trains nothing and opens no folder of its machine."
)


def is_demo() -> bool:
    """Whether the operator set ``DEEPFAKE_DEMO=1``."""
    return os.environ.get(DEMO_VARIABLE, "").strip().lower() in ("1", "on", "true", "yes")


def capped(usual: int, demo: int) -> int:
    """A limit: the usual one, or that of the demo. Limits are read once, when the program starts."""
    return demo if is_demo() else usual


DATA_VARIABLE = "DEEPFAKE_DATA"


class DataRootError(UserError):
    """A folder that may not be read, or is not there; code ``no_folder_named``, ``outside_roots``,
    ``not_found``, ``bad_path`` or ``no_cache_folder``."""


def own_sets_folder() -> Path:
    """Where the app itself puts data sets that a visitor asks for (the drawn one, a download).

    Raises:
        DataRootError: ``no_cache_folder``.
    """
    try:
        return cache_folder("sets")
    except OSError as error:
        raise DataRootError(
            "no_cache_folder",
            f"The app has no folder of its own to put a dataset in ({error.strerror}). Start it with "
            f"{CACHE_VARIABLE} set to a folder that can be written to.",
        ) from error


def operator_roots() -> list[Path]:
    """The folders in ``$DEEPFAKE_DATA`` (several: as in ``PATH``) that are there, links resolved."""
    roots: list[Path] = []
    if is_demo():
        return roots
    for text in os.environ.get(DATA_VARIABLE, "").split(os.pathsep):
        if text.strip():
            _add(roots, expanded(text.strip()))
    return roots


def allowed_roots() -> list[Path]:
    """``operator_roots``, then the folder of the data sets that the app made itself, once it holds any."""
    roots = operator_roots()
    if is_demo():
        return roots
    try:
        own = own_sets_folder()
        if any(own.iterdir()):
            _add(roots, own)
    except (OSError, DataRootError):  # no cache folder can be made: the app then has no sets of its own
        pass
    return roots


def _add(roots: list[Path], folder: Path) -> None:
    try:
        if folder.is_dir() and (real := folder.resolve()) not in roots:
            roots.append(real)
    except (OSError, RuntimeError):
        return


def resolve_in_roots(text: str) -> Path:
    """A folder or file below an allowed root, links resolved.

    Args:
        text: an absolute path, or one relative to a root (the first root that has it counts).

    Raises:
        DataRootError: the text is empty or no path, leads out of every root, or nothing is there. Of what
            lies outside the roots the message says nothing, not even whether it exists.
    """
    if not text.strip():
        raise DataRootError("no_folder_named", "No folder was named. Type the path of a folder of images.")
    roots = allowed_roots()
    if is_demo():
        raise DataRootError("outside_roots", DEMO_EXPLANATION)
    if not roots:
        raise DataRootError(
            "outside_roots",
            f"No folder of this machine may be opened: the environment variable {DATA_VARIABLE} names none. "
            f"Start the app with {DATA_VARIABLE} set to the folder that holds the datasets.",
        )
    inside = [path for root in roots if (path := _resolved(root, text)) and _is_below(path, roots)]
    for path in inside:
        if path.exists():
            return path
    if len(inside) == len(roots):
        raise DataRootError("not_found", f"There is no folder '{text}'. Check the path.")
    raise DataRootError(
        "outside_roots",
        f"'{text}' lies outside the folders that may be opened. Expected a path below "
        f"{', '.join(map(str, roots))}. The operator can add folders in {DATA_VARIABLE}.",
    )


def _resolved(root: Path, text: str) -> Path | None:
    try:
        return (root / expanded(text.strip())).resolve()
    except (OSError, RuntimeError, ValueError):  # a circle of links, too long a name, a null character
        return None


def _is_below(path: Path, roots: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)
