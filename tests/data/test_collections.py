"""Collections fetched at a plan's commits: the right files, none twice, nothing half."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from deepfake.data.collections import RECORD, Collection, CollectionError, collect, read_collections
from deepfake.data.gather import read_plan
from deepfake.util.files import ROOT


def git(folder: Path, *words: str) -> str:
    named = ("-c", "user.name=A", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *named, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")


FILES = {
    "data/Train/a b.jpg": "one",
    "data/Train/é.jpg": "two",
    "data/Validation/c.jpg": "three",
    "data/more/d.jpg": "four",
    "README.md": "read me",
}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """Stands in for GitHub: ``host/OWNER/NAME`` is a repository of two commits."""
    repository = tmp_path / "host" / "owner" / "name"
    write(repository, FILES)
    git(repository, "init", "--quiet")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    (repository / "data" / "link.jpg").symlink_to("Train/a b.jpg")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "first")
    write(repository, {"data/Train/a b.jpg": "later"})
    git(repository, "commit", "--quiet", "-am", "second")
    return tmp_path / "host"


def commits(host: Path) -> list[str]:
    """The oldest first."""
    return git(host / "owner" / "name", "log", "--reverse", "--format=%H").split()


def files(folder: Path) -> dict[str, str]:
    there = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != RECORD)
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in there}


def test_the_files_of_the_commit_at_the_paths(host: Path, tmp_path: Path) -> None:
    first, second = commits(host)
    wanted = [
        Collection("all", "owner/name", first),
        Collection("part/one", "owner/name", second, ("data/Train", "data/Val*/*.jpg"), "data"),
        Collection("part/two", "owner/name", second, ("data/*.jpg", "README.md")),
    ]
    lines: list[str] = []
    assert collect(wanted, tmp_path / "out", host=str(host), say=lines.append) == 3
    assert files(tmp_path / "out" / "all") == FILES, "the link is left out"
    assert files(tmp_path / "out" / "part" / "one") == {
        "Train/a b.jpg": "later", "Train/é.jpg": "two", "Validation/c.jpg": "three",
    }  # fmt: skip
    assert files(tmp_path / "out" / "part" / "two") == {"README.md": "read me"}
    assert lines == [
        f"all: 5 files of owner/name at {first[:7]}",
        f"part/one: 3 files of owner/name at {second[:7]}",
        f"part/two: 1 file of owner/name at {second[:7]}",
    ]


def test_what_is_there_at_the_commit_is_not_fetched_again(host: Path, tmp_path: Path) -> None:
    first, second = commits(host)
    out = tmp_path / "out"
    collect([Collection("one", "owner/name", first)], out, host=str(host))
    assert collect([Collection("one", "owner/name", first, licence="MIT")], out, host="/nowhere") == 0
    assert collect([Collection("one", "owner/name", second, ("data/Train",))], out, host=str(host)) == 1
    assert files(out / "one") == {"data/Train/a b.jpg": "later", "data/Train/é.jpg": "two"}


@pytest.mark.parametrize("inside", ["", "repo", "name/.git"])
def test_a_mirror_is_read_and_the_rest_fetched(host: Path, tmp_path: Path, inside: str) -> None:
    first, second = commits(host)
    place = tmp_path / "mirror" / "owner+name" / inside
    place.parent.mkdir(parents=True, exist_ok=True)
    git(tmp_path, "clone", "--quiet", "--bare", str(host / "owner" / "name"), str(place))
    collect(
        [Collection("one", "owner/name", first, ("README.md",))],
        tmp_path / "out", mirror=tmp_path / "mirror", host="/nowhere",
    )  # fmt: skip
    assert files(tmp_path / "out" / "one") == {"README.md": "read me"}
    empty = tmp_path / "empty"
    collect([Collection("two", "owner/name", second)], tmp_path / "out", mirror=empty, host=str(host))
    assert (tmp_path / "out" / "two" / "README.md").is_file()


def test_files_that_a_mirror_lacks_are_counted(host: Path, tmp_path: Path) -> None:
    first, _ = commits(host)
    mirrored = tmp_path / "mirror" / "owner+name"
    git(tmp_path, "clone", "--quiet", "--bare", "--no-hardlinks", str(host / "owner" / "name"), str(mirrored))
    lost = git(mirrored, "rev-parse", f"{first}:data/Train/a b.jpg")
    (mirrored / "objects" / lost[:2] / lost[2:]).unlink()
    lines: list[str] = []
    collect(
        [Collection("one", "owner/name", first)], tmp_path / "out",
        mirror=tmp_path / "mirror", host="/nowhere", say=lines.append,
    )  # fmt: skip
    assert files(tmp_path / "out" / "one") == {n: c for n, c in FILES.items() if n != "data/Train/a b.jpg"}
    assert lines[0].endswith("1 more are not in the git directory")


def test_one_that_fails_keeps_no_other_from_coming(host: Path, tmp_path: Path) -> None:
    first, _ = commits(host)
    gone = Collection("gone", "owner/gone", first)
    wrong = Collection("wrong", "owner/name", first, ("nothing/here",))
    with pytest.raises(CollectionError, match=r"2 of 3 .*Run this again") as refusal:
        collect([gone, wrong, Collection("one", "owner/name", first)], tmp_path / "out", host=str(host))
    assert refusal.value.code == "not_collected"
    assert "/owner/gone at " in refusal.value.message
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one"], "nothing half, nothing empty"


def test_a_folder_of_someone_else_stays(host: Path, tmp_path: Path) -> None:
    write(tmp_path / "out" / "one", {"mine.txt": "mine"})
    with pytest.raises(CollectionError, match="Move the folder away"):
        collect([Collection("one", "owner/name", commits(host)[0])], tmp_path / "out", host=str(host))
    assert files(tmp_path / "out" / "one") == {"mine.txt": "mine"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[[collection]]\nname = 'one'",
        f"[[collection]]\nname = '../one'\nrepository = 'a/b'\ncommit = '{'a' * 40}'",
        f"[[collection]]\nname = 'one'\nrepository = '--b'\ncommit = '{'a' * 40}'",
        "[[collection]]\nname = 'one'\nrepository = 'a/b'\ncommit = 'main'",
        f"[[collection]]\nname = 'one'\nrepository = 'a/b'\ncommit = '{'a' * 40}'\nplaces = ['x']",
        "".join(
            f"[[collection]]\nname = '{name}'\nrepository = 'a/b'\ncommit = '{'a' * 40}'\n"
            for name in ("one", "one/two")
        ),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(tmp_path: Path, text: str) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(text, encoding="utf-8")
    with pytest.raises(CollectionError) as refusal:
        read_collections(plan)
    assert refusal.value.code == "bad_plan"


MADE_HERE = {"mobilestylegan", "celeb128", "timit", "ffpp"}
"""Folders of the plan of ``faces`` that are made of others or by a generator, as its comments tell."""


@pytest.mark.parametrize("name", ["faces", "scenes"])
def test_every_folder_of_a_plan_lies_in_a_collection(name: str) -> None:
    plan = ROOT / "models" / f"{name}.toml"
    collections = {one.name for one in read_collections(plan)}
    for folder in read_plan(plan):
        files = [f"{folder.path}/{file}" for file in folder.files] or [folder.path]
        for file in files:
            first = file.split("/")[0]
            places = {"/".join(file.split("/")[:count]) for count in range(1, 4)}
            inside = any(one.startswith(f"{folder.path}/") for one in collections)
            assert first in MADE_HERE or places & collections or (inside and not folder.files), file
