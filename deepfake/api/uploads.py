"""Forms with images, read into memory within limits; ``json_uploads`` reads the same from JSON."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_to_bytes

from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from deepfake.api.bodies import JudgeFields, PredictFields
from deepfake.api.fields import field_names, is_text
from deepfake.api.limits import BODY_SECONDS, MAX_BODY_BYTES, MAX_FILES, ApiError
from deepfake.api.watch import note_body
from deepfake.images.archives import Source

_MAX_FIELD_BYTES = 1024
MAX_NAME = 255
"""Letters of a file's name."""
_NAME_IN_WORDS = re.compile(rb"filename\*=utf-8''([^;\s]*)", re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """A request to judge files.

    Attributes:
        files: at least one; their names are the client's, cut to ``MAX_NAME``, and may be empty.
        fields: those beside them that were given.
    """

    files: tuple[Source, ...]
    fields: dict[str, str]


CLOSE = {"Connection": "close"}
"""For a refusal before the body was read to its end."""


def content_type(request: Request) -> str:
    """Of the body, without its parameters; empty where there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def check_query(request: Request, known: Sequence[str]) -> None:
    """Nothing is taken from the address: what stands there would be ignored without a word.

    Raises:
        ApiError: ``query_parameter``.
    """
    given = parse_qsl(request.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    if given:
        name = given[0][0][:80]
        raise ApiError(
            400,
            "query_parameter",
            f"'{name}' came in the address, where nothing is read. Send it as a part of the form: "
            f"files, {', '.join(known)}.",
            CLOSE,
        )


def check_declared(request: Request, most: int) -> None:
    """Refuses a body that says of itself that it is too large, before anything of it is read.

    Raises:
        ApiError: ``too_many_bytes``.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise too_large()


async def limited(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body in chunks; counts, as a chunked body does not say its length.

    Raises:
        ApiError: ``too_many_bytes``, once more than ``most`` bytes came.
    """
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        note_body(len(chunk))
        if total > most:
            raise too_large()
        yield chunk


@contextlib.asynccontextmanager
async def in_time(seconds: float) -> AsyncGenerator[None, None]:
    """For the reading of a body.

    Raises:
        ApiError: ``too_slow``.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        message = f"The body did not arrive within {seconds:g} seconds. Send fewer or smaller images."
        raise ApiError(408, "too_slow", message, CLOSE) from error


def too_large() -> ApiError:
    """Of a request with too many bytes."""
    return ApiError(
        413,
        "too_many_bytes",
        f"The request is larger than {MAX_BODY_BYTES / 2**20:.0f} MiB. Send fewer or smaller images.",
        CLOSE,
    )


def too_many_files(most: int) -> ApiError:
    """Of a request with more files than are taken at a time."""
    taken = "One file is" if most == 1 else f"At most {most} images are"
    return ApiError(413, "too_many_files", f"{taken} taken in one request. Split it.", CLOSE)


def no_files(how: str) -> ApiError:
    """Of a request without a file; ``how`` says how one is sent."""
    return ApiError(400, "no_files", f"No file was received. To send files, {how}.")


def unknown_field(name: str, known: Sequence[str]) -> ApiError:
    """Of a field that is none of these."""
    message = f"There is no field '{name[:80]}'. Known: files, {', '.join(known)}."
    return ApiError(400, "unknown_field", message)


def repeated_field(name: str) -> ApiError:
    """Of a field that came twice."""
    return ApiError(400, "repeated_field", f"The field '{name[:80]}' came twice. Give it once.")


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
            typed = kind.startswith((b"image/", b"video/", b"application/octet-stream"))
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


async def read_form(
    request: Request,
    kind: type[JudgeFields] = PredictFields,
    seconds: float = BODY_SECONDS,
    *,
    most: int = MAX_FILES,
) -> Form:
    """Reads a multipart body into memory; a body above the limit is not read to its end.

    Args:
        request: with a body of type multipart/form-data.
        kind: what there may be beside the files.
        seconds: that the body may take to arrive.
        most: files that there may be.

    Raises:
        ApiError: codes ``not_multipart``, ``too_many_bytes``, ``bad_form``, ``too_many_files``,
            ``no_files``, ``unknown_field``, ``repeated_field``, ``field_as_file``, ``query_parameter``,
            ``too_slow``.
    """
    known = field_names(kind)
    check_query(request, known)
    media_type = content_type(request)
    if media_type != "multipart/form-data":
        raise ApiError(
            415,
            "not_multipart",
            "The body must be multipart/form-data with one part an image, or application/json. Received "
            f"{media_type[:80] or 'no type'}.",
        )
    check_declared(request, MAX_BODY_BYTES)
    parser = _InMemory(
        request.headers,
        limited(request, MAX_BODY_BYTES),
        max_files=most,
        max_fields=len(known) + 8,
        max_part_size=_MAX_FIELD_BYTES,
    )
    try:
        async with in_time(seconds):
            form = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith("Too many files"):
            raise too_many_files(most) from error
        raise ApiError(
            400, "bad_form", f"The multipart body cannot be read: {error.message} Send it again.", CLOSE
        ) from error
    except UnicodeError as error:
        raise _not_text() from error
    try:
        return await _checked(form.multi_items(), known)
    finally:
        await form.close()


def _not_text() -> ApiError:
    text = "A name or field in the body is not text in the encoding that the body names. Send it as UTF-8."
    return ApiError(400, "bad_form", text)


async def _checked(items: list[tuple[str, UploadFile | str]], known: Sequence[str]) -> Form:
    files: list[Source] = []
    fields: dict[str, str] = {}
    for name, value in items:
        if not (is_text(name) and is_text(value if isinstance(value, str) else value.filename or "")):
            raise _not_text()
        if isinstance(value, UploadFile) and name in known:
            raise ApiError(
                400,
                "field_as_file",
                f"The field '{name}' came as a file. Send its value as text, without a file name.",
            )
        if isinstance(value, UploadFile):
            files.append(Source((value.filename or "")[:MAX_NAME], await value.read()))
        elif name not in known:
            raise unknown_field(name, known)
        elif name in fields:
            raise repeated_field(name)
        else:
            fields[name] = value
    if not files:
        raise no_files("add each as a part named 'files'")
    return Form(tuple(files), fields)
