"""Fakes made of a data set's own photographs by autoencoders: whole pictures, and faces put back into them.

Of face swappers the second kind keeps all but the identity: the face is turned upright and cut out at a low
resolution, drawn anew by a network, turned back and blended in. Close to half of the faces are another
person's, laid onto the landmarks first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.gather import SIDE, write_picture
from deepfake.data.index import DatasetError, DatasetIndex
from deepfake.data.synthesis.face_swap import in_colours_of, moved_onto
from deepfake.data.synthesis.landmarks import read_landmarks
from deepfake.data.synthesis.self_blend import eye_distance, face_mask
from deepfake.faces.finder import find_landmarks
from deepfake.images.load import load_image
from deepfake.images.pixels import centre_square, resize
from deepfake.networks.autoencoder import Autoencoder, round_trip
from deepfake.perturbations.common import as_pixels
from deepfake.perturbations.primitives import jpeg
from deepfake.types import REMADE, Landmarks, Pixels

CAMERA = "remade-camera"
_BATCH = 32
_QUALITIES = (75, 97)
_WHOLE_SIDES = (128, 192, 256, 256)
_FACE_SIDES = (96, 128, 128, 128, 160)
_LEAST_EYE_DISTANCE = 16  # pixels; in a smaller face nothing of it would be left
_UPRIGHT = np.array([[-0.15, -0.1], [0.15, -0.1], [0, 0.08], [-0.12, 0.24], [0.12, 0.24]], np.float32)
"""Where the five landmarks lie in a cut-out face, from its middle, as shares of its side."""


@dataclass(frozen=True)
class _Photograph:
    pixels: Pixels  # (SIDE, SIDE, 3)
    landmarks: Landmarks | None


@dataclass(frozen=True)
class _Cut:
    """A face turned upright: ``matrix`` (2, 3) took it out; its landmarks there, as shares of the side."""

    matrix: NDArray[np.float32]
    landmarks: Landmarks


@dataclass(frozen=True)
class _Part:
    """What goes through an autoencoder, (S, S, 3): the whole picture, or the cut-out face."""

    pixels: Pixels
    cut: _Cut | None = None


def remake(
    data: DatasetIndex,
    autoencoders: Sequence[Autoencoder],
    *,
    images: int,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Adds the source ``remade`` to a data set: photographs of every source, and a fake of each.

    Photographs are drawn evenly from the sources, and an autoencoder for each; a fake stands in the split of
    its photograph. Both go through one JPEG pass of the same quality.

    Args:
        data: the data set, with a ``manifest.csv``; its folder is written to.
        autoencoders: the networks, one at least.
        images: how many photographs at most.
        seed: of every random draw.
        on_progress: told how many are done.

    Returns:
        The new rows of the manifest; ``group`` names the pair.

    Raises:
        DatasetError: codes ``bad_manifest``: there is none, or ``remade`` is in it already;
            ``no_images``: there is no photograph.
    """
    manifest = data.root / "manifest.csv"
    if not manifest.is_file() or REMADE in set(data.table["source"]):
        raise DatasetError(
            "bad_manifest", f"{manifest} must be there and hold no source '{REMADE}' yet; remake adds it."
        )
    table = _drawn(data.table[data.table["label"] == 0], images, seed)
    if table.empty:
        raise DatasetError("no_images", f"{data.root} holds no photograph (Real) to remake.")
    known = read_landmarks(data.root)
    rng = np.random.default_rng(seed)
    rows: list[dict[str, str]] = []
    for start in range(0, len(table), _BATCH):
        batch = table.iloc[start : start + _BATCH]
        photographs = [_read(data.root / path, known.get(path)) for path in batch["path"]]
        fakes = _fakes(photographs, autoencoders, rng)
        for row, photograph, (kind, fake) in zip(batch.itertuples(), photographs, fakes, strict=True):
            quality = int(rng.integers(*_QUALITIES))
            for label, generator, pixels in (("Fake", kind, fake), ("Real", CAMERA, photograph.pixels)):
                place = _store(jpeg(pixels, quality), data.root, str(row.path), str(row.split), label)
                about = {"split": str(row.split), "label": label, "source": REMADE, "generator": generator}
                rows.append({"path": place, **about, "group": Path(place).stem})
        if on_progress is not None:
            on_progress(start + len(batch))
    added = pd.DataFrame(rows)
    before = pd.read_csv(manifest, dtype=str, keep_default_na=False)
    pd.concat([before, added]).fillna("").to_csv(manifest, index=False)
    return added


def _drawn(photographs: pd.DataFrame, images: int, seed: int) -> pd.DataFrame:
    """At most so many, evenly of each source, in an order that mixes splits but not sources.

    A batch is then mostly of one source, so that a face comes from a picture of the same kind.
    """
    sources = [group for _, group in photographs.groupby("source")]
    each = images // max(1, len(sources))
    drawn = [group.sample(min(each, len(group)), random_state=seed) for group in sources]
    return pd.concat(drawn) if drawn else photographs


