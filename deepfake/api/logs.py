"""Log lines as JSON: one a request, and what goes wrong, each with the request's id."""

from __future__ import annotations

import datetime
import json
import logging
import sys

from deepfake.api.watch import Watched, request_id

REQUESTS = logging.getLogger("deepfake.api.requests")
"""One record a request, at INFO, with ``fields``: id, route, status, ms, images, bytes."""


def log_request(request: Watched, status: int) -> None:
    """A line on a request that was answered."""
    fields = {
        "id": request.id,
        "route": request.route,
        "status": status,
        "ms": round(request.seconds * 1000, 1),
        "images": request.images,
        "bytes": request.bytes,
    }
    REQUESTS.info("%(route)s %(status)s", fields, extra={"fields": fields})


class JsonLines(logging.Formatter):
    """A record as one line of JSON.

    Of a request ``time`` and the fields of ``REQUESTS``; of anything else ``time``, ``id``, ``level``,
    ``logger``, ``message`` and, of a fault, ``error``, its traceback.
    """

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line = {"time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            return json.dumps({**line, **fields})
        line |= {"id": request_id(), "level": record.levelname.lower(), "logger": record.name}
        line["message"] = record.getMessage()
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def log_as_json() -> None:
    """From now on everything that is logged is a line of JSON on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    REQUESTS.setLevel(logging.INFO)
    logging.captureWarnings(True)
