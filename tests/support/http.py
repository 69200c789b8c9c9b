"""Asking the HTTP interface without a network."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

PREDICT = "/api/v1/predict"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


def ask(app: Any, method: str, path: str, **given: Any) -> Answer:
    """One request, its body in chunks; without Content-Length unless given."""
    return asyncio.run(answer(app, method, path, **given))


FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def form(*files: tuple[str, bytes], **fields: str) -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    for name, content in files:
        head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + b"--b--\r\n"


async def answer(
    app: Any,
    method: str,
    path: str,
    *,
    body: bytes | list[bytes] = b"",
    headers: dict[str, str] | None = None,
    address: str = "10.0.0.1",
) -> Answer:
    chunks = [body] if isinstance(body, bytes) else list(body)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not chunks:
            await asyncio.sleep(3600)
        chunk = chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.partition("?")[0],
        "raw_path": path.partition("?")[0].encode(),
        "query_string": path.partition("?")[2].encode(),
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        "client": (address, 1),
        "server": ("testserver", 80),
    }
    await app(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in sent)
    found = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, json.loads(content))
