"""What the benchmarks share: the baseline's network, folders of images, a server of our own."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deepfake.util.files import ROOT


@dataclass(frozen=True)
class Result:
    """One comparison.

    Attributes:
        name: what was timed.
        ours, theirs: medians in seconds; ``theirs`` is the baseline's way.
        ratio: theirs / ours: above 1, ours is faster.
        details: how, in words.
        images: that were worked through; 0 where the time is of one thing.
    """

    name: str
    ours: float
    theirs: float
    ratio: float
    details: str
    images: int = 0


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    runs: int,
    details: str,
    images: int = 0,
    warm_up: bool = True,
) -> Result:
    """Times two ways in turn, a warm-up each first, and takes the median of the paired ratios."""
    if warm_up:
        ours()
        theirs()
    pairs = [(_seconds(ours), _seconds(theirs)) for _ in range(runs)]
    mine, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Result(name, mine, other, statistics.median(b / a for a, b in pairs), details, images)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def baseline_network() -> Any:
    """ResNet50 at 128 px in Keras; its weights are drawn, as speed does not depend on them."""
    from deepfake.networks.architectures import resnet50

    return resnet50(None)


def baseline_verdict(network: Any, path: Path) -> Any:
    """How the baseline checks an image: the whole of it, without looking for a face."""
    import keras

    image = keras.utils.img_to_array(keras.utils.load_img(path, target_size=(128, 128))) / 255
    return network.predict(np.expand_dims(image, 0), verbose=0)


@contextlib.contextmanager
def image_folder(images: int) -> Iterator[Path]:
    """A folder Fake|Real of 256 px JPEGs: real ones where DEEPFAKE_DATA is set, else drawn ones."""
    data = os.environ.get("DEEPFAKE_DATA")
    source = Path(data) / "openforensics" / "Validation" if data else None
    with tempfile.TemporaryDirectory() as place:
        for label in ("Fake", "Real"):
            folder = Path(place) / label
            folder.mkdir()
            if source and (source / label).is_dir():
                for path in sorted((source / label).iterdir())[: images // 2]:
                    (folder / path.name).symlink_to(path)
                continue
            for number in range(images // 2):
                drawn_photo(number).save(folder / f"{number}.jpg", quality=90)
        yield Path(place)


def drawn_photo(seed: int, side: int = 256) -> Image.Image:
    """Smooth blotches: compresses like a photograph."""
    small = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)


def photo(number: int, side: int = 1000) -> Image.Image:
    """A photograph with a face where DEEPFAKE_DATA is set, else a drawn picture; ``side`` pixels wide."""
    data = os.environ.get("DEEPFAKE_DATA")
    folder = Path(data) / "photos" if data else None
    if folder and folder.is_dir():
        paths = sorted(folder.iterdir())
        found = Image.open(paths[number % len(paths)]).convert("RGB")
        return found.resize((side, round(side * found.height / found.width)))
    return drawn_photo(number, side)


def photo_file(number: int, side: int = 1000) -> bytes:
    """``photo`` as a JPEG; cut a little differently from the 17th on, so that no two are alike."""
    image, buffer = photo(number, side), io.BytesIO()
    image.crop((number // 16, 0, image.width, image.height)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@contextlib.contextmanager
def photo_folder(images: int) -> Iterator[Path]:
    """A folder of so many of ``photo_file``."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(images):
            (Path(folder) / f"{number}.jpg").write_bytes(photo_file(number))
        yield Path(folder)


def resident_mb(process: int) -> float:
    """Memory of a running process on Linux, in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(
    script: str = "streamlit_app.py", on_start: Callable[[int], object] | None = None
) -> Iterator[str]:
    """A running app on a free port of this machine; gives its address once it answers.

    Args:
        script: what Streamlit runs.
        on_start: told the number of the process.
    """
    port = free_port()
    command = [
        *(sys.executable, "-m", "streamlit", "run", script, "--server.headless", "true"),
        *("--server.port", str(port), "--server.address", "127.0.0.1"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if on_start is not None:
        on_start(process.pid)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            time.sleep(0.05)
        else:
            raise RuntimeError("The server did not answer within 60 seconds.")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:  # in the middle of TensorFlow on a busy machine
            process.kill()
            process.wait()
