"""Every command, option, environment variable, page, route and make target is documented."""

from __future__ import annotations

import re

from deepfake.api.app import Service
from deepfake.cli.reference import commands, reference
from deepfake.util.files import ROOT
from ui.page import PAGES

README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = "\n".join(
    path.read_text(encoding="utf-8")
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]
)


def test_the_command_line_is_described_as_it_is() -> None:
    written = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    assert written == reference(), (
        "Run: python -m deepfake.cli.reference > docs/command-line.md"
    )  # fmt: skip


def test_every_command_is_in_the_readme() -> None:
    names = [name for name, _, _ in commands()]
    assert len(names) > 8
    assert [name for name in names if f"python -m deepfake {name}" not in README] == []


def test_every_environment_variable_is_explained() -> None:
    sources = [*ROOT.glob("*.py"), *(ROOT / "pages").glob("*.py"), *(ROOT / "deepfake").rglob("*.py")]
    sources += [*(ROOT / "benchmarks").glob("*.py"), ROOT / "Dockerfile"]
    named = {
        word for path in sources for word in re.findall(r"\bDEEPFAKE_[A-Z_]*[A-Z]\b", path.read_text("utf-8"))
    }
    assert "DEEPFAKE_DATA" in named
    assert sorted(word for word in named if f"| `{word}` |" not in README) == []


def test_every_page_is_in_the_readme() -> None:
    assert len(PAGES) >= 6
    assert sorted(title for title in PAGES.values() if f"| {title} |" not in README) == []


def test_every_route_is_in_the_readme() -> None:
    assert [route.path for route in Service().routes() if route.path not in README] == []


def test_every_make_target_and_benchmark_is_named() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = set(re.findall(r"`?make ([a-z -]+)", TEXTS))
    words = {word for line in named for word in line.split()}
    assert sorted(set(targets) - words - {"clean"}) == []
    own = [
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8") and path.stem != "__main__"
    ]
    assert sorted(name for name in own if f"python -m benchmarks.{name}" not in TEXTS) == []


def test_links_between_documents_lead_somewhere() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "models").glob("*.md")]:
        for link in re.findall(r"\]\((?!http|#)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), f"{path.name}: {link}"
