"""Throughput and memory of ``predict --output``: ``python -m benchmarks.parts.bulk [IMAGES] [--side 192]``.

Draws faces, then checks them by one process, by Ray with one worker and by Ray with two: the command as a
person runs it, in a process of its own. The start is measured apart, on a single image. Memory is that of the
process and of all that it started; what they share counts once (PSS). What a cluster would do is computed
from these parts, and said to be computed.

``--kill`` measures nothing: one process, and Ray with two workers, are killed in the middle with SIGKILL, a
worker of Ray beside; both are resumed, and their tables must be equal, row by row. ``--tiny`` takes a small
network with random weights, as 20,000 images take long.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.dataset as arrow_dataset
from PIL import Image

from deepfake.data.demo import draw_face, draw_fake
from deepfake.images.encode import shrink
from deepfake.util.files import ROOT

RAY = ["--engine", "ray", "--workers"]
NICENESS = "RAY_worker_niceness"
"""Of Ray's workers, usually 15; beside other work on the machine the one process would win by that."""
_SAMPLE_SECONDS = 1.0


DRAWN = 64
"""Different drawings; the images are these with noise of their own, as drawing takes longer than checking."""


def draw(folder: Path, images: int, side: int) -> None:
    """Drawn faces as JPEGs, no two alike, a thousand a folder; every 500th is cut in half."""
    rng = np.random.default_rng(0)
    faces = [shrink(draw_fake(rng) if n % 2 else draw_face(rng).pixels, side) for n in range(DRAWN)]
    for number in range(images):
        place = folder / f"{number // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        face = faces[number % DRAWN]
        noisy = np.clip(face + rng.normal(0, 4, face.shape), 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noisy).save(buffer, "JPEG", quality=90)
        content = buffer.getvalue()
        cut = len(content) // 2 if number % 500 == 7 else len(content)
        (place / f"{number:06}.jpg").write_bytes(content[:cut])


@dataclass(frozen=True)
class Measured:
    """One run of the command.

    Attributes:
        seconds: of the whole process.
        checked: images.
        most_mb: memory of the process and all below it, at most.
        busy: seconds of a processor that the process itself took, without those that it started.
        busy_all: the same of all of them; other work on the machine lengthens it less than ``seconds``.
    """

    seconds: float
    checked: int
    most_mb: float
    busy: float
    busy_all: float


def command(images: Path, out: Path, options: Sequence[str]) -> list[str]:
    """Of one run, its summary as JSON."""
    words = ["predict", str(images), "--output", str(out), "--resume", "--json", *options]
    return [sys.executable, "-m", "deepfake", *words]


