"""The HTTP interface described for programs: OpenAPI 3.1."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin, get_type_hints

from deepfake import __version__
from deepfake.api.uploads import BODY_SECONDS, MAX_BODY_BYTES, MAX_FILES
from deepfake.detection.verdict import Basis, FaceVerdict, Verdict, WholeVerdict
from deepfake.report.evidence import NAMES
from deepfake.types import (
    FAKE_KINDS,
    OPERATING_POINTS,
    Box,
    EvidenceLine,
    OperatingPoint,
    Thresholds,
    VerdictLabel,
)

PREFIX = "/api/v1"
"""Where the interface lives."""

_TEXT: dict[str, Any] = {"type": "string"}
_WHOLE: dict[str, Any] = {"type": "integer"}
_NUMBER: dict[str, Any] = {"type": "number"}
_YES_NO: dict[str, Any] = {"type": "boolean"}
_SHARE: dict[str, Any] = {"type": "number", "minimum": 0, "maximum": 1}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_BOX: dict[str, Any] = {
    "type": "array",
    "items": _WHOLE,
    "minItems": 4,
    "maxItems": 4,
    "description": "left, top, right, bottom in pixels of the upright image",
}
_PLAIN = {str: _TEXT, int: _WHOLE, float: _NUMBER, bool: _YES_NO, Box: _BOX, tuple[str, ...]: _TEXTS}


def _of(kind: Any) -> dict[str, Any]:
    """The schema of a field's type: a plain one, a choice of words, or one of these or None."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    if get_origin(kind) is Literal:
        return {**_TEXT, "enum": list(get_args(kind))}
    first, none = get_args(kind)
    assert none is type(None), kind
    some = _of(first)
    words = {"enum": [*some["enum"], None]} if "enum" in some else {}
    return {**some, **words, "type": [some["type"], "null"]}


_CALL, _POINT = _of(VerdictLabel), _of(OperatingPoint)


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with these fields and no other, all of them required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _record(kind: type, /, but: tuple[str, ...] = (), **more: dict[str, Any]) -> dict[str, Any]:
    """A dataclass's fields ``but`` some, by their types and what these do not say; and further ones."""
    types = {name: _of(each) for name, each in get_type_hints(kind).items() if name not in but}
    return _object(**{**types, **{name: {**types.get(name, {}), **said} for name, said in more.items()}})


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _schemas() -> dict[str, Any]:
    turn: dict[str, Any] = {
        "type": "integer",
        "enum": [0, 90, 180, 270],
        "description": "degrees anticlockwise by which it was turned to stand upright",
    }
    face = _record(
        FaceVerdict,
        p_fake=_SHARE,
        confidence=_SHARE,
        turn=turn,
        reason={"description": "why it is uncertain whatever its score; null where its score decides"},
        fake_from={
            "description": "the score that it must reach to be called fake, beside the detector's threshold; "
            "0 unless the face is small"
        },
    )
    change = _object(kind=_TEXT, amount=_NUMBER, unit=_TEXT, mild=_YES_NO, p_fake=_SHARE, verdict=_CALL)
    stress = _object(
        verdict={**_CALL, "description": "by the score alone"},
        stable={**_YES_NO, "description": "no mild change turns the verdict into its opposite"},
        sentence=_TEXT,
        changes={"type": "array", "items": change},
    )
    evidence = _record(
        EvidenceLine,
        name={"enum": list(NAMES)},
        strength={"description": "what the finding is worth by itself"},
        points_to={"description": "which way"},
        ignore={"description": "what not to take it for"},
    )
    kind = _object(
        name={
            "type": ["string", "null"],
            "enum": [*FAKE_KINDS, None],
            "description": "null where it cannot be told",
        },
        probability={**_SHARE, "description": "of the likeliest kind, if all kinds were equally common"},
    )
    whole = _record(WholeVerdict, p_fake=_SHARE, counts={"description": "it takes part in the verdict"})
    verdict = _record(
        Verdict,
        but=("faces", "stress", "whole", "photo", "kind", "real_scores", "part_notes"),
        file=_TEXT,
        p_fake={
            "minimum": 0,
            "maximum": 1,
            "description": "of the face most likely fake, set off against the number of faces, or of the "
            "whole image where it counts; null where nothing can be decided on: no face, or none in scope",
        },
        faces={"type": "array", "items": face},
        sha256={"description": "of the image's bytes"},
        turn=turn,
        stress={
            "type": ["array", "null"],
            "items": stress,
            "description": "a test a face, then one of the whole image where it counts; null where it "
            "was not asked for",
        },
        whole={
            "oneOf": [whole, {"type": "null"}],
            "description": "the whole image; null where it was not checked beside its faces",
        },
        raw_p_fake={
            **_SHARE,
            "description": "the highest score of any face, of the whole image where no face was found; it "
            "need not mean anything",
        },
        expected_fake={
            "minimum": 0,
            "description": "how many of as many real faces would be called fake, each by its score alone",
        },
        photo={
            "oneOf": [_BOX, {"type": "null"}],
            "description": "the image without its plain margins, outside which nothing was scored; null "
            "where it has none",
        },
        kind={
            "oneOf": [kind, {"type": "null"}],
            "description": "of fake that the part which decides is most like: gan (a whole face), diffusion, "
            "swap (or reenactment), edit (or composite), photo (no fake). Null where the verdict is real or "
            "nothing decides, and of a detector that does not tell kinds. It never changes the score",
        },
        basis={**_of(Basis), "description": "what p_fake is of"},
        evidence={
            "type": "array",
            "items": evidence,
            "description": "what each witness says: the file's signed record and marks, which are claims "
            "that anyone can write or strip, and the detector. None changes the score",
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
        thresholds=_object(**dict.fromkeys(get_type_hints(Thresholds), _SHARE)),
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
            "fast": {
                **_YES_NO,
                "default": False,
                "description": "of a detector with two networks ask the first alone",
            },
        },
        "required": ["files"],
    }
    predict = {
        "summary": "Check images",
        "description": f"At most {MAX_FILES} images and {MAX_BODY_BYTES / 2**20:.0f} MiB a request, sent "
        f"within {BODY_SECONDS:g} seconds. An image that is refused has 'error' in its place; the others "
        "are checked. Nothing is stored.",
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
