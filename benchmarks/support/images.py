"""Images to measure with: photographs and face crops where ``DEEPFAKE_DATA`` is set, else drawn ones."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image


@contextlib.contextmanager
def image_folder(images: int) -> Iterator[Path]:
    """A folder Fake|Real of 256 px JPEGs: real ones where DEEPFAKE_DATA is set, else drawn ones."""
    data = os.environ.get("DEEPFAKE_DATA")
    source = Path(data) / "openforensics" / "Validation" if data else None
    with tempfile.TemporaryDirectory() as place:
        for label in ("Fake", "Real"):
            folder = Path(place) / label
            folder.mkdir()
            if source and (source / label).is_dir():
                for path in sorted((source / label).iterdir())[: images // 2]:
                    (folder / path.name).symlink_to(path)
                continue
            for number in range(images // 2):
                drawn_photo(number).save(folder / f"{number}.jpg", quality=90)
        yield Path(place)


def drawn_photo(seed: int, side: int = 256) -> Image.Image:
    """Smooth blotches: compresses like a photograph."""
    small = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def photo(number: int, side: int = 1000) -> Image.Image:
    """A photograph with a face where DEEPFAKE_DATA is set, else a drawn picture; ``side`` pixels wide."""
    data = os.environ.get("DEEPFAKE_DATA")
    folder = Path(data) / "photos" if data else None
    if folder and folder.is_dir():
        paths = sorted(folder.iterdir())
        found = Image.open(paths[number % len(paths)]).convert("RGB")
        return found.resize((side, round(side * found.height / found.width)))
    return drawn_photo(number, side)


def photo_file(number: int, side: int = 1000) -> bytes:
    """``photo`` as a JPEG; cut a little differently from the 17th on, so that no two are alike."""
    image, buffer = photo(number, side), io.BytesIO()
    image.crop((number // 16, 0, image.width, image.height)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@contextlib.contextmanager
def photo_folder(images: int) -> Iterator[Path]:
    """A folder of so many of ``photo_file``."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(images):
            (Path(folder) / f"{number}.jpg").write_bytes(photo_file(number))
        yield Path(folder)
