"""Shared fixtures: small drawn images, a tiny data set, a tiny published detector, the real data."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from deepfake.cli import main
from tests.support.images import noise_image
from tests.support.records.cards import drawn_card

if TYPE_CHECKING:
    from playwright.sync_api import Browser


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:  # several at work: a processor each is quicker than all for each
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in a shell's background: Ctrl-C is tested too
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What fixtures keep between runs never lies in, or comes from, the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _cache_of_a_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test finds an empty cache: what another has kept changes nothing."""
    monkeypatch.setenv("DEEPFAKE_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real images, or a skip that says what is missing."""
    folder = os.environ.get("DEEPFAKE_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real images: set DEEPFAKE_DATA to their folder")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train, Validation and Test with 16 Fake and 16 Real images each; Fake ones carry a bright square."""
    root = tmp_path_factory.mktemp("tiny_dataset")
    for index, split in enumerate(("Train", "Validation", "Test")):
        for label in ("Fake", "Real"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(16):
                pixels = noise_image(1000 * index + 2 * number + (label == "Fake"), 64, 64).copy()
                if label == "Fake":
                    pixels[20:44, 20:44] = 255 - pixels[20:44, 20:44] // 8
                Image.fromarray(pixels).save(folder / f"{label.lower()}_{number}.png")
    return root


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one detector, ``tiny``: a small network with random weights."""
    from deepfake.images.pixels import InputSpec
    from deepfake.networks.architectures import compact
    from deepfake.networks.conversion import served_file

    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny").mkdir()
    model = compact(None, stages=((8, 1),), stem=8)
    model.save(folder / "tiny" / "model.keras")
    content = (folder / "tiny" / "model.keras").read_bytes()
    card = drawn_card(
        name="tiny", sha256=hashlib.sha256(content).hexdigest(), description="A random network for tests."
    )
    served = served_file(model, InputSpec(**card["input"]))
    (folder / "tiny" / "model.tflite").write_bytes(served)
    card["served_sha256"] = hashlib.sha256(served).hexdigest()
    (folder / "tiny" / "card.json").write_text(json.dumps(card))
    (folder / "default.txt").write_text("tiny\n")
    return folder


@pytest.fixture
def use_tiny_models(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes ``tiny`` the registry's only detector."""
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tiny_models))
    return tiny_models


@pytest.fixture(scope="module")
def indexed(
    tiny_models: Path, tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A folder of detectors, the index of its ``tiny`` made by the command."""
    folder = tmp_path_factory.mktemp("indexed") / "models"
    shutil.copytree(tiny_models, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DEEPFAKE_MODELS", str(folder))
        patch.setenv("DEEPFAKE_DATA", str(tiny_dataset.parent))
        assert main(["index", str(tiny_dataset), "--model", "tiny", "--title", "Tiny"]) == 0
        yield folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, or a skip that says what is missing."""
    from tests.support.browser import FLAGS, WAIT_MS, sync_api

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs Chromium: install the package 'chromium'")
    sync_api.expect.set_options(timeout=WAIT_MS)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs that train a network of one small stage."""
    import keras

    from tests.support.training import small_network_of_every_run

    small_network_of_every_run(monkeypatch)
    yield
    keras.mixed_precision.set_dtype_policy("float32")
