"""What the HTTP interface lets in: how much, how often, and from whom."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from deepfake.errors import UserError
from deepfake.images.load import MAX_BYTES

MAX_FILES = 20
"""Pictures in one request."""
MAX_BODY_BYTES = 2 * MAX_BYTES + 2**20
"""Bytes of one request: two pictures of the largest size, and what multipart adds."""
BODY_SECONDS = 60.0
"""A body must have arrived within this time."""
_MAX_CLIENTS = 10_000


class ApiError(UserError):
    """A request that is refused as a whole.

    Args:
        status: of the HTTP answer.
        code, message: see ``UserError``.
        headers: to send along.
    """

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.headers = headers or {}


@dataclass
class RateLimit:
    """Requests a client address may make in a minute, as a bucket that refills steadily.

    Attributes:
        per_minute: also how many may come at once.
        clock: seconds, rising.
    """

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def check(self, address: str | None) -> None:
        """Counts a request.

        Raises:
            ApiError: ``rate_limited``, with the header Retry-After.
        """
        now, client = self.clock(), _client(address)
        left, since = self._buckets.pop(client, (float(self.per_minute), now))
        left = min(float(self.per_minute), left + (now - since) * self.per_minute / 60)
        self._buckets[client] = (left - 1 if left >= 1 else left, now)  # last: oldest are dropped first
        if len(self._buckets) > _MAX_CLIENTS:
            del self._buckets[next(iter(self._buckets))]
        if left < 1:
            wait = max(1, round((1 - left) * 60 / self.per_minute + 0.5))
            raise ApiError(
                429,
                "rate_limited",
                f"More than {self.per_minute} requests a minute came from your address. "
                f"Try again in {wait} second{'s' * (wait != 1)}.",
                {"Retry-After": str(wait)},
            )


def _client(address: str | None) -> str:
    """An IPv6 client owns a whole /64, so that is what counts."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "unknown"
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def check_key(request: Request, key: str | None) -> None:
    """Lets a request pass that carries the key as ``Authorization: Bearer KEY``, or any where there is none.

    Raises:
        ApiError: ``wrong_key``.
    """
    if key is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    same = hmac.compare_digest(given.strip().encode(), key.encode())
    if scheme.lower() != "bearer" or not same:
        raise ApiError(
            401,
            "wrong_key",
            "This service needs its key. Send it in the header 'Authorization: Bearer KEY'.",
            {"WWW-Authenticate": "Bearer"},
        )
