"""Words that no page, report or help text uses any more, each with the word that took its place."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deepfake.util.files import ROOT

SOURCES = sorted(
    {
        *(ROOT / "pages").glob("*.py"),
        *(ROOT / "ui").rglob("*.py"),
        *(ROOT / "deepfake").rglob("text.py"),
        *(ROOT / "deepfake").rglob("text/*.py"),
        *(ROOT / "deepfake/cli").glob("*.py"),
        *(ROOT / "deepfake/report").glob("*.py"),
    }
)
OLD = {
    r"pictures?": "image",
    r"photographs?": "photo",
    r"data sets?": "dataset",
    r"starting document": "baseline",
    r"judge[sd]?|judging": "check, analyze",
    r"rightly": "correctly",
    r"in truth": "actually",
    r"altered cop(y|ies)": "perturbed copy",
    r"out of line": "outlier",
    r"nearly alike": "near-duplicate",
    r"let pass": "not flagged",
    r"as far as the measurement goes": "95% CI",
    r"accuse anybody": "accusing anyone",
    r"kept out of training": "validation images",
    r"it goes on|goes on by itself": "continues",
    r"certainty in the wrong": "confident mistakes",
    r"(up|down) (left|right) is": "upper left, lower left",
    r"whoever runs the app": "an instruction",
    r"(is|are) walked": "searched recursively",
    r"train nothing": "dry run",
    r"plainly no": "not",
    r"false-alarm rates?|rate of false alarms": "false-positive rate",
    r"catch rate": "recall",
}
SPELLING = {
    r"\w*colours?\w*": "color",
    r"grey\w*": "gray",
    r"\w*labelled|labelling": "labeled",
    r"licences?": "license",
    r"centres?|centred": "center",
    r"neighbours?|neighbouring": "neighbor",
    r"behaviours?": "behavior",
    r"favour\w*": "favor",
    r"analys(e|ed|es|ing)": "analyze",
    r"(cancel|model|travel)l(ed|ing)": "one l",
    r"towards|afterwards": "toward, afterward",
    r"learnt|spelt": "learned",
    r"catalogues?": "catalog",
    r"judgements?": "judgment",
    r"artefacts?": "artifact",
    r"defence|practise[ds]?": "defense, practice",
    r"\w*(digit|equal|general|maxim|minim|normal|optim|organ|penal|poster|random|real|recogn|solar|standard|"
    r"summar|visual|quant)is(e|ed|es|er|ing|ation|ations)": "-ize",
}
"""British spellings, which no text that people read has. Names in code may have them, and documents
other than the README and the guides to the pages."""
SPELLED = sorted({*SOURCES, *(ROOT / "deepfake").rglob("*.py")} - {*(ROOT / "deepfake/api").glob("*.py")})
GUIDES = [ROOT / "README.md", ROOT / "docs/pages.md", ROOT / "docs/demo.md", ROOT / "CONTRIBUTING.md"]
KEPT = {"95 % interval"}
"""A column of a CSV that people have read for long; tables on the page have another heading."""
FORMER_TAB = ("pages/dataset.py", "Pictures")
"""The former title of a tab, which older links still name."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every string with a space or a capital in it; no docstrings, no names for programs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part for part in node.values if isinstance(part, ast.Constant)]
            silent.update(map(id, parts))
            yield node.lineno, "{}".join(str(part.value) for part in parts)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in silent:
            continue
        if " " in node.value or node.value[:1].isupper():
            yield node.lineno, node.value


def faults(path: Path) -> list[str]:
    found = []
    for line, text in texts(path):
        if text in KEPT or (
            path.is_relative_to(ROOT / "pages") and (f"pages/{path.name}", text) == FORMER_TAB
        ):
            continue
        for old, better in OLD.items():
            if match := re.search(rf"\b({old})\b", text, re.IGNORECASE):
                found.append(f"{path.name}:{line}: '{match[0]}' in '{text}'; say: {better}")
        if re.search(r"[\d}] %", text):
            found.append(f"{path.name}:{line}: a space before % in '{text}'")
    return found


def british(text: str) -> list[str]:
    """What is spelled the British way in a text, code and addresses left out, each with the American way."""
    prose = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|<[^>]*>", " ", text, flags=re.DOTALL)
    found = []
    for old, better in SPELLING.items():
        found += [
            f"'{match[0]}'; say: {better}" for match in re.finditer(rf"\b({old})\b", prose, re.IGNORECASE)
        ]
    return found


@pytest.mark.parametrize("path", SPELLED, ids=lambda path: str(path.relative_to(ROOT)))
def test_texts_are_spelled_one_way(path: Path) -> None:
    spelled = [(line, british(text)) for line, text in texts(path) if " " in text or text.isalpha()]
    assert not [f"{path.name}:{line}: {faults}" for line, faults in spelled if faults]


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: str(path.relative_to(ROOT)))
def test_guides_are_spelled_as_the_pages(path: Path) -> None:
    assert not british(path.read_text(encoding="utf-8"))


def test_british_spellings_are_found() -> None:
    assert british("Recoloured, normalised, greyscale and labelled.") == [
        "'Recoloured'; say: color",
        "'greyscale'; say: gray",
        "'labelled'; say: labeled",
        "'normalised'; say: -ize",
    ]
    assert not british("Real, precise; `--colour`, [the license](docs/licence.md) otherwise raised.")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_old_words(path: Path) -> None:
    assert not faults(path)


def test_old_words_are_found(tmp_path: Path) -> None:
    file = tmp_path / "page.py"
    file.write_text(
        '"""A picture in a docstring."""\n'
        'key = "picture"\n'
        'title = "Pictures"\n'
        'rate = f"In truth {key}: {1:.0f} %"\n'
        'column = "95 % interval"\n'
    )
    assert [fault.split(": ")[0] for fault in sorted(faults(file))] == ["page.py:3", "page.py:4", "page.py:4"]
