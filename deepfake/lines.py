"""Connections between the processes of a distributed run: one JSON object a line, and word of their end."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from dataclasses import dataclass
from typing import Any, NoReturn

JOIN_SECONDS = 600.0
"""How long processes wait for each other at the start."""
_LONGEST_LINE = 1_000_000


@dataclass(frozen=True)
class Place:
    """Where a process of a distributed run stands.

    Attributes:
        host, port: where process 0 listens.
        processes: how many there are.
        process: which one this is, from 0.
    """

    host: str
    port: int
    processes: int
    process: int


class Line:
    """A connection over which JSON objects go, one a line."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, seconds in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, name):  # a machine without power closes nothing: it is missed after 30 s
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)
        self._connection, self._file = connection, connection.makefile("rb")

    def tell(self, **word: Any) -> None:
        """Sends one object; whether the other end still listens shows when it is heard."""
        with contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(word).encode() + b"\n")

    def hear(self) -> dict[str, Any] | None:
        """The next object; None where the other end has closed, or says what is no object."""
        try:
            word = json.loads(self._file.readline(_LONGEST_LINE))
        except (OSError, ValueError):
            return None
        return word if isinstance(word, dict) else None

    def close(self) -> None:
        """The other end hears that it is over."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


def free_port(host: str) -> int:
    """A port of this machine that nothing listens at."""
    with socket.create_server((host, 0)) as server:
        return server.getsockname()[1]


def leave(sentence: str, status: int) -> NoReturn:
    """Ends the process at once, from any thread."""
    print(sentence, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(status)
