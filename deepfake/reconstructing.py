"""Fakes made of photographs by an autoencoder, each beside its photograph: the two differ in nothing else.

What every picture of a latent diffusion model has gone through is its decoder. Photographs sent through
encoder and decoder carry the decoder's traces and nothing else of a generator, so a detector cannot lean on
who or what is shown, by which camera (Rajan et al., Aligned Datasets Improve Detection of Latent
Diffusion-Generated Images, ICLR 2025). Part of them keep the photograph around the face, as swaps and
inpainted faces do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.augmentation import jpeg
from deepfake.autoencoder import Autoencoder
from deepfake.blending import Landmarks, face_mask
from deepfake.dataset import DatasetIndex
from deepfake.errors import UserError
from deepfake.gathering import QUALITIES, SIDE, STORED_QUALITY, name_draw
from deepfake.images import load_image
from deepfake.landmarks import read_landmarks
from deepfake.preprocessing import resize

SOURCE = "autoencoder"
SIZES = (128, 160, 192, 224, 256)
"""At which the autoencoder sees a picture, so that its grid comes in all widths."""
FACE_ONLY = 0.45  # part of the training fakes that keep the photograph around the face
_BATCH = 8


class ReconstructionError(UserError):
    """The data set cannot be given reconstructions."""


@dataclass(frozen=True)
class _Photograph:
    path: str
    split: str
    generator: str

    @property
    def size(self) -> int:
        return SIZES[int(name_draw("size " + self.path) * len(SIZES))]

    @property
    def face_only(self) -> bool:
        return self.split == "Train" and name_draw("face " + self.path) < FACE_ONLY

    def rng(self, word: str) -> np.random.Generator:
        return np.random.default_rng(int(name_draw(f"{word} {self.path}") * 2**48))


def reconstruct(
    data: DatasetIndex,
    autoencoder: Autoencoder,
    *,
    each: int,
    validation: int,
    say: Callable[[str], None] = print,
) -> int:
    """Adds the source ``autoencoder`` to a data set that ``gather`` made: files, and rows of its manifest.

    Args:
        data: the data set, with its manifest.
        autoencoder: makes the fakes.
        each: at most this many photographs of a source, from Train.
        validation: as ``each``, from Validation; these fakes are reconstructed as a whole.
        say: takes lines for the person who waits.

    Returns:
        How many pairs were made.

    Raises:
        ReconstructionError: ``no_manifest``: the data set has none; ``there_already``: it has this source.
    """
    manifest = data.root / "manifest.csv"
    if not manifest.is_file():
        raise ReconstructionError("no_manifest", f"{data.root} has no manifest.csv. Make it with gather.")
    if (data.table["source"] == SOURCE).any():
        raise ReconstructionError(
            "there_already", f"{data.root} has the source {SOURCE} already. Delete its folder and rows first."
        )
    cv2.setNumThreads(0)
    chosen = _photographs(data, "Validation", validation) + _photographs(data, "Train", each)
    basis = _basis(data.root, chosen[:64], autoencoder)
    rows: list[dict[str, str]] = []
    for faces in (False, True):
        landmarks = read_landmarks(data.root) if faces else {}
        part = [photograph for photograph in chosen if photograph.face_only == faces]
        for done in _batches(data.root, part, autoencoder, basis, landmarks):
            rows += done
            if len(rows) // 2 % 256 < _BATCH:
                say(f"{'Faces' if faces else 'Whole pictures'}: {len(rows) // 2:,} of {len(chosen):,}")
    table = pd.concat([pd.read_csv(manifest, dtype=str, keep_default_na=False), pd.DataFrame(rows)])
    table.sort_values("path").to_csv(manifest, index=False)
    return len(rows) // 2


def _photographs(data: DatasetIndex, split: str, each: int) -> list[_Photograph]:
    """Up to ``each`` photographs of each source, always the same."""
    table = data.table[(data.table["split"] == split) & (data.table["label"] == 0)]
    draws = [name_draw(f"reconstruct {path}") for path in table["path"]]
    table = table.assign(draw=draws).sort_values("draw").groupby("source").head(each)
    columns = (table[name].tolist() for name in ("path", "split", "generator"))
    return [_Photograph(*row) for row in zip(*columns, strict=True)]


def _load(root: Path, path: str, size: int) -> NDArray[np.float32]:
    """(size, size, 3) in 0..1."""
    pixels = resize(load_image(root / path).pixels, size)
    return pixels.astype(np.float32) / np.float32(255)


def _basis(root: Path, some: list[_Photograph], autoencoder: Autoencoder) -> tuple[Any, Any]:
    """Mean and principal axes (columns, widest first) of latents."""
    latents = [autoencoder.encode(_load(root, photograph.path, photograph.size)[None]) for photograph in some]
    flat = np.concatenate([part.reshape(-1, part.shape[-1]) for part in latents])
    mean = flat.mean(axis=0)
    return mean, np.linalg.eigh(np.cov((flat - mean).T))[1][:, ::-1].astype(np.float32)


def _batches(
    root: Path,
    chosen: list[_Photograph],
    autoencoder: Autoencoder,
    basis: tuple[Any, Any],
    landmarks: Mapping[str, Landmarks],
) -> Iterator[list[dict[str, str]]]:
    with ThreadPoolExecutor(2) as pool:
        for size in SIZES:
            same = [photograph for photograph in chosen if photograph.size == size]
            for start in range(0, len(same), _BATCH):
                batch = same[start : start + _BATCH]
                pictures = list(
                    pool.map(lambda photograph: _load(root, photograph.path, photograph.size), batch)
                )
                latents = autoencoder.encode(np.stack(pictures))
                changed = [
                    _changed(one, basis, photograph.rng("latents"))
                    for one, photograph in zip(latents, batch, strict=True)
                ]
                drawn = autoencoder.decode(np.stack(changed))
                yield [
                    row
                    for photograph, before, after in zip(batch, pictures, drawn, strict=True)
                    for row in _write(root, photograph, before, after, landmarks.get(photograph.path))
                ]


def _changed(latents: NDArray[np.float32], basis: tuple[Any, Any], rng: np.random.Generator) -> Any:
    """Latents as they are, with noise, or without their faintest axes: a generator's are never exact."""
    how = rng.random()
    if how < 0.2:
        return latents
    if how < 0.5:
        return latents + rng.normal(0, rng.uniform(0.1, 0.5), latents.shape).astype(np.float32)
    mean, axes = basis
    kept = axes[:, : round(axes.shape[1] * rng.uniform(0.4, 0.8))]
    return (latents - mean) @ kept @ kept.T + mean


def _write(
    root: Path,
    photograph: _Photograph,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    landmarks: Landmarks | None,
) -> Iterator[dict[str, str]]:
    """Both pictures of a pair, after the same resizing and JPEG pass; rows of the manifest."""
    if landmarks is not None:  # the face alone is drawn small, as a swapper draws it
        before = _load(root, photograph.path, SIDE)
        after = np.asarray(cv2.resize(after, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)
        mask = face_mask(SIDE, landmarks, photograph.rng("mask"))[..., None]
        after = np.asarray(after * mask + before * (1 - mask), np.float32)
    low, high = QUALITIES
    quality = low + int(name_draw("quality " + photograph.path) * (high - low + 1))
    name = photograph.path.replace("/", "-").rsplit(".", 1)[0]
    for label, picture in (("Fake", after), ("Real", before)):
        formed = jpeg(resize(np.rint(picture * 255).astype(np.uint8), SIDE), quality)
        target = f"{SOURCE}/{photograph.split}/{label}/{name}.jpg"
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / target), formed[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, STORED_QUALITY])
        yield {
            "path": target,
            "split": photograph.split,
            "label": label,
            "source": SOURCE,
            "generator": SOURCE if label == "Fake" else photograph.generator,
        }
