"""The HTTP interface described for programs: OpenAPI 3.1, its schemas made of the types (``bodies``).

Not by FastAPI, which was tried: its routes do not run beside a page (``ui_with_api.py``), its docs page loads
scripts from elsewhere, pydantic reads no ``Attributes`` of docstrings, and our readers of bodies stay all the
same, for its own spools uploads to disk.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from deepfake import __version__
from deepfake.api import bodies
from deepfake.api.limits import BODY_SECONDS, MAX_BODY_BYTES, MAX_FILES
from deepfake.api.typed import Schema, Schemas, Shape
from deepfake.detection.verdict import Verdict
from deepfake.detection.video import VideoVerdict
from deepfake.images.video import VideoFacts
from deepfake.report.evidence import NAMES

PREFIX = "/api/v1"
"""Where the interface lives."""

_TURN = {"enum": [0, 90, 180, 270]}
_SAID: dict[tuple[str, str], Schema] = {
    ("FaceVerdict", "turn"): _TURN,
    ("Verdict", "turn"): _TURN,
    ("EvidenceLine", "name"): {"enum": list(NAMES)},
    ("FileInJson", "data"): {"contentEncoding": "base64"},
    ("Verdict", "p_fake"): {
        "description": "of the face most likely fake, reduced where there are many faces, since of many "
        "real ones some score high by chance; or of `whole` where that counts and is higher, 0..1. null "
        "where nothing can be decided on: no face, or only faces with a `reason`."
    },
    ("FaceVerdict", "out_of_scope"): {
        "description": "it is too unlike what the detector was trained on, or no photograph."
    },
    ("FaceVerdict", "reason"): {
        "description": "why its score does not decide: `out_of_scope`, `not_a_photograph`, "
        "`too_small`, `fake_as_a_whole` (it would be called real, but the whole image is called fake); null "
        "where its score decides."
    },
    ("FaceVerdict", "fake_from"): {
        "description": "the score that it must reach to be called fake, beside the detector's threshold; 0 "
        "unless it is small."
    },
    ("WholeVerdict", "counts"): {
        "description": "whether the image is of the kind that such scores were measured on, and this one is "
        "high enough. Else it says nothing: a swapped face changes little of an image."
    },
    ("VideoVerdict", "p_fake"): {
        "description": "median over the frames that can be decided on, 0..1; null where there is none."
    },
}
"""What types and docstrings leave open."""
_SHAPES = {
    Verdict: Shape("Verdict", but=("real_scores", "part_notes"), plus=bodies.CheckedImage),
    VideoVerdict: Shape("Video", but=("facts",), plus=bodies.CheckedVideo),
    VideoFacts: Shape("Film", but=("width", "height")),
}
_REFUSED = (400, 401, 408, 413, 415, 422, 429, 503)


def openapi(*, needs_key: bool) -> dict[str, Any]:
    """The description of the interface.

    Args:
        needs_key: whether requests must carry the key.
    """
    kinds = Schemas(_SAID, _SHAPES)
    for kind in (Verdict, VideoVerdict, bodies.Problem):
        kinds.of(kind)
    paths = {
        f"{PREFIX}/predict": {"post": _predict(kinds)},
        f"{PREFIX}/video": {"post": _video(kinds)},
        f"{PREFIX}/report": {"post": _report(kinds)},
        f"{PREFIX}/models": {
            "get": _read("List the detectors", _json(kinds.of(bodies.Models)), 401, 429, 503)
        },
        f"{PREFIX}/health": {"get": _open("Is it up", _json(kinds.of(bodies.Health)), 503)},
        f"{PREFIX}/docs": {"get": _open("This document, for people", _file("text/html"))},
        "/livez": {"get": _open("Does the process answer", _json(kinds.of(bodies.Alive)))},
        "/readyz": {"get": _open("Is a detector loaded", _json(kinds.of(bodies.Alive)), 503)},
        "/metrics": {"get": _read("Counts for Prometheus", _file("text/plain"), 401, 429)},
    }
    description: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Deepfake detector", "version": __version__},
        "paths": paths,
        "components": {"schemas": kinds.named},
    }
    if needs_key:
        description["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        description["security"] = [{"key": []}]
    return description


def _predict(kinds: Schemas) -> dict[str, Any]:
    return {
        "summary": "Check images",
        "description": f"At most {MAX_FILES} images and {MAX_BODY_BYTES / 2**20:.0f} MiB a request, sent "
        f"within {BODY_SECONDS:g} seconds; of base64 the size counts after decoding. An image that is "
        "refused has `error` in its place; the others are checked. Nothing is stored.",
        "requestBody": _body(kinds, bodies.PredictFields, "image/*", MAX_FILES),
        "responses": _answers(_json(kinds.of(bodies.Predictions)), *_REFUSED),
    }


def _video(kinds: Schemas) -> dict[str, Any]:
    return {
        "summary": "Check a video",
        "description": "One short video, of at most the size of a request. Frames of it are checked one by "
        "one; the median decides, or a stretch that looks fake. Sound and motion are not analyzed. A file "
        "that is no such video is refused with 422.",
        "requestBody": _body(kinds, bodies.JudgeFields, "video/*", 1),
        "responses": _answers(_json(kinds.of(VideoVerdict)), *_REFUSED),
    }


def _report(kinds: Schemas) -> dict[str, Any]:
    return {
        "summary": "Report on an image",
        "description": "One image, checked with its stress test. The answer is the file: the report as "
        "HTML or PDF, or its receipt. It takes many times as long as a verdict. An image that is refused "
        "gets 422.",
        "requestBody": _body(kinds, bodies.ReportFields, "image/*", 1),
        "responses": _answers(
            {**_file("text/html"), **_file("application/pdf"), **_json({"type": "object"})}, *_REFUSED
        ),
    }


def _body(kinds: Schemas, kind: type[bodies.JudgeFields], holds: str, most: int) -> dict[str, Any]:
    """A form, or JSON with the same fields."""
    given = kinds.unnamed(kind)["properties"]
    for field in fields(kind):
        given[field.name] |= {"type": "string"} if field.default is None else {"default": field.default}
    about = "at least one" if most > 1 else "one file"
    files = {"type": "array", "minItems": 1, "maxItems": most, "description": about}
    part = {"type": "string", "contentMediaType": holds}
    bodies_of = {"multipart/form-data": part, "application/json": kinds.of(bodies.FileInJson)}
    schemas = {
        media_type: {
            "type": "object",
            "properties": {"files": {**files, "items": items}, **given},
            "required": ["files"],
            "additionalProperties": False,
        }
        for media_type, items in bodies_of.items()
    }
    return {"required": True, "content": {each: {"schema": schema} for each, schema in schemas.items()}}


def _read(summary: str, content: Schema, *problems: int) -> dict[str, Any]:
    return {"summary": summary, "responses": _answers(content, *problems)}


def _open(summary: str, content: Schema, *problems: int) -> dict[str, Any]:
    """Of a route that needs no key."""
    return {**_read(summary, content, *problems), "security": []}


def _answers(content: Schema, *problems: int) -> dict[str, Any]:
    wrong = {"application/problem+json": {"schema": _ref("Problem")}}
    named = {"X-Request-ID": {"description": "yours, or one made here", "schema": {"type": "string"}}}
    return {
        "200": {"description": "Done", "headers": named, "content": content},
        **{
            str(status): {"description": "Refused", "headers": named, "content": wrong}
            for status in (*problems, 500)
        },
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _file(kind: str) -> Schema:
    return {kind: {"schema": {"type": "string"}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
