"""The public collections that a plan is made of, fetched at the commits it names and laid side by side.

Each lies in a folder of its own, written whole or not at all, with a record of what it was made from: a run
that was broken off goes on where it was, and what is there at the right commit is not fetched again.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from deepfake.errors import UserError
from deepfake.util.files import read_json, write_json
from deepfake.util.text import counted

HOST = "https://github.com"
RECORD = ".collection.json"
_NAME = re.compile(r"[A-Za-z0-9_.-]+(\+[A-Za-z0-9_.-]+)?(/[A-Za-z0-9_.-]+(\+[A-Za-z0-9_.-]+)?)*")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class CollectionError(UserError):
    """A plan's collections cannot be read or fetched."""


@dataclass(frozen=True)
class Collection:
    """A repository, or a part of one, that a plan's folders lie in.

    Attributes:
        name: its folder, relative to where the collections lie.
        repository: ``OWNER/NAME`` on GitHub.
        commit: 40 hexadecimal digits.
        paths: folders and files that are needed, with ``*`` for any part of one name; () takes all.
        strip: leading folders that fall away: with ``data``, ``data/Train/1.jpg`` becomes ``Train/1.jpg``.
        licence: as the repository states it; "" where the plan tells it elsewhere.
    """

    name: str
    repository: str
    commit: str
    paths: tuple[str, ...] = ()
    strip: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        for value, form, expected in (
            (self.name, _NAME, "a folder, such as scenes/place"),
            (self.repository, _REPOSITORY, "OWNER/NAME"),
            (self.commit, _COMMIT, "a commit of 40 hexadecimal digits"),
        ):
            if not form.fullmatch(value) or any(part.startswith(".") for part in value.split("/")):
                raise CollectionError(
                    "bad_plan", f"The collection {self.name} has {value!r}. Expected {expected}."
                )

    @property
    def record(self) -> dict[str, object]:
        """What its files follow from, as JSON gives it back."""
        repository = {"repository": self.repository, "commit": self.commit}
        return {**repository, "paths": list(self.paths), "strip": self.strip}

    def lies_in(self, out: Path) -> bool:
        """Whether it was laid out there already."""
        record = read_json(out / self.name / RECORD)
        return {key: record.get(key) for key in self.record} == self.record

    def takes(self, file: str) -> bool:
        """Whether a file of the repository is needed."""
        parts = file.split("/")
        wanted = [path.split("/") for path in self.paths]
        return not wanted or any(
            len(names) <= len(parts) and all(map(fnmatchcase, parts, names)) for names in wanted
        )

    def path_of(self, file: str) -> PurePosixPath:
        """Where a file of the repository lies in the collection's folder."""
        path = PurePosixPath(file)
        return path.relative_to(self.strip) if path.is_relative_to(self.strip) else path


def read_collections(plan: Path) -> list[Collection]:
    """The ``[[collection]]`` tables of a plan.

    Raises:
        CollectionError: ``bad_plan``: it is missing, not TOML, has none, or one of them lacks something.
    """
    try:
        entries = tomllib.loads(plan.read_text(encoding="utf-8"))["collection"]
        read = [Collection(**{**entry, "paths": tuple(entry.get("paths", ()))}) for entry in entries]
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        raise CollectionError(
            "bad_plan",
            f"{plan} names no collections that can be read ({error}). Expected [[collection]] tables in TOML "
            "with name, repository and commit.",
        ) from error
    places = [PurePosixPath(one.name) for one in read]
    for place, other in ((a, b) for a in places for b in places if a is not b):
        if other.is_relative_to(place):
            raise CollectionError(
                "bad_plan", f"The collection {other} lies in {place}. Give each its own folder."
            )
    return read


def collect(
    collections: Sequence[Collection],
    out: Path,
    *,
    mirror: Path | None = None,
    host: str = HOST,
    say: Callable[[str], None] = print,
) -> int:
    """Lays out those that are not there yet: ``out/NAME/...``.

    One that fails does not keep the others from coming.

    Args:
        collections: what to lay out.
        out: where the collections lie; made where it is missing.
        mirror: a folder with git directories of some of the repositories, ``OWNER+NAME`` or inside of it; the
            others come from ``host``.
        host: where ``/OWNER/NAME`` is fetched from.
        say: takes lines for the person who waits.

    Returns:
        How many were laid out now.

    Raises:
        CollectionError: ``no_git``: git is not installed; ``not_collected``: some could not be laid out.
    """
    if shutil.which("git") is None:
        raise CollectionError("no_git", "The program git is missing. Install it, then run this again.")
    wanted = [one for one in collections if not one.lies_in(out)]
    failures: list[str] = []
    for repository, commit in dict.fromkeys((one.repository, one.commit) for one in wanted):
        mine = [one for one in wanted if (one.repository, one.commit) == (repository, commit)]
        try:
            with _git_directory(repository, commit, mirror, host) as git:
                failures += [why for one in mine if (why := _failure(one, git, out, say))]
        except CollectionError as error:
            failures += [error.message] * len(mine)
            say(error.message)
    if failures:
        raise CollectionError(
            "not_collected",
            f"{len(failures)} of {len(wanted)} collections are missing. {failures[0]} Run this again to get "
            "the rest.",
        )
    return len(wanted)


