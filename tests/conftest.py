"""Shared fixtures: small drawn images, a tiny data set, a tiny published detector, the real data."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from tests.support.cards import drawn_card
from tests.support.images import noise_image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in a shell's background: Ctrl-C is tested too
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
    for place, split in enumerate(("Train", "Validation", "Test")):
        for label in ("Fake", "Real"):
            folder = root / split / label
            folder.mkdir(parents=True)
            for number in range(16):
                pixels = noise_image(1000 * place + 2 * number + (label == "Fake"), 64, 64).copy()
                if label == "Fake":
                    pixels[20:44, 20:44] = 255 - pixels[20:44, 20:44] // 8
                Image.fromarray(pixels).save(folder / f"{label.lower()}_{number}.png")
    return root


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one detector, ``tiny``: a small network with random weights."""
    from deepfake.networks.architectures import compact

    folder = tmp_path_factory.mktemp("models")
    (folder / "tiny").mkdir()
    model = compact(None, stages=((8, 1),), stem=8)
    model.save(folder / "tiny" / "model.keras")
    content = (folder / "tiny" / "model.keras").read_bytes()
    card = drawn_card(
        name="tiny", sha256=hashlib.sha256(content).hexdigest(), description="A random network for tests."
    )
    (folder / "tiny" / "card.json").write_text(json.dumps(card))
    (folder / "default.txt").write_text("tiny\n")
    return folder


@pytest.fixture
def use_tiny_models(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes ``tiny`` the registry's only detector."""
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tiny_models))
    return tiny_models
