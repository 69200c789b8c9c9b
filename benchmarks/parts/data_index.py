"""Opening a large data set: ``python -m benchmarks.parts.data_index [--images 200000]``.

Writes that many small JPEG files, then times, each in a process of its own: the first opening (every header
is read), the second (from the cache), one more after a file was added, and how much memory they take.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.support.images import drawn_photo
from deepfake.images.encode import jpeg_bytes
from deepfake.util.files import ROOT

_OPENING = """
import json, resource, sys, time
from pathlib import Path
import deepfake.data.inventory, numpy, pandas
def memory():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
before = memory()
start = time.perf_counter()
found = deepfake.data.inventory.take_inventory(Path(sys.argv[1]))
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "megabytes": memory() - before, "images": len(found)}))
"""


def write_files(folder: Path, images: int) -> None:
    """Train|Validation|Test / Fake|Real with small JPEG files of 64 different contents."""
    import numpy as np

    contents = [jpeg_bytes(np.asarray(drawn_photo(seed, 64))) for seed in range(64)]
    for split, share in (("Train", 0.7), ("Validation", 0.2), ("Test", 0.1)):
        for name in ("Fake", "Real"):
            into = folder / split / name
            into.mkdir(parents=True)
            for number in range(round(images * share / 2)):
                (into / f"{name.lower()}_{number}.jpg").write_bytes(contents[number % 64])


def opening(folder: Path, cache: Path) -> dict[str, float]:
    """Seconds and megabytes of one opening in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", _OPENING, str(folder)],
        cwd=ROOT,
        env={**os.environ, "DEEPFAKE_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    """Writes the files, opens them three times and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts.data_index", description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place) / "set", Path(place) / "cache"
        write_files(folder, options.images)
        first, second = opening(folder, cache), opening(folder, cache)
        (folder / "Train" / "Fake" / "one_more.jpg").write_bytes(jpeg_bytes_of_one())
        third = opening(folder, cache)
    for name, row in (("first opening", first), ("second", second), ("after a file came", third)):
        print(f"{name:20} {row['images']:>9,} images {row['seconds']:6.2f} s {row['megabytes']:6.0f} MB more")


def jpeg_bytes_of_one() -> bytes:
    """One more small file."""
    import numpy as np

    return jpeg_bytes(np.asarray(drawn_photo(1000, 64)))


if __name__ == "__main__":
    main()
