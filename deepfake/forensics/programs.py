"""Who made a picture, as files name it: generators, editors and cameras by name, and the terms for sources.

The tables are made by hand from what the programs write. A name counts only where it begins a field that is
there for a program's name, so that a sentence about a generator is not one by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Role = Literal["generator", "ai_edit", "retouching", "editor", "camera"]
"""What a program does: makes pictures by AI; puts parts made by AI into them; alters faces; edits in any
other way; takes photographs."""


@dataclass(frozen=True)
class Program:
    """A program, or a camera.

    Attributes:
        name: as people know it.
        role: what it does.
    """

    name: str
    role: Role


@dataclass(frozen=True)
class SourceType:
    """A term for where a picture comes from (IPTC NewsCodes, digital source type).

    Attributes:
        words: in plain words.
        role: who makes such pictures; None where that says nothing of real or fake.
    """

    words: str
    role: Role | None


SOURCE_TYPES: Mapping[str, SourceType] = {
    "trainedAlgorithmicMedia": SourceType("made by generative AI", "generator"),
    "compositeWithTrainedAlgorithmicMedia": SourceType("changed by generative AI", "ai_edit"),
    "compositeSynthetic": SourceType("put together with parts made by a machine", "ai_edit"),
    "algorithmicMedia": SourceType("made by a program without learning", "generator"),
    "dataDrivenMedia": SourceType("made from data", "generator"),
    "virtualRecording": SourceType("recorded in a virtual world", "generator"),
    "algorithmicallyEnhanced": SourceType("enhanced by a program", "editor"),
    "humanEdits": SourceType("edited by a person", "editor"),
    "minorHumanEdits": SourceType("edited a little by a person", "editor"),
    "compositeCapture": SourceType("put together from photos", "editor"),
    "composite": SourceType("put together from several images", "editor"),
    "digitalCapture": SourceType("taken by a camera", "camera"),
    "computationalCapture": SourceType("taken by a camera, worked out from several shots", "camera"),
    "negativeFilm": SourceType("scanned from a negative", "camera"),
    "positiveFilm": SourceType("scanned from a slide", "camera"),
    "print": SourceType("scanned from a print", None),
    "digitalCreation": SourceType("drawn by a person", None),
    "digitalArt": SourceType("drawn by a person", None),
    "softwareImage": SourceType("made with a program", None),
    "screenCapture": SourceType("a copy of a screen", None),
}
"""Of the terms for digital source types (IPTC), those that pictures carry."""
AI_SOURCES = frozenset(
    ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "compositeSynthetic")
)
"""Those that speak of generative AI."""

_VOCABULARY = re.compile(
    r"(?:https?://cv\.iptc\.org/newscodes/digitalsourcetype/|https?://c2pa\.org/digitalsourcetype/|"
    r"digsrctype:)?([A-Za-z]{4,48})",
    re.IGNORECASE,
)


def source_term(value: str) -> str | None:
    """The term of ``SOURCE_TYPES`` that a field for it holds; None for a term or vocabulary of no standard.

    Args:
        value: an address of the vocabulary, or the bare term.

    >>> source_term("http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture")
    'digitalCapture'
    """
    found = _VOCABULARY.fullmatch(value.strip())
    return next((term for term in SOURCE_TYPES if found and term.lower() == found[1].lower()), None)


_NAMES: tuple[tuple[Role, str, str], ...] = (
    ("generator", "Stable Diffusion web UI", r"(automatic1111|stable[- ]diffusion[- ]web ?ui|sd[- ]?webui)"),
    ("generator", "Forge", r"(re)?forge\b"),
    ("generator", "ComfyUI", r"comfy ?ui"),
    ("generator", "InvokeAI", r"invoke ?ai"),
    ("generator", "NovelAI", r"novel ?ai"),
    ("generator", "Fooocus", r"(ruined)?fooocus"),
    ("generator", "Draw Things", r"draw ?things"),
    ("generator", "SwarmUI", r"(stable)?swarmui"),
    ("generator", "Easy Diffusion", r"easy diffusion"),
    ("generator", "Mochi Diffusion", r"mochi diffusion"),
    ("generator", "DiffusionBee", r"diffusionbee"),
    ("generator", "Midjourney", r"midjourney"),
    ("generator", "DALL-E", r"(openai )?dall[·\-  ]?e\b"),
    ("generator", "ChatGPT", r"(openai )?(chatgpt|gpt-4o|gpt-image|gpt 4o|gpt image)"),
    ("generator", "OpenAI", r"openai\b"),
    ("generator", "Sora", r"(openai )?sora\b"),
    ("generator", "Adobe Firefly", r"(adobe[ _]?)?firefly"),
    (
        "generator",
        "Google AI",
        r"(made with google ai|google (ai|gemini|imagen|generative)|imagen\b|gemini\b)",
    ),
    ("generator", "Bing Image Creator", r"(microsoft )?(bing|designer) image creator"),
    ("generator", "Microsoft Designer", r"microsoft (designer|responsible ai)"),
    ("generator", "Meta AI", r"(imagined with ai|made with ai at meta|meta ai)"),
    ("generator", "Grok", r"(xai )?grok\b"),
    ("generator", "FLUX", r"(black forest labs|flux[. _-]?[12]|ai generated;)"),
    (
        "generator",
        "Stable Diffusion",
        r"(stability ?ai|stable[ -]?diffusion|dreamstudio|stable image|sdxl\b)",
    ),
    ("generator", "Leonardo.Ai", r"leonardo[. ]ai"),
    ("generator", "Ideogram", r"ideogram"),
    ("generator", "Recraft", r"recraft"),
    ("generator", "Runway", r"runway(ml)?\b"),
    ("generator", "Playground", r"playground (ai|v[0-9])"),
    ("generator", "Krea", r"krea\b"),
    ("generator", "NightCafe", r"nightcafe"),
    ("generator", "Craiyon", r"craiyon"),
    ("generator", "This Person Does Not Exist", r"this ?person ?does ?not ?exist"),
    ("generator", "Generated Photos", r"generated\.?photos"),
    ("retouching", "FaceApp", r"faceapp"),
    ("retouching", "Facetune", r"face ?tune"),
    ("retouching", "FaceFusion", r"face ?fusion"),
    ("retouching", "roop", r"(roop|reactor faceswap|deepfacelab|faceswap)\b"),
    ("retouching", "Reface", r"reface\b"),
    ("retouching", "Remini", r"remini\b"),
    ("retouching", "Meitu", r"(meitu|beautyplus|beautycam|airbrush)\b"),
    ("retouching", "YouCam", r"(youcam|perfect365)"),
    ("retouching", "B612", r"(b612|snow camera|soda camera)\b"),
    ("retouching", "PortraitPro", r"portrait ?pro\b"),
    ("editor", "Lightroom", r"(adobe )?(photoshop )?lightroom"),
    ("editor", "Camera Raw", r"(adobe )?(photoshop )?camera raw"),
    ("editor", "Photoshop", r"(adobe )?photoshop"),
    ("editor", "Adobe Express", r"adobe (express|spark)"),
    ("editor", "GIMP", r"(gimp\b|gnu image manipulation)"),
    ("editor", "Snapseed", r"snapseed"),
    ("editor", "Canva", r"canva\b"),
    ("editor", "PicsArt", r"pics ?art"),
    ("editor", "Affinity Photo", r"(serif )?affinity"),
    ("editor", "Pixelmator", r"pixelmator"),
    ("editor", "Photopea", r"(www\.)?photopea"),
    ("editor", "Luminar", r"(skylum )?luminar"),
    ("editor", "Topaz", r"topaz"),
    ("editor", "Capture One", r"capture one"),
    ("editor", "darktable", r"darktable"),
    ("editor", "RawTherapee", r"rawtherapee"),
    ("editor", "DxO PhotoLab", r"dxo\b"),
    ("editor", "Krita", r"krita"),
    ("editor", "Paint.NET", r"paint\.net"),
    ("editor", "Paint Shop Pro", r"(corel )?paint ?shop"),
    ("editor", "Pixlr", r"pixlr"),
    ("editor", "PhotoScape", r"photoscape"),
    ("editor", "ACDSee", r"acdsee"),
    ("editor", "VSCO", r"vsco"),
    ("editor", "Picasa", r"picasa"),
    ("editor", "InShot", r"inshot"),
    ("editor", "Instagram", r"instagram"),
    ("editor", "CapCut", r"capcut"),
    ("editor", "Figma", r"figma\b"),
    ("editor", "Apple Photos", r"(apple )?photos [0-9]"),
    ("editor", "Microsoft Photos", r"(microsoft )?windows photo|microsoft photos|ms ?paint|paint 3d"),
    ("editor", "ImageMagick", r"(imagemagick|graphicsmagick)"),
    ("editor", "FFmpeg", r"(ffmpeg|lavc[0-9])"),
)
_KNOWN = tuple((Program(name, role), re.compile(pattern, re.IGNORECASE)) for role, name, pattern in _NAMES)

_BEFORE = re.compile(r"(created|made|edited|generated|processed) (with|by|using|in) ", re.IGNORECASE)


def known_program(name: str) -> Program | None:
    """The program that a field for a program's name begins with; None for one that is not in the table.

    >>> known_program("Adobe Photoshop 25.1 (Macintosh)")
    Program(name='Photoshop', role='editor')
    >>> known_program("Not made by Midjourney") is None
    True
    """
    name = name.strip()
    for start in dict.fromkeys((0, found.end() if (found := _BEFORE.match(name)) else 0)):
        for program, pattern in _KNOWN:
            if pattern.match(name, start):
                return program
    return None


def plain_words(text: str, most: int = 60) -> str:
    """A name from a file as letters, digits and few signs: it can be neither markup nor an address.

    >>> plain_words("<b>Canon</b> EOS R5\\n[x](http://x.y)")
    'b Canon b EOS R5 x http x y'
    """
    kept = "".join(letter if letter.isalnum() or letter in " -+" else " " for letter in text[: 4 * most])
    return " ".join(kept.split())[:most].strip()
