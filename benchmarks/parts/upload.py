"""Where the time of an upload goes: ``python -m benchmarks.parts.upload [--uploads 5]``.

One photograph of 1,000 px at a warm server: the work alone in this process, then through the page's own
protocol, then through a browser. All in one run, so that the differences mean something on a busy machine.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> None:
    """Prints a table of medians in milliseconds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts.upload", description=__doc__)
    parser.add_argument("--uploads", type=int, default=5)
    parser.add_argument("--no-browser", action="store_true", help="leave the browser out")
    options = parser.parse_args()
    from benchmarks.support.images import photo
    from benchmarks.support.server import server
    from benchmarks.support.visitor import Visitor

    files = []
    for number in range(options.uploads):
        buffer = io.BytesIO()
        photo(number).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    for name, wall, processor in alone(files[0], options.uploads):
        print(f"{name:40} {wall:8.0f} ms, of the processors {processor:.0f} ms", flush=True)
    with server() as address:
        with Visitor(address) as person:
            person.upload("first.jpg", files[0])  # waits for the warm-up
            seen = [person.upload(f"{number}.jpg", file) for number, file in enumerate(files)]
        print(f"{'page: until the server has the file':40} {median(s.sent for s in seen):8.0f} ms")
        print(f"{'page: until the first look':40} {median(s.first for s in seen):8.0f} ms")
        print(f"{'page: until the verdict':40} {median(s.seconds for s in seen):8.0f} ms", flush=True)
        if not options.no_browser:
            print(f"{'browser: until the verdict':40} {through_browser(address, options.uploads):8.0f} ms")


def median(seconds: object) -> float:
    """In milliseconds."""
    return 1000 * statistics.median(seconds)  # pyright: ignore[reportArgumentType]


def alone(file: bytes, times: int) -> list[tuple[str, float, float]]:
    """The parts of the work in this process: name, time on the clock and of the processors."""
    from deepfake.detection.detector import get_detector
    from deepfake.detection.figures import draw_faces
    from deepfake.evaluation.records import validation_scores
    from deepfake.faces.finder import find_faces
    from deepfake.images.encode import jpeg_bytes, shrink
    from deepfake.images.load import load_image
    from deepfake.report import context
    from deepfake.types import Box, VerdictLabel

    image, detector = load_image(file), get_detector()
    verdict = detector.check(image)
    boxes: list[Box] = [face.box for face in verdict.faces]
    calls: list[VerdictLabel] = [face.verdict for face in verdict.faces]
    parts: list[tuple[str, Callable[[], object]]] = [
        ("alone: decoding", lambda: load_image(file)),
        ("alone: the picture as shown", lambda: jpeg_bytes(shrink(image.pixels))),
        ("alone: finding faces", lambda: find_faces(image.pixels)),
        ("alone: faces and verdict", lambda: detector.check(image)),
        (
            "alone: what such a score meant",
            lambda: context.context_sentence(validation_scores(detector.card), verdict),
        ),
        ("alone: the picture with its faces", lambda: jpeg_bytes(draw_faces(image.pixels, boxes, calls))),
    ]
    taken = []
    for name, work in parts:
        walls, processors = zip(*[seconds(work) for _ in range(times + 1)][1:], strict=True)
        taken.append((name, median(walls), median(processors)))
    return taken


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Of one call: on the clock, and of the processors, which a busy machine stretches less."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - busy


def through_browser(address: str, uploads: int) -> float:
    """Median milliseconds from handing a file over to its verdict; the first is left out."""
    from playwright.sync_api import sync_playwright

    from benchmarks.support.server import CHROMIUM, FLAGS
    from benchmarks.support.sight import UPLOADER, wait_to_see
    from benchmarks.table.browser import upload_waits

    with sync_playwright() as play, play.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
        page = browser.new_page()
        page.goto(address)
        wait_to_see(page, UPLOADER)
        return median(upload_waits(page, uploads + 1)[1:])


if __name__ == "__main__":
    main()
