"""How many may compute at once and how many may wait for it; more are told so, and slow nobody down."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from deepfake.errors import UserError


class Busy(UserError):
    """Too many already wait; code ``busy``."""


class Admission:
    """A queue with an end. Safe to share between threads."""

    def __init__(self, at_once: int, waiting: int) -> None:
        """Nobody is in it yet.

        Args:
            at_once: how many may be at work.
            waiting: how many more may wait for their turn.
        """
        self.most = at_once + waiting
        self._inside = 0
        self._count = threading.Lock()
        self._work = threading.Semaphore(at_once)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn and holds it.

        Raises:
            Busy: too many wait already; at once.
        """
        with self._count:
            if self._inside >= self.most:
                raise Busy(
                    "busy",
                    f"{self._inside} pictures are being judged or wait for it: as many as this server takes. "
                    "Wait a few seconds and upload the picture again.",
                )
            self._inside += 1
        try:
            with self._work:
                yield
        finally:
            with self._count:
                self._inside -= 1
