"""Videos and reports over HTTP."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from deepfake.api import app as api
from deepfake.api.limits import MAX_BODY_BYTES
from deepfake.api.work import judge_video, report
from deepfake.cli import main
from deepfake.detection.detector import JUDGING
from deepfake.images.archives import Source
from deepfake.report.receipt import read_receipt
from deepfake.util.jobs import Busy, Stopped
from tests.support.http import FORM, JSON, ONE, PNG, check, client, files, is_problem, part, unread
from tests.support.videos import clip

VIDEO, REPORT = "/api/v1/video", "/api/v1/report"
pytestmark = pytest.mark.usefixtures("use_tiny_models", "no_faces")


@pytest.fixture(scope="module")
def mp4() -> bytes:
    """Of a second."""
    return clip(1)


def test_a_video_is_that_of_the_command_line(
    mp4: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = client()
    got = app.post(VIDEO, files=files(("../a.mp4", mp4)), data={"threshold": "few_false_alarms"})
    assert got.status_code == 200
    check(got.json(), "Video")
    (tmp_path / "a.mp4").write_bytes(mp4)
    assert main(["video", "--json", "--few-false-alarms", str(tmp_path / "a.mp4")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert got.json().pop("file") == "../a.mp4"
    for key in set(got.json()) - {"file"}:
        assert got.json()[key] == printed[key], key
    assert set(printed) - set(got.json()) == {"path"}
    as_json = {"files": [{"data": base64.b64encode(mp4).decode()}], "threshold": "few_false_alarms"}
    assert app.post(VIDEO, json=as_json).json()["frames"] == got.json()["frames"]
    body = part('name="video"', mp4, "video/mp4") + b"--b--"
    assert app.post(VIDEO, content=body, headers=FORM).status_code == 200  # it needs no name
    said = app.get("/metrics").text
    assert 'what="video"' in said
    assert "a.mp4" not in said


def test_a_stretch_is_described(monkeypatch: pytest.MonkeyPatch, mp4: bytes) -> None:
    from deepfake.detection import detector
    from deepfake.detection.detector import Detector
    from deepfake.faces import finder

    face = finder.Face((0, 0, 90, 90), (0, 0, 96, 96), 0.99)
    monkeypatch.setattr(detector, "find_faces", lambda pixels: finder.FaceScan((face,), "faces"))
    monkeypatch.setattr(detector, "looks_drawn", lambda pixels: False)
    scores = iter([0.99] * 12 + [0.01] * 40)
    monkeypatch.setattr(Detector, "p_fake", lambda self, crops: [next(scores) for _ in crops])
    got = client().post(VIDEO, files=files(("a.mp4", mp4)))
    check(got.json(), "Video")
    assert got.json()["stretch"]["frames"] == 12
    assert got.json()["verdict"] == "fake"


@pytest.mark.parametrize("form", ["html", "pdf", "receipt", None])
def test_a_report_is_a_file(form: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepfake.report.make.explanations_of", lambda *_: {})
    got = client().post(
        REPORT, files=files(("<b>a.png", PNG)), data={"format": form, "fast": "true"} if form else {}
    )
    assert got.status_code == 200
    kind, start, ending = {
        "html": ("text/html", b"<!DOCTYPE html>", "html"),
        "pdf": ("application/pdf", b"%PDF", "pdf"),
        "receipt": ("application/json", b"{", "receipt.json"),
    }[form or "html"]
    assert got.headers["content-type"].partition(";")[0] == kind
    assert got.content.lower().startswith(start.lower())
    assert got.headers["content-disposition"].endswith(f'.{ending}"')
    assert got.headers["content-security-policy"].startswith("default-src 'none'")
    if ending == "html":
        assert "&lt;b&gt;a.png" in got.text
        assert "<b>a.png" not in got.text
    if form == "receipt":
        assert read_receipt(got.content)["file"]["name"] == "<b>a.png"


def test_a_report_has_its_maps() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, "PNG")
    app = client()
    got = app.post(REPORT, files=files(("a.png", buffer.getvalue())))
    assert got.text.count("data:image/jpeg") >= 3  # the image, and two maps
    assert 'what="report"' in app.get("/metrics").text


@pytest.mark.parametrize("path", [VIDEO, REPORT])
def test_what_these_may_not_be(path: str, mp4: bytes) -> None:
    app = client()
    one = files(("a", mp4 if path == VIDEO else PNG))
    assert is_problem(app.post(path, files=one * 2), 413, "too_many_files")
    assert is_problem(app.post(path, json={"files": [{"data": ""}] * 2}), 413, "too_many_files")
    assert is_problem(app.post(path, files=one, data={"stress": "true"}), 400, "unknown_field")
    assert is_problem(app.post(path, files=one, data={"threshold": "loose"}), 422, "bad_threshold")
    assert is_problem(app.post(path, files=one, data={"model": "none"}), 422, "unknown_model")
    assert is_problem(app.post(path, files=one, data={"fast": "1"}), 422, "bad_fast")
    assert is_problem(app.post(path, json={"files": [{"data": "!"}]}), 422, "bad_base64")
    assert is_problem(
        app.post(path, content=b"x", headers={"Content-Type": "video/mp4"}), 415, "not_multipart"
    )
    assert is_problem(app.post(f"{path}?model=tiny", files=one), 400, "query_parameter")
    assert is_problem(app.get(path), 405, "wrong_method")
    for kind in (FORM, JSON):
        headers = {**kind, "Content-Length": str(2 * MAX_BODY_BYTES)}
        assert is_problem(app.post(path, content=unread(), headers=headers), 413, "too_many_bytes")
    assert is_problem(client("secret").post(path, content=unread(), headers=FORM), 401, "wrong_key")


def test_files_of_another_sort(mp4: bytes) -> None:
    app = client()
    assert is_problem(app.post(VIDEO, files=ONE), 422, "not_a_video")
    assert is_problem(app.post(VIDEO, files=files(("a.mp4", mp4[:900]))), 422, "truncated")
    assert is_problem(app.post(REPORT, files=files(("a.mp4", mp4))), 422, "not_an_image")
    assert is_problem(app.post(REPORT, files=ONE, data={"format": "docx"}), 422, "bad_format")
    assert is_problem(app.post(REPORT, files=files(("a.png", PNG[:400]))), 422, "truncated")
    said = app.get("/metrics").text
    assert 'deepfake_refusals_total{code="truncated"} 2.0' in said


def test_a_full_queue_says_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise Busy("busy", "All places are taken.")

    monkeypatch.setattr(api, "report", full)
    got = client().post(REPORT, files=ONE)
    assert is_problem(got, 503, "busy")
    assert got.headers["retry-after"] == "5"


def test_long_works_leave_places_for_images(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    result = {"file": "a", "verdict": "real", "model": "tiny"}
    monkeypatch.setattr(api, "judge_video", lambda *_: gate.wait(20) and result)
    monkeypatch.setattr(api, "_load_default", lambda: None)
    with client() as app, ThreadPoolExecutor(api.MAX_LONG) as pool:
        asked = [pool.submit(app.post, VIDEO, files=ONE) for _ in range(api.MAX_LONG)]
        time.sleep(0.3)
        refused = app.post(REPORT, content=unread(), headers=FORM)
        served = app.post("/api/v1/predict", files=ONE)
        gate.set()
        assert [each.result().status_code for each in asked] == [200] * api.MAX_LONG
        assert is_problem(refused, 503, "busy")
        assert served.status_code == 200
        assert app.post(VIDEO, files=ONE).status_code == 200


def test_the_place_is_free_again_after_any_end(monkeypatch: pytest.MonkeyPatch) -> None:
    app = client()
    for error in (RuntimeError("odd"), Busy("busy", "Full."), Stopped()):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(api, "judge_video", fail)
        for _ in range(api.MAX_WAITING + 1):
            assert app.post(VIDEO, files=ONE).status_code in (400, 500, 503)
    monkeypatch.undo()
    assert JUDGING.standing() == (0, 0)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many are in the middle of a frame at once, each time that one begins."""
    from deepfake.detection.detector import Detector

    at_work, seen, lock, check_one = [0], list[int](), threading.Lock(), Detector._check

    def slowly(self: Detector, *given: Any) -> Any:
        with lock:
            at_work[0] += 1
            seen.append(at_work[0])
        time.sleep(0.02)
        try:
            return check_one(self, *given)
        finally:
            with lock:
                at_work[0] -= 1

    monkeypatch.setattr(Detector, "_check", slowly)
    yield seen


def test_long_works_take_turns(counted: list[int], mp4: bytes) -> None:
    """So that a place stays free for images."""
    with ThreadPoolExecutor(3) as pool:
        works: list[Future[Any]] = []
        works.append(pool.submit(judge_video, Source("a", mp4), "tiny", "balanced", threading.Event()))
        works.append(pool.submit(judge_video, Source("b", mp4), "tiny", "balanced", threading.Event()))
        works.append(pool.submit(report, Source("c", PNG), "tiny", "balanced", "receipt", threading.Event()))
        for work in works:
            work.result()
    assert len(counted) > 40
    assert max(counted) == 1


def test_nobody_waits_any_more(counted: list[int], mp4: bytes) -> None:
    gone = threading.Event()
    threading.Timer(0.1, gone.set).start()
    with pytest.raises(Stopped):
        judge_video(Source("a", mp4), "tiny", "balanced", gone)
    assert len(counted) < 20
    assert JUDGING.standing() == (0, 0)
    with pytest.raises(Stopped):
        report(Source("a", PNG), "tiny", "balanced", "html", gone)
