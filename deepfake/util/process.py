"""Requests to stop: Ctrl-C and SIGTERM cut no work in two that must stay whole, and none is lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
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
    """Requests to stop that have arrived; see ``remembered``."""

    def __init__(self) -> None:
        self.arrived = False

    def check(self) -> None:
        """Raises KeyboardInterrupt where a request has arrived, however far its own exception came."""
        if self.arrived:
            raise KeyboardInterrupt


@contextlib.contextmanager
def remembered() -> Iterator[Requests]:
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
