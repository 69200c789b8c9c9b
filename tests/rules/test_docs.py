"""Every command, option, variable, page, route and make target is documented; documents keep their size."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from deepfake.api.app import MAX_LONG, MAX_WAITING, PER_MINUTE, Service
from deepfake.api.limits import MAX_BODY_BYTES, MAX_FILES
from deepfake.cli.reference import commands, reference
from deepfake.detection.batch import MAX_IMAGES
from deepfake.detection.detector import JUDGING
from deepfake.images.archives import MAX_ARCHIVE_BYTES
from deepfake.images.load import MAX_BYTES, MAX_PIXELS
from deepfake.images.video import MAX_FRAMES, MAX_SECONDS, MAX_VIDEO_BYTES
from deepfake.perturbations.graded import KINDS
from deepfake.util.files import ROOT
from ui.page import PAGES

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
CARDS = sorted((ROOT / "models").glob("*/README.md"))
MODELS, BENCHMARKS = ROOT / "models" / "README.md", ROOT / "benchmarks" / "README.md"
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *DOCS, MODELS, *CARDS, BENCHMARKS]
FORMER_NAMES = {"264924258db9c352", "bddc8f88f2f2dd7e", "11e721a5b11fc964", "7de869cc79c8075f"}
"""SHA-256 of what networks were once called, from the start; so that not even this file says it."""
EXPERIMENTS = [path for path in DOCS if path.parent.name == "experiments" and path.name != "README.md"]


def text(*paths: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def section(path: Path, heading: str) -> str:
    """What stands under a heading of the second level."""
    return text(path).partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_command_line_is_described_as_it_is() -> None:
    written = text(ROOT / "docs" / "command-line.md")
    assert written == reference(), (
        "Run: python -m deepfake.cli.reference > docs/command-line.md"
    )  # fmt: skip


def test_every_command_is_explained() -> None:
    names = [command for command, _, _ in commands()]
    assert len(names) > 8
    explained = text(ROOT / "docs" / "commands.md")
    assert [command for command in names if f"| `python -m deepfake {command} " not in explained
            and f"| `python -m deepfake {command}` |" not in explained] == []  # fmt: skip


def test_commands_and_options_in_documents_exist() -> None:
    options = {
        command: {word for action in parser._actions for word in action.option_strings}
        for command, _, parser in commands()
    }
    named = re.findall(r"python -m deepfake ([a-z]+)((?:[^`\n|\\#]|\\\n)*)", text(*DOCUMENTS))
    assert len(named) > 40
    for command, rest in named:
        assert command in options, command
        assert not set(re.findall(r"(?<![\w-])--[a-z-]+", rest)) - options[command], f"{command}{rest}"


def test_every_environment_variable_is_explained() -> None:
    sources = [*ROOT.glob("*.py"), *(ROOT / "pages").glob("*.py"), *(ROOT / "ui").rglob("*.py")]
    sources += [*(ROOT / "deepfake").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py"), ROOT / "Dockerfile"]
    named = {word for path in sources for word in re.findall(r"\bDEEPFAKE_[A-Z_]*[A-Z]\b", text(path))}
    explained = set(
        re.findall(r"^\| `(DEEPFAKE_\w+)` \|", text(ROOT / "docs" / "operating.md"), re.MULTILINE)
    )
    assert "DEEPFAKE_DATA" in named
    assert named == explained


def test_every_page_is_in_the_readme() -> None:
    assert len(PAGES) >= 6
    assert sorted(title for title in PAGES.values() if f"| {title} |" not in text(README)) == []


def test_every_route_is_explained() -> None:
    explained = text(ROOT / "docs" / "http.md")
    assert [route.path for route in Service().routes() if f" {route.path}` |" not in explained] == []


def test_every_make_target_and_benchmark_is_named() -> None:
    targets = re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE)
    written = text(*DOCUMENTS)
    named = set(re.findall(r"`?make ([a-z -]+)", written))
    words = {word for line in named for word in line.split()}
    assert sorted(set(targets) - words - {"clean"}) == []
    own = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        for path in (ROOT / "benchmarks").rglob("*.py")
        if '__name__ == "__main__"' in text(path)
    }
    commands = set(re.findall(r"python -m (benchmarks(?:\.[a-z_]+)*)", written))
    assert commands == own


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for link, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", text(path)):
        target = path.parent / link if link else path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", text(target), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{link}#{anchor}"


def test_documents_keep_their_size() -> None:
    assert len(text(README).split()) <= 900
    assert len(text(MODELS).splitlines()) <= 80
    folders = [card.parent for card in sorted(ROOT.glob("models/*/card.json"))]
    assert [card.parent for card in CARDS] == folders
    assert [name(card) for card in CARDS if not 80 <= len(text(card).splitlines()) <= 120] == []


def test_numbers_of_limits_and_perturbations_are_those_of_the_code() -> None:
    """The usual ones; those of the public demo are the second numbers beside them in the code."""
    mib = 2**20
    image = f"{MAX_BYTES // mib} MiB, {MAX_PIXELS // 10**6} megapixels"
    archive, movie = f"{MAX_ARCHIVE_BYTES // mib} MiB", f"{MAX_VIDEO_BYTES // mib} MiB"
    running, waiting = JUDGING.at_once, JUDGING.most - JUDGING.at_once
    perturbations = f"{len(KINDS)} perturbations"
    said = {
        "README.md": [f"up to {MAX_IMAGES:,} images", f"up to {MAX_FRAMES} frames", perturbations],
        "docs/operating.md": [
            f"| an image | {image} |",
            f"| images at a time on *Check many* | {MAX_IMAGES:,} |",
            f"| a zip archive | {archive} |",
            f"| a video | {movie}, {MAX_SECONDS:.0f} seconds, 4K |",
            f"| checked at a time in one process | {running}, and {waiting} wait |",
        ],
        "docs/http.md": [
            f"| images in a request | {MAX_FILES};",
            f"| size of a request | {MAX_BODY_BYTES // mib} MiB;",
            f"| requests at a time | {MAX_WAITING}, of which {MAX_LONG} may",
            f"| requests a minute from one address | {PER_MINUTE} ",
        ],
        "docs/commands.md": [f"(at most {MAX_SECONDS:.0f} seconds, {movie}, 4K)", perturbations],
        "docs/scale.md": [f"it may have {archive}"],
        "docs/pages.md": [perturbations, f"up to {MAX_IMAGES:,}", f"Up to {MAX_FRAMES} evenly"],
    }
    lacking = [
        (file, words) for file, each in said.items() for words in each if words not in text(ROOT / file)
    ]
    assert lacking == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_lines_are_short(path: Path) -> None:
    """But for rows of tables, which Markdown cannot break."""
    assert [line for line in text(path).splitlines() if len(line) > 140 and line[0] != "|"] == []


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_an_experiment_has_its_parts(path: Path) -> None:
    for part in ("**Claim.**", "**Command.**", "\n| --- ", "**Conclusion.**"):
        assert part in text(path), part
    assert f"]({path.name})" in text(path.parent / "README.md")


def test_networks_are_called_by_their_run_and_have_a_parent() -> None:
    pages = text(*DOCS, MODELS, *CARDS)
    table = section(ROOT / "docs" / "experiments" / "README.md", "Networks")
    rows = re.findall(r"^\| ((?:faces|of|clip)-r\d\d) \| ([^|]+) \|", table, re.MULTILINE)
    known = {row for row, _ in rows}
    assert len(known) == len(rows) > 15
    assert set(re.findall(r"\b(?:faces|of|clip)-r\d+\b", pages)) <= known
    assert {run for _, parent in rows for run in re.findall(r"\b(?:faces|of|clip)-r\d+\b", parent)} <= known
    words = {
        form for word in re.findall(r"\b[A-Z]+\d*\b", pages) for form in (word, word.rstrip("0123456789"))
    }
    assert {word for word in words if hashlib.sha256(word.encode()).hexdigest()[:16] in FORMER_NAMES} == set()


def test_the_floors_are_the_linters() -> None:
    contracts = tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    floors = section(ROOT / "docs" / "architecture.md", "Floors").split("```")[1].split("\n")
    written = [set(floor.split(" | ")) for floor in floors if floor]
    own = [set(layer.replace("deepfake.", "").split(" | ")) for layer in layers]
    assert written == own
    told = text(ROOT / "AGENTS.md").partition("Imports go down only: ")[2].partition(".\n")[0]
    assert [set(floor.split(", ")) for floor in re.findall(r"`([a-z, ]+)`", told)] == own[::-1]


def test_files_that_documents_name_are_there() -> None:
    named = re.findall(r"`((?:deepfake|ui|pages|tests|benchmarks|docs)/[\w./-]*)`", text(*DOCUMENTS))
    assert len(named) > 40
    assert sorted({path for path in named if not (ROOT / path).exists()}) == []
