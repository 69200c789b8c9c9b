"""A folder of results: whoever is stopped wherever, no row is lost and none is there twice."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from deepfake.bulk import results as results_module
from deepfake.bulk.engines import OneProcess
from deepfake.bulk.items import Item, Shard
from deepfake.bulk.locations import LocalFolder, LocationError
from deepfake.bulk.results import MANIFEST, Part, open_results
from deepfake.bulk.run import Summary, run_bulk
from deepfake.errors import UserError
from tests.support.bulk import Lengths, brief, contents, rows_in

PLAIN, WHOLE = Lengths(), Shard()


def run(
    folder: Path | LocalFolder,
    items: Iterable[Item],
    *,
    task: Lengths = PLAIN,
    resume: bool = True,
    shard: Shard = WHOLE,
    rows: int = 4,
) -> Summary:
    opened = LocalFolder(folder) if isinstance(folder, Path) else folder
    with open_results(opened, task.spec, shard=shard, resume=resume, rows_a_part=rows) as results:
        return run_bulk(task, items, results, OneProcess())


def expected(items: Iterable[Item]) -> list[tuple[str, str]]:
    return [
        (item.name, "bad" if content.startswith(b"bad") else "fake" if len(content) % 2 else "real")
        for item in items
        if (content := item.content) is not None
    ]


class Killed(BaseException):
    """What a kill is to a process: nothing runs after it."""


class Doomed(LocalFolder):
    """A folder whose process is killed just before or just after its n-th change."""

    def __init__(self, path: Path, changes: int, *, after: bool) -> None:
        super().__init__(path)
        self._left, self._after = changes, after

    def _step(self, *, done: bool) -> None:
        self._left -= not done
        if self._left == 0 and done == self._after:
            raise Killed

    def write(self, name: str, content: bytes) -> None:
        self._step(done=False)
        super().write(name, content)
        self._step(done=True)

    def remove(self, name: str) -> None:
        self._step(done=False)
        super().remove(name)
        self._step(done=True)


def test_a_run_from_beginning_to_end(tmp_path: Path) -> None:
    items = [*contents(9), Item("bad", content=b"bad"), Item("gone", refusal=("not_found", "No."))]
    summary = run(tmp_path / "out", items, resume=False)
    assert brief(rows_in(tmp_path / "out")) == [*expected(items), ("gone", "not_found")]
    assert summary.rows == {"fake": 5, "real": 4, "refused": 2}
    assert (summary.images, summary.checked, summary.skipped, summary.parts) == (11, 11, 0, 3)
    finished = json.loads((tmp_path / "out" / "finished-0001-of-0001.json").read_text())
    assert finished["rows"] == summary.rows
    assert finished["parts"] == sorted(path.name for path in (tmp_path / "out").glob("part-*"))
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["settings"] == {"setting": "a"}
    assert list(manifest["columns"]) == ["file", "sha256", "verdict", "error"]


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_every_step_nothing_is_lost_or_doubled(
    after: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run finds one file changed and one to try again, so that old rows are replaced, too."""
    monkeypatch.setattr(results_module.Results, "write", _write_unless_killed)
    first = [*contents(9), Item("x", refusal=("unreadable", "No."))]
    second = [*contents(9), Item("x", content=b"read"), *contents(13)[9:]]
    second[2] = Item("002", content=b"bad now")
    steps = 0
    while True:
        steps += 1
        out = tmp_path / f"{after}-{steps}"
        run(out, first)
        try:
            run(Doomed(out, steps, after=after), second)
            break
        except Killed:
            pass
        again = run(out, second)
        assert brief(rows_in(out)) == sorted(expected(second)), steps
        assert again.images == 14
    assert steps > 8


_write = results_module.Results.write


def _write_unless_killed(self: results_module.Results) -> None:
    """As ``write``; but a killed process does not tidy up."""
    if not isinstance(sys.exc_info()[1], Killed):
        _write(self)


def test_only_what_changed_is_checked_again(tmp_path: Path) -> None:
    run(tmp_path, contents(9))
    before = {path.name: path.read_bytes() for path in tmp_path.glob("part-*")}
    assert run(tmp_path, contents(9)).checked == 0
    assert {path.name: path.read_bytes() for path in tmp_path.glob("part-*")} == before
    changed = contents(9)
    changed[3] = Item("003", content=b"bad")
    summary = run(tmp_path, changed)
    assert (summary.checked, summary.skipped, summary.images) == (1, 8, 9)
    assert summary.rows == {"fake": 5, "real": 3, "refused": 1}
    assert brief(rows_in(tmp_path)) == expected(changed)


def test_a_file_that_could_not_be_read_is_tried_again(tmp_path: Path) -> None:
    run(tmp_path, [Item("a", refusal=("unreadable", "No.")), *contents(2)])
    summary = run(tmp_path, [Item("a", content=b"ok"), *contents(2)])
    assert brief(rows_in(tmp_path)) == [("000", "fake"), ("001", "real"), ("a", "real")]
    assert summary.rows == {"fake": 1, "real": 2}


def test_a_name_that_comes_twice_counts_once(tmp_path: Path) -> None:
    summary = run(tmp_path, [*contents(3), *contents(3)])
    assert (summary.images, summary.named_twice) == (3, 3)
    assert len(rows_in(tmp_path)) == 3


