"""Processes: requests to stop this one, further ones of ours, what they use and what they said."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

from deepfake.util.files import ROOT
from deepfake.util.tensorflow import is_note

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM that arrive meanwhile take effect at the end of the block."""
    if threading.current_thread() is not threading.main_thread():  # signals arrive in the main thread only
        yield
        return
    arrived: list[int] = []
    with _handled(lambda number, _: arrived.append(number)):
        yield
    for number in dict.fromkeys(arrived):
        signal.raise_signal(number)  # whoever dealt with it before does so now


class Requests:
    """Requests to stop that have arrived; see ``stop_requests``."""

    def __init__(self) -> None:
        self.arrived = False

    def check(self) -> None:
        """Raises KeyboardInterrupt where a request has arrived, however far its own exception came."""
        if self.arrived:
            raise KeyboardInterrupt


@contextlib.contextmanager
def stop_requests() -> Iterator[Requests]:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt as ever, and are remembered too.

    An exception that is raised from a signal can be lost: in a finaliser or in a callback of a library's
    Python prints and drops it, and a library may turn it into an error of its own. Whoever works long asks
    ``check`` now and then. A signal that was ignored before, or ends the process, is left as it was.
    """
    requests = Requests()
    if threading.current_thread() is not threading.main_thread():
        yield requests
        return
    numbers = [number for number in _NUMBERS if callable(signal.getsignal(number))]

    def note(number: int, frame: FrameType | None) -> None:
        requests.arrived = True
        before = earlier.get(number)
        if callable(before):
            before(number, frame)

    with _handled(note, numbers) as earlier:
        yield requests


@contextlib.contextmanager
def _handled(handler: Any, numbers: Any = _NUMBERS) -> Iterator[dict[int, Any]]:
    before: dict[int, Any] = {}
    try:
        for number in numbers:
            before[number] = signal.getsignal(number)
            signal.signal(number, handler)
        yield before
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def start(
    words: Sequence[str],
    output: IO[bytes],
    errors: IO[bytes] | int = subprocess.STDOUT,
    *,
    detached: bool = False,
) -> subprocess.Popen[bytes]:
    """``python -m deepfake WORDS`` with its streams in files; ``detached``: in a session of its own."""
    # The working directory stays: DEEPFAKE_MODELS and DEEPFAKE_DATA may be relative to it.
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-m", "deepfake", *words],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors,
        start_new_session=detached,
        env={**os.environ, "PYTHONPATH": python_path, "PYTHONUNBUFFERED": "1"},
    )


def spawn(words: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """``python -m deepfake WORDS`` that outlives this process, both streams appended to a log."""
    with log.open("ab") as file:
        process = start(words, file, detached=True)
    threading.Thread(target=process.wait, name=f"wait for {process.pid}", daemon=True).start()
    return process


def end(process: subprocess.Popen[bytes], patience: float = 10.0) -> None:
    """Terminates a process, and kills it after ``patience`` seconds; nothing where it has ended."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def log_tail(path: Path, lines: int = 40, most: int = 20_000) -> str:
    """The last lines of a log without TensorFlow's notes to its developers; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - most))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    messages = [line for line in text.splitlines() if not is_note(line)]
    return "\n".join(messages[-lines:])


class Usage:
    """Measures processor and memory use of this process between two calls of ``sample``."""

    def __init__(self) -> None:
        self._at, self._spent = time.monotonic(), _cpu_seconds()

    def sample(self) -> dict[str, float]:
        """``cores``: processor cores kept busy since the call before; ``memory_mb``: held now;
        ``memory_free_mb``: still to be had on the machine. What the system does not tell is left out."""
        now, spent = time.monotonic(), _cpu_seconds()
        passed = max(now - self._at, 1e-3)
        values = {"cores": round((spent - self._spent) / passed, 2)}
        self._at, self._spent = now, spent
        try:
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            values["memory_mb"] = round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
            lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
            free = next(line for line in lines if line.startswith("MemAvailable"))
            values["memory_free_mb"] = round(int(free.split()[1]) / 1024)
        except (OSError, StopIteration, ValueError, IndexError):
            pass
        return values


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system


def boot_and_kills() -> tuple[str, int]:
    """Which start of the machine this is, and how often since then memory ran out so that the system
    ended a process; ("", 0) where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return "", 0
    return boot, next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def processor_flags() -> frozenset[str]:
    """What the first processor can do, such as ``avx2``; empty where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    found = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return frozenset(found.partition(":")[2].split())
