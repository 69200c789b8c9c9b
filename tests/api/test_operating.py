"""For whoever runs it: probes, request ids, counts for Prometheus, log lines."""

from __future__ import annotations

import json
import logging
import re
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from deepfake.api import app as api
from deepfake.api.app import Service, create_api
from deepfake.api.logs import JsonLines
from deepfake.detection.card import ModelError
from deepfake.detection.detector import JUDGING
from deepfake.errors import UserError
from tests.api.conftest import Running
from tests.support.http import FORM, ONE, PNG, PREDICT, check, client, files, is_problem, part

pytestmark = pytest.mark.usefixtures("use_tiny_models", "no_faces")


# probes


def test_alive_at_once_and_ready_once_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(api, "_load_default", lambda: gate.wait(20))
    with client("secret") as app:  # no key is asked for
        assert app.get("/livez").json() == {"status": "ok"}
        got = app.get("/readyz")
        assert is_problem(got, 503, "starting")
        assert got.headers["retry-after"] == "5"
        gate.set()
        for _ in range(200):
            got = app.get("/readyz")
            if got.status_code == 200:
                break
        check(got.json(), "Alive")
        assert app.get("/api/v1/health").json()["status"] == "ok"


@pytest.mark.parametrize(
    ("error", "code"),
    [(ModelError("wrong_hash", "Not the one."), "wrong_hash"), (RuntimeError("secret"), "fault")],
)
def test_not_ready_says_why(error: Exception, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(api, "_load_default", fail)
    service = Service()
    with TestClient(create_api(service)) as app:
        while service.failure is None:
            app.get("/livez")
        got = app.get("/readyz")
        assert is_problem(got, 503, code)
        assert "secret" not in got.text


def test_not_ready_without_a_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    app = client()
    assert app.get("/livez").status_code == 200
    assert is_problem(app.get("/readyz"), 503, "no_models")


# ids


@pytest.mark.parametrize("given", ["a", "0b6c-77", "trace:1.2_3", "x" * 128])
def test_a_well_formed_id_is_kept(given: str) -> None:
    app = client()
    headers = {"X-Request-ID": given}
    assert app.get("/livez", headers=headers).headers["x-request-id"] == given
    got = app.get("/nowhere", headers=headers)
    assert is_problem(got, 404, "not_found")
    assert got.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", " ", "x" * 129, "<script>", "a b", "a\tb", "-rf", 'a","b":"', "é"])
def test_another_is_replaced(given: str) -> None:
    got = client().get("/livez", headers=[(b"X-Request-ID", given.encode("latin-1"))])
    assert re.fullmatch(r"[0-9a-f]{32}", got.headers["x-request-id"])


def test_two_ids_are_none() -> None:
    got = client().get("/livez", headers=[(b"X-Request-ID", b"a"), (b"X-Request-ID", b"b")])
    assert len(got.headers["x-request-id"]) == 32


def test_every_answer_has_one() -> None:
    app = client("secret")
    answers = [app.get(path) for path in ("/livez", "/readyz", "/metrics", "/api/v1/models", "/x")]
    answers += [app.post(PREDICT), app.get(PREDICT), app.get("/api/v1/docs")]
    answers.append(app.get("/api/v1/models/", follow_redirects=False))
    assert answers[-1].status_code == 307
    ids = {got.headers["x-request-id"] for got in answers}
    assert len(ids) == len(answers)


# counts


def counts(app: TestClient, **headers: str) -> dict[tuple[str, ...], float]:
    """Each sample of /metrics, by its name and its labels' values, in the order of the labels' names."""
    got = app.get("/metrics", headers=headers)
    assert got.status_code == 200
    assert got.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(got.text)
        for sample in family.samples
    }


def test_requests_verdicts_and_refusals_are_counted() -> None:
    app = client()
    app.post(PREDICT, files=files(("a.png", PNG), ("b.png", PNG), ("c.png", b"no picture")))
    app.post(PREDICT, files=ONE, data={"threshold": "loose"})
    app.get("/api/v1/../../etc/passwd")
    found = counts(app)
    assert found["deepfake_requests_total", PREDICT, "200"] == 1
    assert found["deepfake_requests_total", PREDICT, "422"] == 1
    assert found["deepfake_requests_total", "other", "404"] == 1
    assert found["deepfake_request_seconds_count", PREDICT] == 2
    assert found["deepfake_verdicts_total", "none", "tiny", "uncertain", "image"] == 2
    assert found["deepfake_refusals_total", "not_an_image"] == 1
    assert counts(app)["deepfake_requests_total", "/metrics", "200"] == 1


