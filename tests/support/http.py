"""An HTTP interface to ask in a test, forms for it, and what its answers are held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
from httpx2 import Response
from starlette.testclient import TestClient

from deepfake.api.app import Service, create_api
from tests.support.images import encoded, noise_image

PREDICT = "/api/v1/predict"
PNG = encoded(noise_image(1))


def client(key: str | None = None) -> TestClient:
    """Of an interface of its own."""
    return TestClient(create_api(Service(key)))


def files(*given: tuple[str, bytes]) -> list[tuple[str, tuple[str, bytes]]]:
    """For the argument of that name: each a part of the form."""
    return [("files", each) for each in given]


def part(head: str, content: bytes, kind: str = "") -> bytes:
    """Of a form whose bytes the test decides; ``FORM`` are its headers."""
    typed = f"\r\nContent-Type: {kind}" if kind else ""
    return f"--b\r\nContent-Disposition: form-data; {head}{typed}\r\n\r\n".encode() + content + b"\r\n"


FORM = {"Content-Type": "multipart/form-data; boundary=b"}
JSON = {"Content-Type": "application/json"}
ONE = files(("a.png", PNG))
ONE_PART = part('name="files"; filename="a.png"', PNG)


def unread() -> Iterator[bytes]:
    """A body that nobody reads: else the answer is a fault."""
    yield from ()
    raise AssertionError("The body was read.")


def is_problem(got: Response, status: int, code: str) -> bool:
    """RFC 9457, and no word of the program's inside."""
    check(got.json(), "Problem")
    assert got.headers["content-type"] == "application/problem+json"
    assert got.json()["status"] == got.status_code
    assert got.json()["request_id"] == got.headers["x-request-id"] != ""
    assert "Traceback" not in got.text
    return (got.status_code, got.json()["code"]) == (status, code)


def check(body: Any, schema: str) -> None:
    """Against the description that the interface gives of itself."""
    description = client().get("/api/v1/openapi.json").json()
    jsonschema.validate(body, {"$ref": f"#/components/schemas/{schema}", **description})
