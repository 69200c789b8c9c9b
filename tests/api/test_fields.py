"""A field that is new in ``bodies`` is read, checked and described without another line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from deepfake.api import app as api
from deepfake.api import bodies
from deepfake.api.fields import Fields, read_fields
from deepfake.api.limits import ApiError
from deepfake.api.schema import openapi
from deepfake.errors import UserError
from deepfake.images.video import VideoFacts
from tests.support.http import ONE, PNG, PREDICT, client, files, is_problem

REPORT = "/api/v1/report"


@dataclass(frozen=True)
class Wider(bodies.JudgeFields):
    """Those of a report, one of them with a new word, and new ones of every sort.

    Attributes:
        format: of the report.
        careful: look twice.
        note: text.
    """

    format: Literal["html", "pdf", "receipt", "text"] = "html"
    careful: bool = False
    note: str | None = None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The fields of each report that is asked for, which may be those of ``Wider``; none is made."""
    kept: list[dict[str, Any]] = []

    def keep(kind: type[Fields], given: Mapping[str, str]) -> Fields:
        fields = read_fields(kind, given)
        kept.append(dataclasses.asdict(fields))
        return fields

    def refuse(*_: Any) -> None:
        raise UserError("kept", "Enough.")

    monkeypatch.setattr(bodies, "ReportFields", Wider)
    monkeypatch.setattr(api, "read_fields", keep)
    monkeypatch.setattr(api, "report", refuse)
    return kept


@pytest.mark.usefixtures("use_tiny_models")
def test_a_new_field_is_read_from_forms_and_json(asked: list[dict[str, Any]]) -> None:
    app, given = client(), {"careful": True, "note": "x", "format": "text"}
    assert is_problem(app.post(REPORT, files=ONE, data={**given, "careful": "true"}), 422, "kept")
    assert is_problem(app.post(REPORT, files=ONE), 422, "kept")
    assert is_problem(app.post(REPORT, json={"files": [{"data": ""}], **given}), 422, "kept")
    usual = {"model": None, "threshold": "balanced", "fast": False}
    left_out = {**usual, "careful": False, "note": None, "format": "html"}
    assert asked == [{**usual, **given}, left_out, {**usual, **given}]


@pytest.mark.usefixtures("use_tiny_models", "asked")
def test_a_new_field_is_checked_by_its_type() -> None:
    app = client()
    assert is_problem(app.post(REPORT, files=ONE, data={"careful": "1"}), 422, "bad_careful")
    assert is_problem(app.post(REPORT, files=ONE, data={"format": "docx"}), 422, "bad_format")
    for wrong in ({"careful": "true"}, {"careful": 1}):
        assert is_problem(app.post(REPORT, json={"files": [{"data": ""}], **wrong}), 422, "bad_careful")
    assert is_problem(app.post(REPORT, json={"files": [{"data": ""}], "note": 7}), 422, "bad_note")
    assert is_problem(app.post(PREDICT, files=files(("a", PNG)), data={"note": "x"}), 400, "unknown_field")
    with pytest.raises(ApiError, match="Expected one of: html, pdf, receipt, text"):
        read_fields(Wider, {"format": "docx"})


@pytest.mark.usefixtures("asked")
def test_a_new_field_is_described() -> None:
    content = openapi(needs_key=False)["paths"][REPORT]["post"]["requestBody"]["content"]
    for each in content.values():
        fields = each["schema"]["properties"]
        assert fields["careful"] == {"type": "boolean", "description": "look twice.", "default": False}
        assert fields["note"] == {"type": "string", "description": "text."}
        assert fields["format"]["enum"] == ["html", "pdf", "receipt", "text"]
        assert fields["format"]["default"] == "html"


def test_fields_of_a_base_are_described_on_every_python() -> None:
    """A TypedDict forgets its bases on Python 3.11; so reports had fields without a word."""
    paths = openapi(needs_key=False)["paths"]
    for name in ("predict", "video", "report"):
        content = paths[f"/api/v1/{name}"]["post"]["requestBody"]["content"]["application/json"]
        assert all("description" in field for field in content["schema"]["properties"].values())


def test_every_request_says_what_holds_where_a_field_is_left_out() -> None:
    paths = openapi(needs_key=False)["paths"]
    for name, kind in (("predict", bodies.PredictFields), ("video", bodies.JudgeFields)):
        content = paths[f"/api/v1/{name}"]["post"]["requestBody"]["content"]
        for each in content.values():
            given = {key: field.get("default") for key, field in each["schema"]["properties"].items()}
            assert given == {"files": None, **dataclasses.asdict(kind())}


def test_a_videos_facts_are_those_of_the_type() -> None:
    film = openapi(needs_key=False)["components"]["schemas"]["Film"]
    assert [*film["properties"], "width", "height"] == sorted(
        (field.name for field in dataclasses.fields(VideoFacts)), key=lambda name: name in ("width", "height")
    )
    assert all(about["description"] for about in film["properties"].values())
