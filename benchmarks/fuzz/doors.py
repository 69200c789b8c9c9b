"""Hostile pictures against the two doors they come through: ``python -m benchmarks.fuzz [--files 20000]``.

Every file goes to ``load.load_image``, one in ten also through the HTTP interface's form parser, some of
those with a damaged form; one in a hundred is of the kind that has far too many parts. Nothing but a
``UserError`` may escape, none may take 2 s of processor time, and none may hold more memory than a sound
picture of the largest size accepted.
"""

from __future__ import annotations

import asyncio
import faulthandler
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request

from benchmarks.fuzz.busy import busy_files
from benchmarks.fuzz.corpus import hostile, mutated, seed_files
from deepfake.api.uploads import read_form
from deepfake.errors import UserError
from deepfake.images.load import load_image

MAX_SECONDS = 2.0
"""Of processor time, which other programs do not lengthen."""
MAX_MEGABYTES = 1536
"""A picture of the 64 million pixels that are accepted may take this much above the empty process."""
HANG_SECONDS = 120
BOUNDARY = b"fuzz"


@dataclass
class Report:
    """What came of the files.

    Attributes:
        outcomes: how many were loaded or refused, by code.
        faults: number, how it was made, what went wrong and the file, for each that broke a rule.
        slowest, largest: the worst file in seconds of processor time and in megabytes, with how it was made.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[int, str, str, bytes]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[float, str] = (0.0, "")

    def note(self, number: int, how: str, data: bytes, seconds: float, megabytes: float) -> None:
        """Keeps the worst, and what was too slow or too large as a fault."""
        self.slowest = max(self.slowest, (seconds, f"{number}: {how}"))
        self.largest = max(self.largest, (megabytes, f"{number}: {how}"))
        if seconds > MAX_SECONDS:
            self.faults.append((number, how, f"{seconds:.1f} s", data))
        if megabytes > MAX_MEGABYTES:
            self.faults.append((number, how, f"{megabytes:.0f} MB", data))


def run(numbers: Iterable[int], seed: int = 0, *, every_form: int = 10) -> Report:
    """Feeds the files of those numbers to both doors; see the module."""
    seeds = seed_files()
    for data in seeds.values():  # imports and tables are not the files' doing
        load_image(data)
    busy = [item for n in (1000, 50_000, 300_000) for item in busy_files(seeds, n).items()]
    report, before = Report(), megabytes_held()
    for number in numbers:
        how, data = busy[number // 100 % len(busy)] if number % 100 == 99 else hostile(number, seeds, seed)
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True, file=sys.__stderr__ or sys.stderr)
        forget_peak()
        start = time.thread_time()
        report.outcomes[_outcome(report, number, how, data)] += 1
        report.note(number, how, data, time.thread_time() - start, megabytes_peak() - before)
        if number % every_form == 0:
            report.outcomes[_form_outcome(report, number, how, data)] += 1
        faulthandler.cancel_dump_traceback_later()
    return report


def _outcome(report: Report, number: int, how: str, data: bytes) -> str:
    try:
        image = load_image(data)
    except UserError as error:
        return error.code
    except BaseException:
        report.faults.append((number, how, traceback.format_exc(), data))
        return "ESCAPED"
    if image.pixels.shape != (image.facts.height, image.facts.width, 3):
        report.faults.append((number, how, f"shape {image.pixels.shape}", data))
    return "loaded"


def _form_outcome(report: Report, number: int, how: str, data: bytes) -> str:
    """The form that carries the file, with a name or without; every third one damaged, some others cut."""
    chance = random.Random(number)
    body = form(data, named=number % 20 > 0)
    draw, cut = chance.random(), False
    if draw < 1 / 3:
        body = mutated(body[:300], chance) + body[300:]
    elif draw < 1 / 2:
        cut = True
        body = body[: -chance.randrange(3, 60)]
    try:
        got = asyncio.run(read_form(request(body)))
        sound = got.files[0].content == data
    except UserError as error:
        return f"form {error.code}"
    except BaseException:
        report.faults.append((number, f"form: {how}", traceback.format_exc(), data))
        return "form ESCAPED"
    if cut:
        report.faults.append((number, f"form: {how}", "a form that was cut is read", data))
    return "form read" if sound else "form read, another content"


def form(data: bytes, *, named: bool = True) -> bytes:
    """A multipart body with a field and a file, which has a name or not."""
    head = b'--fuzz\r\nContent-Disposition: form-data; name="threshold"\r\n\r\nbalanced\r\n'
    name = b'; filename="a.jpg"' if named else b""
    file = b'--fuzz\r\nContent-Disposition: form-data; name="files"' + name + b"\r\n\r\n"
    return head + file + data + b"\r\n--fuzz--\r\n"


def request(body: bytes) -> Request:
    """A request whose body arrives in three pieces."""
    third = len(body) // 3 + 1
    pieces = [body[at : at + third] for at in range(0, len(body), third)]

    async def receive() -> dict[str, object]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    headers = [(b"content-type", b"multipart/form-data; boundary=" + BOUNDARY)]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


def megabytes_held() -> float:
    """Resident memory of this process now; 0 where the system does not tell."""
    return _status("VmRSS")


def megabytes_peak() -> float:
    """The most since ``forget_peak``."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Begins a new peak (Linux)."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def _status(name: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)
