"""What the HTTP interface lets in: multipart bodies in memory, within limits, from clients that may ask."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import re
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote_to_bytes

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from deepfake.errors import UserError
from deepfake.images.load import MAX_BYTES

MAX_FILES = 20
"""Pictures in one request."""
MAX_BODY_BYTES = 2 * MAX_BYTES + 2**20
"""Bytes of one request: two pictures of the largest size, and what multipart adds."""
BODY_SECONDS = 60.0
"""A body must have arrived within this time."""
FIELDS = ("model", "threshold", "stress", "fast")
_MAX_FIELD_BYTES = 1024
_MAX_NAME = 255
_MAX_CLIENTS = 10_000
_NAME_IN_WORDS = re.compile(rb"filename\*=utf-8''([^;\s]*)", re.IGNORECASE)


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


@dataclass(frozen=True)
class Upload:
    """One picture of a request.

    Attributes:
        name: as the client gave it, cut to 255 letters; empty where it gave none; never to be used as a path.
        content: the file's bytes.
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """A request to judge pictures: at least one, and the fields of ``FIELDS`` that were given."""

    uploads: tuple[Upload, ...]
    fields: dict[str, str]


class _InMemory(MultiPartParser):
    """Never spools to a temporary file: the body's limit is below the spool's.

    A part that holds a picture needs no file name (RFC 7578, section 4.2), and a body without its last
    boundary is none: what came of it may be cut, and what follows is missing.
    """

    spool_max_size = MAX_BODY_BYTES + 1
    _ended = False

    def on_headers_finished(self) -> None:
        part = self._current_part
        _, options = parse_options_header(part.content_disposition)
        if part.content_disposition is not None and b"filename" not in options:
            kind = dict(part.item_headers).get(b"content-type", b"").lower()
            typed = kind.startswith((b"image/", b"application/octet-stream"))
            named = _NAME_IN_WORDS.search(part.content_disposition)  # as some clients send what is not ASCII
            name = unquote_to_bytes(named[1]).replace(b'"', b"'").replace(b"\\", b"/") if named else b""
            if options.get(b"name") == b"files" or typed or named:
                part.content_disposition += b'; filename="' + name + b'"'
        super().on_headers_finished()

    def on_end(self) -> None:
        self._ended = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self._ended:
            await form.close()
            raise MultiPartException("It ends before its last boundary.")
        return form


async def read_form(request: Request, seconds: float = BODY_SECONDS) -> Form:
    """Reads a multipart body into memory; a body above the limit is not read to its end.

    Args:
        request: with a body of type multipart/form-data.
        seconds: that the body may take to arrive.

    Raises:
        ApiError: codes ``not_multipart``, ``too_many_bytes``, ``bad_form``, ``too_many_files``,
            ``no_files``, ``unknown_field``, ``repeated_field``, ``field_as_file``, ``query_parameter``,
            ``too_slow``.
    """
    _check_query(request)
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "multipart/form-data":
        raise ApiError(
            415,
            "not_multipart",
            "The body must be multipart/form-data with one part an image. Received "
            f"{kind[:80] or 'no type'}.",
        )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MAX_BODY_BYTES:
        raise _too_large()
    parser = _InMemory(
        request.headers,
        _limited(request),
        max_files=MAX_FILES,
        max_fields=len(FIELDS) + 8,
        max_part_size=_MAX_FIELD_BYTES,
    )
    try:
        async with asyncio.timeout(seconds):
            form = await parser.parse()
    except TimeoutError as error:
        message = f"The body did not arrive within {seconds:g} seconds. Send fewer or smaller images."
        raise ApiError(408, "too_slow", message, _CLOSE) from error
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise ApiError(
                413,
                "too_many_files",
                f"At most {MAX_FILES} images are taken in one request. Split it.",
                _CLOSE,
            ) from error
        raise ApiError(
            400, "bad_form", f"The multipart body cannot be read: {error.message} Send it again.", _CLOSE
        ) from error
    try:
        return await _checked(form.multi_items())
    finally:
        await form.close()


_CLOSE = {"Connection": "close"}


def _check_query(request: Request) -> None:
    """Nothing is taken from the address: what stands there would be ignored without a word."""
    given = parse_qsl(request.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    if given:
        name = given[0][0][:80]
        raise ApiError(
            400,
            "query_parameter",
            f"'{name}' came in the address, where nothing is read. Send it as a part of the form: "
            f"files, {', '.join(FIELDS)}.",
            _CLOSE,
        )


async def _limited(request: Request) -> AsyncGenerator[bytes, None]:
    """The body in chunks; counts, as a chunked body does not say its length."""
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > MAX_BODY_BYTES:
            raise _too_large()
        yield chunk


def _too_large() -> ApiError:
    return ApiError(
        413,
        "too_many_bytes",
        f"The request is larger than {MAX_BODY_BYTES / 2**20:.0f} MiB. Send fewer or smaller images.",
        _CLOSE,
    )


async def _checked(items: list[tuple[str, UploadFile | str]]) -> Form:
    uploads: list[Upload] = []
    fields: dict[str, str] = {}
    for name, value in items:
        if isinstance(value, UploadFile) and name in FIELDS:
            raise ApiError(
                400,
                "field_as_file",
                f"The field '{name}' came as a file. Send its value as text, without a file name.",
            )
        if isinstance(value, UploadFile):
            uploads.append(Upload((value.filename or "")[:_MAX_NAME], await value.read()))
        elif name not in FIELDS:
            raise ApiError(
                400, "unknown_field", f"There is no field '{name[:80]}'. Known: files, {', '.join(FIELDS)}."
            )
        elif name in fields:
            raise ApiError(400, "repeated_field", f"The field '{name}' came twice. Give it once.")
        else:
            fields[name] = value
    if not uploads:
        raise ApiError(400, "no_files", "No image was received. Send each as a part named 'files'.")
    return Form(tuple(uploads), fields)


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
                f"Try again in {wait} seconds.",
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
