"""Images as base64 in JSON: the same answers as a form's, and what is refused."""

from __future__ import annotations

import asyncio
import base64
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, Response

from deepfake.api import json_uploads
from deepfake.api.app import Service, create_api
from deepfake.api.bodies import PredictFields
from deepfake.api.json_uploads import MAX_JSON_BYTES, parse
from deepfake.api.limits import MAX_BODY_BYTES, MAX_FILES, ApiError
from tests.support.http import JSON, ONE, PNG, PREDICT, check, client, is_problem, unread

pytestmark = pytest.mark.usefixtures("use_tiny_models", "no_faces")
B64 = base64.b64encode(PNG).decode()
A = {"name": "a.png", "data": B64}


def post(body: Any, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client().post(PREDICT, content=content, headers={**JSON, **headers})


def test_the_answer_is_that_of_a_form() -> None:
    got = post({"files": [A], "threshold": "few_false_alarms", "stress": True, "fast": False, "model": None})
    form = client().post(PREDICT, files=ONE, data={"threshold": "few_false_alarms", "stress": "true"})
    assert got.status_code == 200
    check(got.json(), "Predictions")
    assert got.json() == form.json()
    assert got.json()["results"][0]["stress"]


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json; charset=utf-8"])
def test_a_type_in_other_letters(kind: str) -> None:
    assert post({"files": [A]}, **{"Content-Type": kind}).status_code == 200


def test_one_bad_file_loses_nothing() -> None:
    wrapped = base64.encodebytes(PNG).decode().replace("\n", "\r\n")
    given = [
        A,
        {"name": "b.png", "data": "no base64!"},
        {"data": B64[:-1]},
        {"name": "d.png", "data": f"data:image/png;base64,{B64}"},
        {"name": "e.png"},
        7,
        {"name": ["f"], "data": B64},
        {"name": "g.png", "data": B64, "path": "/etc/passwd"},
        {"name": "h.png", "data": ""},
        {"name": "i.png", "data": base64.b64encode(b"no picture").decode()},
        {"name": "j.png", "data": wrapped},
        {"data": "ÿ"},
    ]
    got = post({"files": given})
    check(got.json(), "Predictions")
    results = got.json()["results"]
    codes = [result.get("error", {}).get("code") for result in results]
    assert codes == [
        None,
        *("bad_base64", "bad_base64", "bad_base64", "no_data", "no_data", "bad_name", "unknown_field"),
        *("empty", "not_an_image", None, "bad_base64"),
    ]
    assert "File 2 ('b.png')" in results[1]["error"]["message"]
    assert "File 3 is" in results[2]["error"]["message"]
    assert "up to the comma" in results[3]["error"]["message"]
    assert [result["file"] for result in results[:4]] == ["a.png", "b.png", "", "d.png"]
    assert results[10]["p_fake"] == results[0]["p_fake"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_json"),
        (b"{", 400, "bad_json"),
        (b"[]", 400, "bad_json"),
        (b"\xff\xfe{\x00}\x00", 400, "bad_json"),
        (b"[" * 15_000, 400, "bad_json"),
        (b'{"files": "a.png"}', 400, "bad_json"),
        (b'{"stress": ' + b"1" * 10_000 + b"}", 400, "bad_json"),
        (b"{}", 400, "no_files"),
        (b'{"files": []}', 400, "no_files"),
        (b'{"files": [], "files": []}', 400, "repeated_field"),
        (b'{"images": []}', 400, "unknown_field"),
        (b'{"files": [], "threshold": "loose"}', 400, "no_files"),
        (b'{"files": [{}], "threshold": "loose"}', 422, "bad_threshold"),
        (b'{"files": [{}], "threshold": 1}', 422, "bad_threshold"),
        (b'{"files": [{}], "stress": "true"}', 422, "bad_stress"),
        (b'{"files": [{}], "fast": 1}', 422, "bad_fast"),
        (b'{"files": [{}], "model": ["tiny"]}', 422, "bad_model"),
        (b'{"files": [{}], "model": "../tiny"}', 422, "unknown_model"),
        (rb'{"files": [{}], "model": "\ud800"}', 400, "bad_json"),
        (rb'{"files": [{}], "threshold": "\ud800"}', 400, "bad_json"),
        (rb'{"files": [{}], "\ud800": 1}', 400, "bad_json"),
        (rb'{"files": [{"name": "a\udfff.png", "data": ""}]}', 400, "bad_json"),
        (rb'{"files": [{"\ud800": 1, "\ud800": 2}]}', 400, "bad_json"),
        (rb'{"files": [{"data": "\ud800"}]}', 400, "bad_json"),
        (rb'{"files": [{}], "threshold": ["\ud800"]}', 422, "bad_threshold"),
    ],
)
def test_what_json_may_not_be(body: bytes, status: int, code: str) -> None:
    assert is_problem(post(body), status, code)


