"""What paths, folders, archives, lists and addresses stand for, and how they are divided into shards."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepfake.bulk import locations
from deepfake.bulk.items import Shard, listed, paths_in, sources_at
from deepfake.bulk.locations import LocationError, RemoteFolder, is_address, open_folder
from deepfake.errors import UserError
from tests.support.batches import zipped
from tests.support.images import encoded, noise_image

PNG = encoded(noise_image(1))


@pytest.fixture
def memory() -> Iterator[Any]:
    """fsspec's folder in memory, emptied afterwards."""
    system = pytest.importorskip("fsspec", reason="needs fsspec: pip install fsspec").filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def codes(*paths: object) -> dict[str, str]:
    return {item.name: item.refusal[0] if item.refusal else "" for item in listed(map(str, paths))}


def test_folders_archives_and_files(tmp_path: Path) -> None:
    (tmp_path / "set" / "in").mkdir(parents=True)
    (tmp_path / "set" / "in" / "a.png").write_bytes(PNG)
    (tmp_path / "set" / "notes.txt").write_text("no image")
    (tmp_path / "set" / ".hidden.png").write_bytes(PNG)
    (tmp_path / "empty").mkdir()
    (tmp_path / "b.zip").write_bytes(zipped(c=PNG, d=zipped(e=PNG)))
    found = codes(tmp_path / "set", tmp_path / "empty", tmp_path / "b.zip", tmp_path / "gone.png")
    assert found == {
        f"{tmp_path}/set/in/a.png": "",
        f"{tmp_path}/empty": "no_images",
        f"{tmp_path}/b.zip/c.png": "",
        f"{tmp_path}/b.zip/d.png": "nested_archive",
        f"{tmp_path}/gone.png": "",
    }
    with pytest.raises(UserError) as gone:
        next(listed([str(tmp_path / "gone.png")])).read()
    assert gone.value.code == "not_found"


def test_a_name_keeps_its_form_and_the_file_is_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes(PNG)
    monkeypatch.chdir(tmp_path)
    (item,) = listed(["set/"])
    assert (item.name, item.location) == ("set/a.png", str(tmp_path / "set" / "a.png"))
    (item,) = listed([f"file://{tmp_path}/set"])
    assert item.read() == PNG


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_name_that_is_no_text_is_written_as_codes(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff.png")).write_bytes(PNG)
    (item,) = listed([str(tmp_path)])
    assert item.name == f"{tmp_path}/a\\udcff.png"
    assert item.name.encode()
    assert item.read() == PNG


def test_shards_divide_names_evenly_and_always_alike(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number}.png").write_bytes(PNG)
    (tmp_path / "more.zip").write_bytes(zipped(**{f"m{number}": PNG for number in range(5)}))
    paths = [str(tmp_path), str(tmp_path / "more.zip")]
    parts = [[item.name for item in listed(paths, Shard(number, 4))] for number in (1, 2, 3, 4)]
    assert sorted(name for part in parts for name in part) == sorted(item.name for item in listed(paths))
    assert sum(any(".zip" in name for name in part) for part in parts) == 1, "an archive is one shard's"
    names = [f"photos/{number}.jpg" for number in range(4000)]
    counts = [sum(Shard(number, 4).holds(name) for name in names) for number in (1, 2, 3, 4)]
    assert sum(counts) == 4000
    assert all(900 < count < 1100 for count in counts)
    assert [Shard(number, 4).holds("one name") for number in (1, 2, 3, 4)] == [False, False, False, True]


@pytest.mark.parametrize("text", ["", "1", "0/4", "5/4", "1/", "/4", "a/b", "1/2/3", "-1/4", "1/10000"])
def test_no_shard(text: str) -> None:
    with pytest.raises(UserError) as caught:
        Shard.parse(text)
    assert (caught.value.code, f"Received: {text}." in caught.value.message) == ("bad_shard", True)


def test_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"a.png\r\n\nwith space.png\n  \ncaf\xc3\xa9.png\nlast"
    (tmp_path / "list").write_bytes(content)
    expected = ["a.png", "with space.png", "caf\u00e9.png", "last"]
    assert [*paths_in(str(tmp_path / "list"))] == expected
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert [*paths_in("-")] == expected
    with pytest.raises(UserError) as caught:
        list(paths_in(str(tmp_path / "none")))
    assert caught.value.code == "no_list"


def test_addresses(memory: Any) -> None:
    for name in ("in/b.png", "in/a.JPG", "in/deep/c.webp", "in/notes.txt", "in/.hidden.png", "in/.h/d.png"):
        memory.pipe_file(f"/photos/{name}", PNG)
    memory.pipe_file("/photos/set.zip", zipped(e=PNG))
    names = [item.name for item in listed(["memory://photos/in"])]
    assert names == [
        "memory:///photos/in/a.JPG",
        "memory:///photos/in/b.png",
        "memory:///photos/in/deep/c.webp",
    ]
    assert next(listed(["memory://photos/in/b.png"])).read() == PNG
    (member,) = listed(["memory://photos/set.zip"])
    assert (member.name, member.content) == ("memory://photos/set.zip/e.png", PNG)
    assert [source.content for source in sources_at("memory://photos/in")] == [PNG] * 3
    assert codes("memory://none", "memory://none.zip", "memory://photos/in/deep") == {
        "memory://none": "not_found",
        "memory://none.zip": "not_found",
        "memory:///photos/in/deep/c.webp": "",
    }


def test_a_bucket_without_rights_is_one_refusal(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Access Denied")

    memory.pipe_file("/photos/a.png", PNG)
    item = next(listed(["memory://photos/a.png"]))
    for name in ("info", "_open", "pipe_file", "ls"):
        monkeypatch.setattr(type(memory), name, closed)
    assert codes("memory://photos") == {"memory://photos": "unreadable"}
    with pytest.raises(LocationError, match="Access Denied") as unread:
        item.read()
    assert unread.value.code == "unreadable"
    folder = RemoteFolder("memory://out")
    with pytest.raises(LocationError, match="Access Denied") as unwritten:
        folder.write("a", b"")
    assert unwritten.value.code == "not_written"
    with pytest.raises(LocationError, match="Access Denied"):
        folder.names()


def test_addresses_that_nothing_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec", reason="needs fsspec: pip install fsspec")
    with pytest.raises(LocationError) as strange:
        open_folder("nonsense://bucket")
    assert strange.value.code == "no_protocol"
    assert ". Install what is missing, or use another address." in strange.value.message
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(LocationError) as missing:
        open_folder("s3://bucket")
    assert missing.value.code == "no_fsspec"
    assert "pip install fsspec" in missing.value.message


@pytest.mark.parametrize(
    ("text", "address"),
    [("s3://a/b", True), ("file:///a", False), ("C:\\a", False), ("a/b", False), ("", False), ("1:2", False)],
)
def test_what_is_an_address(text: str, address: bool) -> None:
    assert is_address(text) is address


def test_a_remote_folder_keeps_files(memory: Any) -> None:
    folder = open_folder("memory://out/results/")
    assert folder.names() == []
    folder.write("a.parquet", b"1")
    folder.write("b.json", b"2")
    assert folder.names() == ["a.parquet", "b.json"]
    assert folder.read("a.parquet") == b"1"
    folder.remove("a.parquet")
    folder.remove("a.parquet")
    assert folder.names() == ["b.json"]
    with pytest.raises(LocationError):
        folder.read("a.parquet")
    assert locations.local_path("file:///a") == "/a"
