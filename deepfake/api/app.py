"""The detector over HTTP: ``/api/v1`` with predict, video, report, models, health, docs, openapi.json, and
``/livez``, ``/readyz``, ``/metrics`` for whoever runs it.

A Starlette application of its own (``python -m deepfake serve``), or routes beside a page. Uploads stay in
memory and are dropped with the answer. Errors are problem details (RFC 9457) with the codes of ``UserError``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import cache
from http import HTTPStatus
from typing import Any, Generic

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deepfake import __version__
from deepfake.api import bodies
from deepfake.api.docs_page import docs_page
from deepfake.api.fields import Fields, read_fields
from deepfake.api.json_uploads import read_json
from deepfake.api.limits import MAX_FILES, ApiError, RateLimit, check_key
from deepfake.api.logs import log_request
from deepfake.api.metrics import MEDIA_TYPE, Metrics
from deepfake.api.schema import PREFIX, openapi
from deepfake.api.uploads import content_type, read_form
from deepfake.api.watch import CURRENT, ID_HEADER, note_files, request_id, watched
from deepfake.api.work import judge, judge_video, report
from deepfake.detection.card import ModelError, default_name, load_card, model_names, quick_name
from deepfake.errors import UserError
from deepfake.images.archives import Source
from deepfake.util.jobs import Busy, Stopped

PER_MINUTE = 60
"""Requests a minute from one address."""
MAX_WAITING = 4
"""Requests to judge at a time: each may hold a body in memory, so more are turned away before it is read.
Their pictures wait in ``detector.JUDGING`` with those of the pages."""
MAX_LONG = 2
"""Videos and reports among these, one at work and one that waits: so that images always find a place."""
KEY_VARIABLE = "DEEPFAKE_API_KEY"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PAGE_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'",
}
"""Of pages: nothing runs and nothing comes from elsewhere."""
_FAULT = "This could not be done because of a fault in the program; the server's log says which."
_LATER = {"Retry-After": "5"}

logger = logging.getLogger("deepfake.api.app")
Handler = Callable[[Request], Awaitable[Response]]


def key_from_environment() -> str | None:
    """The key that clients must send, from ``$DEEPFAKE_API_KEY``; None where it is not set.

    Raises:
        UserError: ``empty_key``: set but empty, which somebody took for a lock.
    """
    key = os.environ.get(KEY_VARIABLE)
    if key is not None and not key.strip():
        raise UserError("empty_key", f"{KEY_VARIABLE} is set but empty. Set it to a secret, or unset it.")
    return key.strip() if key else None


@dataclass(frozen=True)
class Ask(Generic[Fields]):
    """How the files of a request are to be judged.

    Attributes:
        files: at least one.
        fields: beside them.
        model: the detector that judges.
    """

    files: tuple[Source, ...]
    fields: Fields
    model: str


class Service:
    """What the routes share: the key, the limits and the counts."""

    def __init__(self, key: str | None = None, per_minute: int = PER_MINUTE) -> None:
        """Nothing is loaded yet.

        Args:
            key: that clients must send, or None.
            per_minute: requests from one address.
        """
        self.key = key
        self.rate = RateLimit(per_minute)
        self.bodies = asyncio.Semaphore(MAX_WAITING)
        self.long = asyncio.Semaphore(MAX_LONG)
        self.ready = False
        self.failure: UserError | None = None
        self.metrics = Metrics()

    def routes(self) -> list[Route]:
        """The routes, with their full paths, for an application of one's own."""
        posts = {"predict": self._predict, "video": self._video, "report": self._report}
        gets = {
            f"{PREFIX}/models": self._models,
            f"{PREFIX}/health": self._health,
            f"{PREFIX}/openapi.json": self._openapi,
            f"{PREFIX}/docs": self._docs,
            "/livez": self._alive,
            "/readyz": self._is_ready,
            "/metrics": self._metrics,
        }
        return [
            *(
                Route(path := f"{PREFIX}/{name}", self._answers(path, handler), methods=["POST"])
                for name, handler in posts.items()
            ),
            *(Route(path, self._answers(path, handler)) for path, handler in gets.items()),
        ]

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncGenerator[None, None]:
        """Loads the default detector when an application starts."""
        task = asyncio.create_task(self._warm_up())
        yield
        task.cancel()

    async def _warm_up(self) -> None:
        try:
            await asyncio.to_thread(_load_default)
            self.ready = True
        except Exception as error:  # the first request meets it again and is told
            self.failure = error if isinstance(error, UserError) else UserError("fault", _FAULT)
            logger.exception("The detector could not be loaded.")

    def _answers(self, route: str, handler: Handler) -> Handler:
        """The handler with every error as a problem; each request has an id, is counted and logged."""

        async def answer(request: Request) -> Response:
            current = watched(request, route)
            token = CURRENT.set(current)
            try:
                response = await _answer_or_problem(handler, request)
                response.headers[ID_HEADER] = current.id
                self.metrics.answered(current, response.status_code)
                log_request(current, response.status_code)
                return response
            finally:
                CURRENT.reset(token)

        return answer

    async def http_problem(self, request: Request, error: Exception) -> Response:
        """Starlette's own refusals as problems: an unknown path, a wrong method."""

        async def refuse(request: Request) -> Response:
            raise error

        return await self._answers("other", refuse)(request)

    def _admit(self, request: Request) -> None:
        """First the rate, so that keys cannot be tried at will."""
        self.rate.check(request.client.host if request.client else None)
        check_key(request, self.key)

    @contextlib.asynccontextmanager
    async def _asked(
        self, request: Request, kind: type[Fields], *, long: bool = False
    ) -> AsyncGenerator[Ask[Fields], None]:
        """Lets a request in to be worked on, reads its body, and holds its place until it is answered.

        Args:
            request: to judge files.
            kind: what may come with them.
            long: it is about one file, and long work.
        """
        self._admit(request)
        if self.bodies.locked() or (long and self.long.locked()):
            message = "Too many requests are being worked on. Try again in a few seconds."
            raise ApiError(503, "busy", message, _LATER)
        async with self.bodies, self.long if long else contextlib.nullcontext():
            read = read_json if content_type(request) == "application/json" else read_form
            form = await read(request, kind, most=1 if long else MAX_FILES)
            note_files(len(form.files))
            fields = read_fields(kind, form.fields)
            name = (await asyncio.to_thread(load_card, fields.model)).name
            name = await asyncio.to_thread(quick_name, name) if fields.fast else name
            yield Ask(form.files, fields, name)

    async def _predict(self, request: Request) -> Response:
        async with self._asked(request, bodies.PredictFields) as ask:
            results = []
            for source in ask.files:
                if await request.is_disconnected():
                    break  # nobody waits for the rest
                result = await asyncio.to_thread(
                    judge, source, ask.model, ask.fields.threshold, ask.fields.stress
                )
                self.metrics.judged("image", result)
                results.append(result)
                self.ready = True
            return _json({"model": ask.model, "operating_point": ask.fields.threshold, "results": results})

    async def _video(self, request: Request) -> Response:
        async with self._asked(request, bodies.JudgeFields, long=True) as ask:
            (source,) = ask.files
            result = await self._alone(request, judge_video, source, ask.model, ask.fields.threshold)
            self.metrics.judged("video", result)
            return _json(result)

    async def _report(self, request: Request) -> Response:
        async with self._asked(request, bodies.ReportFields, long=True) as ask:
            (source,) = ask.files
            made = await self._alone(
                request, report, source, ask.model, ask.fields.threshold, ask.fields.format
            )
            self.metrics.judged("report", made.fields)
            name = f"report-{made.fields['sha256'][:8]}.{made.ending}"
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return Response(made.content, headers={**_PAGE_HEADERS, **headers}, media_type=made.media_type)

    async def _alone(self, request: Request, work: Callable[..., Any], *given: Any) -> Any:
        """Long work on the only file of a request; it stops soon after the client has gone.

        Raises:
            ApiError: with the code of the file's refusal, or that the queue is full.
        """
        gone = threading.Event()
        watch = asyncio.create_task(_set_once_gone(request, gone))
        try:
            result = await asyncio.to_thread(work, *given, gone)
        except (ModelError, ApiError):
            raise
        except Busy as error:
            raise ApiError(503, error.code, error.message, _LATER) from error
        except UserError as error:
            self.metrics.refused(error.code)
            raise ApiError(422, error.code, error.message) from error
        except Stopped as error:
            raise ClientDisconnect from error
        finally:
            gone.set()
            watch.cancel()
        self.ready = True
        return result

    async def _models(self, request: Request) -> Response:
        self._admit(request)
        return _json({"models": await asyncio.to_thread(_models)})

    async def _health(self, request: Request) -> Response:
        default_name()
        return _json({"status": "ok" if self.ready else "starting", "version": __version__})

    async def _openapi(self, request: Request) -> Response:
        return _json(_description(self.key is not None))

    async def _docs(self, request: Request) -> Response:
        return HTMLResponse(docs_page(_description(self.key is not None)), headers=_PAGE_HEADERS)

    async def _alive(self, request: Request) -> Response:
        return _json({"status": "ok"})

    async def _is_ready(self, request: Request) -> Response:
        default_name()
        if self.ready:
            return _json({"status": "ok"})
        if self.failure:
            raise ApiError(503, self.failure.code, self.failure.message)
        message = "The detector is being loaded. Try again in a few seconds."
        raise ApiError(503, "starting", message, _LATER)

    async def _metrics(self, request: Request) -> Response:
        self._admit(request)
        text = await asyncio.to_thread(self.metrics.text)
        return Response(text, headers={**_HEADERS, "Content-Type": MEDIA_TYPE})