def test_nothing_is_taken_from_the_address() -> None:
    got = client().post(f"{PREDICT}?stress=true", json={"files": [A]})
    assert is_problem(got, 400, "query_parameter")


@pytest.mark.parametrize("count", [MAX_FILES + 1, 100, 100_000])
def test_too_many_images(count: int) -> None:
    assert is_problem(post({"files": [{"name": "a,{[.png", "data": ""}] * count}), 413, "too_many_files")
    assert is_problem(post(b'{"files": [' + b"{}," * count + b"{}]}"), 413, "too_many_files")


def test_as_many_as_there_may_be_with_signs_in_their_names() -> None:
    given = [{"name": "[{," * 85, "data": B64}] * MAX_FILES
    assert len(post({"files": given}).json()["results"]) == MAX_FILES


def test_many_small_values_take_no_memory() -> None:
    """88 MB of empty objects would be two gigabytes of them."""
    body = bytearray(b'{"files": [' + b"{}," * 2_000_000 + b"{}]}")
    tracemalloc.start()
    try:
        with pytest.raises(ApiError) as caught:
            parse(body, PredictFields, MAX_FILES)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()
    assert caught.value.code == "too_many_files"


def test_a_declared_size_is_refused_before_anything_is_read() -> None:
    for size in (MAX_JSON_BYTES + 1, 100_000_000):
        headers = {**JSON, "Content-Length": str(size)}
        assert is_problem(client().post(PREDICT, content=unread(), headers=headers), 413, "too_many_bytes")


def test_a_hundred_megabytes_that_do_not_tell_their_size() -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'{"files": [{"data": "'
        for _ in range(100):
            sent += 2**20
            yield b"A" * 2**20
        yield b'"}]}'

    async def post() -> Response:
        transport = ASGITransport(create_api(Service()))
        async with AsyncClient(transport=transport, base_url="http://testserver") as line:
            return await line.post(PREDICT, content=chunks(), headers=JSON)

    assert is_problem(asyncio.run(post()), 413, "too_many_bytes")
    assert sent <= MAX_JSON_BYTES + 2**20


def test_the_size_counts_after_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_uploads, "MAX_BODY_BYTES", 300)
    most = base64.b64encode(bytes(100)).decode()
    form = parse(bytearray(json.dumps({"files": [{"data": most}] * 3}).encode()), PredictFields, MAX_FILES)
    assert [len(source.content) for source in form.files if isinstance(source.content, bytes)] == [100] * 3
    with pytest.raises(ApiError) as caught:
        parse(bytearray(json.dumps({"files": [{"data": most}] * 4}).encode()), PredictFields, MAX_FILES)
    assert caught.value.code == "too_many_bytes"


def test_the_largest_body_fits() -> None:
    """As base64 what a form may hold is within the limit of the body as sent."""
    assert len(base64.b64encode(bytes(3000))) * MAX_BODY_BYTES / 3000 < MAX_JSON_BYTES
