"""JSON Schema of types: dataclasses and TypedDicts, described by the ``Attributes`` of their docstrings.

Of a docstring is also taken that a number lies in 0..1. So what is said of a field is written once.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

Schema = dict[str, Any]
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}
_SHARE = re.compile(r"\b0\.\.1\b")
_ENTRY = re.compile(r"^    (\w+(?:, \w+)*): ", re.MULTILINE)


@dataclass(frozen=True)
class Shape:
    """How a record is answered where that is not as it is.

    Attributes:
        name: of its schema.
        but: fields that are left out.
        plus: a TypedDict whose fields come on top, in place of those of the same name.
    """

    name: str
    but: tuple[str, ...] = ()
    plus: Any = None


class Schemas:
    """The named schemas of an OpenAPI document, each made when it is first referred to.

    Attributes:
        named: by the names of their types.
    """

    def __init__(
        self, said: Mapping[tuple[str, str], Schema] | None = None, shapes: Mapping[Any, Shape] | None = None
    ) -> None:
        """There are none yet.

        Args:
            said: of a field, by the names of type and field: what its type and docstring leave open.
            shapes: of some types.
        """
        self.named: dict[str, Schema] = {}
        self._said, self._shapes = said or {}, shapes or {}

    def of(self, kind: Any) -> Schema:
        """The schema of a type: a plain one, a choice of words, a list, a record, or one of several.

        Raises:
            TypeError: it is none of these.
        """
        origin, parts = get_origin(kind), get_args(kind)
        if kind in _PLAIN:
            return {"type": _PLAIN[kind]}
        if origin is Literal:
            return {"type": _PLAIN[type(parts[0])], "enum": list(parts)}
        if origin in (Union, types.UnionType):
            return self._one_of([self.of(part) for part in parts])
        if origin is list or (origin is tuple and parts[1:] == (...,)):
            return {"type": "array", "items": self.of(parts[0])}
        if origin is tuple and len(set(parts)) == 1:
            return {
                "type": "array",
                "items": self.of(parts[0]),
                "minItems": len(parts),
                "maxItems": len(parts),
            }
        if is_dataclass(kind) or is_typeddict(kind):
            return self._record(kind)
        raise TypeError(f"There is no schema of {kind}.")

    def _record(self, kind: Any) -> Schema:
        """Names the schema of a record, and refers to it."""
        name = self._shapes[kind].name if kind in self._shapes else kind.__name__
        if name not in self.named:
            self.named[name] = {}  # it may refer to itself
            self.named[name] = self.unnamed(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    def unnamed(self, kind: Any) -> Schema:
        """The schema of a record: an object with its fields, or those of its shape, and no other."""
        shape = self._shapes.get(kind, Shape(kind.__name__))
        but, plus = set(shape.but), shape.plus
        more = set(get_type_hints(plus)) if plus else set()
        fields: dict[str, Schema] = {}
        required: list[str] = []
        for part, without in ((kind, but | more), (plus, but)):
            hints = get_type_hints(part, include_extras=True) if part else {}
            about, optional = attributes(part), getattr(part, "__optional_keys__", frozenset())
            for field in (field for field in hints if field not in without):
                hint = hints[field]
                may_lack = get_origin(hint) is NotRequired
                bare = get_args(hint)[0] if may_lack else hint
                said = self._said.get((part.__name__, field), {})
                fields[field] = {**self.of(bare), **_words(about.get(field, ""), bare), **said}
                if not may_lack and field not in optional:
                    required.append(field)
        schema: Schema = {"type": "object", "properties": fields, "additionalProperties": False}
        if required:
            schema["required"] = required
        if summary := (inspect.getdoc(kind) or "").partition("\n\n")[0]:
            schema["description"] = _plain(summary)
        return schema

    def _one_of(self, several: list[Schema]) -> Schema:
        """Some schemas; a plain one that may be null keeps to the shorter form."""
        if len(several) == 2 and several[1] == {"type": "null"} and "$ref" not in several[0]:
            words = {"enum": [*several[0]["enum"], None]} if "enum" in several[0] else {}
            return {**several[0], **words, "type": [several[0]["type"], "null"]}
        return {"oneOf": several}


def attributes(kind: Any) -> dict[str, str]:
    """What a docstring says of each attribute, by name; those of a dataclass's bases too.

    A TypedDict knows no bases on Python 3.11.
    """
    about: dict[str, str] = {}
    for base in getattr(kind, "__bases__", ()):
        about |= attributes(base) if is_dataclass(base) else {}
    text = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = _ENTRY.split(text)
    for names, said in zip(entries[1::2], entries[2::2], strict=True):
        about |= dict.fromkeys(names.split(", "), _plain(said))
    return about


def _words(about: str, kind: Any) -> Schema:
    words: Schema = {"description": about} if about else {}
    if _SHARE.search(about) and float in (kind, *get_args(kind)):
        words |= {"minimum": 0, "maximum": 1}
    return words


def _plain(text: str) -> str:
    """In one line, as Markdown, with JSON's word for nothing, and 'image' where the code says picture."""
    text = re.sub(r"\bNone\b", "null", " ".join(text.split()).replace("``", "`"))
    return re.sub(r"\bpicture", "image", re.sub(r"\b([Aa]) picture", r"\1n image", text))
