"""Sheets of pictures cut into the pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deepfake.data.gather import SourceFolder, cut_tiles, gather, read_plan
from deepfake.util.files import ROOT
from tests.support.images import encoded, noise_image


def sheet(side: int = 60) -> np.ndarray:
    """Two rows of three pictures with a caption over each; the last one is black but for a spot."""
    whole = np.zeros((2 * (side + 30), 3 * (side + 8), 3), np.uint8)
    for row in range(2):
        for column in range(3):
            top, left = row * (side + 30) + 25, column * (side + 8) + 4
            whole[top - 15 : top - 8, left + 5 : left + side - 20] = 255
            tile = noise_image(10 * row + column, side, side) // 2 + 64
            whole[top : top + side, left : left + side] = tile if (row, column) != (1, 2) else 0
    whole[-20, -20] = 255
    return whole


def test_pictures_are_cut_without_what_is_written_between_them() -> None:
    tiles = cut_tiles(sheet(), 60)
    assert [tile.shape for tile in tiles] == [(60, 60, 3)] * 5
    assert np.array_equal(tiles[1], noise_image(10, 60, 60) // 2 + 64)
    assert cut_tiles(sheet(), 58), "to within four pixels"
    assert not cut_tiles(sheet(), 80)
    assert not cut_tiles(np.zeros((50, 50, 3), np.uint8), 20)


def test_a_plan_takes_each_picture_of_a_sheet(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "figure.png").write_bytes(encoded(sheet()))
    folder = SourceFolder("in", "drawn", "gan", "Fake", split="Train", tile=60, middle=0.5)
    table = gather([folder], tmp_path, tmp_path / "out", say=lambda line: None)
    assert [Path(path).name for path in table["path"]] == [f"gan-figure-tile{n}.jpg" for n in range(5)]


def test_of_two_files_of_one_name_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for ending in ("png", "webp"):
        (tmp_path / "in" / f"a.{ending}").write_bytes(encoded(noise_image(1, 40, 40), ending.upper()))
    table = gather(
        [SourceFolder("in", "one", "camera", "Real")], tmp_path, tmp_path / "out", say=lambda line: None
    )
    assert len(table) == 1


def test_the_plan_of_what_no_detector_knows_shares_nothing_with_the_training_plan() -> None:
    unseen = read_plan(ROOT / "models" / "unseen.toml")
    assert {folder.split for folder in unseen} == {"Test"}
    trained = {folder.path: folder.part for folder in read_plan(ROOT / "models" / "faces.toml")}
    for folder in unseen:
        (low, high), (start, end) = trained.get(folder.path, (0.0, 0.0)), folder.part
        assert high <= start or end <= low, f"{folder.path} is trained on"
