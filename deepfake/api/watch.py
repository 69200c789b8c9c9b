"""What is kept of a request while it is answered: its id, and what is counted and logged of it.

Never a file's name, never an address.
"""

from __future__ import annotations

import re
import time
import uuid
from contextvars import ContextVar
from dataclasses import dataclass, field

from starlette.requests import Request

ID_HEADER = "X-Request-ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")


@dataclass
class Watched:
    """A request at work.

    Attributes:
        id: the client's, or one made here.
        route: its path as the interface names it; ``other`` where there is none.
        images: files that came with it, or videos.
        bytes: of its body, as far as it was read.
    """

    id: str
    route: str
    images: int = 0
    bytes: int = 0
    _start: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._start


CURRENT: ContextVar[Watched | None] = ContextVar("CURRENT", default=None)
"""The request that this thread or task works for; threads of ``asyncio.to_thread`` have it too."""


def watched(request: Request, route: str) -> Watched:
    """A request that begins; its id is the header's where that is well formed: 1 to 128 plain letters."""
    given = request.headers.getlist(ID_HEADER)
    own = len(given) == 1 and _WELL_FORMED.fullmatch(given[0])
    return Watched(given[0] if own else uuid.uuid4().hex, route)


def request_id() -> str:
    """Of the request at work; empty outside of one."""
    current = CURRENT.get()
    return current.id if current else ""


def note_body(n_bytes: int) -> None:
    """More of the body came."""
    if current := CURRENT.get():
        current.bytes += n_bytes


def note_files(count: int) -> None:
    """So many files came."""
    if current := CURRENT.get():
        current.images = count
