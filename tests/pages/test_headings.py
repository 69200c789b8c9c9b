"""Headings and filled buttons come from one place, so that order and contrast hold on every page."""

from __future__ import annotations

import re

from deepfake.util.files import ROOT

BY_HAND = re.compile(r"\.(title|header|subheader)\(|type=\"primary\"")


def test_headings_and_filled_buttons_are_drawn_by_their_helpers() -> None:
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {line.strip()}"
        for path in (*(ROOT / "ui").rglob("*.py"), *(ROOT / "pages").glob("*.py"))
        if path.name != "page.py"
        for line in path.read_text(encoding="utf-8").splitlines()
        if BY_HAND.search(line)
    }
    assert found == set()
