"""Files in JSON, as base64, for those who cannot send forms; within the limits of ``uploads``.

What is wrong with one file is said in its place; the others are judged.
"""

from __future__ import annotations

import asyncio
import binascii
import json
import threading
from typing import Any

from starlette.requests import Request

from deepfake.api.bodies import JudgeFields
from deepfake.api.fields import field_names, is_flag, is_text
from deepfake.api.limits import BODY_SECONDS, MAX_BODY_BYTES, ApiError
from deepfake.api.uploads import (
    CLOSE,
    MAX_NAME,
    Form,
    check_declared,
    check_query,
    in_time,
    limited,
    no_files,
    repeated_field,
    too_large,
    too_many_files,
    unknown_field,
)
from deepfake.errors import UserError
from deepfake.images.archives import Source

MAX_JSON_BYTES = -(-MAX_BODY_BYTES // 3) * 4 + 2**20
"""Of the body as sent: base64 makes three bytes four."""
_MAX_SIGNS = 20_000
"""Of the signs that open or part values. Each value takes memory many times its letters, and base64 holds no
such sign; names may."""
_READING = threading.Lock()
"""A body is in memory three times while it is read, so one is read at a time."""


async def read_json(
    request: Request, kind: type[JudgeFields], seconds: float = BODY_SECONDS, *, most: int
) -> Form:
    """Reads a JSON body into memory; one above the limit is not read to its end.

    Args:
        request: with a body of type application/json: an object with ``files`` and fields of ``kind``.
        kind, seconds, most: as for ``uploads.read_form``.

    Raises:
        ApiError: codes ``bad_json``, ``too_many_bytes``, ``too_many_files``, ``no_files``, ``unknown_field``,
            ``repeated_field``, ``query_parameter``, ``too_slow``, and ``bad_`` with the name of a field.
    """
    check_query(request, field_names(kind))
    check_declared(request, MAX_JSON_BYTES)
    body = bytearray()
    async with in_time(seconds):
        async for chunk in limited(request, MAX_JSON_BYTES):
            body += chunk
    return await asyncio.to_thread(parse, body, kind, most)


def parse(body: bytearray, kind: type[JudgeFields], most: int) -> Form:
    """The files and fields in the bytes of a JSON body, which is emptied.

    Raises:
        ApiError: see ``read_json``.
    """
    with _READING:
        return _parsed(body, kind, most)


def _parsed(body: bytearray, kind: type[JudgeFields], most: int) -> Form:
    if sum(body.count(sign) for sign in (b"{", b"[", b",")) > _MAX_SIGNS:
        raise too_many_files(most)
    try:
        text = body.decode("utf-8-sig")
        body.clear()
        given = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _bad_json(f"The body is no JSON that can be read: {str(error)[:120]}") from error
    if not isinstance(given, dict):
        raise _bad_json("The body must be a JSON object")
    files = given.pop("files", [])
    if not isinstance(files, list):
        raise _bad_json("'files' must be a list")
    known = {name: _field(name, value, kind) for name, value in given.items()}
    if not files:
        raise no_files("list each in 'files'")
    if len(files) > most:
        raise too_many_files(most)
    return Form(_decoded(files), {name: value for name, value in known.items() if value is not None})


def _bad_json(what: str) -> ApiError:
    sample = '{"files": [{"name": "a.jpg", "data": "BASE64"}]}'
    return ApiError(400, "bad_json", f"{what}. Expected such as {sample}.", CLOSE)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if not (is_text(name) and (not isinstance(value, str) or is_text(value))):
            raise _bad_json("A text in it has half a letter, a surrogate without its other half")
        if name in found:
            raise repeated_field(name)
        found[name] = value
    return found


def _field(name: str, value: Any, kind: type[JudgeFields]) -> str | None:
    """As a form would hold it; None where it is null."""
    if name not in (known := field_names(kind)):
        raise unknown_field(name, known)
    if value is None:
        return None
    if is_flag(kind, name):
        if not isinstance(value, bool):
            raise ApiError(422, f"bad_{name}", f"{name} is {_shown(value)}. Expected true or false.")
        return "true" if value else "false"
    if not isinstance(value, str):
        raise ApiError(422, f"bad_{name}", f"{name} is {_shown(value)}. Expected text.")
    return value


def _decoded(files: list[Any]) -> tuple[Source, ...]:
    """Each file's bytes; ``files`` is emptied on the way, so that little is in memory twice."""
    decoded: list[Source] = []
    files.reverse()
    total = 0
    while files:
        source = _source(files.pop(), len(decoded) + 1)
        total += len(source.content) if isinstance(source.content, bytes) else 0
        if total > MAX_BODY_BYTES:
            raise too_large()
        decoded.append(source)
    return tuple(decoded)


def _source(given: Any, number: int) -> Source:
    """One file, or why it cannot be had."""
    name = given.get("name") if isinstance(given, dict) else ""
    name = name[:MAX_NAME] if isinstance(name, str) else ""
    who = f"File {number}" + (f" ('{name[:80]}')" if name else "")
    if not isinstance(given, dict) or not isinstance(given.get("data"), str):
        text = f"{who} has no bytes. Expected an object with 'data', the file in base64, and 'name' if any."
        return Source(name, None, UserError("no_data", text))
    if not isinstance(given.get("name", ""), str):
        return Source("", None, UserError("bad_name", f"The name of file {number} must be text."))
    if others := given.keys() - {"name", "data"}:
        text = f"{who} has a field '{min(others)[:80]}', which is not read. Known: name, data."
        return Source(name, None, UserError("unknown_field", text))
    data = given.pop("data")
    if "\n" in data:  # as mail wraps it
        data = data.replace("\r", "").replace("\n", "")
    try:
        return Source(name, binascii.a2b_base64(data, strict_mode=True))
    except ValueError as error:
        address = " Leave out all up to the comma." if data.startswith("data:") else ""
        text = f"{who} is not base64: {str(error)[:80]}.{address} Expected A-Z, a-z, 0-9, + and / alone."
        return Source(name, None, UserError("bad_base64", text))


def _shown(value: Any) -> str:
    return repr(value)[:80]
