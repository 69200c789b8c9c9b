"""Which data sets there are to choose from, and two ways to get a first one."""

from __future__ import annotations

import importlib
import os
import shutil
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from deepfake.data.demo import DEMO_IMAGES, write_demo
from deepfake.data.index import class_or_split, is_class
from deepfake.errors import UserError
from deepfake.images.formats import IMAGE_EXTENSIONS
from deepfake.images.walk import list_image_files
from deepfake.settings import DEMO_EXPLANATION, allowed_roots, is_demo, own_sets_folder

KAGGLE_SET = "manjilkarki/deepfake-and-real-images"
DEMO_NAME = "demo"
_DEPTH = 3  # levels below a root that are looked at
_MAX_FOLDERS, _MAX_SETS = 2000, 200  # looked at, offered


class FetchError(UserError):
    """A set cannot be had; code ``not_installed``, ``not_fetched`` or ``public_demo``."""


def list_sets() -> dict[str, Path]:
    """Every folder below the allowed roots that looks like a data set, by the name that a link can hold.

    It holds a ``manifest.csv``, or a folder named like a split or a class, or two folders that hold classes:
    its sources. What lies within splits and classes is not looked at, nor what a link leads out to.
    """
    roots = allowed_roots()
    found: set[Path] = set()
    sources: Counter[Path] = Counter()  # folders that hold classes, counted by what they lie in
    waiting = deque((root, 0) for root in roots)
    for _ in range(_MAX_FOLDERS):
        if not waiting or len(found) >= _MAX_SETS:
            break
        folder, depth = waiting.popleft()
        try:
            with os.scandir(folder) as entries:
                below = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_dir())
            if not any(folder.resolve().is_relative_to(root) for root in roots):
                continue
        except (OSError, RuntimeError):  # closed, gone, a circle of links
            continue
        if any(class_or_split(name) for name in below) or (folder / "manifest.csv").is_file():
            found.add(folder)
        if depth and any(is_class(name) for name in below):
            sources[folder.parent] += 1
        if depth < _DEPTH:
            waiting += [(folder / name, depth + 1) for name in below if not class_or_split(name)]
    found |= {folder for folder, n in sources.items() if n > 1}
    names: dict[str, Path] = {}
    for root in roots:
        for folder in sorted(folder for folder in found if folder.is_relative_to(root)):
            if folder not in names.values():
                name = Path(root.name, folder.relative_to(root)).as_posix()
                names[str(folder) if name in names else name] = folder
    return names


def _check_not_demo() -> None:
    if is_demo():
        raise FetchError("public_demo", DEMO_EXPLANATION)


def demo_set() -> Path | None:
    """The folder of the drawn set that the app made itself; None where there is none."""
    if is_demo():
        return None
    try:
        folder = (own_sets_folder() / DEMO_NAME).resolve()
        return folder if folder.is_dir() else None
    except (OSError, UserError):
        return None


def make_demo(on_progress: Callable[[int, int], None] | None = None) -> Path:
    """The drawn set in the app's own folder; made where it is not there yet, or not whole any more.

    Raises:
        DemoError: it cannot be written.
        FetchError: ``public_demo``.
    """
    _check_not_demo()
    folder = own_sets_folder() / DEMO_NAME
    if not folder.is_dir() or len(list_image_files(folder)) != DEMO_IMAGES:
        waiting = folder.with_name(f".{DEMO_NAME}.{os.getpid()}")
        shutil.rmtree(waiting, ignore_errors=True)  # of a process that was killed
        write_demo(waiting, on_progress=lambda done: on_progress(done, DEMO_IMAGES) if on_progress else None)
        shutil.rmtree(folder, ignore_errors=True)
        waiting.replace(folder)
    return folder


def fetch_kaggle() -> Path:
    """Downloads the Kaggle set (close to 2 GB) into the app's own folder; once, then it is there.

    Raises:
        FetchError: ``not_installed``: kagglehub is missing; ``not_fetched``: Kaggle gave
            nothing; ``public_demo``.
    """
    _check_not_demo()
    os.environ.setdefault("KAGGLEHUB_CACHE", str(own_sets_folder() / ".kaggle"))
    try:
        kagglehub = importlib.import_module("kagglehub")  # optional, so not among the requirements
    except ImportError as error:
        raise FetchError(
            "not_installed",
            "Fetching from Kaggle needs the package kagglehub, which is not installed here. Install it with "
            "'pip install kagglehub' and start the app again, or download the set from "
            f"kaggle.com/datasets/{KAGGLE_SET} and put it into a folder named in DEEPFAKE_DATA.",
        ) from error
    try:
        folder = Path(kagglehub.dataset_download(KAGGLE_SET))
    except Exception as error:  # its many errors have no common base
        raise FetchError(
            "not_fetched",
            f"{KAGGLE_SET} could not be fetched from Kaggle ({type(error).__name__}). It needs a connection "
            "to kaggle.com, about 4 GB of free disk and, where Kaggle asks for it, an account's key "
            "(KAGGLE_USERNAME and KAGGLE_KEY). Or put the set into a folder named in DEEPFAKE_DATA by hand.",
        ) from error
    inner = folder / "Dataset"
    link = own_sets_folder() / KAGGLE_SET.rpartition("/")[2]
    if not link.exists():
        link.unlink(missing_ok=True)  # a link to a copy that is gone
        link.symlink_to(inner if inner.is_dir() else folder)
    return link


def find_image(image_id: str, source: str = "", folder: str = "") -> Path | None:
    """The file of an image below one of ``settings.allowed_roots``, or None; see ``image_file``."""
    for root in allowed_roots():
        found = image_file(root, image_id, source, folder)
        if found is not None:
            return found
    return None


def image_file(root: Path, image_id: str, source: str = "", folder: str = "") -> Path | None:
    """The file of an image below a root, or None.

    It is looked for as ROOT/folder/image_id, ROOT/image_id and ROOT/source/image_id. Names come from a file,
    so whatever leads out of the root, by ``..``, as an absolute path or through a link, is not opened, nor is
    what has no image's extension.
    """
    for start in dict.fromkeys((folder, "", source)):
        name = f"{start}/{image_id}" if start else image_id
        parts = PurePosixPath(name.replace("\\", "/"))
        unsafe = not name or "\0" in name or parts.is_absolute() or ".." in parts.parts or ":" in name
        if unsafe or parts.suffix.lower() not in IMAGE_EXTENSIONS:
            continue
        try:
            path = root.joinpath(*parts.parts).resolve()
            if path.is_relative_to(root.resolve()) and path.is_file():
                return path
        except (OSError, RuntimeError):  # too long a name, a circle of links
            continue
    return None
