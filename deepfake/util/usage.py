"""What the running process takes from its machine."""

from __future__ import annotations

import os
import time
from pathlib import Path


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
