"""Many people at once: ``python -m benchmarks.load [--people 20] [--seconds 120]``, all on this machine.

First through the HTTP interface, then through the check page (its websocket and upload protocol). Each person
uploads pictures of their own again and again; every answer must be about that very picture (SHA-256) and
equal the one that it got when nobody else was there. Who is told that the server is busy tries again.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import random
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.support.images import photo
from benchmarks.support.server import server
from benchmarks.support.visitor import PATIENCE, Visitor
from deepfake.util.files import ROOT

PICTURES_EACH = 2
SIDE = 480
SAME = 1e-4


@dataclass
class Crowd:
    """What happened to all of them.

    Attributes:
        seconds: of each answer with a verdict.
        busy: how often somebody was told to come back.
        faults: whatever else was not as it should be.
    """

    seconds: list[float] = field(default_factory=list)
    busy: int = 0
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, seconds: float, got: dict[str, object], content: bytes, alone: float | None) -> None:
        """Checks one answer: a verdict of this very picture, the same as when nobody else was there."""
        with self.lock:
            if got.get("sha256") != hashlib.sha256(content).hexdigest():
                self.faults.append(f"the answer is about another picture: {str(got)[:200]}")
            elif alone is not None and abs(float(str(got["p_fake"])) - alone) > SAME:
                self.faults.append(f"p_fake {got['p_fake']}, alone {alone}")
            else:
                self.seconds.append(seconds)

    def line(self, what: str, people: int) -> str:
        """In one line for the terminal."""
        times = sorted(self.seconds) or [float("nan")]
        return (
            f"{what:12} {people} people, {len(self.seconds)} verdicts, {self.busy} times busy, "
            f"{len(self.faults)} faults; median {statistics.median(times):.1f} s, longest {times[-1]:.1f} s"
        )


def pictures(people: int) -> list[list[bytes]]:
    """Each person's own pictures as JPEG; no two are alike."""
    made = []
    for number in range(people * PICTURES_EACH):
        buffer = io.BytesIO()
        image = photo(number, SIDE)
        image.crop((number, 0, image.width, image.height)).save(buffer, "JPEG", quality=90)
        made.append(buffer.getvalue())
    return [made[n * PICTURES_EACH : (n + 1) * PICTURES_EACH] for n in range(people)]


@contextlib.contextmanager
def api_server() -> Iterator[str]:
    """``python -m deepfake serve`` on a free port, without a rate; gives its address."""
    command = [sys.executable, "-m", "deepfake", "serve", "--port", "0", "--requests-per-minute", "1000000"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout
        yield process.stdout.readline().strip().removesuffix("/api/v1/openapi.json")
    finally:
        process.terminate()
        process.wait()


def ask_api(address: str, content: bytes) -> dict[str, object] | None:
    """The picture's part of the answer, or None where the interface was busy."""
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
    request = urllib.request.Request(
        f"{address}/api/v1/predict",
        head + content + b"\r\n--x--\r\n",
        {"Content-Type": "multipart/form-data; boundary=x"},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)["results"][0]
    except urllib.error.HTTPError as error:
        told = json.load(error)
        if error.code == 503 and told["code"] == "busy" and error.headers["Retry-After"]:
            return None
        return {"refused": told}


def through_api(address: str, own: list[bytes], alone: dict[bytes, float], end: float, crowd: Crowd) -> None:
    """One person at the HTTP interface."""
    turn = 0
    while time.monotonic() < end or not turn:
        content = own[turn % len(own)]
        start = time.perf_counter()
        got = ask_api(address, content)
        if got is None:
            with crowd.lock:
                crowd.busy += 1
            time.sleep(random.uniform(0.2, 1))
            turn += time.monotonic() > end
            continue
        crowd.note(time.perf_counter() - start, got, content, alone.get(content))
        turn += 1


def through_page(address: str, own: list[bytes], alone: dict[bytes, float], end: float, crowd: Crowd) -> None:
    """One person at the check page."""
    with Visitor(address) as person:
        turn = 0
        while time.monotonic() < end or not turn:
            content = own[turn % len(own)]
            name = f"{hashlib.sha256(content).hexdigest()[:12]}.jpg"
            seen = person.upload(name, content)
            if any("the most this server accepts" in text for text in seen.texts):
                with crowd.lock:
                    crowd.busy += 1
            else:
                crowd.note(seen.seconds, seen.outcome, content, alone.get(content))
                if name not in seen.texts or seen.outcome.get("file") != name:
                    crowd.faults.append(f"{name} is not named on its page")
            turn += 1


def gather(
    person: Callable[..., None],
    address: str,
    own: list[list[bytes]],
    alone: dict[bytes, float],
    seconds: float,
) -> Crowd:
    """Lets them all in at once; what stops one of them is a fault."""
    crowd, end = Crowd(), time.monotonic() + seconds
    with ThreadPoolExecutor(len(own)) as threads:
        tasks = [threads.submit(person, address, pictures_, alone, end, crowd) for pictures_ in own]
        for task in tasks:
            try:
                task.result()
            except Exception as error:  # counted, whatever it is
                crowd.faults.append(repr(error)[:300])
    return crowd


def main() -> int:
    """Prints a line for each way in; exit status 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    own = pictures(options.people)
    faults: list[str] = []
    alone: dict[bytes, float] = {}
    with api_server() as address:
        for content in (content for each in own for content in each):
            got = ask_api(address, content) or {}
            alone[content] = float(str(got["p_fake"]))
        crowd = gather(through_api, address, own, alone, options.seconds)
        print(crowd.line("HTTP", options.people), flush=True)
        faults += crowd.faults
    with server() as address:
        crowd = gather(through_page, address, own, alone, options.seconds)
        print(crowd.line("check page", options.people), flush=True)
        faults += crowd.faults
    print(*faults[:20], sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