@pytest.mark.parametrize(
    "damage", [lambda part: part[:-40], lambda part: b"", lambda part: part[:60] + b"x" + part[61:]]
)
def test_a_part_that_was_cut_short_or_altered_is_made_again(damage: object, tmp_path: Path) -> None:
    run(tmp_path, contents(9))
    path = sorted(tmp_path.glob("part-*"))[1]
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    summary = run(tmp_path, contents(9))
    assert (summary.damaged, summary.checked, summary.skipped) == (1, 4, 5)
    assert brief(rows_in(tmp_path)) == expected(contents(9))


def test_a_part_that_is_gone_is_made_again(tmp_path: Path) -> None:
    run(tmp_path, contents(9))
    sorted(tmp_path.glob("part-*"))[0].unlink()
    assert run(tmp_path, contents(9)).checked == 4
    assert brief(rows_in(tmp_path)) == expected(contents(9))


def test_what_a_killed_write_left_is_removed(tmp_path: Path) -> None:
    run(tmp_path, contents(3))
    mine, other = (
        tmp_path / f".part-{label}-000002-0-aa.1-2.part.parquet" for label in ("0001-of-0001", "0002-of-0002")
    )
    mine.touch()
    other.touch()
    run(tmp_path, contents(3))
    assert (mine.exists(), other.exists()) == (False, True)


def refusal(*arguments: object, **options: object) -> UserError:
    with pytest.raises(UserError) as caught:
        run(*arguments, **options)  # type: ignore[arg-type]
    return caught.value


def test_results_of_another_run_are_refused(tmp_path: Path) -> None:
    run(tmp_path, contents(3))
    other = refusal(tmp_path, contents(3), task=Lengths("b"))
    assert other.code == "other_run"
    assert "setting a there, b here" in other.message
    shards = refusal(tmp_path, contents(3), shard=Shard(1, 2))
    assert (shards.code, "shards 1 there, 2 here" in shards.message) == ("other_run", True)
    assert refusal(tmp_path, contents(3), resume=False).code == "output_taken"
    assert len(rows_in(tmp_path)) == 3
    (tmp_path / MANIFEST).write_text('{"run"')
    assert refusal(tmp_path, contents(3)).code == "bad_manifest"
    (tmp_path / MANIFEST).unlink()
    strange = refusal(tmp_path, contents(3), task=Lengths("b"))
    assert (strange.code, "is of another run" in strange.message) == ("other_run", True)
    (tmp_path / MANIFEST).unlink()
    assert run(tmp_path, contents(3)).skipped == 3, "the manifest is written anew"


def test_another_version_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, contents(3))
    monkeypatch.setattr(results_module, "__version__", "9.9")
    assert "version 0.1.0 there, 9.9 here" in refusal(tmp_path, contents(3)).message


def test_shards_share_a_folder_and_nothing_else(tmp_path: Path) -> None:
    items = contents(40)
    for number in (1, 2, 3):
        shard = Shard(number, 3)
        mine = [item for item in items if shard.holds(item.name)]
        assert 5 < len(mine) < 25
        run(tmp_path, mine, shard=shard, resume=False)
    assert brief(rows_in(tmp_path)) == expected(items)
    assert len(list(tmp_path.glob("finished-*"))) == 3
    assert {Part.parse(path.name).label for path in tmp_path.glob("part-*")} == {  # type: ignore[union-attr]
        f"000{number}-of-0003" for number in (1, 2, 3)
    }


def test_one_process_a_shard(tmp_path: Path) -> None:
    with open_results(LocalFolder(tmp_path), PLAIN.spec, shard=Shard(), resume=True):
        assert refusal(tmp_path, contents(1)).code == "busy"
    assert run(tmp_path, contents(1)).images == 1


class Full(LocalFolder):
    """A disk that is full for some writes of parts."""

    def __init__(self, path: Path, failures: int) -> None:
        super().__init__(path)
        self.failures = failures

    def write(self, name: str, content: bytes) -> None:
        if name.startswith("part-") and self.failures:
            self.failures -= 1
            raise results_module.not_written(name, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        super().write(name, content)


def test_a_full_disk_is_waited_for_and_then_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(results_module.time, "sleep", waited.append)
    run(Full(tmp_path / "a", 3), contents(9))
    assert [*filter(None, waited)] == [1.0, 5.0, 15.0]
    assert brief(rows_in(tmp_path / "a")) == expected(contents(9))

    run(tmp_path / "b", contents(5))
    full = refusal(Full(tmp_path / "b", 4), contents(20))
    assert isinstance(full, LocationError)
    assert full.code == "not_written"
    assert "No space left on device" in full.message
    assert "2 parts are safe" in full.message
    assert run(tmp_path / "b", contents(20)).skipped == 5
    assert brief(rows_in(tmp_path / "b")) == expected(contents(20))


def test_a_folder_that_cannot_be_written_is_said_first(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found = refusal(tmp_path / "file" / "out", contents(3))
    assert found.code in ("not_written", "unreadable")
    assert "Not a directory" in found.message


def test_who_stops_it_keeps_what_is_done(tmp_path: Path) -> None:
    def until_stopped() -> Iterable[Item]:
        yield from contents(6)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, until_stopped(), rows=100)
    assert len(rows_in(tmp_path)) == 6
    assert not list(tmp_path.glob("finished-*"))


def test_a_part_is_written_for_its_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results_module, "PART_SECONDS", 0.0)
    assert run(tmp_path, contents(6), rows=100).parts == 3
