"""What an audit measures of every image's content: hashes, light, sharpness; or why it cannot be read.

Measuring reads and decodes every file once (about 2 ms each for 256 px). What was measured is kept in the
cache folder by name, size and time of change, so a stopped audit goes on where it was.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.data.inventory import Inventory, cache_name, file_states
from deepfake.images.hashing import perceptual_hash
from deepfake.images.load import ImageRefused, load_image
from deepfake.types import Pixels
from deepfake.util.cache import DAMAGED, cache_folder, changed, prune
from deepfake.util.files import write_whole
from deepfake.util.jobs import Stopped

MAX_CACHED_BYTES = 512_000_000
_VERSION = 2
_CHUNK = 64  # files handed to a thread at once
_SAVE_EVERY = 20_000
_SHAPES: dict[str, tuple[Any, tuple[int, ...]]] = {
    "sha256": (np.uint8, (32,)),
    "perceptual": (np.uint8, (8,)),
    "brightness": (np.float32, ()),
    "contrast": (np.float32, ()),
    "sharpness": (np.float32, ()),
    "width": (np.int32, ()),
    "height": (np.int32, ()),
    "state": (np.int8, ()),
}
UNSEEN, GOOD, REFUSED = 0, 1, 2
_STATES = ("n_bytes", "modified")


@dataclass(frozen=True)
class Measures:
    """What is known of N images' contents, in the order of the inventory's rows.

    Attributes:
        sha256: (N, 32) uint8, of the file's bytes.
        perceptual: (N, 8) uint8, see ``hashing.perceptual_hash``.
        brightness: (N,) mean grey, 0-255.
        contrast: (N,) standard deviation of grey, 0-127.5.
        sharpness: (N,) variance of the Laplacian of grey (Pech-Pacheco et al., 2000); low means blurred.
        width, height: (N,) in pixels, upright.
        state: (N,) ``GOOD`` or ``REFUSED``; all else is 0 of a refused one.
        refusals: why each refused one cannot be read, by row.
    """

    sha256: NDArray[np.uint8]
    perceptual: NDArray[np.uint8]
    brightness: NDArray[np.float32]
    contrast: NDArray[np.float32]
    sharpness: NDArray[np.float32]
    width: NDArray[np.int32]
    height: NDArray[np.int32]
    state: NDArray[np.int8]
    refusals: dict[int, str]

    @property
    def good(self) -> NDArray[np.bool_]:
        """(N,) which could be read."""
        return self.state == GOOD


@dataclass(frozen=True)
class PixelStats:
    """Light and sharpness of one image; see ``Measures`` for what each is."""

    brightness: float
    contrast: float
    sharpness: float


@dataclass(frozen=True)
class _States:
    """Sizes and times of change of N files, as ``inventory.file_states`` gives them."""

    n_bytes: NDArray[np.int64]
    modified: NDArray[np.int64]


@dataclass(frozen=True)
class _One:
    """One image's values, or the reason why there are none."""

    values: dict[str, Any]
    refusal: str = ""


def measures_version(inventory: Inventory) -> int:
    """Changes whenever measures of this data set are kept; 0 where there are none."""
    return changed("measures", f"{cache_name(inventory.root)}.npz")


def kept_measures(inventory: Inventory) -> Measures | None:
    """The measures of all images, where each is in the cache as the inventory knows it; no file is read."""
    arrays, refusals = _load(inventory, _States(*(inventory.table[name].to_numpy() for name in _STATES)))
    return None if (arrays["state"] == UNSEEN).any() else Measures(**arrays, refusals=refusals)


