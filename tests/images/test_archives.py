"""Zip archives: what is read, and what is refused by name while the rest goes on."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from deepfake.images import archives
from deepfake.images.archives import Archive, ArchiveRefused, is_archive
from tests.support.images import encoded, noise_image

PNG = encoded(noise_image(1))


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def codes(content: bytes) -> list[str]:
    """Per file of an archive, why it is refused, or nothing."""
    return [source.refusal.code if source.refusal else "" for source in Archive(content, "a.zip")]


def refused(content: bytes) -> str:
    with pytest.raises(ArchiveRefused) as caught:
        Archive(content, "a.zip")
    return caught.value.code


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def test_files_come_in_order_with_their_names_and_bytes(tmp_path: Path) -> None:
    content = packed(("set/b.png", PNG), ("set/", b""), ("a.png", b"x"), ("c\\d.png", b"y"))
    found = list(Archive(content, "my.zip"))
    assert [source.name for source in found] == ["my.zip/set/b.png", "my.zip/a.png", "my.zip/c\\d.png"]
    assert [source.content for source in found] == [PNG, b"x", b"y"]
    assert len(Archive(content, "my.zip")) == 3
    (tmp_path / "a.zip").write_bytes(content)
    assert is_archive(tmp_path / "a.zip")
    assert [source.content for source in Archive(tmp_path / "a.zip", "z")] == [PNG, b"x", b"y"]
    assert not is_archive(PNG)
    assert not is_archive(tmp_path / "gone")


def test_hidden_files_are_passed_over_as_in_a_folder() -> None:
    content = packed((".DS_Store", b"x"), ("__MACOSX/._a.png", b"x"), (".git/a.png", b"x"), ("a.png", PNG))
    assert [source.name for source in Archive(content, "a.zip")] == ["a.zip/a.png"]


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/a.png", "C:\\a.png", "..\\a.png"])
def test_names_that_lead_out_are_refused(name: str) -> None:
    info = zipfile.ZipInfo()
    info.filename = name
    assert codes(packed((info, PNG), ("good.png", PNG))) == ["path_trick", ""]


def test_links_archives_and_odd_packings_are_refused_one_by_one() -> None:
    assert codes(packed((link(), b"/etc/passwd"), ("good.png", PNG))) == ["link", ""]
    assert codes(packed(("inner.zip", packed(("a.png", PNG))), ("good.png", PNG))) == ["nested_archive", ""]
    assert codes(packed(("a.png", PNG), method=zipfile.ZIP_LZMA)) == ["compression"]


def test_bombs_are_refused_unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("unpacked")

    content = packed(("zeros.png", bytes(5_000_000)), ("huge.png", bytes(archives.MAX_BYTES + 1)))
    monkeypatch.setattr(zipfile.ZipFile, "open", never)
    assert codes(content) == ["bomb", "too_many_bytes"]


def test_the_sum_of_all_files_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED", 2 * len(PNG) + 3)
    assert codes(packed(*((f"{n}.png", PNG) for n in range(3)), ("s.png", b"abc"))) == [
        "", "", "archive_full", "",
    ]  # fmt: skip


def test_an_encrypted_file_is_refused() -> None:
    content = bytearray(packed(("secret.png", PNG), ("good.png", PNG)))
    for signature, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.find(signature) + flags] |= 1
    assert codes(bytes(content)) == ["encrypted", ""]


def test_damage_in_one_file_spoils_no_other() -> None:
    content = bytearray(packed(("a.png", PNG), ("b.png", PNG), method=zipfile.ZIP_STORED))
    content[60] ^= 0xFF  # in the first file's bytes
    assert codes(bytes(content)) == ["damaged_member", ""]


def test_a_size_that_is_a_lie_gives_no_more_than_declared() -> None:
    content = bytearray(packed(("a.png", bytes(range(256)) * 40)))
    index = content.find(b"PK\1\2") + 24
    content[index : index + 4] = (16).to_bytes(4, "little")
    assert codes(bytes(content)) == ["damaged_member"]


def packed_64(monkeypatch: pytest.MonkeyPatch, *members: tuple[str | zipfile.ZipInfo, bytes]) -> bytearray:
    """The same as a program writes it that does not know beforehand how large it will be."""
    with monkeypatch.context() as patch:
        patch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 0)
        return bytearray(packed(*members))


def test_zip64_is_counted_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed_64(monkeypatch, ("a.png", PNG), ("b.png", PNG))
    assert b"PK\6\6" in content
    assert b"PK\6\7" in content
    assert codes(bytes(content)) == codes(b"behind a program" + bytes(content)) == ["", ""]
    record = content.rindex(b"PK\6\6")
    for index in (32, 40):  # the number of files, and of the list's bytes
        many = content.copy()
        many[record + index : record + index + 8] = (2**40).to_bytes(8, "little")
        assert refused(bytes(many)) == "too_many_members"
    elsewhere = content[:record] + content[record : record + 56] + content[record:]  # an honest one before it
    elsewhere[record + 56 + 40 : record + 56 + 48] = (2**40).to_bytes(8, "little")
    assert refused(bytes(elsewhere)) == "too_many_members"
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    assert refused(bytes(content)) == "too_many_members"


@pytest.mark.parametrize(
    ("written", "flagged", "read"),
    [
        ("Müller 東京.png".encode(), False, "Müller 東京.png"),  # macOS
        ("Müller.png".encode(), True, "Müller.png"),
        ("Müller.png".encode("cp437"), False, "Müller.png"),  # DOS
        (b"plain.png", False, "plain.png"),
    ],
)
def test_names_are_read_as_they_were_meant(written: bytes, flagged: bool, read: str) -> None:
    stand_in = "x" * len(written)
    content = packed((stand_in + ".png", PNG)).replace(stand_in.encode() + b".png", written + b".png")
    body = bytearray(content)
    for signature, flags in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        body[body.index(signature) + flags] |= 8 * flagged
    (source,) = Archive(bytes(body), "a.zip")
    assert (source.name, source.content) == (f"a.zip/{read}.png", PNG)


def test_what_is_no_picture_is_passed_over_as_in_a_folder() -> None:
    others = [(name, b"x") for name in ("readme.txt", "Thumbs.db", "set/list.csv", "jpg", "../evil.txt")]
    content = packed(*others, ("a.PNG", PNG), ("b.jpeg", b"text"))
    assert [source.name for source in Archive(content, "z")] == ["z/a.PNG", "z/b.jpeg"]
    with pytest.raises(ArchiveRefused, match="holds 5 files, and none is an image by its name") as caught:
        Archive(packed(*others), "z")
    assert caught.value.code == "no_members"
    with pytest.raises(ArchiveRefused, match="holds no files"):
        Archive(packed(("empty/", b"")), "z")


def test_whole_archives_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = packed(("a.png", PNG), ("b.png", PNG))
    assert refused(good[:-30]) == "bad_archive"
    assert refused(good[:40] + good[-22:]) == "bad_archive"
    assert refused(packed()) == "no_members"
    end = good.rfind(b"PK\5\6")
    long = bytearray(good)
    long[end + 12 : end + 16] = (2**31).to_bytes(4, "little")
    assert refused(bytes(long)) == "too_many_members"
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    assert refused(good) == "too_many_members"
