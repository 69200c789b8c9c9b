"""Photographs remade by an autoencoder: pairs in the photograph's split, faces changed where the face is."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake.cli import main
from deepfake.data.index import DatasetError, index_dataset
from deepfake.data.synthesis import landmarks
from deepfake.data.synthesis.reconstruct import remake
from deepfake.images.load import load_image
from deepfake.networks.autoencoder import Autoencoder
from tests.support.images import encoded, noise_image
from tests.support.torch_files import save_halves

FACE = np.array([[0.4, 0.42], [0.6, 0.42], [0.5, 0.52], [0.43, 0.62], [0.57, 0.62]], np.float32)


def halved(latents: np.ndarray) -> np.ndarray:
    return (latents * 0.5).repeat(8, axis=1).repeat(8, axis=2)


DARKER = Autoencoder("darker", lambda batch: batch[:, ::8, ::8], halved)
"""Gives back a coarse picture of half the brightness."""


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Two sources of ten photographs each, the first ones' faces known, and fakes that stay out of it."""
    rows, marks = [], []
    for number in range(24):
        source = "one" if number % 2 else "two"
        name = f"{source}/n{number}.png"
        (tmp_path / source).mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(noise_image(number, 256, 256)))
        label = "Fake" if number >= 20 else "Real"
        split = "Validation" if number % 5 == 0 else "Train"
        rows.append({"path": name, "split": split, "label": label, "source": source, "generator": "x"})
        if source == "one":
            marks.append([name, *FACE.ravel().tolist()])
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    columns = ["path", *landmarks._NUMBERS]
    pd.DataFrame(marks, columns=columns).to_csv(tmp_path / "landmarks.csv", index=False)
    return tmp_path


def test_pairs_in_the_split_of_their_photograph(photographs: Path) -> None:
    before = index_dataset(photographs).table
    added = remake(index_dataset(photographs), [DARKER], images=100)
    after = index_dataset(photographs).table
    assert len(after) == len(before) + 40, "a photograph and a fake of each of the twenty"
    new = after[after["source"] == "remade"]
    assert sorted(new["path"]) == sorted(added["path"])
    for _, pair in added.groupby("group"):
        assert set(pair["label"]) == {"Fake", "Real"}
    halves = dict(iter(new.groupby("label")))
    names = [{(Path(path).name, split) for path, split in zip(group["path"], group["split"], strict=True)}
             for group in (halves[0], halves[1])]  # fmt: skip
    assert names[0] == names[1]
    assert len(names[0]) == 20
    train = before[(before["label"] == 0) & (before["split"] == "Train")]
    assert (new["split"] == "Train").sum() == 2 * len(train)
    assert set(halves[0]["generator"]) == {"remade-camera"}
    assert set(halves[1]["generator"]) == {"darker", "darker-face"}


def test_a_whole_picture_changes_everywhere_a_face_in_its_middle(photographs: Path) -> None:
    added = remake(index_dataset(photographs), [DARKER], images=100)
    by_kind: dict[str, list[np.ndarray]] = {}
    for row in added[added["label"] == "Fake"].itertuples():
        fake = load_image(photographs / str(row.path)).pixels
        real = load_image(photographs / str(row.path).replace("/Fake/", "/Real/")).pixels
        assert fake.shape == real.shape == (256, 256, 3)
        apart = np.abs(fake.astype(float) - real).mean(axis=2)
        by_kind.setdefault(str(row.generator), []).append(apart)
    for apart in by_kind["darker"]:
        assert apart[:24].mean() > 15
    for apart in by_kind["darker-face"]:
        corner = np.concatenate([apart[:16, :16], apart[-16:, -16:]])
        assert corner.mean() < 8, "only another JPEG pass"
    inside = [apart[100:150, 110:146].mean() for apart in by_kind["darker-face"]]
    assert np.median(inside) > 15


def test_each_photograph_draws_one_of_several_autoencoders(photographs: Path) -> None:
    white = Autoencoder("white", DARKER.encode, lambda latents: halved(latents * 0 + 2))
    added = remake(index_dataset(photographs), [DARKER, white], images=100)
    fakes = added[added["label"] == "Fake"]
    assert {str(kind).removesuffix("-face") for kind in fakes["generator"]} == {"darker", "white"}
    for row in fakes.itertuples():
        middle = load_image(photographs / str(row.path)).pixels[110:140, 115:141].mean()
        assert (middle > 160) == str(row.generator).startswith("white")


def test_a_seed_decides_and_sources_are_drawn_evenly(
    photographs: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("copy") / "data"
    shutil.copytree(photographs, other)
    first = remake(index_dataset(photographs), [DARKER], images=8, seed=3)
    second = remake(index_dataset(other), [DARKER], images=8, seed=3)
    assert first.equals(second)
    assert len(first) == 16
    for path in first["path"]:
        assert (photographs / path).read_bytes() == (other / path).read_bytes()
    # A remade photograph is named after its own name, so where it came from can be told.
    sources = {hashlib.sha256(f"{s}/n{n}.png".encode()).hexdigest()[:16]: s
               for n in range(20) for s in ("one", "two")}  # fmt: skip
    drawn = [sources[Path(path).stem] for path in first["path"]]
    assert drawn.count("one") == drawn.count("two") == 8


def test_what_it_refuses(photographs: Path) -> None:
    remake(index_dataset(photographs), [DARKER], images=4)
    with pytest.raises(DatasetError, match="no source 'remade' yet"):
        remake(index_dataset(photographs), [DARKER], images=4)
    manifest = photographs / "manifest.csv"
    table = pd.read_csv(manifest)
    table[(table["source"] != "remade") & (table["label"] == "Fake")].to_csv(manifest, index=False)
    with pytest.raises(DatasetError, match="no photograph"):
        remake(index_dataset(photographs), [DARKER], images=4)


def test_the_command(photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = save_halves(tmp_path)
    assert main(["remake", str(photographs), *map(str, files), "--images", "4"]) == 0
    assert "remade-camera" in capsys.readouterr().out
    assert main(["remake", str(photographs), *map(str, files)]) == 1
    assert "remake adds it" in capsys.readouterr().err
    assert main(["remake", str(photographs), str(files[0])]) == 1
    assert "needs its decoder" in capsys.readouterr().err
