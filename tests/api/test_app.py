"""The HTTP interface: answers, and what it refuses."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import socket
import struct
import threading
import time
import urllib.request
import zlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from httpx2 import ASGITransport, AsyncClient, Response
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.testclient import TestClient

from deepfake.api import app as api
from deepfake.api import limits, uploads
from deepfake.api.app import Service, create_api, key_from_environment
from deepfake.api.bodies import PredictFields
from deepfake.api.fields import field_names
from deepfake.api.limits import MAX_BODY_BYTES, MAX_FILES, ApiError, RateLimit
from deepfake.cli import main
from deepfake.detection.detector import Detector, get_detector
from deepfake.errors import UserError
from deepfake.images.load import load_image
from tests.support.http import (
    FORM,
    ONE,
    ONE_PART,
    PNG,
    PREDICT,
    check,
    client,
    files,
    is_problem,
    part,
    unread,
)
from tests.support.images import encoded, noise_image

pytestmark = pytest.mark.usefixtures("use_tiny_models", "no_faces")


# answers


def test_a_verdict_is_that_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    got = client().post(PREDICT, files=ONE)
    assert got.status_code == 200
    check(got.json(), "Predictions")
    (tmp_path / "a.png").write_bytes(PNG)
    assert main(["predict", "--json", str(tmp_path / "a.png")]) == 0
    printed = json.loads(capsys.readouterr().out)
    (result,) = got.json()["results"]
    assert result.pop("file") == "a.png"
    assert result == {key: value for key, value in printed.items() if key not in ("file", "path")}
    assert got.json()["model"] == "tiny"


def test_threshold_and_model_are_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    from deepfake.detection import detector
    from deepfake.faces import finder

    face = finder.Face((10, 10, 60, 60), (0, 0, 96, 96), 0.99)
    monkeypatch.setattr(detector, "find_faces", lambda pixels: finder.FaceScan((face,), "faces"))
    monkeypatch.setattr(Detector, "p_fake", lambda self, crops: [0.8] * len(crops))
    app = client()
    for point, call in (("balanced", "fake"), ("few_false_alarms", "uncertain")):
        got = app.post(PREDICT, files=ONE, data={"threshold": point, "model": "tiny"})
        check(got.json(), "Predictions")
        assert got.json()["operating_point"] == point
        assert got.json()["results"][0]["verdict"] == call


def test_a_verdict_that_flips_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    from deepfake.detection import detector
    from deepfake.faces import finder

    whole = finder.FaceScan((finder.Face((0, 0, 90, 90), (0, 0, 96, 96), 0.9),), "face_crop")
    monkeypatch.setattr(detector, "find_faces", lambda pixels: whole)
    scores = [0.9] + [0.1] * 30
    monkeypatch.setattr(Detector, "p_fake", lambda self, crops: scores[: len(crops)])
    app = client()
    results = {}
    for stress in ("true", "false"):
        got = app.post(PREDICT, files=ONE, data={"stress": stress})
        check(got.json(), "Predictions")
        (results[stress],) = got.json()["results"]
    assert results["false"]["verdict"] == "fake"
    assert results["false"]["stress"] is None
    assert (results["true"]["verdict"], results["true"]["p_fake"]) == ("uncertain", 0.9)
    assert results["true"]["faces"][0]["verdict"] == "uncertain"
    (test,) = results["true"]["stress"]
    assert (test["verdict"], test["stable"]) == ("fake", False)
    refused = app.post(PREDICT, files=ONE, data={"stress": "yes"})
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_stress")


def test_one_bad_file_spoils_nothing() -> None:
    given = [("a.png", PNG), ("b.jpg", b"no picture"), ("c.png", b""), ("d.png", PNG[:400]), ("e.png", PNG)]
    got = client().post(PREDICT, files=files(*given))
    assert got.status_code == 200
    check(got.json(), "Predictions")
    codes = [result.get("error", {}).get("code") for result in got.json()["results"]]
    assert codes == [None, "not_an_image", "empty", "truncated", None]
    assert [result["file"] for result in got.json()["results"]] == [name for name, _ in given]


def test_a_fault_in_one_file_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = Detector.check

    def faulty(self: Detector, image: Any, point: Any) -> Any:
        if image.facts.width == 40:
            raise RuntimeError("secret detail")
        return whole(self, image, point)

    monkeypatch.setattr(Detector, "check", faulty)
    got = client().post(PREDICT, files=files(("odd.png", encoded(noise_image(2, 40, 40))), ("a.png", PNG)))
    assert got.json()["results"][0]["error"]["code"] == "fault"
    assert "p_fake" in got.json()["results"][1]
    assert "secret detail" not in got.text
    assert "secret detail" in caplog.text


def test_models_and_health() -> None:
    app = client()
    got = app.get("/api/v1/models")
    check(got.json(), "Models")
    (model,) = got.json()["models"]
    assert (model["name"], model["default"]) == ("tiny", True)
    assert model["sha256"] == get_detector("tiny").card.sha256
    assert model["second_sha256"] is None
    assert model["thresholds"]["few_false_alarms"] == 0.9
    got = app.get("/api/v1/health")
    check(got.json(), "Health")
    assert (got.status_code, got.json()["status"]) == (200, "starting")
    app.post(PREDICT, files=ONE)
    assert app.get("/api/v1/health").json()["status"] == "ok"


def test_no_detector_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    app = client()
    assert is_problem(app.get("/api/v1/health"), 503, "no_models")
    assert is_problem(app.post(PREDICT, files=ONE), 503, "no_models")


def test_a_damaged_detector_is_a_problem(use_tiny_models: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "card.json").write_bytes((use_tiny_models / "tiny" / "card.json").read_bytes())
    for file in ("model.keras", "model.tflite"):
        (tmp_path / "tiny" / file).write_bytes(b"other")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    monkeypatch.setattr("deepfake.detection.detector._loaded", {})
    assert is_problem(client().post(PREDICT, files=ONE), 503, "wrong_hash")
    (tmp_path / "tiny" / "card.json").write_text("{}")
    got = client().get("/api/v1/models")
    check(got.json(), "Models")
    assert got.json()["models"][0]["error"]["code"] == "bad_card"


def test_the_description_names_every_route_and_the_key() -> None:
    for key in (None, "secret"):
        service = Service(key)
        got = TestClient(create_api(service)).get("/api/v1/openapi.json").json()
        paths = {route.path for route in service.routes()} - {"/api/v1/openapi.json"}
        assert set(got["paths"]) == paths
        assert ("security" in got) == (key is not None)


# refusals


def test_what_a_form_may_not_be() -> None:
    app = client()

    def post(body: bytes, headers: dict[str, str] = FORM) -> Response:
        return app.post(PREDICT, content=body, headers=headers)

    def post_fields(**fields: str) -> Response:
        return app.post(PREDICT, files=ONE, data=fields)

    assert is_problem(post(b'{"a": 1}', {"Content-Type": "text/json"}), 415, "not_multipart")
    assert is_problem(post(b"", {}), 415, "not_multipart")
    assert is_problem(post(b"nonsense"), 400, "bad_form")
    assert is_problem(post(PNG, {"Content-Type": "multipart/form-data"}), 400, "bad_form")
    assert is_problem(post(part('name="threshold"', b"balanced") + b"--b--"), 400, "no_files")
    assert is_problem(post_fields(threshold="loose"), 422, "bad_threshold")
    assert is_problem(post_fields(model="../tiny"), 422, "unknown_model")
    assert is_problem(post_fields(path="/etc/passwd"), 400, "unknown_field")
    assert is_problem(post_fields(model="x" * 5000), 400, "bad_form")
    model = part('name="model"', b"tiny")
    assert is_problem(post(model + model + ONE_PART + b"--b--"), 400, "repeated_field")


@pytest.mark.parametrize("missing", [1, 4, 8, 20, len(PNG), len(PNG) + 60])
@pytest.mark.parametrize("fields", [{}, {"threshold": "few_false_alarms"}])
def test_a_form_without_its_last_boundary_is_refused_whole(
    missing: int, fields: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = []
    monkeypatch.setattr("deepfake.api.app.judge", lambda *given: judged.append(given))
    parts = [part(f'name="{name}"', value.encode()) for name, value in fields.items()]
    body = b"".join([*parts, ONE_PART, part('name="files"; filename="b.png"', PNG), b"--b--"])
    got = client().post(PREDICT, content=body[:-missing], headers=FORM)
    assert is_problem(got, 400, "bad_form")
    assert missing > len(PNG) or "last boundary" in got.json()["detail"]
    assert not judged


@pytest.mark.parametrize(
    ("head", "kind", "name"),
    [
        ('name="files"', "", ""),
        ("name=files", "image/png", ""),
        ('name="picture"', "image/png", ""),
        ('name="picture"', "Application/Octet-Stream", ""),
        ('name="files"; filename=""', "", ""),
        ("name=\"files\"; filename*=UTF-8''M%C3%BCller%20%22x%22.png", "", "Müller 'x'.png"),
    ],
)
def test_a_picture_needs_no_file_name(head: str, kind: str, name: str) -> None:
    body = part(head, PNG, kind) + part('name="threshold"', b"few_false_alarms") + b"--b--"
    got = client().post(PREDICT, content=body, headers=FORM)
    assert got.status_code == 200
    assert got.json()["operating_point"] == "few_false_alarms"
    (result,) = got.json()["results"]
    assert "p_fake" in result
    assert result["file"] == name


@pytest.mark.parametrize("charset", ["unicode_escape", "undefined"])
@pytest.mark.parametrize("place", ["name", "filename", "value"])
def test_half_a_letter_in_a_form_is_refused(charset: str, place: str) -> None:
    half = {"name": "files", "filename": "a.png", "value": "tiny"} | {place: r"\ud800"}
    body = f'--x\r\nContent-Disposition: form-data; name="{half["name"]}"; filename="{half["filename"]}"\r\n'
    body += f'\r\n\r\n--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n{half["value"]}\r\n--x--\r\n'
    kind = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
    for path in (PREDICT, "/api/v1/video", "/api/v1/report"):
        assert is_problem(client().post(path, content=body.encode(), headers=kind), 400, "bad_form")


def test_pictures_without_a_name_count_as_files() -> None:
    body = part('name="files"', b"x") * (MAX_FILES + 1) + b"--b--"
    assert is_problem(client().post(PREDICT, content=body, headers=FORM), 413, "too_many_files")


@pytest.mark.parametrize("name", field_names(PredictFields))
def test_a_field_in_the_wrong_place_is_refused_by_name(name: str) -> None:
    app = client()
    as_file = part(f'name="{name}"; filename="x.txt"', b"true") + ONE_PART + b"--b--"
    typed = part(f'name="{name}"', b"true", "application/octet-stream") + ONE_PART + b"--b--"
    for body in (as_file, typed):
        got = app.post(PREDICT, content=body, headers=FORM)
        assert is_problem(got, 400, "field_as_file")
        assert f"'{name}'" in got.json()["detail"]
    got = app.post(f"{PREDICT}?{name}=true", files=ONE)
    assert is_problem(got, 400, "query_parameter")
    assert f"'{name}'" in got.json()["detail"]
    assert is_problem(app.post(f"{PREDICT}?{name}", headers=FORM), 400, "query_parameter")


def test_unknown_places_and_methods() -> None:
    app = client()
    assert is_problem(app.get("/api/v1/other"), 404, "not_found")
    got = app.get(PREDICT)
    assert is_problem(got, 405, "wrong_method")
    assert got.headers["allow"] == "POST"


def test_a_hundred_files_are_too_many() -> None:
    app = client()
    got = app.post(PREDICT, files=files(*((f"{n}.png", b"x") for n in range(100))))
    assert is_problem(got, 413, "too_many_files")
    got = app.post(PREDICT, files=files(*((f"{n}.png", b"x") for n in range(MAX_FILES))))
    assert len(got.json()["results"]) == MAX_FILES


def test_a_declared_size_is_refused_before_anything_is_read() -> None:
    headers = {**FORM, "Content-Length": str(MAX_BODY_BYTES + 1)}
    got = client().post(PREDICT, content=unread(), headers=headers)
    assert is_problem(got, 413, "too_many_bytes")
    assert got.headers["connection"] == "close"


@pytest.mark.parametrize("length", [None, "10", "-1", "1e99"])
def test_a_body_that_does_not_tell_its_size_is_cut_off(monkeypatch: Any, length: str | None) -> None:
    monkeypatch.setattr(uploads, "MAX_BODY_BYTES", 100_000)
    headers = FORM if length is None else {**FORM, "Content-Length": length}
    read, whole = 0, uploads.limited

    async def counting(request: Request, most: int) -> Any:
        nonlocal read
        async for chunk in whole(request, most):
            read += len(chunk)
            yield chunk

    async def chunks() -> AsyncIterator[bytes]:
        yield part('name="files"; filename="a.png"', b"").removesuffix(b"\r\n")
        for _ in range(100):
            yield bytes(10_000)

    async def post() -> Response:
        """Not by TestClient, which joins the chunks before it hands them on."""
        transport = ASGITransport(create_api(Service()))
        async with AsyncClient(transport=transport, base_url="http://testserver") as line:
            return await line.post(PREDICT, content=chunks(), headers=headers)

    monkeypatch.setattr(uploads, "limited", counting)
    assert is_problem(asyncio.run(post()), 413, "too_many_bytes")
    assert 90_000 < read <= 100_000


def test_uploads_never_touch_the_disk(monkeypatch: Any) -> None:
    monkeypatch.setattr(MultiPartParser, "spool_max_size", 1024)
    rolled = []
    parse = uploads._InMemory.parse

    async def watch(self: Any) -> Any:
        found = await parse(self)
        rolled.extend(value.file._rolled for _, value in found.multi_items())  # pyright: ignore
        return found

    monkeypatch.setattr(uploads._InMemory, "parse", watch)
    got = client().post(PREDICT, files=files(("a.png", PNG), ("b.png", bytes(40 * 2**20))))
    assert got.json()["results"][1]["error"]["code"] == "too_many_bytes"
    assert rolled == [False, False]


def test_a_bomb_is_refused_from_its_header() -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(10**7)))
    got = client().post(PREDICT, files=files(("bomb.png", bomb + chunk(b"IEND", b""))))
    assert got.json()["results"][0]["error"]["code"] == "too_many_pixels"


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\x\\y.png", "a\x00b", "<script>", "ü" * 500, "/"])
def test_names_are_words_and_no_paths(name: str) -> None:
    body = part(f'name="files"; filename="{name}"', PNG) + b"--b--"  # a client would escape the name
    got = client().post(PREDICT, content=body, headers=FORM)
    assert "p_fake" in got.json()["results"][0]
    assert len(got.json()["results"][0]["file"]) <= 255
    assert got.json()["results"][0]["file"] in name


def test_a_slow_body_is_given_up() -> None:
    async def slow() -> None:
        async def receive() -> Any:
            await asyncio.sleep(3600)

        headers = [(b"content-type", FORM["Content-Type"].encode())]
        await uploads.read_form(Request({"type": "http", "headers": headers}, receive), seconds=0.05)

    with pytest.raises(ApiError) as caught:
        asyncio.run(slow())
    assert (caught.value.status, caught.value.code) == (408, "too_slow")


# who may ask


def test_the_key() -> None:
    app = client("secret")

    def models(**headers: str) -> Response:
        return app.get(
            "/api/v1/models", headers=[(name.encode(), word.encode()) for name, word in headers.items()]
        )

    assert models(Authorization="Bearer secret").status_code == 200
    assert models(authorization="bearer secret").status_code == 200
    wrong = ["Bearer", "Bearer other", "secret", "Basic secret", "Bearer secret2", "Bearer sécret", ""]
    for given in wrong:
        got = models(Authorization=given)
        assert is_problem(got, 401, "wrong_key"), given
        assert got.headers["www-authenticate"] == "Bearer"
    got = app.post(PREDICT, content=unread(), headers={**FORM, "Authorization": "Bearer no"})
    assert is_problem(got, 401, "wrong_key")
    assert app.get("/api/v1/health").status_code == 200


def test_the_key_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPFAKE_API_KEY", raising=False)
    assert key_from_environment() is None
    monkeypatch.setenv("DEEPFAKE_API_KEY", "abc")
    assert key_from_environment() == "abc"
    monkeypatch.setenv("DEEPFAKE_API_KEY", " ")
    with pytest.raises(UserError, match="set but empty"):
        key_from_environment()


def test_the_rate_is_counted_by_address_before_the_key() -> None:
    app = create_api(Service("secret", per_minute=3))
    one, other = (TestClient(app, client=(host, 1)) for host in ("10.0.0.1", "10.0.0.2"))
    got = [one.get("/api/v1/models") for _ in range(5)]
    assert [each.status_code for each in got] == [401, 401, 401, 429, 429]
    assert is_problem(got[-1], 429, "rate_limited")
    assert 1 <= int(got[-1].headers["retry-after"]) <= 21
    right = {"Authorization": "Bearer secret"}
    assert one.get("/api/v1/models", headers=right).status_code == 429
    assert other.get("/api/v1/models", headers=right).status_code == 200


def test_the_bucket_refills_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    limit = RateLimit(2, clock=lambda: now)
    for _ in range(2):
        limit.check("2001:db8::1")
    with pytest.raises(ApiError):
        limit.check("2001:db8::ffff")  # the same network
    limit.check("2001:db8:0:1::1")
    now = 31.0
    limit.check("2001:db8::1")
    with pytest.raises(ApiError):
        limit.check("2001:db8::1")
    monkeypatch.setattr(limits, "_MAX_CLIENTS", 100)
    for number in range(300):
        limit.check(f"10.0.{number // 250}.{number % 250}")
    assert len(limit._buckets) <= 102


def test_more_than_it_can_hold_are_turned_away_and_the_loop_stays_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(api, "judge", lambda upload, *_: gate.wait(20) and {"file": upload.name})
    monkeypatch.setattr(api, "_load_default", lambda: None)
    with (
        client() as app,
        ThreadPoolExecutor(api.MAX_WAITING) as pool,
    ):  # as a context: all requests in one loop
        asked = [pool.submit(app.post, PREDICT, files=ONE) for _ in range(api.MAX_WAITING)]
        time.sleep(0.3)
        start = time.perf_counter()
        health = app.get("/api/v1/health")
        assert time.perf_counter() - start < 5  # though both threads are at work
        refused = app.post(PREDICT, files=ONE)
        gate.set()
        served = [each.result() for each in asked]
    assert health.status_code == 200
    assert is_problem(refused, 503, "busy")
    assert [each.status_code for each in served] == [200] * api.MAX_WAITING
    assert app.post(PREDICT, files=ONE).status_code == 200  # the place is free again


# as a person would


def test_over_a_socket(address: str) -> None:
    with urllib.request.urlopen(f"{address}/api/v1/openapi.json", timeout=60) as got:
        assert json.load(got)["openapi"] == "3.1.0"
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as line:
        line.sendall(
            b"POST /api/v1/predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        piece = b"--b\r\nContent-Disposition: form-data; name=files; filename=a\r\n\r\n" + bytes(2**20)
        received, sent = io.BytesIO(), 0
        try:
            while sent <= 4 * MAX_BODY_BYTES:
                line.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
                sent += len(piece)
                piece = bytes(2**20)
        except OSError:
            pass  # the server has hung up
        try:
            while data := line.recv(65536):
                received.write(data)
        except OSError:
            pass
    assert sent < 2 * MAX_BODY_BYTES
    got = received.getvalue()
    assert not got or got.startswith(b"HTTP/1.1 413")


def test_serve_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "cannot be listened on" in capsys.readouterr().err
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    assert main(["serve"]) == 1
    assert "There is no detector" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["serve", "--port", "70000"])


def test_a_large_image_is_judged_like_a_small_one() -> None:
    big = encoded(noise_image(3, 1500, 1500), "JPEG")
    got = client().post(PREDICT, files=files(("big.jpg", big)))
    assert got.json()["results"][0]["p_fake"] == get_detector("tiny").check(load_image(big)).p_fake


def test_one_record_through_every_door(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file and what came of it: the same names over HTTP, on the command line and in the page's files."""
    from deepfake.detection.batch import judge_source
    from deepfake.detection.outcome import outcomes_csv, outcomes_json
    from deepfake.images.archives import Source
    from deepfake.report.evidence import with_evidence

    for name, content in (("a.png", PNG), ("b.jpg", b"no picture")):
        (tmp_path / name).write_bytes(content)
        got = client().post(PREDICT, files=files((name, content)))
        over_http = got.json()["results"][0]
        main(["predict", "--json", str(tmp_path / name)])
        line = json.loads(capsys.readouterr().out)
        assert line.pop("path") == line["file"] == str(tmp_path / name)
        source, detector = Source(name, content), get_detector("tiny")
        outcome = with_evidence(judge_source(detector, source), source, detector.card)
        (on_page,) = json.loads(outcomes_json([outcome]))
        assert on_page.pop("refusal", None) == over_http.get("error", {}).get("message")
        for other in (on_page, {**line, "file": name}):
            assert set(other) == set(over_http)
            assert other.get("error") == over_http.get("error")
            assert other.get("evidence") == over_http.get("evidence")
            assert other.get("p_fake") == pytest.approx(over_http.get("p_fake"), abs=1e-6)
        (cells,) = csv.DictReader(outcomes_csv([outcome]).splitlines())
        assert cells["error_code"] == over_http.get("error", {}).get("code", "")
        assert cells["verdict"] == over_http.get("verdict", "")
