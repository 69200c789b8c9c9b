"""The fields beside a request's files, read as their types in ``bodies`` say; so a new one there is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from deepfake.api.bodies import JudgeFields
from deepfake.api.limits import ApiError

Fields = TypeVar("Fields", bound=JudgeFields)


def field_names(kind: type[JudgeFields]) -> tuple[str, ...]:
    """Of such a type."""
    return tuple(field.name for field in fields(kind))


def is_text(text: str) -> bool:
    """Whether it can be written as UTF-8: JSON's escapes, and some encodings, make halves of letters."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def is_flag(kind: type[JudgeFields], name: str) -> bool:
    """Whether a field is true or false."""
    return get_type_hints(kind)[name] is bool


def read_fields(kind: type[Fields], given: Mapping[str, str]) -> Fields:
    """The fields as their types say: flags, choices of words, and text.

    Args:
        kind: what comes with the files.
        given: as in a form, by names that are known; what is left out keeps its default.

    Raises:
        ApiError: ``bad_`` with the name of a field.
    """
    hints = get_type_hints(kind)
    return kind(**{name: _read(name, hints[name], text) for name, text in given.items()})


def _read(name: str, hint: Any, text: str) -> Any:
    if hint is bool:
        if text not in ("true", "false"):
            raise ApiError(422, f"bad_{name}", f"{name} is '{text[:80]}'. Expected true or false.")
        return text == "true"
    words = get_args(hint) if get_origin(hint) is Literal else (text,)
    if text not in words:
        message = f"There is no {name} '{text[:80]}'. Expected one of: {', '.join(words)}."
        raise ApiError(422, f"bad_{name}", message)
    return text
