"""Records of how a picture was made, as the front ends of generators write them into its file.

Each is known by its own structure, not by a word in it: a sentence that mentions steps and a seed is none. By
hand throughout, from what the programs write; none of them publishes a reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepfake.forensics.containers import FileText
from deepfake.forensics.programs import Program, known_program

MAX_PROMPT = 4_000
"""Letters of a prompt that are kept."""
_MAX_NODES = 5_000


@dataclass(frozen=True)
class Record:
    """What a front end wrote down of a picture.

    Attributes:
        program: which.
        prompt: what it was asked for, as a person typed it; empty where it does not say. At most
            ``MAX_PROMPT`` letters; not to be trusted as markup.
    """

    program: Program
    prompt: str = ""


def _generator(name: str) -> Program:
    return Program(name, "generator")


def read_record(text: FileText, others: Sequence[FileText]) -> Record | None:
    """The record in one text of a file; None where it holds none.

    Args:
        text: which.
        others: all texts of the file, for records that lie in several.
    """
    key = text.key.lower()
    for wanted, read in _READERS:
        if key in wanted:
            try:
                record = read(text, others)
            except (ValueError, TypeError, RecursionError):  # a hostile structure
                record = None
            if record is not None:
                return Record(record.program, _cut(record.prompt))
    return None


_LOOSE = frozenset({"", "usercomment", "exif:usercomment", "imagedescription", "dc:description", "xpcomment"})
"""Fields of free text, in which front ends leave their record where a format has no field of its own."""


def _parameters(text: FileText, others: Sequence[FileText]) -> Record | None:
    """Automatic1111's web UI, its kin, and the services that copy its form."""
    match = _SETTINGS.search(text.text[-_LAST:])
    if match is None:
        return None
    settings = match.string[match.start() :]
    if len({name for name in _SETTING_NAMES if f"{name}: " in settings}) < 2:
        return None
    asked = text.text[: len(text.text) - len(settings)]
    prompt = asked.partition("\nNegative prompt:")[0]
    version = re.search(r"\bVersion: ([\w.+-]{1,40})", settings)
    schemes = {other.text for other in others if other.key == "fooocus_scheme"}
    name = "Stable Diffusion web UI or kin"
    if schemes or (version and version[1].lower().startswith("fooocus")):
        name = "Fooocus"
    elif version and version[1] == "ComfyUI":
        name = "ComfyUI"
    elif version and re.match(r"f\d|forge|neo|classic", version[1]):
        name = "Stable Diffusion web UI Forge"
    return Record(_generator(name), prompt)


_LAST = 16_384  # letters; the settings stand at the end
_SETTINGS = re.compile(r"(?:^|\n)Steps: \d{1,5}, ")
_SETTING_NAMES = ("Sampler", "CFG scale", "Seed", "Size", "Model hash", "Model", "Schedule type", "Version")


def _comfy(text: FileText, others: Sequence[FileText]) -> Record | None:
    """ComfyUI: a graph of nodes; in WebP it stands in EXIF behind ``prompt:`` or ``workflow:``."""
    bare = re.sub(r"^(?:prompt|workflow):", "", text.text, count=1, flags=re.IGNORECASE)
    graph = _object(bare)
    nodes = [node for node in graph.values() if isinstance(node, dict)][:_MAX_NODES]
    kinds = [node for node in nodes if isinstance(node.get("class_type"), str) and "inputs" in node]
    if kinds and len(kinds) == len(graph):
        return Record(_generator("ComfyUI"), _node_prompt(kinds))
    listed = graph.get("nodes")
    if isinstance(listed, list) and "links" in graph and ("last_node_id" in graph or "version" in graph):
        drawn = [node for node in listed[:_MAX_NODES] if isinstance(node, dict) and "type" in node]
        return Record(_generator("ComfyUI"), _drawn_prompt(drawn)) if drawn else None
    return None


def _node_prompt(nodes: Sequence[Mapping[str, Any]]) -> str:
    """The longest text that a node which encodes text was given."""
    texts = [
        value
        for node in nodes
        if "text" in node["class_type"].lower() and isinstance(node["inputs"], dict)
        for value in node["inputs"].values()
        if isinstance(value, str)
    ]
    return max(texts, key=len, default="")


def _drawn_prompt(nodes: Sequence[Mapping[str, Any]]) -> str:
    texts = [
        value
        for node in nodes
        if "text" in str(node["type"]).lower() and isinstance(node.get("widgets_values"), list)
        for value in node["widgets_values"]
        if isinstance(value, str)
    ]
    return max(texts, key=len, default="")


def _invoke(text: FileText, others: Sequence[FileText]) -> Record | None:
    """InvokeAI: its settings or its graph."""
    if text.key.lower() == "dream":
        found = re.match(r'"(.{1,4000}?)" -s ?\d', text.text, re.DOTALL)
        return Record(_generator("InvokeAI"), found[1]) if found else None
    held = _object(text.text)
    image = held.get("image")
    if isinstance(image, dict) and isinstance(image.get("prompt"), (list, str)):  # sd-metadata
        asked = image["prompt"]
        first = asked[0] if isinstance(asked, list) and asked else asked
        return Record(
            _generator("InvokeAI"), str(first.get("prompt", "")) if isinstance(first, dict) else str(first)
        )
    if "positive_prompt" in held or {"generation_mode", "model"} <= set(held) or "nodes" in held:
        return Record(_generator("InvokeAI"), _string(held, "positive_prompt"))
    return None


