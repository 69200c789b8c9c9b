"""The OpenAPI document is that of the types, its page needs nothing from elsewhere, and the examples run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import jsonschema
import pytest

from deepfake.api.bodies import PredictFields
from deepfake.api.docs_page import docs_page
from deepfake.api.fields import field_names
from deepfake.api.schema import openapi
from deepfake.api.typed import Schemas, Shape, attributes
from deepfake.util.files import ROOT
from tests.api.conftest import Running
from tests.support.http import client
from tests.support.images import encoded, noise_image

# the types


@dataclass
class Point:
    """A place.

    More about it.

    Attributes:
        x, y: how far, 0..1; None where
            ``unknown``.
        tags: words.

    Not an attribute: this.
    """

    x: float | None
    y: float
    tags: tuple[str, ...]
    box: tuple[int, int]
    name: Literal["a", "b"] | None = None


class Base(TypedDict, total=False):
    """Attributes:
    n: a number.
    """

    n: int


class More(Base):
    """Has one more.

    Attributes:
        n: a number, 0..1.
        where: here.
    """

    where: list[Point | None]
    perhaps: NotRequired[bool]


def test_a_dataclass_says_its_fields_ranges_and_words() -> None:
    kinds = Schemas({("Point", "tags"): {"minItems": 1}})
    assert kinds.of(Point) == {"$ref": "#/components/schemas/Point"}
    point = kinds.named["Point"]
    about = {"description": "how far, 0..1; null where `unknown`.", "minimum": 0, "maximum": 1}
    assert point["description"] == "A place."
    assert point["required"] == ["x", "y", "tags", "box", "name"]
    assert point["properties"] == {
        "x": {"type": ["number", "null"], **about},
        "y": {"type": "number", **about},
        "tags": {"type": "array", "items": {"type": "string"}, "description": "words.", "minItems": 1},
        "box": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "name": {"type": ["string", "null"], "enum": ["a", "b", None]},
    }


def test_a_typeddict_says_what_may_lack_and_takes_what_its_base_says() -> None:
    kinds = Schemas()
    kinds.of(More)
    more = kinds.named["More"]
    assert more["required"] == ["where"]
    assert more["properties"]["n"] == {"type": "integer", "description": "a number, 0..1."}
    point = {"oneOf": [{"$ref": "#/components/schemas/Point"}, {"type": "null"}]}
    assert more["properties"]["where"] == {"type": "array", "items": point, "description": "here."}
    assert attributes(More) == {"n": "a number, 0..1.", "where": "here."}


def test_fields_are_left_out_and_put_in_place() -> None:
    class Other(TypedDict):
        x: bool

    kinds = Schemas(shapes={Point: Shape("P", but=("y", "box"), plus=Other)})
    assert kinds.of(list[Point])["items"] == {"$ref": "#/components/schemas/P"}
    assert kinds.named["P"]["required"] == ["tags", "name", "x"]
    assert kinds.named["P"]["properties"]["x"] == {"type": "boolean"}


def test_a_type_without_a_schema_is_refused() -> None:
    with pytest.raises(TypeError, match="no schema"):
        Schemas().of(complex)


# the document


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = value.values()
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        for each in value:
            yield from references(each)


def test_the_document_refers_to_what_is_there_and_to_all_of_it() -> None:
    description = openapi(needs_key=True)
    named = {f"#/components/schemas/{name}" for name in description["components"]["schemas"]}
    assert set(references(description)) == named
    for schema in description["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    given = description["paths"]["/api/v1/predict"]["post"]["requestBody"]["content"]
    for content in given.values():
        assert list(content["schema"]["properties"]) == ["files", *field_names(PredictFields)]
        assert content["schema"]["properties"]["threshold"]["default"] == "balanced"


def test_every_field_of_an_answer_is_described_or_speaks_for_itself() -> None:
    plain = {"name", "code", "message", "file", "error", "verdict", "version", "type", "title", "status"}
    plain |= {"model", "models", "operating_point", "default"}
    schemas = openapi(needs_key=False)["components"]["schemas"]
    bare = {
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, about in schema["properties"].items()
        if "description" not in about and field not in plain
    }
    assert bare == set()


def test_its_words_are_for_who_does_not_know_the_code() -> None:
    text = json.dumps(openapi(needs_key=False))
    for inside in ("picture", "RealScores", "Rules", "need not mean", "neighbours", "a image"):
        assert inside not in text, inside


def test_a_request_is_as_described() -> None:
    description = openapi(needs_key=False)
    body = description["paths"]["/api/v1/predict"]["post"]["requestBody"]["content"]["application/json"]
    valid = jsonschema.Draft202012Validator({**body["schema"], "components": description["components"]})
    assert valid.is_valid({"files": [{"data": "AA=="}], "stress": True})
    for wrong in ({}, {"files": []}, {"files": [{}]}, {"files": [{"data": ""}], "path": "x"}):
        assert not valid.is_valid(wrong)


# its page


class Links(HTMLParser):
    """Addresses and anchors of a page, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses, self.anchors, self.tags = list[str](), list[str](), set[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src", "action", "data", "srcset") and value:
                self.addresses.append(value)
            if name == "id" and value:
                self.anchors.append(value)


def test_the_page_names_everything_and_loads_nothing() -> None:
    got = client("secret").get("/api/v1/docs")
    assert got.status_code == 200
    assert got.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in got.headers["content-security-policy"]
    page, description = Links(got.text), openapi(needs_key=True)
    within = {address.removeprefix("#") for address in page.addresses} - {"openapi.json"}
    assert within <= set(page.anchors)
    assert len(page.anchors) == len(set(page.anchors))
    assert not {"script", "link", "iframe", "img", "form"} & page.tags
    assert not re.search(r"https?:|url\(|@import", got.text)
    for path, ways in description["paths"].items():
        assert f"</span> {path}" in got.text
        assert all(route["summary"] in got.text for route in ways.values())
    for schema in description["components"]["schemas"].values():
        assert all(f"<code>{field}</code>" in got.text for field in schema["properties"])


def test_the_page_takes_nothing_for_markup() -> None:
    description = openapi(needs_key=False)
    description["info"]["title"] = "<script>alert(1)</script>"
    description["components"]["schemas"]["Film"]["description"] = "`<b>` & <img src=x>"
    page = docs_page(description)
    assert not {"script", "b", "img"} & Links(page).tags
    assert "<code>&lt;b&gt;</code> &amp;" in page


# the examples of docs/http.md

PARTS = dict(re.findall(r"```(sh|python)\n(.*?)```", (ROOT / "docs" / "http.md").read_text(), re.DOTALL))


@pytest.fixture(scope="module")
def place(tiny_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server without a key, and a folder with two images."""
    folder = tmp_path_factory.mktemp("images")
    for number, name in enumerate(("a.jpg", "b.jpg")):
        (folder / name).write_bytes(encoded(noise_image(number), "JPEG"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MODELS", str(tiny_models))
        server = Running(key=None)
        try:
            yield server.address, folder
        finally:
            server.end()


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def example(kind: str, address: str) -> str:
    assert "http://127.0.0.1:8600" in PARTS[kind]
    return PARTS[kind].replace("http://127.0.0.1:8600", address)


def test_the_python_client_runs(place: tuple[str, Path]) -> None:
    address, folder = place
    lines = run([sys.executable, "-I", "-c", example("python", address)], folder).splitlines()
    assert [line.split()[:2] for line in lines] == [["a.jpg", "uncertain"], ["b.jpg", "uncertain"]]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_commands_run(place: tuple[str, Path]) -> None:
    address, folder = place
    said = run(["sh", "-ec", example("sh", address).replace("curl ", "curl -sf ")], folder)
    decoder = json.JSONDecoder()
    form, end = decoder.raw_decode(said)
    sent, _ = decoder.raw_decode(said[end:])
    assert [result["file"] for result in form["results"]] == ["a.jpg", "b.jpg"]
    assert form["operating_point"] == "few_false_alarms"
    assert sent["results"][0]["raw_p_fake"] == form["results"][0]["raw_p_fake"]
    assert (folder / "report.html").read_text().lower().startswith("<!doctype html>")
