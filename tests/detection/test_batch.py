"""Many pictures: the same verdicts as one by one, nothing spoilt by a bad file, memory that stays flat."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import pytest
from PIL import Image

from deepfake.cli import main
from deepfake.detection import batch as batch_module
from deepfake.detection.batch import Batch, judge_source, sources_below
from deepfake.detection.detector import get_detector
from deepfake.detection.outcome import outcome_line
from deepfake.errors import UserError
from deepfake.images.load import load_image
from deepfake.util.jobs import Stopped
from tests.support.batches import zipped
from tests.support.images import encoded, noise_image

PNG = encoded(noise_image(1))


def worked(uploads: list[tuple[str, bytes]]) -> Batch:
    batch = Batch(uploads, "tiny")
    batch.work(lambda done, total: None, lambda: False)
    return batch


def test_verdicts_are_those_of_single_pictures_and_bad_files_spoil_nothing(use_tiny_models: Path) -> None:
    other = encoded(noise_image(2, 120, 90), "JPEG")
    seen: list[tuple[int, int]] = []
    batch = Batch([("a.png", PNG), ("b.txt", b"text"), ("c.zip", zipped(d=other, e=b"", f=PNG))], "tiny")
    batch.work(lambda done, total: seen.append((done, total)), lambda: False)
    assert [row.file for row in batch.rows] == ["a.png", "b.txt", "c.zip/d.png", "c.zip/e.png", "c.zip/f.png"]
    detector = get_detector("tiny")
    for row, content in zip(batch.rows, (PNG, None, other, None, PNG), strict=True):
        assert row.verdict == (None if content is None else detector.check(load_image(content)))
        assert row.content == content
        assert (row.error is None) == (content is not None)
        assert (row.thumbnail is None) == (content is None)
    assert seen == [(done, 5) for done in range(6)]
    small = batch.rows[2].thumbnail
    assert small
    assert max(Image.open(io.BytesIO(small)).size) == batch_module.THUMBNAIL_SIDE


def test_a_fault_of_ours_is_one_row(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = get_detector("tiny")
    monkeypatch.setattr(type(detector), "check", lambda *_: 1 / 0)
    row = judge_source(detector, next(sources_below(Path("none"))))
    assert row.error
    assert row.error.code == "not_found"
    row = worked([("a.png", PNG)]).rows[0]
    assert row.error
    assert row.error.code == "fault"


def test_stopping_keeps_what_is_done(use_tiny_models: Path) -> None:
    batch = Batch([(f"{n}.png", PNG) for n in range(5)], "tiny")
    with pytest.raises(Stopped):
        batch.work(lambda done, total: None, lambda: len(batch.rows) == 2)
    assert len(batch.rows) == 2
    dropped = Batch([("a.png", PNG)], "tiny")
    dropped.drop()
    with pytest.raises(Stopped):
        dropped.work(lambda done, total: None, lambda: False)
    assert dropped.rows == []


def test_pictures_are_let_go_once_judged(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "MAX_KEPT_BYTES", 2 * len(PNG))
    assert [row.content is None for row in worked([("a.png", PNG)] * 4).rows] == [False, False, True, True]


def test_too_many_are_refused_before_any_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_module, "MAX_IMAGES", 3)
    with pytest.raises(UserError, match="4 images were received; at most 3"):
        Batch([("a.png", PNG), ("b.zip", zipped(c=PNG, d=PNG, e=PNG))], "tiny")


def test_two_batches_at_once(use_tiny_models: Path) -> None:
    batches = [Batch([(f"{n}.png", PNG) for n in range(4)], "tiny") for _ in range(2)]
    threads = [threading.Thread(target=b.work, args=(lambda *_: None, lambda: False)) for b in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [[row.verdict is not None for row in b.rows] for b in batches] == [[True] * 4] * 2


def test_predict_reads_archives_by_the_same_rules(
    use_tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = zipped(a=PNG, b=b"no picture", c=zipped(d=PNG))
    (tmp_path / "set.zip").write_bytes(content)
    (tmp_path / "broken.zip").write_bytes(content[:200])
    assert main(["predict", "--json", str(tmp_path / "set.zip"), str(tmp_path / "broken.zip")]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("error", {}).get("code") for line in lines] == [
        None, "not_an_image", "nested_archive", "bad_archive",
    ]  # fmt: skip
    assert lines[0]["path"] == f"{tmp_path / 'set.zip'}/a.png"
    expected = [json.loads(outcome_line(row)) for row in worked([("set.zip", content)]).rows]
    for line, row in zip(lines, expected, strict=False):
        line["path"] = line["file"] = row["path"]
        assert ("evidence" in line) == ("verdict" in line), "the command line adds it"
        line.pop("evidence", None)
        assert line == row
