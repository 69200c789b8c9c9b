"""Files with marks of generators, editors and cameras, written as these write them; the images are drawn."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from PIL import ExifTags, Image, PngImagePlugin

from tests.support.images import noise_image

PICTURE = Image.fromarray(noise_image(4, 96, 128))
AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
WEB_UI = (
    "portrait of a woman, studio light\nNegative prompt: blurry\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1234, Size: 512x512, Model hash: abc, Version: v1.9.4"
)
"""What Automatic1111's web UI writes."""
GRAPH = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 20, "model": ["4", 0]}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a man in the rain", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad", "clip": ["4", 1]}},
}
"""What ComfyUI writes as ``prompt``."""
DRAWN = {
    "last_node_id": 9,
    "nodes": [{"id": 6, "type": "CLIPTextEncode", "widgets_values": ["a man in the rain"]}],
    "links": [],
    "version": 0.4,
}
"""What ComfyUI writes as ``workflow``."""


def saved(kind: str, **options: Any) -> bytes:
    """The picture as a file of this format."""
    if kind == "HEIF":
        from deepfake.images.load import register_heif

        register_heif()
    buffer = io.BytesIO()
    PICTURE.save(buffer, kind, **options)
    return buffer.getvalue()


def png(texts: dict[str, str] | None = None, *, xmp: str = "", **options: Any) -> bytes:
    """A PNG with these texts."""
    held = PngImagePlugin.PngInfo()
    for key, text in (texts or {}).items():
        held.add_text(key, text)
    if xmp:
        held.add_itxt("XML:com.adobe.xmp", xmp)
    return saved("PNG", pnginfo=held, **options)


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    """A PNG's chunk, its checksum right unless given."""
    checksum = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def with_chunk(part: bytes, *, behind: bytes = b"IHDR") -> bytes:
    """A PNG with a chunk behind another one."""
    content = png()
    at = content.index(behind) - 4
    end = at + 12 + int.from_bytes(content[at : at + 4], "big")
    return content[:end] + part + content[end:]


def exif(tags: Mapping[Any, Any], inner: Mapping[Any, Any] | None = None) -> bytes:
    """EXIF with these tags, and these in its part about the photograph."""
    held = Image.Exif()
    for tag, value in tags.items():
        held[tag] = value
    for tag, value in (inner or {}).items():
        held.get_ifd(ExifTags.IFD.Exif)[tag] = value
    return held.tobytes()


def user_comment(text: str, order: str = "be") -> bytes:
    """EXIF with a comment as front ends write it into JPEG, WebP and AVIF."""
    return exif({}, {ExifTags.Base.UserComment: b"UNICODE\0" + text.encode(f"utf-16-{order}")})