def _store(pixels: Pixels, root: Path, original: str, split: str, label: str) -> str:
    """Writes a picture under a name that follows from its photograph's; the place, relative to ``root``."""
    name = f"{hashlib.sha256(original.encode()).hexdigest()[:16]}.jpg"
    place = Path(REMADE) / split / label / name
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    write_picture(root / place, pixels)
    return place.as_posix()


def _read(path: Path, landmarks: Landmarks | None) -> _Photograph:
    pixels = load_image(path).pixels
    square = pixels.shape[0] == pixels.shape[1]
    pixels = resize(centre_square(pixels), SIDE)
    found = landmarks if landmarks is not None and square else find_landmarks(pixels)
    if found is not None and eye_distance(found) * SIDE < _LEAST_EYE_DISTANCE:
        found = None
    return _Photograph(pixels, found)


def _fakes(
    photographs: list[_Photograph], autoencoders: Sequence[Autoencoder], rng: np.random.Generator
) -> list[tuple[str, Pixels]]:
    """Name of what made it and the fake (SIDE, SIDE, 3), one a photograph."""
    giving = [(own.pixels, own.landmarks) for own in photographs if own.landmarks is not None]
    parts = [_part(own, giving, rng) for own in photographs]
    drawn = [(int(rng.integers(len(autoencoders))), part.pixels.shape[0]) for part in parts]
    made: dict[int, Pixels] = {}
    for which, side in sorted(set(drawn)):
        places = [place for place, own in enumerate(drawn) if own == (which, side)]
        batch = np.stack([parts[place].pixels for place in places])
        made.update(zip(places, round_trip(batch, autoencoders[which], rng), strict=True))
    fakes = []
    for place, (own, part) in enumerate(zip(photographs, parts, strict=True)):
        name = autoencoders[drawn[place][0]].name
        if part.cut is None:
            fakes.append((name, resize(made[place], SIDE)))
        else:
            fakes.append((f"{name}-face", _put_back(own.pixels, part.cut, made[place], rng)))
    return fakes


def _part(own: _Photograph, giving: list[tuple[Pixels, Landmarks]], rng: np.random.Generator) -> _Part:
    if own.landmarks is None or rng.random() < 0.3:
        return _Part(resize(own.pixels, int(rng.choice(_WHOLE_SIDES))))
    side = int(rng.choice(_FACE_SIDES))
    goal = (_UPRIGHT * np.float32(rng.uniform(0.75, 1.15)) + 0.5) * side
    matrix, _ = cv2.estimateAffinePartial2D(own.landmarks * np.float32(SIDE), goal, method=cv2.LMEDS)
    if matrix is None:
        return _Part(resize(own.pixels, SIDE))
    cut = as_pixels(
        cv2.warpAffine(own.pixels, matrix, (side, side), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)
    )
    points = (own.landmarks * SIDE) @ matrix[:, :2].T + matrix[:, 2]
    points = points.astype(np.float32)
    landmarks = points / np.float32(side)
    others = [other for other in giving if other[0] is not own.pixels]
    if others and rng.random() < 0.45:
        donor, theirs = others[int(rng.integers(len(others)))]
        moved = moved_onto(donor, theirs, points, side)
        mask = face_mask(side, landmarks, rng)
        cut = np.rint(in_colours_of(cut, moved, mask, float(rng.uniform(0.6, 1.0)))).astype(np.uint8)
    return _Part(cut, _Cut(matrix.astype(np.float32), landmarks))


def _put_back(pixels: Pixels, cut: _Cut, made: Pixels, rng: np.random.Generator) -> Pixels:
    """The photograph with the face that was made of its own, blended in under a soft square or outline."""
    side = made.shape[0]
    if rng.random() < 0.35:
        edge = int(side * rng.uniform(0.04, 0.16))
        mask = np.zeros((side, side), np.float32)
        mask[edge : side - edge, edge : side - edge] = 1
        mask = cv2.GaussianBlur(mask, (0, 0), max(1.0, edge * float(rng.uniform(0.3, 0.6))))
    else:
        mask = face_mask(side, cut.landmarks, rng)
    face = made.astype(np.float32)
    if rng.random() < 0.35:  # many programs sharpen what they made
        soft = cv2.GaussianBlur(face, (0, 0), 1.2)
        face = face + (face - soft) * float(rng.uniform(0.3, 1.2))
    if rng.random() < 0.5:
        face = face * float(rng.uniform(0.94, 1.06)) + rng.uniform(-8, 8, 3).astype(np.float32)
    kernel = cv2.INTER_CUBIC if rng.random() < 0.6 else cv2.INTER_LINEAR
    size, back = (SIDE, SIDE), cv2.invertAffineTransform(cut.matrix)
    face = cv2.warpAffine(np.clip(face, 0, 255), back, size, flags=kernel)
    strength = np.clip(cv2.warpAffine(mask, back, size), 0, 1)[..., None] * float(rng.choice([1, 1, 1, 0.85]))
    return np.clip(np.rint(face * strength + pixels * (1 - strength)), 0, 255).astype(np.uint8)
