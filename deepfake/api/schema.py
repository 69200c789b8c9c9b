"""The HTTP interface described for programs: OpenAPI 3.1."""

from __future__ import annotations

from typing import Any

from deepfake import __version__
from deepfake.api.uploads import BODY_SECONDS, MAX_BODY_BYTES, MAX_FILES
from deepfake.detection.warnings import REASON_WORDS
from deepfake.types import OPERATING_POINTS

PREFIX = "/api/v1"
"""Where the interface lives."""

_TEXT: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer"}
_NUMBER: dict[str, Any] = {"type": "number"}
_YES_NO: dict[str, Any] = {"type": "boolean"}
_SHARE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_CALL: dict[str, Any] = {"type": "string", "enum": ["real", "fake", "uncertain"]}
_POINT: dict[str, Any] = {"type": "string", "enum": list(OPERATING_POINTS)}
_BOX: dict[str, Any] = {
    "type": "array",
    "items": _WHOLE,
    "minItems": 4,
    "maxItems": 4,
    "description": "left, top, right, bottom in pixels of the upright picture",
}


def _object(**fields: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with these fields and no other, all of them required."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
    turn: dict[str, Any] = {
        "type": "integer",
        "enum": [0, 90, 180, 270],
        "description": "degrees anticlockwise by which it was turned to stand upright",
    }
    face = _object(
        box=_BOX,
        crop=_BOX,
        p_fake=_SHARE,
        verdict=_CALL,
        confidence=_SHARE,
        out_of_scope=_YES_NO,
        turn=turn,
        reason={
            "type": ["string", "null"],
            "enum": [*REASON_WORDS, None],
            "description": "why it is uncertain whatever its score; null where its score decides",
        },
        fake_from={
            **_NUMBER,
            "description": "the score that it must reach to be called fake, beside the detector's threshold; "
            "0 unless the face is small",
        },
    )
    change = _object(kind=_TEXT, amount=_NUMBER, unit=_TEXT, mild=_YES_NO, p_fake=_SHARE, verdict=_CALL)
    stress = _object(
        verdict={**_CALL, "description": "by the score alone"},
        stable={**_YES_NO, "description": "no mild change turns the verdict into its opposite"},
        sentence=_TEXT,
        changes={"type": "array", "items": change},
    )
    whole = _object(
        p_fake=_SHARE,
        counts={**_YES_NO, "description": "it takes part in the verdict"},
        verdict=_CALL,
        square=_BOX,
    )
    verdict = _object(
        file=_TEXT,
        p_fake={
            **_SHARE,
            "type": ["number", "null"],
            "description": "of the face most likely fake, set off against the number of faces, or of the "
            "whole picture where it counts; null where nothing can be decided on: no face, or none in scope",
        },
        verdict=_CALL,
        faces={"type": "array", "items": face},
        warnings=_TEXTS,
        model=_TEXT,
        sha256={**_TEXT, "description": "of the picture's bytes"},
        width=_WHOLE,
        height=_WHOLE,
        scope={"type": "string", "enum": ["faces", "face_crop", "no_face"]},
        operating_point=_POINT,
        turn=turn,
        stress={
            "type": ["array", "null"],
            "items": stress,
            "description": "a test a face, then one of the whole picture where it counts; null where it "
            "was not asked for",
        },
        whole={
            "oneOf": [whole, {"type": "null"}],
            "description": "the whole picture; null where it was not judged beside its faces",
        },
        raw_p_fake={
            **_SHARE,
            "description": "the highest score of any face, of the whole picture where no face was found; it "
            "need not mean anything",
        },
        expected_fake={
            "type": ["number", "null"],
            "minimum": 0,
            "description": "how many of as many real faces would be called fake, each by its score alone",
        },
        photo={
            "oneOf": [_BOX, {"type": "null"}],
            "description": "the picture without its plain margins, outside which nothing was scored; null "
            "where it has none",
        },
        basis={
            "type": "string",
            "enum": ["faces", "whole", "nothing"],
            "description": "what p_fake is of",
        },
    )
    model = _object(
        name=_TEXT,
        default=_YES_NO,
        description=_TEXT,
        knows=_TEXTS,
        does_not_know=_TEXTS,
        false_alarms=_TEXT,
        sha256=_TEXT,
        thresholds=_object(
            balanced=_SHARE, few_false_alarms=_SHARE, uncertain_low=_SHARE, uncertain_high=_SHARE
        ),
    )
    error = _object(code=_TEXT, message=_TEXT)
    return {
        "Verdict": verdict,
        "Refused": _object(file=_TEXT, error=error),
        "Predictions": _object(
            model=_TEXT,
            operating_point=_POINT,
            results={"type": "array", "items": {"oneOf": [_ref("Verdict"), _ref("Refused")]}},
        ),
        "Model": model,
        "DamagedModel": _object(name=_TEXT, default=_YES_NO, error=error),
        "Models": _object(
            models={"type": "array", "items": {"oneOf": [_ref("Model"), _ref("DamagedModel")]}}
        ),
        "Health": _object(status={"type": "string", "enum": ["ok", "starting"]}, version=_TEXT),
        "Problem": _object(type=_TEXT, title=_TEXT, status=_WHOLE, detail=_TEXT, code=_TEXT),
    }


def _answers(schema: str, *problems: int) -> dict[str, Any]:
    wrong = {"application/problem+json": {"schema": _ref("Problem")}}
    return {
        "200": {"description": "Done", "content": {"application/json": {"schema": _ref(schema)}}},
        **{str(status): {"description": "Refused", "content": wrong} for status in (*problems, 500)},
    }


def openapi(*, needs_key: bool) -> dict[str, Any]:
    """The description of the interface.

    Args:
        needs_key: whether requests must carry the key.
    """
    body = {
        "type": "object",
        "properties": {
            "files": {"type": "array", "items": {"type": "string", "contentMediaType": "image/*"}},
            "model": {**_TEXT, "description": "a detector's name; the default one if left out"},
            "threshold": {**_POINT, "default": OPERATING_POINTS[0]},
            "stress": {
                **_YES_NO,
                "default": False,
                "description": "also score each face compressed, resized, blurred; a verdict that does not "
                "survive is uncertain",
            },
        },
        "required": ["files"],
    }
    predict = {
        "summary": "Judge pictures",
        "description": f"At most {MAX_FILES} pictures and {MAX_BODY_BYTES / 2**20:.0f} MiB a request, sent "
        f"within {BODY_SECONDS:g} seconds. A picture that is refused has 'error' in its place; the others "
        "are judged. Nothing is stored.",
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}},
        "responses": _answers("Predictions", 400, 401, 408, 413, 415, 422, 429, 503),
    }
    models = {"summary": "List the detectors", "responses": _answers("Models", 401, 429, 503)}
    health = {"summary": "Is it up", "security": [], "responses": _answers("Health", 503)}
    description: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Deepfake detector", "version": __version__},
        "paths": {
            f"{PREFIX}/predict": {"post": predict},
            f"{PREFIX}/models": {"get": models},
            f"{PREFIX}/health": {"get": health},
        },
        "components": {"schemas": _schemas()},
    }
    if needs_key:
        description["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        description["security"] = [{"key": []}]
    return description
