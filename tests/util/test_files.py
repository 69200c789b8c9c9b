"""Files that several write at once are whole, whoever comes last."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from deepfake.util.files import read_json, remove_partials, replacing, write_json


def write_often(path: Path, number: int) -> None:
    for _ in range(300):
        write_json(path, {"by": number, "long": "x" * 5000})


def test_processes_that_write_one_file_share_no_temporary_one(tmp_path: Path) -> None:
    card = tmp_path / "card.json"
    write_json(card, {"by": 0})
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_often, args=(card, number)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert "by" in read_json(card), "never missing, never half of it"
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [path.name for path in tmp_path.iterdir()] == ["card.json"]


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "state.npz"
    file.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(file) as partial:
        assert partial.suffix == ".npz"
        partial.write_bytes(b"half")
        raise KeyboardInterrupt
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    for name in (".state.12-34.part.npz", ".log.12-34.part", "kept.part", ".hidden"):
        (tmp_path / name).touch()
    remove_partials(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"kept.part", ".hidden"}
