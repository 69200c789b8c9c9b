"""XMP (ISO 16684-1): what a picture's packet says of the programs and cameras that made it.

The XML is read by defusedxml, which refuses entities and document types, so that no packet can grow or name
a file. By hand: which of its properties are taken, by their namespaces, wherever in ``rdf:RDF`` they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from deepfake.errors import UserError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_XMP = 512 * 1024
"""Bytes of a packet that is read; programs write some ten thousand."""
MAX_VALUES = 200
"""Properties taken from one packet."""

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_NAMESPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
_TAKEN = (
    "xmp:CreatorTool",
    "stEvt:softwareAgent",
    "tiff:Make",
    "tiff:Model",
    "tiff:Software",
    "exif:UserComment",
    "photoshop:Credit",
    "dc:description",
    "Iptc4xmpExt:DigitalSourceType",
    "Iptc4xmpExt:AISystemUsed",
    "Iptc4xmpExt:AIPromptInformation",
)
_NAMES = {f"{{{_NAMESPACES[name.partition(':')[0]]}}}{name.partition(':')[2]}": name for name in _TAKEN}


class XmpError(UserError):
    """A packet is not read; code ``too_large``, ``entities`` or ``damaged``."""


def read_xmp(packet: bytes) -> list[tuple[str, str]]:
    """Properties of a packet as (name with its usual prefix, text), in their order, at most ``MAX_VALUES``.

    Args:
        packet: the whole of it, as the file holds it.

    Raises:
        XmpError: it is larger than ``MAX_XMP``, declares entities or a document type, or is no sound XML.
    """
    if len(packet) > MAX_XMP:
        raise XmpError(
            "too_large",
            f"Its XMP has {len(packet) / 1024:,.0f} kB, more than the {MAX_XMP // 1024} kB that are read. "
            "It was ignored.",
        )
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(_bare(packet), forbid_dtd=True)
    except DefusedXmlException as error:
        raise XmpError("entities", "Its XMP declares entities, which none needs. It was ignored.") from error
    except Exception as error:  # the parser raises more than its own errors on hostile bytes
        raise XmpError("damaged", "Its XMP is damaged and was ignored.") from error
    described = next(root.iter(f"{_RDF}RDF"), None)
    return [] if described is None else list(islice(_values(described), MAX_VALUES))


def _bare(packet: bytes) -> bytes:
    """Without the filling that programs leave around a packet of single bytes."""
    return (
        packet.strip(b"\0 \t\r\n") if packet[:1] in (b"<", b" ", b"\n", b"\r") else packet.rstrip(b" \t\r\n")
    )


def _values(described: Element) -> Iterator[tuple[str, str]]:
    """A property stands as an attribute, as an element's text, or as items of a list in it."""
    for element in described.iter():
        yield from ((_NAMES[key], text) for key, text in element.attrib.items() if key in _NAMES)
        if name := _NAMES.get(element.tag):
            if resource := element.get(f"{_RDF}resource"):
                yield name, resource
            if text := (element.text or "").strip():
                yield name, text
            yield from ((name, item.text) for item in element.findall(f"./*/{_RDF}li") if item.text)