def measure(images: Path, out: Path, options: Sequence[str]) -> Measured:
    """Runs the command to its end."""
    start = time.perf_counter()
    process = subprocess.Popen(command(images, out, options), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    samples: list[tuple[float, float, float]] = []
    watcher = threading.Thread(target=_watch, args=(process, samples))
    watcher.start()
    said, _ = process.communicate()
    seconds = time.perf_counter() - start
    watcher.join()
    if process.returncode:
        sys.exit(f"The command ended with {process.returncode}.")
    memory, busy, busy_all = zip(*samples, strict=True)
    return Measured(seconds, json.loads(said)["checked"], max(memory), max(busy), max(busy_all))


def _watch(process: subprocess.Popen[str], samples: list[tuple[float, float, float]]) -> None:
    """Memory of all in MB, and seconds of a processor that the first and that all have taken."""
    while process.poll() is None:
        with contextlib.suppress(OSError):
            busy, all_of_it = _processor_seconds(process.pid), family(process.pid)
            samples.append((sum(map(_pss_mb, all_of_it)), busy, sum(map(_processor_seconds, all_of_it))))
        time.sleep(_SAMPLE_SECONDS)


def _processor_seconds(process: int) -> float:
    """Taken by a process so far; Linux only."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss_mb(process: int) -> float:
    """What a process holds, with its share of what it shares; Linux only."""
    try:
        text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(text.split("\nPss:")[1].split()[0]) / 1024


def family(process: int) -> list[int]:
    """A process and all that it and its own started; Linux only."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def workers(process: int) -> list[int]:
    """The processes of Ray's workers below a run."""
    found = []
    for one in family(process):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{one}/cmdline").read_bytes().startswith(b"ray::_Worker"):
                found.append(one)
    return found


def compare_throughput(images: Path, place: Path, model: Sequence[str]) -> None:
    """Prints a line a run, and what follows for a cluster."""
    one_image = place / "one image"
    draw(one_image, 1, 64)
    busy = each = 0.0
    os.environ[NICENESS] = "0"
    for name, options in (
        ("one process", []),
        ("Ray, 1 worker", [*RAY, "1"]),
        ("Ray, 2 workers", [*RAY, "2"]),
    ):
        start = measure(one_image, place / f"{name} start", [*model, *options])
        whole = measure(images, place / name, [*model, *options])
        rest = whole.checked - 1
        busy, each = (whole.busy - start.busy) / rest, (whole.busy_all - start.busy_all) / rest
        rate = rest / (whole.seconds - start.seconds)
        print(
            f"{name:15} {whole.checked:,} images in {whole.seconds:.0f} s: {start.seconds:.1f} s to start "
            f"and end, else {rate:.1f} images a second; {each * 1e3:.0f} ms of a processor an image; "
            f"at most {whole.most_mb:,.0f} MB",
            flush=True,
        )
    # Of the last, Ray with two workers. From processor time, as others may use this machine too.
    print(
        f"Computed, not measured, for workers with a processor each: {1 / each:.1f} images a second a "
        f"worker, as an image takes {each * 1e3:.0f} ms of a processor, Ray's own work among it. The process "
        f"that hands out and writes takes {busy * 1e3:.2f} ms of it, so it keeps up with {each / busy:.0f} "
        f"workers; N up to there do N x {1 / each:.1f} images a second, where the images can be read that "
        "fast. Beyond, use --shard."
    )


def check_kills(images: Path, place: Path, model: Sequence[str]) -> None:
    """One process is killed; so is Ray, and a worker of it once more. The tables must be equal."""
    rng, tables = random.Random(0), {}
    count = sum(1 for _ in images.rglob("*.jpg"))
    for name, options in (("one process", []), ("Ray, 2 workers", [*RAY, "2"])):
        start, out = time.perf_counter(), place / name
        words = command(images, out, [*model, *options])
        _kill_between(words, out, count, rng)
        process = subprocess.Popen(words, cwd=ROOT)
        if options:
            _kill_worker(process, out, count)
        if process.wait():
            sys.exit(f"The command ended with {process.returncode}.")
        tables[name] = arrow_dataset.dataset(sorted(out.glob("part-*"))).to_table().sort_by("file")
        print(f"{name}: {len(tables[name]):,} rows, {time.perf_counter() - start:.0f} s", flush=True)
    one, two = tables.values()
    names = one["file"].to_pylist()
    equal = one.equals(two)
    print(f"{count:,} images, {len(set(names)):,} names, {len(names):,} rows; the tables are equal: {equal}")
    if not (equal and len(set(names)) == len(names) == count):
        sys.exit("Something was lost or doubled.")


def _rows(out: Path) -> int:
    return sum(arrow_dataset.dataset(str(path)).count_rows() for path in out.glob("part-*"))


def _kill_between(words: list[str], out: Path, count: int, rng: random.Random) -> None:
    """Starts a run and kills it with SIGKILL somewhere between a third and two thirds of its images."""
    wanted = count * rng.uniform(0.33, 0.67)
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None and _rows(out) < wanted:
        time.sleep(rng.uniform(0.1, 0.5))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "it came to its end before it could be killed"
    print(f"Killed with {_rows(out):,} rows written.", flush=True)


def _kill_worker(process: subprocess.Popen[bytes], out: Path, count: int) -> None:
    """Kills one of Ray's workers on the way."""
    before = _rows(out)
    while process.poll() is None and _rows(out) < before + (count - before) / 3:
        time.sleep(0.3)
    victim = workers(process.pid)[0]
    os.kill(victim, signal.SIGKILL)
    print(f"A worker killed with {_rows(out):,} rows written.", flush=True)


def tiny_detector(folder: Path) -> None:
    """A folder of detectors with one, ``tiny``: a small network with random weights."""
    import keras

    from deepfake.images.pixels import InputSpec
    from deepfake.networks.architectures import compact
    from deepfake.networks.conversion import served_file

    (folder / "tiny").mkdir(parents=True)
    keras.utils.set_random_seed(0)
    network, spec = compact(None, stages=((8, 1),), stem=8), InputSpec(64)
    network.save(folder / "tiny" / "model.keras")
    (folder / "tiny" / "model.tflite").write_bytes(served_file(network, spec))
    hashes = [_sha256(folder / "tiny" / name) for name in ("model.keras", "model.tflite")]
    cuts = {"balanced": 0.5, "few_false_alarms": 0.9, "uncertain_low": 0.4, "uncertain_high": 0.6}
    card = {
        "architecture": "compact", "input": spec.to_dict(), "temperature": 1.0, "thresholds": cuts,
        "sha256": hashes[0], "served_sha256": hashes[1], "description": "Random.",
        "knows": [], "does_not_know": [], "evaluations": [],
    }  # fmt: skip
    (folder / "tiny" / "card.json").write_text(json.dumps(card))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts.bulk", description=__doc__)
    parser.add_argument("images", type=int, nargs="?", default=1000)
    parser.add_argument("--side", type=int, default=192, help="of each image, in pixels")
    parser.add_argument("--model", help="the detector (default: the default one)")
    parser.add_argument("--fast", action="store_true", help="its first network alone")
    parser.add_argument("--tiny", action="store_true", help="a small network with random weights instead")
    parser.add_argument("--kill", action="store_true", help="kill and resume instead of measuring")
    options = parser.parse_args()
    model = (["--model", options.model] if options.model else []) + ["--fast"] * options.fast
    with tempfile.TemporaryDirectory() as place:
        if options.tiny:
            tiny_detector(Path(place) / "models")
            os.environ["DEEPFAKE_MODELS"] = str(Path(place) / "models")
        draw(Path(place) / "images", options.images, options.side)
        (check_kills if options.kill else compare_throughput)(Path(place) / "images", Path(place), model)


if __name__ == "__main__":
    main()
