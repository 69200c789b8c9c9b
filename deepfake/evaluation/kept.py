"""Evaluations run on this server, kept apart from the detectors' cards until somebody adds them.

They lie in the cache folder (``$DEEPFAKE_CACHE``), so that measuring changes no file of a detector. Each is a
folder with ``entry.json``, what the card would hold, and ``scores.csv``.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from deepfake.data.sets import find_image
from deepfake.detection.card import Card, load_card
from deepfake.errors import UserError
from deepfake.evaluation.records import (
    Recorded,
    RecordError,
    entry_title,
    read_entry,
    read_recorded_scores,
    recorded_evaluations,
)
from deepfake.evaluation.scores import read_scores, write_scores
from deepfake.images.load import load_image
from deepfake.perturbations.mix import perturbed_copy
from deepfake.settings import is_demo
from deepfake.types import Pixels
from deepfake.util.cache import DAMAGED, cache_folder
from deepfake.util.files import write_json


@dataclass(frozen=True)
class RecordedImage:
    """One image of a recorded evaluation.

    Attributes:
        path: its file below one of ``settings.allowed_roots``.
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
        raise RecordError("unknown_image", f"No image of '{title}' is called '{image_id}'.")
    row = rows.iloc[0]
    path = find_image(image_id, str(row["source"]), matching[0].folder)
    if path is None:
        raise RecordError(
            "image_not_here",
            f"The image '{image_id}' of '{title}' is not in the data folders of this server.",
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


ENTRY, SCORES = "entry.json", "scores.csv"
MAX_STORED_BYTES = 256_000_000
"""Of all that is kept; the oldest go first."""


class KeptError(UserError):
    """A kept evaluation cannot be used; codes ``not_kept``, ``not_here``, ``public_demo``, ``bad_entry``."""


def keep(card: Card, table: pd.DataFrame, entry: dict[str, Any]) -> Path:
    """Keeps an evaluation; one of the same detector and title is replaced.

    Args:
        card: the detector's.
        table: its scores, from ``measure.measure``.
        entry: from ``publish.evaluation_entry``.

    Returns:
        The folder.

    Raises:
        KeptError: ``not_kept``: the cache folder cannot be written.
    """
    try:
        folder = _folder(card) / hashlib.sha256(entry_title(entry).encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        (folder / ENTRY).unlink(missing_ok=True)  # never an entry beside the scores of another
        write_scores(table, folder / SCORES)
        write_json(folder / ENTRY, {**entry, "scores": SCORES, "score_version": card.score_version})
        _drop_oldest(folder)
    except OSError as error:
        raise KeptError(
            "not_kept",
            f"The evaluation cannot be kept: {error.filename or 'the cache folder'} cannot be written "
            f"({error.strerror}). Set DEEPFAKE_CACHE to a folder that can.",
        ) from error
    return folder


def kept_evaluations(card: Card) -> tuple[tuple[Recorded, ...], tuple[str, ...]]:
    """The detector's evaluations run here, by title, and a sentence for each that is of no use any more."""
    good, bad = [], []
    for folder in _folders(card):
        try:
            entry = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
            recorded = read_entry(folder, entry, here=True)
            if entry["score_version"] != card.score_version:
                bad.append(
                    f"{recorded.title}, is of another version of '{card.name}' and not shown. Run it again."
                )
                continue
        except (*DAMAGED, AttributeError) as error:
            bad.append(f"An evaluation of '{card.name}' run here cannot be read ({error!r}). Run it again.")
            continue
        good.append(recorded)
    return tuple(sorted(good, key=lambda each: each.title)), tuple(bad)


def known_evaluations(card: Card) -> tuple[tuple[Recorded, ...], tuple[str, ...]]:
    """The evaluations in a detector's card, then those run here; and what is wrong with others."""
    recorded, complaints = recorded_evaluations(card)
    kept, more = kept_evaluations(card)
    return (*recorded, *kept), (*complaints, *more)


def remove(recorded: Recorded) -> None:
    """Removes an evaluation run here; one that is gone already stays gone.

    Raises:
        KeptError: ``not_here``: it stands in a card; ``not_kept``: its folder cannot be removed.
    """
    folder = _place(recorded)
    try:
        if folder.is_dir():
            shutil.rmtree(folder)
    except OSError as error:
        raise KeptError("not_kept", f"{folder} cannot be removed ({error.strerror}).") from error


def add_to_card(card: Card, recorded: Recorded) -> str:
    """Moves an evaluation run here into the detector's card, beside which its scores then lie.

    Returns:
        Its title there.

    Raises:
        KeptError: ``public_demo``; ``not_here``: it stands in a card, or is gone; ``bad_entry``.
        UserError: ``not_written``: the card cannot be written.
    """
    from deepfake.evaluation.records import record_entry

    if is_demo():
        raise KeptError("public_demo", "This is a public demo: cards are not written.")
    folder = _place(recorded)
    try:
        entry = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        table = read_scores(folder / SCORES)
        if entry.pop("score_version") != card.score_version:
            raise ValueError("it is of another version of the detector")
    except OSError as error:
        raise KeptError("not_here", f"{recorded.title} is gone. Run it again.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeptError("bad_entry", f"{recorded.title} cannot be used ({error}). Run it again.") from error
    record_entry(card, entry, table)
    remove(recorded)
    return entry_title(entry)


def _folder(card: Card) -> Path:
    """Of one detector; detectors of one name in several models folders have one each."""
    digest = hashlib.sha256(str(card.folder.resolve()).encode()).hexdigest()[:8]
    return cache_folder(f"evaluations/{card.name}-{digest}")


def _folders(card: Card) -> list[Path]:
    try:
        return sorted(path.parent for path in _folder(card).glob(f"*/{ENTRY}"))
    except OSError:
        return []


def _place(recorded: Recorded) -> Path:
    folder = recorded.scores.parent.resolve()
    if not (recorded.here and folder.is_relative_to(cache_folder("evaluations").resolve())):
        raise KeptError(
            "not_here", f"{recorded.title} stands in the detector's card; it is not removed here."
        )
    return folder


def _drop_oldest(newest: Path) -> None:
    entries = [path for path in cache_folder("evaluations").glob(f"*/*/{SCORES}") if path.parent != newest]
    entries.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    total = (newest / SCORES).stat().st_size
    for path in entries:
        total += path.stat().st_size
        if total > MAX_STORED_BYTES:
            shutil.rmtree(path.parent, ignore_errors=True)