def create_api(service: Service) -> Starlette:
    """The interface as an ASGI application of its own."""
    return Starlette(
        routes=service.routes(),
        lifespan=service.lifespan,
        exception_handlers={HTTPException: service.http_problem},
        middleware=[Middleware(_WithId)],
    )


class _WithId:
    """Gives Starlette's own answers, such as a redirect, the id that ``Service`` gives all others."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault(ID_HEADER, watched(Request(scope), "other").id)
            await send(message)

        await self.app(scope, receive, named if scope["type"] == "http" else send)


async def _answer_or_problem(handler: Handler, request: Request) -> Response:
    try:
        return await handler(request)
    except ApiError as error:
        return problem(error.status, error.code, error.message, error.headers)
    except UserError as error:
        return problem(_status(error), error.code, error.message)
    except HTTPException as error:
        return _as_problem(request, error)
    except ClientDisconnect:  # nobody reads it
        return problem(400, "gone", "The connection ended before the request was answered. Send it again.")
    except Exception:
        logger.exception("Request %s failed.", request_id())
        return problem(500, "fault", _FAULT)


async def _set_once_gone(request: Request, gone: threading.Event) -> None:
    while not await request.is_disconnected():
        await asyncio.sleep(0.5)
    gone.set()


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error as application/problem+json (RFC 9457), with our code and the request's id as extensions."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(
        {**body, "code": code, "request_id": request_id()},
        status,
        headers={**_HEADERS, **(headers or {})},
        media_type="application/problem+json",
    )


def _as_problem(request: Request, error: HTTPException) -> JSONResponse:
    headers = dict(error.headers or {})
    if error.status_code == 405:
        return problem(405, "wrong_method", f"{request.method} is not possible here.", headers)
    message = f"There is nothing here. See {PREFIX}/openapi.json."
    return problem(error.status_code, "not_found", message, headers)


def _json(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers=_HEADERS)


@cache
def _description(needs_key: bool) -> dict[str, Any]:
    return openapi(needs_key=needs_key)


def _status(error: UserError) -> int:
    """Of an error that concerns the whole request."""
    if error.code == "unknown_model":
        return 422
    return 503 if isinstance(error, ModelError) else 400


def _models() -> list[dict[str, Any]]:
    first = default_name()
    return [_model(name, name == first) for name in model_names()]


def _model(name: str, default: bool) -> dict[str, Any]:
    try:
        card = load_card(name)
    except ModelError as error:
        return {"name": name, "default": default, "error": {"code": error.code, "message": error.message}}
    return {
        "name": name,
        "default": default,
        "description": card.description,
        "knows": card.knows,
        "does_not_know": card.does_not_know,
        "false_alarms": card.false_alarms,
        "sha256": card.sha256,
        "second_sha256": card.second.served_sha256 if card.second else None,
        "thresholds": asdict(card.thresholds),
    }


def _load_default() -> None:
    from deepfake.detection.detector import warm_up  # its import takes a second

    warm_up()
