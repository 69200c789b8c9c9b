"""C2PA content credentials: who signed a picture's history, and what it says; where a reader is installed."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
from dataclasses import dataclass
from typing import Any, Literal

from deepfake.images.formats import IMAGE_FORMATS
from deepfake.util.text import printable

State = Literal["found", "none", "elsewhere", "unreadable", "no_reader"]
CredentialRows = tuple[tuple[str, str], ...]

_ABOUT = (
    "Content credentials are a signed record of how an image was made and changed. Few files carry one, and "
    "most messengers remove it: to have none means nothing."
)
_FOUND: dict[State, str] = {
    "found": "They show what the signer vouches for, not that the image is true.",
    "none": "The file carries none.",
    "elsewhere": "The file names an address where they are kept; they were not fetched from there.",
    "unreadable": "The file carries some that cannot be read.",
    "no_reader": "Not looked for: c2pa-python is too old here.",
}
_TYPES = {name: entry.media_type for name, entry in IMAGE_FORMATS.items() if name != "BMP"}
"""Of formats that can carry them."""
_YES, _INTACT = "yes, it says", "intact"
_AI = {
    "trainedAlgorithmicMedia": "made by generative AI",
    "compositeWithTrainedAlgorithmicMedia": "changed by generative AI",
    "compositeSynthetic": "put together with parts made by a machine",
}
_ORIGINS = {
    **_AI,
    "digitalCapture": "taken by a camera",
    "computationalCapture": "taken by a camera, worked out from several shots",
    "digitalCreation": "drawn by a person",
    "humanEdits": "edited by a person",
    "compositeCapture": "put together from photos",
    "algorithmicMedia": "made by a program without learning",
    "screenCapture": "a copy of a screen",
}
"""Of the terms for digital source types (IPTC), those that pictures carry, in words."""


@dataclass(frozen=True)
class Credentials:
    """Content credentials of a file.

    Attributes:
        state: ``found``, ``none``, ``elsewhere`` (the file names an address, which is not asked),
            ``unreadable``, or ``no_reader`` where c2pa-python is not installed.
        rows: (name, value) as text, never markup; empty unless found.
        meaning: what they can and cannot show.
    """

    state: State
    rows: tuple[tuple[str, str], ...]
    meaning: str

    @property
    def says_ai(self) -> bool:
        """Whether an intact record says that generative AI made the picture or a part of it."""
        said = dict(self.rows)
        return said.get("Generative AI") == _YES and said.get("Signature", "").startswith(_INTACT)


def reader_installed() -> bool:
    """Whether the optional package c2pa-python is there."""
    return importlib.util.find_spec("c2pa") is not None


def read_credentials(content: bytes, format_name: str) -> Credentials:
    """The content credentials in a file; nothing is fetched from elsewhere.

    Args:
        content: the file's bytes.
        format_name: of ``ImageFacts``.
    """
    if not reader_installed():
        text = "Not looked for: the optional package c2pa-python is not installed on this server."
        return Credentials("no_reader", (), f"{text} {_ABOUT}")
    if format_name not in _TYPES:
        return Credentials("none", (), f"A {format_name} file cannot hold any. {_ABOUT}")
    state, rows = _asked(content, _TYPES[format_name])
    return Credentials(state, rows, f"{_FOUND[state]} {_ABOUT}")


def _asked(content: bytes, kind: str) -> tuple[State, CredentialRows]:
    """What the reader says of a file."""
    try:
        c2pa: Any = importlib.import_module("c2pa")
        if not hasattr(c2pa, "Context"):
            return "no_reader", ()
        # A file may name an address that its record is kept at; it must not make the server call there.
        offline = c2pa.Settings.from_dict({"verify": {"remote_manifest_fetch": False}})
        with (
            c2pa.Context(offline) as context,
            c2pa.Reader(kind, io.BytesIO(content), context=context) as reader,
        ):
            return "found", _rows(json.loads(reader.json()))
    except Exception as error:  # a native library's errors, on hostile bytes
        what = f"{type(error).__name__} {error}"
        if "ManifestNotFound" in what:
            return "none", ()
        return "elsewhere" if "Remote: must fetch" in what else "unreadable", ()


def _rows(store: dict[str, Any]) -> CredentialRows:
    manifests: dict[str, Any] = store["manifests"]
    manifest = manifests[store["active_manifest"]]
    signature = manifest.get("signature_info") or {}
    makers = [str(each.get("name", "")) for each in manifest.get("claim_generator_info") or []]
    state = str(store.get("validation_state", "unknown"))
    trust = {
        "Trusted": f"{_INTACT}, by a signer on the reader's list",
        "Valid": f"{_INTACT}, by a signer that is not on the reader's list: anybody can be one",
    }.get(state, "broken: the file was changed after signing, or the signature is wrong")
    # The record of a picture that was edited holds those of the pictures it was made from.
    every = [action for each in manifests.values() for action in _actions(each)]
    sources = {str(action.get("digitalSourceType", "")).rpartition("/")[2] for action in every} - {""}
    rows = [
        ("Signature", trust),
        ("Signed by", str(signature.get("issuer") or signature.get("common_name") or "unknown")),
        ("Signed at", str(signature.get("time") or "not said")),
        ("Written by", ", ".join(filter(None, makers)) or "not said"),
        ("Done to it", ", ".join(_in_words(action) for action in _actions(manifest)) or "not said"),
        ("Origin", "; ".join(sorted(_ORIGINS.get(each, each) for each in sources)) or "not said"),
        ("Generative AI", _YES if sources & set(_AI) else "it does not say so"),
    ]
    return tuple((name, printable(value, " ")[:200]) for name, value in rows)


def _actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in manifest.get("assertions") or []
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", [])
    ]


def _in_words(action: dict[str, Any]) -> str:
    """``c2pa.color_adjustments`` as ``color adjustments``."""
    return str(action.get("action", "")).removeprefix("c2pa.").replace("_", " ")
