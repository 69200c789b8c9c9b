"""Memory of a batch of many pictures: ``python -m benchmarks.parts.batch [PICTURES] [--side PIXELS]``.

Draws pictures, packs them into one zip archive in memory as an upload would lie there, and judges them with
the default detector by the way of the page Check many. Memory is what the process holds in main memory.
"""

from __future__ import annotations

import argparse
import gc
import io
import os
import time
import zipfile
from pathlib import Path

from benchmarks.support.images import drawn_photo

MIB = 2**20


def archive(pictures: int, side: int) -> bytes:
    """A zip archive of drawn JPEGs, no two alike."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for number in range(pictures):
            file = io.BytesIO()
            drawn_photo(number, side).save(file, "JPEG", quality=90)
            packed.writestr(f"{number:05}.jpg", file.getvalue())
    return buffer.getvalue()


def resident() -> int:
    """Bytes of main memory that the process holds; Linux only."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(pictures: int, side: int) -> dict[int, int]:
    """Resident bytes after 0, 10, 100, 200, ... pictures, the archive itself included."""
    from deepfake.detection.batch import Batch
    from deepfake.detection.card import default_name

    Batch([("warm-up.zip", archive(2, side))], default_name()).work(lambda *_: None, lambda: False)
    batch = Batch([("drawn.zip", archive(pictures, side))], default_name())
    memory: dict[int, int] = {}

    def report(done: int, total: int) -> None:
        if done in (0, 10) or done % 100 == 0 or done == total:
            gc.collect()
            memory[done] = resident()
            print(f"{done:5,} pictures: {memory[done] / MIB:7.1f} MiB", flush=True)

    start = time.perf_counter()
    batch.work(report, lambda: False)
    kept = sum(len(row.content or b"") + len(row.thumbnail or b"") for row in batch.rows)
    print(f"{time.perf_counter() - start:.0f} s; kept on purpose: {kept / MIB:.1f} MiB")
    return memory


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts.batch", description=__doc__)
    parser.add_argument("pictures", type=int, nargs="?", default=1000)
    parser.add_argument("--side", type=int, default=256, help="of each picture, in pixels")
    options = parser.parse_args()
    memory = measure(options.pictures, options.side)
    growth = (memory[options.pictures] - memory[min(100, options.pictures)]) / MIB
    print(f"Growth after the first {min(100, options.pictures)}: {growth:.1f} MiB")


if __name__ == "__main__":
    main()