def measure_images(
    inventory: Inventory,
    *,
    refresh: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Measures:
    """Measures every image that is not in the cache as its file is at this moment.

    Args:
        inventory: the data set; it may be older than its files.
        refresh: measure every image again, whatever is kept.
        on_progress: told how many images are done, of how many.
        stopped: asked now and then whether to stop.

    Raises:
        Stopped: ``stopped`` said so.
    """
    paths = inventory.index().paths()
    states = _States(*file_states(paths))
    arrays, refusals = _unseen(len(inventory)) if refresh else _load(inventory, states)
    waiting = np.flatnonzero(arrays["state"] == UNSEEN)
    done, unsaved = len(inventory) - waiting.size, 0
    cv2.setNumThreads(0)
    try:
        for rows, found in _in_threads(waiting, paths):
            for row, one in zip(rows, found, strict=True):
                arrays["state"][row] = REFUSED if one.refusal else GOOD
                if one.refusal:
                    refusals[int(row)] = one.refusal
                for name, value in one.values.items():
                    arrays[name][row] = value
            done, unsaved = done + len(rows), unsaved + len(rows)
            if on_progress is not None:
                on_progress(done, len(inventory))
            if stopped():
                raise Stopped
            if unsaved >= _SAVE_EVERY:
                _save(inventory, states, arrays, refusals)
                unsaved = 0
    finally:
        if unsaved:
            _save(inventory, states, arrays, refusals)
    return Measures(**arrays, refusals=refusals)


def _in_threads(
    waiting: NDArray[np.int64], paths: list[str]
) -> Iterator[tuple[NDArray[np.int64], list[_One]]]:
    """Rows and their values, chunk by chunk; a few chunks are worked on ahead of the caller."""
    chunks = [waiting[start : start + _CHUNK] for start in range(0, waiting.size, _CHUNK)]
    workers = min(8, os.cpu_count() or 1)

    def work(rows: NDArray[np.int64]) -> list[_One]:
        return [_measure(paths[row]) for row in rows]

    pool = ThreadPoolExecutor(workers)
    try:
        ahead = [pool.submit(work, rows) for rows in chunks[: 2 * workers]]
        for index, rows in enumerate(chunks):
            if index + 2 * workers < len(chunks):
                ahead.append(pool.submit(work, chunks[index + 2 * workers]))
            yield rows, ahead.pop(0).result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _measure(path: str) -> _One:
    try:
        image = load_image(path, min_side=1)
    except ImageRefused as refusal:
        return _One({}, refusal.message)
    return _One(
        {
            "sha256": np.frombuffer(bytes.fromhex(image.facts.sha256), np.uint8),
            "perceptual": perceptual_hash(image.pixels),
            **asdict(pixel_stats(image.pixels)),
            "width": image.facts.width,
            "height": image.facts.height,
        }
    )


def pixel_stats(pixels: Pixels) -> PixelStats:
    """Light and sharpness of an image.

    Args:
        pixels: (H, W, 3) uint8 RGB. Sharpness depends on the number of pixels: compare images of one size.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    mean, deviation = cv2.meanStdDev(grey)
    return PixelStats(float(mean[0, 0]), float(deviation[0, 0]), float(cv2.Laplacian(grey, cv2.CV_16S).var()))


def _unseen(total: int) -> tuple[dict[str, NDArray[Any]], dict[int, str]]:
    return {name: np.zeros((total, *shape), kind) for name, (kind, shape) in _SHAPES.items()}, {}


def _load(inventory: Inventory, states: _States) -> tuple[dict[str, NDArray[Any]], dict[int, str]]:
    """What is in the cache of files in these states; the rest is ``UNSEEN``."""
    arrays, refusals = _unseen(len(inventory))
    try:
        with np.load(cache_folder("measures") / f"{cache_name(inventory.root)}.npz") as kept:
            facts = json.loads(str(kept["facts"]))
            if facts["version"] != _VERSION:
                return arrays, refusals
            names = kept["path"].tobytes().decode().split("\0")
            row_of = {path: row for row, path in enumerate(names)}
            old = np.array([row_of.get(path, -1) for path in inventory.table["path"]], np.int64)
            for name in _STATES:
                old[kept[name][old] != getattr(states, name)] = -1
            found = old >= 0
            for name, values in arrays.items():
                values[found] = kept[name][old[found]]
        known = {int(row): text for row, text in facts["refusals"].items()}
        refusals = {int(row): known[int(old[row])] for row in np.flatnonzero(arrays["state"] == REFUSED)}
    except DAMAGED:
        return _unseen(len(inventory))
    return arrays, refusals


def _save(
    inventory: Inventory, states: _States, arrays: dict[str, NDArray[Any]], refusals: dict[int, str]
) -> None:
    facts = {"version": _VERSION, "refusals": refusals}
    stored: dict[str, NDArray[Any]] = {
        **arrays,
        "path": np.frombuffer("\0".join(inventory.table["path"]).encode(), np.uint8),
        **{name: getattr(states, name) for name in _STATES},
        "facts": np.array(json.dumps(facts)),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **stored)  # pyright: ignore[reportArgumentType] - no name clashes with allow_pickle
    try:
        folder = cache_folder("measures")
        write_whole(folder / f"{cache_name(inventory.root)}.npz", buffer.getvalue())
        prune(folder, MAX_CACHED_BYTES)
    except OSError:  # nothing is kept then; the audit itself is as good
        return
