"""What is handed out fits together: requirements and lock, the image's recipe, version and licence."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from deepfake import __version__
from deepfake.util.files import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
MACHINES = (("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64"))
PLACES = [
    {"sys_platform": platform, "platform_machine": machine, "python_version": version}
    for platform, machine in MACHINES
    for version in ("3.11", "3.12", "3.13")
]


def lines(name: str) -> list[Requirement]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [
        Requirement(line.partition(" #")[0]) for line in text.splitlines() if line and line[0] not in "#-"
    ]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: "-".join(place.values()))
def test_the_lock_is_one_choice_of_what_is_required(place: dict[str, str]) -> None:
    pinned: dict[str, str] = {}
    for line in lines("requirements.lock"):
        (pin,) = line.specifier
        assert pin.operator == "=="
        if line.marker is None or line.marker.evaluate(place):
            assert line.name not in pinned
            pinned[line.name] = pin.version
    for line in lines("requirements.txt"):
        if line.marker is None or line.marker.evaluate(place):
            assert line.name in pinned, f"{line.name}: make requirements.lock again; its head says how"
            assert line.specifier.contains(pinned[line.name]), f"{line} but {pinned[line.name]} is locked"


def test_the_image_copies_what_is_there_and_runs_as_nobody_special() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [
        word for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()
    ]
    assert {"deepfake", "models", "pages", "streamlit_app.py"} <= set(copied)
    for word in copied:
        assert list(ROOT.glob(word)), word
        assert word in allowed, word
    assert DOCKERFILE.index("\nUSER app") < DOCKERFILE.index("\nCMD")
    assert "/_stcore/health" in DOCKERFILE[DOCKERFILE.index("HEALTHCHECK") :]
    assert re.search(r"^FROM python:3\.1[123]-slim$", DOCKERFILE, re.MULTILINE)


def test_the_package_requires_what_the_app_requires() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packed = {str(Requirement(line)) for line in project["dependencies"]}
    assert packed == {str(line) for line in lines("requirements.txt")}


def test_version_and_licence_are_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] == __version__
    assert project["license"] == "MIT"
    assert f"version: {__version__}\n" in citation
    assert "license: MIT\n" in citation
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")
    assert f"## {__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