def test_the_kind_of_fake_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    result = {"file": "a", "verdict": "fake", "model": "tiny", "kind": {"name": "gan", "probability": 0.9}}
    monkeypatch.setattr(api, "judge", lambda *_: result)
    app = client()
    app.post(PREDICT, files=ONE)
    assert counts(app)["deepfake_verdicts_total", "gan", "tiny", "fake", "image"] == 1


def test_the_queue_is_told_as_it_stands() -> None:
    app, gate = client(), threading.Event()

    def hold() -> None:
        with JUDGING.slot():
            gate.wait(20)

    threads = [threading.Thread(target=hold) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        while JUDGING.standing() != (2, 1):
            pass
        found = counts(app)
        assert (found["deepfake_queue_running",], found["deepfake_queue_waiting",]) == (2, 1)
        assert found["deepfake_queue_places",] == JUDGING.most
    finally:
        gate.set()
        for thread in threads:
            thread.join()
    assert counts(app)["deepfake_queue_running",] == 0


def test_each_interface_counts_for_itself() -> None:
    one, other = client(), client()
    one.get("/livez")
    assert counts(one)["deepfake_requests_total", "/livez", "200"] == 1
    assert ("deepfake_requests_total", "/livez", "200") not in counts(other)


def test_the_counts_need_the_key_where_there_is_one() -> None:
    app = client("secret")
    assert is_problem(app.get("/metrics"), 401, "wrong_key")
    assert counts(app, Authorization="Bearer secret")


def test_neither_names_nor_addresses_are_counted_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    app = TestClient(create_api(Service()), client=("203.0.113.77", 1))
    app.post(PREDICT, files=files(("holiday-with-anna.png", PNG)))
    app.post("/api/v1/video", files=files(("anna.mp4", b"no video")))
    app.get("/anna")
    app.post(f"{PREDICT}?anna=1", files=ONE)
    ours = [record for record in caplog.records if not record.name.startswith("httpx")]  # the client's own
    said = app.get("/metrics").text + "".join(map(JsonLines().format, ours))
    assert '"route": "/api/v1/predict"' in said
    assert "anna" not in said
    assert "203.0.113" not in said


# log lines


def test_a_request_is_a_line_of_json(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "deepfake.api.requests")
    body = part('name="files"; filename="a.png"', PNG) + b"--b--"
    client().post(PREDICT, content=body, headers={**FORM, "X-Request-ID": "r1"})
    (record,) = (each for each in caplog.records if each.name == "deepfake.api.requests")
    line = json.loads(JsonLines().format(record))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert 0 < line.pop("ms") < 60_000
    expected: dict[str, Any] = {"id": "r1", "route": PREDICT, "status": 200, "images": 1, "bytes": len(body)}
    assert line == expected


def test_a_fault_is_a_line_with_the_id_of_its_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lines = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    def fail(*_: object) -> None:
        raise RuntimeError("secret detail\nof two lines")

    handler = Collecting()
    handler.setFormatter(JsonLines())
    monkeypatch.setattr(api, "judge", fail)
    logging.getLogger("deepfake").addHandler(handler)
    try:
        got = client().post(PREDICT, files=ONE, headers={"X-Request-ID": "r2"})
    finally:
        logging.getLogger("deepfake").removeHandler(handler)
    assert is_problem(got, 500, "fault")
    assert "secret" not in got.text
    (line,) = (json.loads(each) for each in lines)
    assert (line["id"], line["level"], line["logger"]) == ("r2", "error", "deepfake.api.app")
    assert "secret detail" in line["error"]


def test_serve_logs_json_and_nothing_else(use_tiny_models: Path) -> None:
    server = Running("--log-format", "json", key=None)
    try:
        headers = {"X-Request-ID": "over-a-socket"}
        for path in ("/livez", "/nowhere"):
            request = urllib.request.Request(server.address + path, headers=headers)
            try:
                urllib.request.urlopen(request, timeout=60).close()
            except urllib.error.HTTPError as error:
                assert json.load(error)["request_id"] == "over-a-socket"
    finally:
        said = server.end()
    lines = [json.loads(line) for line in said.splitlines()]
    assert [(line["route"], line["status"]) for line in lines] == [("/livez", 200), ("other", 404)]
    assert {line["id"] for line in lines} == {"over-a-socket"}


def test_a_user_error_of_a_file_is_no_fault_of_the_program() -> None:
    """It is told, not logged as an exception."""
    got = client().post("/api/v1/report", files=files(("a.png", b"no picture")))
    assert is_problem(got, 422, "not_an_image")
    assert issubclass(ModelError, UserError)
