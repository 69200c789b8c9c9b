"""Pairs of a photograph and its reconstruction: they differ by the autoencoder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import encoded, noise_image
from test_gathering import quiet

from deepfake import reconstructing
from deepfake.dataset import index_dataset
from deepfake.gathering import SourceFolder, gather
from deepfake.images import load_image
from deepfake.reconstructing import ReconstructionError, reconstruct


class Stub:
    """An autoencoder whose latents are the picture's pixels, eight by eight; ``darker`` is its trace."""

    def __init__(self, darker: float = 1.0) -> None:
        self.darker = darker

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        count, height, width, _ = pictures.shape
        parts = pictures.reshape(count, height // 8, 8, width // 8, 8, 3)
        return parts.transpose(0, 1, 3, 2, 4, 5).reshape(count, height // 8, width // 8, 192)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        count, height, width, _ = latents.shape
        parts = latents.reshape(count, height, width, 8, 8, 3).transpose(0, 1, 3, 2, 4, 5)
        return np.clip(parts.reshape(count, height * 8, width * 8, 3) * self.darker, 0, 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folders = []
    for place, source in enumerate(("one", "two")):
        for label in ("Fake", "Real"):
            folder = tmp_path / "collections" / source / label
            folder.mkdir(parents=True)
            for number in range(10):
                pixels = noise_image(100 * place + number + 50 * (label == "Real"), 90, 90)
                (folder / f"n{number}.png").write_bytes(encoded(pixels))
            folders.append(SourceFolder(f"{source}/{label}", source, "gan", label, validation=0.3))
    gather(folders, tmp_path / "collections", tmp_path / "out", say=quiet)
    return tmp_path / "out"


def made(root: Path, autoencoder: Any, **counts: int) -> pd.DataFrame:
    reconstruct(index_dataset(root), autoencoder, **{"each": 4, "validation": 2, **counts}, say=quiet)
    table = index_dataset(root).table
    return table[table["source"] == "autoencoder"]


def test_pairs_of_every_source_and_split(root: Path) -> None:
    before = index_dataset(root).table
    table = made(root, Stub(0.5))
    assert table.groupby(["split", "label"]).size().to_dict() == {
        (split, label): count for split, count in (("Train", 8), ("Validation", 4)) for label in (0, 1)
    }
    assert index_dataset(root).table.merge(before).shape[0] == len(before), "no row of the others is lost"
    for path in table[table["label"] == 1]["path"]:
        fake = load_image(root / path).pixels
        real = load_image(root / path.replace("/Fake/", "/Real/")).pixels
        assert fake.shape == real.shape == (256, 256, 3)
        assert fake.mean() < 0.7 * real.mean()
        assert path.split("/")[-1].split("-")[1] == path.split("/")[1], "a photograph stays in its split"


def test_where_the_autoencoder_leaves_no_trace_nothing_tells_the_two_apart(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconstructing, "_changed", lambda latents, *_: latents)
    for path in made(root, Stub())["path"]:
        twin = root / (
            path.replace("/Fake/", "/Real/") if "/Fake/" in path else path.replace("/Real/", "/Fake/")
        )
        assert (root / path).read_bytes() == twin.read_bytes()


def test_faces_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With landmarks known, the photograph stays around the face."""
    face = np.array([[0.4, 0.42], [0.6, 0.42], [0.5, 0.52], [0.43, 0.62], [0.57, 0.62]], np.float32)
    monkeypatch.setattr(reconstructing, "FACE_ONLY", 1.0)
    monkeypatch.setattr(reconstructing, "_changed", lambda latents, *_: latents)
    paths = index_dataset(root).table["path"]
    monkeypatch.setattr(reconstructing, "read_landmarks", lambda _: dict.fromkeys(paths, face))
    table = made(root, Stub(0.3))
    for path in table[(table["label"] == 1) & (table["split"] == "Train")]["path"]:
        fake = load_image(root / path).pixels.astype(float)
        real = load_image(root / path.replace("/Fake/", "/Real/")).pixels
        apart = np.abs(fake - real).mean(axis=2)
        assert apart[:30, :30].mean() < 3
        assert apart[60:220, 60:200].max() > 40


def test_the_same_again_for_the_same_photographs(root: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(root, tmp_path / "twin")
    table = made(root, Stub(0.8))
    made(tmp_path / "twin", Stub(0.8))
    assert all(
        (root / path).read_bytes() == (tmp_path / "twin" / path).read_bytes() for path in table["path"]
    )


def test_refusals(root: Path, tiny_dataset: Path) -> None:
    with pytest.raises(ReconstructionError, match="Make it with gather") as no_manifest:
        made(tiny_dataset, Stub())
    assert no_manifest.value.code == "no_manifest"
    made(root, Stub())
    with pytest.raises(ReconstructionError, match="has the source autoencoder already"):
        made(root, Stub())