def packet(body: str, attributes: str = "") -> str:
    """An XMP packet with these properties."""
    spaces = {
        "xmp": "http://ns.adobe.com/xap/1.0/",
        "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
        "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
        "tiff": "http://ns.adobe.com/tiff/1.0/",
        "exif": "http://ns.adobe.com/exif/1.0/",
        "photoshop": "http://ns.adobe.com/photoshop/1.0/",
        "dc": "http://purl.org/dc/elements/1.1/",
        "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    }
    declared = " ".join(f'xmlns:{name}="{address}"' for name, address in spaces.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {declared} {attributes}>{body}</rdf:Description></rdf:RDF>'
        '</x:xmpmeta><?xpacket end="w"?>'
    )


def source(term: str) -> str:
    """An XMP packet with a digital source type."""
    return packet("", f'Iptc4xmpExt:DigitalSourceType="{term}"')


def iptc(records: dict[int, bytes]) -> bytes:
    """A JPEG with a block of IPTC records behind its start, as Photoshop lays it."""
    body = b"".join(
        b"\x1c\x02" + bytes([key]) + struct.pack(">H", len(text)) + text for key, text in records.items()
    )
    block = (
        b"Photoshop 3.0\0"
        + b"8BIM\x04\x04\0\0"
        + struct.pack(">I", len(body))
        + body
        + b"\0" * (len(body) % 2)
    )
    return with_segment(0xED, block)


def with_segment(marker: int, body: bytes) -> bytes:
    """A JPEG with a segment behind its start."""
    content = saved("JPEG")
    return content[:2] + b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body + content[2:]


class MarkedFile(NamedTuple):
    """A file with one kind of mark, and what is to be read out of it.

    Attributes:
        format: of the file.
        content: its bytes.
        role, who: of the mark.
        prompt: how the prompt begins that it holds; empty where it holds none.
    """

    format: str
    content: bytes
    role: str
    who: str
    prompt: str = ""


WEB_UI_NAME = "Stable Diffusion web UI or kin"
ASKED = "portrait of a woman, studio light"
JOB = "young man --ar 1:1 --v 6.0 Job ID: 01234567-89ab-cdef-0123-456789abcdef"
base = ExifTags.Base


def _jpeg(role: str, who: str, prompt: str = "", **options: Any) -> MarkedFile:
    return MarkedFile("JPEG", saved("JPEG", **options), role, who, prompt)


def _png(who: str, prompt: str, texts: dict[str, str]) -> MarkedFile:
    return MarkedFile("PNG", png(texts), "generator", who, prompt)


def marked_files() -> dict[str, MarkedFile]:
    """One for each kind of mark, by a name for the test."""
    return {**_web_ui(), **_front_ends(), **_services(), **_source_types(), **_editors(), **_cameras()}


def _web_ui() -> dict[str, MarkedFile]:
    def file(format_name: str, content: bytes) -> MarkedFile:
        return MarkedFile(format_name, content, "generator", WEB_UI_NAME, ASKED)

    held = user_comment(WEB_UI)
    return {
        "web UI, PNG": file("PNG", png({"parameters": WEB_UI})),
        "web UI, EXIF in PNG": file("PNG", png(exif=held)),
        "web UI, JPEG": file("JPEG", saved("JPEG", exif=held)),
        "web UI, JPEG, other order": file("JPEG", saved("JPEG", exif=user_comment(WEB_UI, "le"))),
        "web UI, JPEG comment": file("JPEG", saved("JPEG", comment=WEB_UI)),
        "web UI, WebP": file("WEBP", saved("WEBP", exif=held)),
        "web UI, AVIF": file("AVIF", saved("AVIF", exif=held)),
        "web UI, HEIC": file("HEIC", saved("HEIF", exif=held)),
        "web UI, GIF": file("GIF", saved("GIF", comment=WEB_UI.encode())),
        "Forge": _png(
            "Stable Diffusion web UI Forge", ASKED, {"parameters": WEB_UI.replace("v1.9.4", "f2.0.1v1.10")}
        ),
    }


def _front_ends() -> dict[str, MarkedFile]:
    graph, drawn = json.dumps(GRAPH), json.dumps(DRAWN)
    nodes = exif({base.Model: f"prompt:{graph}", base.Make: f"workflow:{drawn}"})
    novel = json.dumps({"prompt": "1girl", "steps": 28, "sampler": "k_euler", "seed": 1})
    fooocus = json.dumps(
        {"prompt": "a child", "negative_prompt": "", "performance": "Speed", "version": "Fooocus v2.5.5"}
    )
    draw = json.dumps({"c": "an old man", "uc": "", "sampler": "DDIM", "seed": 1, "steps": 20})
    drawn_things = packet(
        f"<exif:UserComment><rdf:Alt><rdf:li>{draw}</rdf:li></rdf:Alt></exif:UserComment>",
        'xmp:CreatorTool="Draw Things"',
    )
    swarm = json.dumps({"sui_image_params": {"prompt": "two people", "seed": 3}})
    invoke = json.dumps({"positive_prompt": "a face", "model": {}})
    easy = {"use_stable_diffusion_model": "sd", "prompt": "a king", "seed": "1"}
    return {
        "ComfyUI": _png("ComfyUI", "a man in the rain", {"prompt": graph, "workflow": drawn}),
        "ComfyUI, workflow": _png("ComfyUI", "a man in the rain", {"workflow": drawn}),
        "ComfyUI, WebP": MarkedFile(
            "WEBP", saved("WEBP", exif=nodes), "generator", "ComfyUI", "a man in the rain"
        ),
        "InvokeAI": _png("InvokeAI", "a face", {"invokeai_metadata": invoke}),
        "InvokeAI, old": _png("InvokeAI", "a face", {"Dream": '"a face" -s 50 -S 1 -W 512'}),
        "NovelAI": _png("NovelAI", "1girl", {"Software": "NovelAI", "Comment": novel}),
        "Fooocus": _png("Fooocus", "a child", {"parameters": fooocus}),
        "Fooocus, JPEG": _jpeg(
            "generator",
            "Fooocus",
            "a child",
            exif=exif({base.Software: "Fooocus v2.5.5"}, {base.UserComment: fooocus.encode()}),
        ),
        "Draw Things": MarkedFile("PNG", png(xmp=drawn_things), "generator", "Draw Things", "an old man"),
        "SwarmUI": _png("SwarmUI", "two people", {"parameters": swarm}),
        "Easy Diffusion": _png("Easy Diffusion", "a king", easy),
    }


def _services() -> dict[str, MarkedFile]:
    described = packet(f"<dc:description><rdf:Alt><rdf:li>{JOB}</rdf:li></rdf:Alt></dc:description>")
    signed = {base.ImageDescription: "Signature: " + "Ab1+" * 12, base.Artist: JOB[-36:]}
    flux = {
        base.Make: "Black Forest Labs",
        base.Model: "flux-dev",
        base.Software: "AI generated;txt2img;flux",
    }
    history = (
        '<xmpMM:History><rdf:Seq><rdf:li stEvt:action="saved" stEvt:softwareAgent="Adobe Firefly"/>'
        "</rdf:Seq></xmpMM:History>"
    )
    system = packet("", 'Iptc4xmpExt:AISystemUsed="DALL-E 3"')
    return {
        "Midjourney": _png("Midjourney", "young man", {"Description": JOB, "Author": "someone"}),
        "Midjourney, XMP": _jpeg("generator", "Midjourney", "young man", xmp=described.encode()),
        "Grok": _jpeg("generator", "Grok", exif=exif(signed)),
        "FLUX": _jpeg("generator", "FLUX", exif=exif(flux)),
        "Google": MarkedFile("JPEG", iptc({110: b"Made with Google AI"}), "generator", "Google AI"),
        "history": _jpeg("generator", "Adobe Firefly", xmp=packet(history).encode()),
        "AI system": _jpeg("generator", "DALL-E", xmp=system.encode()),
    }


def _source_types() -> dict[str, MarkedFile]:
    made, packed = "made by generative AI", source(AI).encode()
    files = {
        f"source type, {name}": MarkedFile(name, saved(kind, xmp=packed), "generator", made)
        for name, kind in (("JPEG", "JPEG"), ("WEBP", "WEBP"), ("AVIF", "AVIF"), ("HEIC", "HEIF"))
    }
    capture = source(AI.replace("trainedAlgorithmicMedia", "digitalCapture"))
    return {
        **files,
        "source type, PNG": MarkedFile("PNG", png(xmp=source(AI)), "generator", made),
        "source type, TIFF": MarkedFile("TIFF", saved("TIFF", tiffinfo={700: packed}), "generator", made),
        "composite": _jpeg("ai_edit", "changed by generative AI", xmp=source(COMPOSITE).encode()),
        "capture": _jpeg("camera", "taken by a camera", xmp=capture.encode()),
    }


def _editors() -> dict[str, MarkedFile]:
    def software(who: str, text: str, role: str = "editor") -> MarkedFile:
        return _jpeg(role, who, exif=exif({base.Software: text}))

    canva = packet("", 'xmp:CreatorTool="Canva doc=X user=Y"')
    return {
        "FaceApp": software("FaceApp", "FaceApp 11.3", "retouching"),
        "Photoshop": software("Photoshop", "Adobe Photoshop 25.1 (Macintosh)"),
        "Snapseed": software("Snapseed", "Snapseed 2.0"),
        "Lightroom": MarkedFile(
            "TIFF", saved("TIFF", tiffinfo={305: "Adobe Lightroom 7.0"}), "editor", "Lightroom"
        ),
        "GIMP": MarkedFile("PNG", png({"Software": "GIMP 2.10.36"}), "editor", "GIMP"),
        "GIMP, comment": _jpeg("editor", "GIMP", comment="Created with GIMP"),
        "Canva": MarkedFile("PNG", png(xmp=canva), "editor", "Canva"),
        "IPTC program": MarkedFile("JPEG", iptc({65: b"Picasa"}), "editor", "Picasa"),
    }


def _cameras() -> dict[str, MarkedFile]:
    phone = exif({base.Make: "Apple", base.Model: "iPhone 15 Pro"})
    return {
        "camera": _jpeg(
            "camera", "Canon EOS R5", exif=exif({base.Make: "Canon", base.Model: "Canon EOS R5"})
        ),
        "phone": MarkedFile("HEIC", saved("HEIF", exif=phone), "camera", "Apple iPhone 15 Pro"),
    }
