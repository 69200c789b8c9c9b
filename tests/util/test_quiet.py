"""Standard error is ours: no line of TensorFlow, abseil or oneDNN on any command, nor in the server's log."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deepfake.cli.parser import command_parser
from deepfake.util.files import ROOT
from deepfake.util.tensorflow import is_note
from tests.support import videos
from tests.support.browser import WAIT_MS, upload, verdict, wait_until_up
from tests.support.images import encoded, noise_image

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SECONDS = 600
NOTES = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795984849.086036    9834 port.cc:153] oneDNN custom operations are on. You may see",
    "W0000 00:00:1795984849.086036 9834 cuda_executor.cc:1] odd",
    "2026-11-29 20:42:32.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
    "To enable the following instructions: AVX2 AVX512F FMA, in other operations, rebuild TensorFlow",
)
OURS = (
    "deepfake: There is no detector.",
    "Traceback (most recent call last):",
    "F0000 00:00:1795984849.086036 9834 cpu_feature_guard.cc:1] compiled to use AVX",
    "E0000 00:00:1795984849.086036 9834 cuda_executor.cc:1] failed call to cuInit: UNKNOWN ERROR (303)",
    "12 of 30 images scored",
)


@pytest.fixture
def environment(tiny_models: Path, tmp_path: Path) -> dict[str, str]:
    """Of a person's shell: what the tests' own set-up hushes is taken out."""
    shutil.copytree(tiny_models, tmp_path / "models")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    folders = {name: str(tmp_path / name.lower()) for name in ("MODELS", "RUNS", "CACHE")}
    return {**kept, **{f"DEEPFAKE_{name}": folder for name, folder in folders.items()}}


def lines(*texts: str) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def test_notes_are_told_from_what_is_ours() -> None:
    assert all(map(is_note, NOTES))
    assert not any(map(is_note, OURS))


@pytest.mark.parametrize("end", ["", "os.abort()"])
def test_what_others_say_meanwhile_comes_through(end: str) -> None:
    """From Python, from another thread and from a library; even of a process that ends in the middle."""
    script = f"""
import os, sys, threading
from deepfake.util.tensorflow import without_notes
with without_notes():
    os.write(2, {lines(*NOTES)!r})
    print("of a thread", file=sys.stderr, flush=True)
    os.write(2, b"of a library" + bytes([10]))
    os.write(2, {lines(OURS[2])!r})
    {end}