def _novel(text: FileText, others: Sequence[FileText]) -> Record | None:
    """NovelAI: settings in ``Comment``, its name in ``Software`` or ``Source``."""
    named = {other.text[:10].lower().strip() for other in others if other.key in ("Software", "Source")}
    held = _object(text.text)
    if not {name for name in named if name.startswith("novelai")} or not {"steps", "sampler", "seed"} <= set(
        held
    ):
        return None
    return Record(_generator("NovelAI"), _string(held, "prompt"))


def _json(text: FileText, others: Sequence[FileText]) -> Record | None:
    """Front ends that write their settings as one object of JSON, each with names of its own."""
    held = _object(text.text)
    for inner, name, key in (
        ("sui_image_params", "SwarmUI", "prompt"),
        ("invokeai_metadata", "InvokeAI", "positive_prompt"),
    ):
        if isinstance(settings := held.get(inner), dict):
            return Record(_generator(name), _string(settings, key))
    names = {name.lower() for name in held}
    if "prompt" in names and _string(held, "version").lower().startswith("fooocus"):
        return Record(_generator("Fooocus"), _string(held, "prompt"))
    for wanted, name, key in _OBJECTS:
        if wanted <= names:
            return Record(_generator(name), _string(held, key))
    return None


_OBJECTS: tuple[tuple[frozenset[str], str, str], ...] = (
    (frozenset({"prompt", "negative_prompt", "performance"}), "Fooocus", "prompt"),
    (frozenset({"c", "uc", "sampler", "seed", "steps"}), "Draw Things", "c"),
    (frozenset({"prompt", "seed", "use_stable_diffusion_model"}), "Easy Diffusion", "prompt"),
    *(
        (frozenset({"prompt", "seed", "steps", setting}), "a front end that is not named", "prompt")
        for setting in ("sampler", "cfg_scale", "guidance_scale", "scheduler")
    ),
)


def _easy(text: FileText, others: Sequence[FileText]) -> Record | None:
    """Easy Diffusion: a text for each setting."""
    held = {other.key.lower().replace(" ", "_"): other.text for other in others if other.place == text.place}
    if not {"prompt", "seed"} <= set(held) or not text.text.strip():
        return None
    return Record(_generator("Easy Diffusion"), held["prompt"])


def _midjourney(text: FileText, others: Sequence[FileText]) -> Record | None:
    """Midjourney: the prompt with its options, then the job's number."""
    found = _JOB.search(text.text, max(0, len(text.text) - 200))
    if found is None:
        return None
    options = re.search(r" --(?:v|ar|niji|stylize|s|style|q|chaos|seed|sref|profile|raw) ?[\w.:]*", text.text)
    signed = any(
        (program := known_program(other.text)) is not None and program.name == "Midjourney"
        for other in others
        if other.key in ("Author", "Artist", "Software", "xmp:CreatorTool", "Credit", "photoshop:Credit")
    )
    if (
        options is None
        and not signed
        and not any(other.key == "Iptc4xmpExt:DigitalSourceType" for other in others)
    ):
        return None
    return Record(_generator("Midjourney"), text.text[: found.start()])


_JOB = re.compile(r"\bJob ID: [0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\s*$", re.IGNORECASE)


def _grok(text: FileText, others: Sequence[FileText]) -> Record | None:
    """Grok: a signature as the description, a number as the artist."""
    artist = any(other.key == "Artist" and _UUID.fullmatch(other.text) for other in others)
    signed = re.fullmatch(r"Signature: [A-Za-z0-9+/]{40,}={0,2}", text.text)
    return Record(_generator("Grok")) if signed and artist else None


_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_Reader = Callable[[FileText, Sequence[FileText]], Record | None]
_READERS: tuple[tuple[frozenset[str], _Reader], ...] = (
    (frozenset({"parameters"}) | _LOOSE, _parameters),
    (frozenset({"prompt", "workflow", "make", "model", "imagedescription", "usercomment"}), _comfy),
    (
        frozenset({"invokeai_metadata", "invokeai_graph", "invokeai_workflow", "sd-metadata", "dream"}),
        _invoke,
    ),
    (frozenset({"comment", "usercomment"}), _novel),
    (frozenset({"parameters", "generation_data", "comment"}) | _LOOSE, _json),
    (frozenset({"use_stable_diffusion_model", "use stable diffusion model"}), _easy),
    (frozenset({"description", "dc:description", "imagedescription", "caption"}), _midjourney),
    (frozenset({"imagedescription"}), _grok),
)


def _object(text: str) -> dict[str, Any]:
    """An object of JSON; an empty one for anything else.

    Raises:
        ValueError, RecursionError: it begins like one and is none, or is nested too deeply.
    """
    if not text.startswith("{"):
        return {}
    held = json.loads(text)
    return held if isinstance(held, dict) else {}


def _string(held: Mapping[str, Any], name: str) -> str:
    """A value as text, whatever the letters of its name; empty for one that is none."""
    value = next((value for key, value in held.items() if key.lower() == name), "")
    return value if isinstance(value, str) else ""


def _cut(prompt: str) -> str:
    prompt = prompt.strip()
    return prompt if len(prompt) <= MAX_PROMPT else f"{prompt[:MAX_PROMPT]} ..."