@contextlib.contextmanager
def _git_directory(repository: str, commit: str, mirror: Path | None, host: str) -> Iterator[Path]:
    """A git directory that holds the commit: of the mirror, else fetched for as long as the block lasts."""
    for there in _mirrored(repository, mirror):
        if _git(there, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0:
            yield there
            return
    with tempfile.TemporaryDirectory(prefix="deepfake-collect-") as folder:
        git = Path(folder)
        _git(git, "init", "--quiet", "--bare")
        fetched = _git(git, "fetch", "--quiet", "--depth", "1", f"{host}/{repository}", commit)
        if fetched.returncode:
            stderr = fetched.stderr.strip().splitlines()
            why = next((line for line in stderr if line.startswith("fatal: ")), "git tells no more")
            raise CollectionError(
                "not_fetched", f"{host}/{repository} at {commit[:7]} cannot be fetched ({why})."
            )
        yield git


def _mirrored(repository: str, mirror: Path | None) -> list[Path]:
    """Git directories of the repository in the mirror: ``OWNER+NAME`` or up to two folders down."""
    if mirror is None:
        return []
    root = mirror / repository.replace("/", "+", 1)
    places = [root, *sorted(root.glob("*")), *sorted(root.glob("*/*"))]
    return [place for place in places if (place / "HEAD").is_file() and (place / "objects").is_dir()]


def _git(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", f"--git-dir={directory}", *words],
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",  # a file's name may be of another encoding
        check=False,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    return {**os.environ, "GIT_TERMINAL_PROMPT": "0"}  # a repository that is gone must not ask for a password


def _failure(collection: Collection, git: Path, out: Path, say: Callable[[str], None]) -> str:
    """Lays one out and says so; returns why it cannot be, "" where it was."""
    try:
        say(f"{collection.name}: {_lay_out(collection, git, out)}")
    except CollectionError as error:
        say(error.message)
        return error.message
    return ""


def _lay_out(collection: Collection, git: Path, out: Path) -> str:
    """Writes its folder and the record in it; returns what to say of it."""
    with new_folder(out / collection.name, RECORD) as part:
        written, missing = _unpack(collection, git, part)
        write_json(part / RECORD, {**collection.record, "missing": missing})
    lacking = f"; {missing:,} more are not in the git directory" if missing else ""
    return f"{counted(written, 'file')} of {collection.repository} at {collection.commit[:7]}{lacking}"


@contextlib.contextmanager
def new_folder(target: Path, record: str) -> Iterator[Path]:
    """A folder to write into, which takes the place of ``target`` where all went well, and else is gone.

    Args:
        target: may be there already, empty or with a record.
        record: name of the file in it that says what it was made of; who fills the folder writes it.

    Raises:
        CollectionError: ``not_ours``: ``target`` holds something else.
    """
    if target.exists() and not (target / record).is_file() and any(target.iterdir()):
        raise CollectionError(
            "not_ours",
            f"{target} holds files that were not collected. Move the folder away or give another place.",
        )
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # what a run left that was broken off
    part.mkdir(parents=True)
    try:
        yield part
        shutil.rmtree(target, ignore_errors=True)  # made of something else, or empty
        part.replace(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpack(collection: Collection, git: Path, into: Path) -> tuple[int, int]:
    """Writes its plain files; returns how many were written, and how many the git directory lacks."""
    listed = _git(git, "ls-tree", "-r", "-z", "--full-tree", collection.commit)
    entries = (entry.partition("\t") for entry in listed.stdout.split("\0") if entry)
    # 100644 and 100755 are plain files: neither links nor other repositories.
    files = [(name, facts.split()[2]) for facts, _, name in entries if facts.startswith("100")]
    files = [(name, file) for name, file in files if collection.takes(name)]
    if not files:
        raise CollectionError(
            "no_files",
            f"{collection.repository} at {collection.commit[:7]} has nothing at the paths of "
            f"{collection.name} ({', '.join(collection.paths) or 'all'}). Correct them in the plan.",
        )
    missing = 0
    with tempfile.TemporaryFile() as asked:
        asked.write("".join(f"{file}\n" for _, file in files).encode())
        asked.seek(0)
        command = ["git", f"--git-dir={git}", "cat-file", "--batch"]
        with subprocess.Popen(command, stdin=asked, stdout=subprocess.PIPE, env=_environment()) as process:
            assert process.stdout is not None
            for name, _ in files:
                content = _next_file(process.stdout)
                if content is None:
                    missing += 1
                    continue
                target = into / collection.path_of(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
    return len(files) - missing, missing


def _next_file(stream: IO[bytes]) -> bytes | None:
    """The next answer of ``git cat-file --batch``; None where git has no such file."""
    facts = stream.readline().split()
    if len(facts) != 3:
        return None
    content = stream.read(int(facts[2]) + 1)
    return content[:-1]
