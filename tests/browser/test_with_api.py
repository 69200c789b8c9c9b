"""``streamlit run ui_with_api.py``: the pages and the HTTP interface from one process."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support.server import server
from tests.support.browser import WAIT_MS
from tests.support.images import encoded, noise_image

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tiny_models: Path) -> Iterator[str]:
    """A fresh server of both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MODELS", str(tiny_models))
        with server("ui_with_api.py") as place:
            yield place


def test_both_answer(page, address):
    with urllib.request.urlopen(f"{address}/api/v1/health", timeout=60) as answer:
        health = json.load(answer)
    assert health["status"] in ("starting", "ok")
    starts = {"/livez": b'{"status":"ok"}', "/api/v1/docs": b"<!DOCTYPE html>", "/metrics": b"# "}
    for path, start in starts.items():
        with urllib.request.urlopen(address + path, timeout=60) as answer:
            assert answer.read().startswith(start)

    boundary, content = "b0undary", encoded(noise_image(1))
    head = 'Content-Disposition: form-data; name="files"; filename="a.png"'
    body = f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"{address}/api/v1/predict", body, kind)
    with urllib.request.urlopen(request, timeout=WAIT_MS / 1000) as answer:
        (result,) = json.load(answer)["results"]
    assert (result["file"], result["width"], result["model"]) == ("a.png", 96, "tiny")
    assert (result["scope"], result["p_fake"]) == ("no_face", None)
    assert 0 <= result["raw_p_fake"] <= 1

    page.goto(address)
    page.get_by_text("Nothing to check yet").wait_for()
    page.get_by_role("link", name="Evaluation").first.click()
    page.get_by_role("heading", name="Evaluation").wait_for()


def test_the_key_guards_the_interface_alone(tiny_models: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MODELS", str(tiny_models))
        patch.setenv("DEEPFAKE_API_KEY", os.urandom(8).hex())
        with server("ui_with_api.py") as place:
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{place}/api/v1/models", timeout=60)
            assert refused.value.code == 401
            with urllib.request.urlopen(place, timeout=60) as answer:
                assert b"<title>" in answer.read()
