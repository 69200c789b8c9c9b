"""The evidence table on the page Check an image: what it shows, when, and that a file's words stay text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from deepfake.report.evidence import RULE
from deepfake.util.files import ROOT
from tests.support.camera import camera_file
from tests.support.images import encoded, noise_image
from tests.support.marked import AI, GRAPH, exif, png, saved, source
from ui import page as ui
from ui.uploads import IMAGES, SHELVES

ASKED = '<script>alert(1)</script> [x](http://y.z) :smile: $a$ **b** "q"'
TITLES = ["Evidence", "What was found, and what to ignore"]


def checked(*files: bytes) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/check.py"), default_timeout=120).run()
    named = [(f"{n}.png", content, "image/png") for n, content in enumerate(files)]
    return app.file_uploader[0].set_value(named).run()


def tables(app: AppTest) -> list[dict[str, str]]:
    """Finding by name, of each evidence table, without the signs that escape it."""
    found = [each.value for each in app.table if list(each.value) == TITLES]
    return [
        {name.split(" :")[0]: re.sub(r"\\(.)", r"\1", cell) for name, cell in table.to_numpy().tolist()}
        for table in found
    ]


def marked_prompt() -> bytes:
    graph: dict[str, Any] = {**GRAPH, "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ASKED}}}
    return png({"prompt": json.dumps(graph)})


def test_every_verdict_has_its_table_and_the_rule_stands_below(use_tiny_models: Path) -> None:
    app = checked(encoded(noise_image(1)), b"no picture", encoded(noise_image(2)))
    assert not app.exception
    assert len(tables(app)) == 2, "a file that is refused has none"
    for table in tables(app):
        assert list(table) == [
            "Content credentials", "Marks in the file", "Detector's score", "Whole image", "Look-alikes"
        ]  # fmt: skip
        assert all("Ignore: " in cell for cell in table.values())
    assert sum(each.value == ui.escape_markdown(RULE) for each in app.caption) == 2
    assert not [box for box in app.expander if "Marks in the file" in box.label]


def test_a_prompt_is_shown_folded_and_as_plain_text(use_tiny_models: Path) -> None:
    app = checked(marked_prompt())
    (table,) = tables(app)
    assert "a generator's record with its prompt: ComfyUI" in table["Marks in the file"]
    (box,) = [box for box in app.expander if "Marks in the file (1)" in box.label]
    assert not box.proto.expanded
    assert [code.value for code in app.code] == [ASKED]
    assert app.code[0].language in ("", None, "plaintext")
    rendered = [
        str(each.value) for kind in (app.markdown, app.caption, app.warning, app.info) for each in kind
    ]
    assert not [words for words in [*rendered, str(table)] if "alert" in words or "y.z" in words]


def test_a_file_that_says_otherwise_than_the_verdict_is_pointed_out(use_tiny_models: Path) -> None:
    app = checked(saved("JPEG", xmp=source(AI).encode()))
    said = [each.value for each in app.warning if "The file itself says otherwise" in each.value]
    assert len(said) == 1
    assert "made by generative AI" in said[0]
    app = checked(saved("JPEG", exif=exif({271: "Canon"})))
    assert not [each for each in app.warning if "says otherwise" in each.value]


def test_forensics_are_a_line_once_they_were_opened(use_tiny_models: Path) -> None:
    app = checked(camera_file())
    assert "Forensics" not in tables(app)[0]
    (upload,) = app.session_state[SHELVES][IMAGES].uploads
    key = f"forensics-{upload.file_id}"
    app.session_state[key] = True
    app.run()
    assert not app.exception
    assert "no preview to compare with" in tables(app)[0]["Forensics"]
    assert len(app.tabs) >= 6, "they stay open"


def test_evidence_goes_into_the_verdicts_as_json(
    use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr("ui.check.verdict.show_downloads", given.extend)
    checked(marked_prompt(), b"no picture")
    fields = [outcome.to_dict() for outcome in given]
    assert [each["name"] for each in fields[0]["evidence"]][:2] == [
        "Content credentials",
        "Marks in the file",
    ]
    assert "evidence" not in fields[1]


def test_no_verdict_waits_for_evidence(use_tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def noting(name: str, real: Any) -> Any:
        def noted(*given: Any, **named: Any) -> Any:
            order.append(name)
            return real(*given, **named)

        return noted

    from ui.check import verdict

    for name in ("show_verdict", "show_evidence"):
        monkeypatch.setattr(verdict, name, noting(name, getattr(verdict, name)))
    app = checked(encoded(noise_image(1)), encoded(noise_image(2)))
    assert not app.exception
    assert order[:4] == ["show_verdict", "show_verdict", "show_evidence", "show_evidence"]
