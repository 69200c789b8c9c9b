"""What strangers may try: paths and markup in links, other sites' requests, code in models, keys in logs."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from benchmarks.support.server import server
from benchmarks.support.visitor import Visitor
from deepfake.api.app import Service, create_api
from deepfake.detection.card import ModelError, load_card, load_model
from deepfake.images.archives import MAX_ARCHIVE_BYTES
from deepfake.util.files import ROOT
from tests.support.images import encoded, noise_image

PAGES = sorted((ROOT / "pages").glob("*.py"))
HOSTILE = "../../../../../../etc/passwd\0<img src=x onerror=alert(1)>"
SOURCES = "".join(path.read_text(encoding="utf-8") for path in [*PAGES, *(ROOT / "ui").rglob("*.py")])
PARAMETERS = sorted(
    {
        *re.findall(r'query_params(?:\.get|\.pop)?[\[(]\s*"([\w-]+)"', SOURCES),
        *re.findall(r'key="([\w-]+)"[^)]*?bind="query-params"', SOURCES),
        *re.findall(r'(?:one|several)_in_address\(\s*"([\w-]+)"', SOURCES),
        "picture",
        "folder",
        "file",
        "path",
        "model",
    }
)


def shown(app: AppTest) -> str:
    return " ".join(str(getattr(element, "value", "")) for element in app.main)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_links_with_paths_and_markup(
    path: Path, use_tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEEPFAKE_RUNS", str(tmp_path / "runs"))
    app = AppTest.from_file(str(path), default_timeout=120)
    for name in PARAMETERS:
        app.query_params[name] = HOSTILE
    app.run()
    assert not app.exception
    assert "root:x" not in shown(app)
    assert "<img src=x" not in " ".join(str(element.value) for element in app.markdown)


def test_parameters_are_found() -> None:
    assert {"threshold", "detector", "alarms"} <= set(PARAMETERS)


def test_no_page_renders_html() -> None:
    assert "unsafe_allow_html" not in SOURCES
    assert "components.v1" not in SOURCES


def test_the_server_is_configured() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))
    assert config["server"]["enableXsrfProtection"] is True
    assert config["server"]["enableCORS"] is True
    assert config["server"]["maxUploadSize"] * 2**20 == MAX_ARCHIVE_BYTES
    assert config["client"]["showErrorDetails"] == "none"
    assert config["browser"]["gatherUsageStats"] is False


def test_code_in_a_model_file_is_not_run(
    tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though its hash is in the card."""
    import keras

    shutil.copytree(tiny_models, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    witness = tmp_path / "witness"
    code = eval(f"lambda x: (open({str(witness)!r}, 'w').close(), x)[1]")
    hostile = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Lambda(code)])
    file = tmp_path / "models" / "tiny" / "model.keras"
    hostile.save(file)
    witness.unlink(missing_ok=True)
    card = tmp_path / "models" / "tiny" / "card.json"
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    card.write_text(json.dumps({**json.loads(card.read_text()), "sha256": sha256}))
    with pytest.raises(ModelError) as caught:
        load_model(load_card("tiny"))
    assert caught.value.code == "unreadable"
    assert not witness.exists()


def test_the_key_is_written_nowhere(use_tiny_models: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret, guess = "s3cret-of-the-server", "guess-of-a-stranger"
    client = TestClient(create_api(Service(secret)))
    files = {"files": ("a.png", b"no picture")}
    answers = [
        client.post("/api/v1/predict", files=files, headers={"Authorization": f"Bearer {word}"})
        for word in (secret, guess)
    ]
    assert [answer.status_code for answer in answers] == [200, 401]
    for answer in answers:
        said = f"{answer.headers.raw}{answer.text}"
        assert secret not in said
        assert guess not in said
    assert secret not in caplog.text
    assert guess not in caplog.text


def status(address: str, path: str, **options: Any) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(address + path, **options), timeout=60) as answer:
            return 200 if b"root:" not in answer.read() else -1
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.slow
def test_a_running_server_refuses_other_sites_and_paths(use_tiny_models: Path) -> None:
    with server() as address, Visitor(address) as visitor:
        place = f"/_stcore/upload_file/{visitor.session}/x"
        multipart = {"Content-Type": "multipart/form-data; boundary=x"}
        assert status(address, place, data=b"--x--", method="PUT", headers=multipart) == 403  # no token
        own = {**multipart, "Cookie": visitor.cookie, "X-Xsrftoken": visitor.token}
        large = {**own, "Content-Length": str(MAX_ARCHIVE_BYTES + 2**20)}
        assert status(address, place, data=b"--x", method="PUT", headers=large) == 413
        for path in (
            "/media/../../../../etc/passwd",
            "/media/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
            "/static/..%2f..%2f..%2f..%2fetc/passwd",
            "/component/../../../etc/passwd",
            "/app/static/../../streamlit_app.py",
        ):
            assert status(address, path) in (200, 400, 403, 404)  # 200: the page itself
        stream = f"{address.replace('http', 'ws')}/_stcore/stream"
        with pytest.raises(InvalidStatus, match="403"):
            connect(stream, origin=Origin("https://evil.example"))
        seen = visitor.upload("<b>../../x</b>.png", encoded(noise_image(1)))
        assert unquote(seen.outcome["file"]) == "<b>../../x</b>.png"
