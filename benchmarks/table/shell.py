"""What a person at a shell waits for: ``--help`` and one verdict, against TensorFlow's import alone."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.support.images import photo
from benchmarks.table.baseline import Result
from deepfake.util.files import ROOT

BARE = ["-c", "pass"]
TENSORFLOW = ["-c", "import tensorflow"]


def run(runs: int = 5) -> list[Result]:
    """Whole processes, each beside the other in turn."""
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "one.jpg"
        photo(0).save(picture, quality=90)
        commands = {
            "predict --help": ["-m", "deepfake", "predict", "--help"],
            "predict one.jpg": ["-m", "deepfake", "predict", str(picture)],
        }
        seconds(TENSORFLOW)
        results = []
        for name, command in commands.items():
            seconds(command)
            turns = [(seconds(command), seconds(BARE), seconds(TENSORFLOW)) for _ in range(runs)]
            ours, bare, theirs = (statistics.median(side) for side in zip(*turns, strict=True))
            details = f"whole processes; {ours / bare:.0f} times a bare Python; against importing TensorFlow"
            results.append(Result(name, ours, theirs, statistics.median(t / o for o, _, t in turns), details))
    return results


def seconds(command: list[str]) -> float:
    """From a process's start to its end."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start