print("after it", file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    expected = ["of a thread", "of a library", OURS[2], *([] if end else ["after it"])]
    assert done.stderr.splitlines() == expected


def test_all_of_it_is_there_for_who_asks(environment: dict[str, str]) -> None:
    """And this proves that the tests below would see a note."""
    warn = "import deepfake, tensorflow; tensorflow.get_logger().warning('5 out of the last 44 calls')"
    command = [sys.executable, "-c", warn]
    loud = {**environment, "TF_CPP_MIN_LOG_LEVEL": "0"}
    done = subprocess.run(command, cwd=ROOT, env=loud, capture_output=True, text=True, check=True)
    assert any(map(is_note, done.stderr.splitlines()))
    assert "5 out of" in done.stderr
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_predict_says_nothing_on_standard_error(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(noise_image(1)))
    assert_quiet(["predict", str(tmp_path / "a.png")], environment)


def assert_quiet(words: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deepfake", *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip
    # What the sweep itself says at its end.
    told = re.sub(r"^[\d,]+ copies scored in \d+ s: [\d,]+ a second\n", "", done.stderr)
    assert (done.returncode, told) == (0, ""), f"{words}: {done.stderr[-2000:]}"


@pytest.mark.slow
def test_no_command_says_anything_on_standard_error(
    environment: dict[str, str], tmp_path: Path, tiny_dataset: Path
) -> None:
    data, run = str(shutil.copytree(tiny_dataset, tmp_path / "data")), tmp_path / "runs" / "a"
    image, clip = tmp_path / "a.png", tmp_path / "a.mp4"
    image.write_bytes(encoded(noise_image(1)))
    clip.write_bytes(videos.clip(0.4))
    plan = tmp_path / "plan.toml"
    plan.write_text(
        '[[folder]]\npath = "Train/Fake"\nsource = "a"\ngenerator = "b"\nlabel = "Fake"\nsplit = "Train"\n'
    )
    short = ["--recipe", "compact", "--epochs", "1", "--batch-size", "8"]
    scores = [str(tmp_path / f"{name}.csv") for name in ("one", "two")]
    walk = [
        ["gather", str(plan), data, str(tmp_path / "gathered")],
        ["landmarks", data],
        ["train", data, *short, "--run", run.name, "--runs", str(run.parent)],
        ["publish", str(run), "published", "--data", data],
        ["convert", "published"],
        ["export", "published", str(tmp_path / "onnx")],
        ["evaluate", data, "--split", "Test", "--model", "tiny", "--scores", scores[0]],
        ["evaluate", data, "--split", "Test", "--model", "published", "--scores", scores[1]],
        ["evaluate", data, "--split", "Test", "--model", "tiny", "--record", "Tiny"],
        ["facts", data, "--model", "tiny"],
        ["compare", *scores],
        ["robustness", data, "--split", "Test", "--images", "4", "--model", "tiny"],
        ["demo", str(tmp_path / "demo"), "--images", "12"],
        ["data", data, "--audit"],
        ["index", data, "--model", "tiny"],
        ["predict", str(image), "--stress"],
        ["video", str(clip)],
        ["report", str(image), "--html", str(tmp_path / "a.html"), "--pdf", str(tmp_path / "a.pdf")],
        ["verify", str(tmp_path / "a.receipt.json"), str(image)],
    ]
    commands = next(a for a in command_parser()._actions if isinstance(a, argparse._SubParsersAction))
    # The first has a test of its own; the next need weights, photographs or a network that are not at hand.
    not_walked = {"serve", "generate", "features", "tune", "fit", "kinds", "stack", "pair", "rules"}
    not_walked |= {"collect"}
    assert {words[0] for words in walk} | not_walked == set(commands.choices), "a new command: walk it too"
    for words in walk:
        assert_quiet(words, environment)


@contextlib.contextmanager
def serving(command: list[str], environment: dict[str, str], log: Path, health: str) -> Iterator[str]:
    """A server on a free port, both its streams in a log; ended as a person ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, *(word.replace("PORT", str(port)) for word in command)],
            cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=file,
        )  # fmt: skip
        try:
            wait_until_up(f"http://127.0.0.1:{port}{health}", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def test_serve_logs_nothing_of_tensorflow(environment: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = ["-m", "deepfake", "serve", "--port", "PORT"]
    with serving(command, environment, log, "/api/v1/health") as address:
        boundary = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        body = boundary + encoded(noise_image(1)) + b"\r\n--b--\r\n"
        request = urllib.request.Request(
            f"{address}/api/v1/predict", body, {"Content-Type": "multipart/form-data; boundary=b"}
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            assert answer.status == 200
    assert log.read_text() == "Stopped.\n", "our own word at Ctrl-C, no more"


def test_a_page_that_loads_the_detector_logs_nothing_of_tensorflow(environment: dict[str, str]) -> None:
    script = """
import sys, threading
from streamlit.testing.v1 import AppTest
app = AppTest.from_file('streamlit_app.py', default_timeout=300).run()
assert not app.exception
[thread.join() for thread in threading.enumerate() if thread.name == 'warm-up']
assert 'ai_edge_litert' in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    told = [line for line in done.stderr.splitlines() if "missing ScriptRunContext" not in line]
    assert told == [], "AppTest alone is without a browser's session"


@pytest.mark.browser
@pytest.mark.parametrize("front_door", ["streamlit_app.py", "ui_with_api.py"])
def test_the_pages_server_logs_nothing_of_tensorflow(
    front_door: str, environment: dict[str, str], tmp_path: Path, browser: Browser
) -> None:
    log, picture = tmp_path / "log", tmp_path / "a.png"
    picture.write_bytes(encoded(noise_image(1)))
    command = ["-m", "streamlit", "run", front_door, "--server.headless=true", "--server.port=PORT"]
    command += ["--server.address=127.0.0.1"]  # else Streamlit looks for an address of its own, and says so
    with serving(command, environment, log, "/_stcore/health") as address:
        page = browser.new_page()
        page.goto(address)
        upload(page, picture)
        verdict(page).wait_for(timeout=WAIT_MS)
        page.close()
    own = "Uvicorn server started", "Aborted!"  # the second is its word at Ctrl-C
    told = [line for line in log.read_text().splitlines() if line and not any(each in line for each in own)]
    assert told == [], "Streamlit's own lines are the only ones"
