"""The OpenAPI document as a page for people: plain HTML without a script, and nothing from elsewhere."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from deepfake.api.typed import Schema

_STYLE = """
:root { color-scheme: light dark; --ink: light-dark(#1c2529, #e6eaec); --soft: light-dark(#565d69, #a3abb5);
  --line: light-dark(#d5dbde, #3a4248); --ground: light-dark(#fff, #15191c);
  --raised: light-dark(#f3f5f6, #20262a); --link: light-dark(#0b6e65, #4fd0c3); }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; } p { margin: .3rem 0; }
a { color: var(--link); } code, pre { font: .875rem/1.5 ui-monospace, monospace; }
pre { background: var(--raised); padding: .6rem .8rem; overflow-x: auto; border-radius: .3rem; }
.soft { color: var(--soft); } .way { color: var(--soft); font-weight: 600; }
nav ul { list-style: none; padding: 0; columns: 18rem; } nav li { break-inside: avoid; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); padding: .3rem .8rem .3rem 0; }
th { font-weight: 600; } td:first-child { width: 11rem; } td:nth-child(2) { width: 15rem; }
@media (max-width: 40rem) { thead { display: none; } tr { display: block; padding: .4rem 0;
  border-bottom: 1px solid var(--line); } td, td:first-child, td:nth-child(2) { display: block; width: auto;
  border: 0; padding: 0; } }
"""


def docs_page(description: dict[str, Any]) -> str:
    """The whole page.

    Args:
        description: the OpenAPI document, as ``schema.openapi`` gives it.
    """
    routes = [
        (way, path, route) for path, ways in description["paths"].items() for way, route in ways.items()
    ]
    schemas = description["components"]["schemas"]
    title = f"{description['info']['title']} {description['info']['version']}"
    body = [
        f"<h1>{_text(title)}</h1>",
        "<p>The HTTP interface. For programs: <a href='openapi.json'>openapi.json</a>.</p>",
        _key_line(description),
        _contents(routes, schemas),
        *(_route(*route, guarded="security" in description) for route in routes),
        "<h2 id='schemas'>Objects</h2>",
        *(_named(name, schema) for name, schema in schemas.items()),
    ]
    return (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head><body><main>"
        + "\n".join(body)
        + "</main></body></html>"
    )


def _key_line(description: dict[str, Any]) -> str:
    if "security" not in description:
        return "<p>No key is needed here.</p>"
    return "<p>Routes marked with <em>key</em> need the header <code>Authorization: Bearer KEY</code>.</p>"


def _contents(routes: Iterable[tuple[str, str, Any]], schemas: Iterable[str]) -> str:
    lines = [
        f"<li><a href='#{_anchor(path)}'>{_text(path)}</a> "
        f"<span class='soft'>{_text(route['summary'])}</span></li>"
        for _, path, route in routes
    ]
    names = ", ".join(f"<a href='#{_anchor(name)}'>{_text(name)}</a>" for name in schemas)
    return f"<nav aria-label='Contents'><ul>{''.join(lines)}</ul><p>Objects: {names}</p></nav>"


def _route(way: str, path: str, route: dict[str, Any], *, guarded: bool) -> str:
    key = " <em class='soft'>key</em>" if guarded and route.get("security") != [] else ""
    return "\n".join(
        [
            f"<h2 id='{_anchor(path)}'><span class='way'>{way.upper()}</span> {_text(path)}{key}</h2>",
            f"<p>{_text(route['summary'])}. {_words(route.get('description', ''))}</p>",
            *_body(route),
            "<h3>Answers</h3>",
            _table(("Status", "Type", "Content"), _answers(route)),
        ]
    )


def _body(route: dict[str, Any]) -> Iterator[str]:
    if "requestBody" not in route:
        return
    for kind, content in route["requestBody"]["content"].items():
        yield f"<h3>Body as {_text(kind)}</h3>"
        yield _table(("Field", "Type", "Meaning"), _fields(content["schema"]))


def _answers(route: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """A line for each content, with all statuses that come with it."""
    statuses: dict[tuple[str, str], list[str]] = {}
    for status, answer in route["responses"].items():
        for kind, content in answer["content"].items():
            statuses.setdefault((_text(kind), _kind(content["schema"])), []).append(status)
    for (kind, content), with_it in statuses.items():
        yield ", ".join(with_it), kind, content


def _named(name: str, schema: Schema) -> str:
    about = f"<p>{_words(schema.get('description', ''))}</p>"
    table = _table(("Field", "Type", "Meaning"), _fields(schema))
    return f"<h3 id='{_anchor(name)}'>{_text(name)}</h3>{about}{table}"


def _fields(schema: Schema) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        may = "" if name in required else " <span class='soft'>(optional)</span>"
        usual = f" Default: {_text(json.dumps(field['default']))}." if "default" in field else ""
        yield f"<code>{_text(name)}</code>{may}", _kind(field), _words(field.get("description", "")) + usual


def _kind(schema: Schema) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<a href='#{_anchor(name)}'>{_text(name)}</a>"
    if "oneOf" in schema:
        return " or ".join(map(_kind, schema["oneOf"]))
    if "enum" in schema:
        return ", ".join(_text(json.dumps(each)) for each in schema["enum"])
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    words = " or ".join(kinds)
    if "items" in schema:
        most = f", at most {schema['maxItems']}" if "maxItems" in schema else ""
        of = "files" if "contentMediaType" in schema["items"] else _kind(schema["items"])
        of += f" ({_text(schema['items']['contentMediaType'])})" if of == "files" else ""
        words = words.replace("array", f"list of {of}{most}")
    if "minimum" in schema:
        words += f", {schema['minimum']} to {schema['maximum']}"
    return words + (f" ({_text(schema['contentEncoding'])})" if "contentEncoding" in schema else "")


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Of cells that are HTML already."""
    head = "".join(f"<th scope='col'>{_text(title)}</th>" for title in titles)
    lines = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _words(text: str) -> str:
    """A sentence with `names` in it; it starts with a capital."""
    text = text[:1].upper() + text[1:]
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", _text(text))


def _anchor(name: str) -> str:
    return re.sub(r"[^\w]+", "-", name).strip("-").lower()


def _text(text: str) -> str:
    return html.escape(text)
