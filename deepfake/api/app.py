"""The detector over HTTP, under ``/api/v1``: predict, models, health, openapi.json.

A Starlette application of its own (``python -m deepfake serve``), or routes beside a page. Uploads stay in
memory and are dropped with the answer. Errors are problem details (RFC 9457) with the codes of ``UserError``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from deepfake import __version__
from deepfake.api.schema import PREFIX, openapi
from deepfake.api.uploads import ApiError, RateLimit, Upload, check_key, read_form
from deepfake.detection.card import ModelError, default_name, load_card, model_names, quick_name
from deepfake.errors import UserError
from deepfake.images.archives import Source
from deepfake.types import OPERATING_POINTS, OperatingPoint

PER_MINUTE = 60
"""Requests a minute from one address."""
MAX_WAITING = 4
"""Requests to judge at a time: each may hold a body in memory, so more are turned away before it is read.
Their pictures wait in ``detector.JUDGING`` with those of the pages."""
KEY_VARIABLE = "DEEPFAKE_API_KEY"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_FAULT = "This could not be done because of a fault in the program; the server's log says which."

logger = logging.getLogger("deepfake.api.app")
Handler = Callable[[Request], Awaitable[JSONResponse]]


def key_from_environment() -> str | None:
    """The key that clients must send, from ``$DEEPFAKE_API_KEY``; None where it is not set.

    Raises:
        UserError: ``empty_key``: set but empty, which somebody took for a lock.
    """
    key = os.environ.get(KEY_VARIABLE)
    if key is not None and not key.strip():
        raise UserError("empty_key", f"{KEY_VARIABLE} is set but empty. Set it to a secret, or unset it.")
    return key.strip() if key else None


class Service:
    """What the routes share: the key and the limits."""

    def __init__(self, key: str | None = None, per_minute: int = PER_MINUTE) -> None:
        """Nothing is loaded yet.

        Args:
            key: that clients must send, or None.
            per_minute: requests from one address.
        """
        self.key = key
        self.rate = RateLimit(per_minute)
        self.bodies = asyncio.Semaphore(MAX_WAITING)
        self.ready = False

    def routes(self) -> list[Route]:
        """The routes, with their full paths, for an application of one's own."""
        return [
            Route(f"{PREFIX}/predict", self._answers(self._predict), methods=["POST"]),
            Route(f"{PREFIX}/models", self._answers(self._models)),
            Route(f"{PREFIX}/health", self._answers(self._health)),
            Route(f"{PREFIX}/openapi.json", self._answers(self._openapi)),
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
        except Exception:  # the first request meets it again and is told
            logger.exception("The detector could not be loaded.")

    def _answers(self, handler: Handler) -> Handler:
        """The handler with every error as a problem."""

        async def answer(request: Request) -> JSONResponse:
            try:
                return await handler(request)
            except ApiError as error:
                return problem(error.status, error.code, error.message, error.headers)
            except UserError as error:
                return problem(_status(error), error.code, error.message)
            except HTTPException:
                raise
            except Exception:
                logger.exception("A request failed.")
                return problem(500, "fault", _FAULT)

        return answer

    def _admit(self, request: Request) -> None:
        """First the rate, so that keys cannot be tried at will."""
        self.rate.check(request.client.host if request.client else None)
        check_key(request, self.key)

    async def _predict(self, request: Request) -> JSONResponse:
        self._admit(request)
        if self.bodies.locked():
            message = "Too many requests are being worked on. Try again in a few seconds."
            raise ApiError(503, "busy", message, {"Retry-After": "5"})
        async with self.bodies:
            form = await read_form(request)
            point = _operating_point(form.fields.get("threshold"))
            stress = _flag("stress", form.fields.get("stress"))
            fast = _flag("fast", form.fields.get("fast"))
            name = (await asyncio.to_thread(load_card, form.fields.get("model"))).name
            name = await asyncio.to_thread(quick_name, name) if fast else name
            results = []
            for upload in form.uploads:
                if await request.is_disconnected():
                    break  # nobody waits for the rest
                results.append(await asyncio.to_thread(judge, upload, name, point, stress))
                self.ready = True
            return _json({"model": name, "operating_point": point, "results": results})

    async def _models(self, request: Request) -> JSONResponse:
        self._admit(request)
        return _json({"models": await asyncio.to_thread(_models)})

    async def _health(self, request: Request) -> JSONResponse:
        default_name()
        return _json({"status": "ok" if self.ready else "starting", "version": __version__})

    async def _openapi(self, request: Request) -> JSONResponse:
        return _json(openapi(needs_key=self.key is not None))


def create_api(service: Service) -> Starlette:
    """The interface as an ASGI application of its own."""
    return Starlette(
        routes=service.routes(), lifespan=service.lifespan, exception_handlers={HTTPException: _http_problem}
    )


def judge(upload: Upload, model: str, point: OperatingPoint, stress: bool = False) -> dict[str, Any]:
    """One picture's part of an answer: ``Outcome.to_dict``, with its evidence.

    Raises:
        ModelError: the detector cannot be loaded, which concerns every picture.
    """
    from deepfake.detection.batch import judge_source
    from deepfake.detection.detector import get_detector
    from deepfake.report.evidence import with_evidence

    source, detector = Source(upload.name, upload.content), get_detector(model)
    outcome = judge_source(detector, source, point, stress=stress)
    return with_evidence(outcome, source, detector.card).to_dict()


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """An error as application/problem+json (RFC 9457), with our code as an extension."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(
        {**body, "code": code},
        status,
        headers={**_HEADERS, **(headers or {})},
        media_type="application/problem+json",
    )


async def _http_problem(request: Request, error: Exception) -> JSONResponse:
    """Starlette's own refusals: an unknown path, a wrong method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if status == 405:
        return problem(status, "wrong_method", f"{request.method} is not possible here.", headers)
    return problem(status, "not_found", f"There is nothing here. See {PREFIX}/openapi.json.", headers)


def _json(content: dict[str, Any]) -> JSONResponse:
    return JSONResponse(content, headers=_HEADERS)


def _status(error: UserError) -> int:
    """Of an error that concerns the whole request."""
    if error.code == "unknown_model":
        return 422
    return 503 if isinstance(error, ModelError) else 400


def _operating_point(text: str | None) -> OperatingPoint:
    for point in OPERATING_POINTS:
        if text in (point, None):
            return point
    known = ", ".join(OPERATING_POINTS)
    raise ApiError(
        422, "bad_threshold", f"There is no threshold '{(text or '')[:80]}'. Expected one of: {known}."
    )


def _flag(name: str, text: str | None) -> bool:
    if text in ("true", "false", None):
        return text == "true"
    raise ApiError(422, f"bad_{name}", f"{name} is '{text[:80]}'. Expected true or false.")


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
        "thresholds": asdict(card.thresholds),
    }


def _load_default() -> None:
    from deepfake.detection.detector import warm_up  # its import takes a second

    warm_up()
