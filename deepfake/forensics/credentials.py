"""C2PA content credentials: who signed a picture's history, and what it says; where a reader is installed."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from deepfake.forensics.programs import AI_SOURCES, SOURCE_TYPES
from deepfake.images.formats import IMAGE_FORMATS
from deepfake.util.text import printable

State = Literal["found", "none", "elsewhere", "unreadable", "no_reader"]
Integrity = Literal["trusted", "unknown_signer", "broken"]
"""Whether a record is as it was signed, by a signer on the reader's list, by any other, or neither."""
CredentialRows = tuple[tuple[str, str], ...]

_ABOUT = (
    "Content credentials are a signed record of how an image was made and changed. Few files carry one, and "
    "most messengers remove it: to have none means nothing."
)
_FOUND: dict[State, str] = {
    "found": "They show what the signer vouches for, not that the image is true.",
    "none": "The file carries none.",
    "elsewhere": "The file names an address where they are kept; they were not fetched from there.",
    "unreadable": "The file carries some that cannot be read: they are damaged or cut off.",
    "no_reader": "Not looked for: c2pa-python is too old here.",
}
_TYPES = {name: entry.media_type for name, entry in IMAGE_FORMATS.items() if name != "BMP"}
"""Of formats that can carry them."""
_YES, _INTACT = "yes, it says", "intact"
_STATES: Mapping[str, Integrity] = {"Trusted": "trusted", "Valid": "unknown_signer"}
_SIGNED: Mapping[Integrity, str] = {
    "trusted": f"{_INTACT}, by a signer on the reader's list",
    "unknown_signer": f"{_INTACT}, by a signer that is not on the reader's list: anybody can be one",
}
_FAULTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("assertion.dataHash", "assertion.bmffHash", "assertion.boxesHash", "assertion.collectionHash"),
        "the image was changed after signing",
    ),
    (("claimSignature.",), "the signature is wrong"),
    (
        ("signingCredential.expired", "signingCredential.revoked"),
        "the certificate had run out or was revoked",
    ),
    (("signingCredential.invalid",), "the certificate is none for signing images"),
    (("assertion.", "claim.", "hashedURI."), "the record was changed after signing"),
    (("timeStamp.",), "the time stamp is wrong"),
    (("ingredient.", "manifest."), "what it says of the images it was made from does not hold"),
)
"""Why a record counts as broken, by the beginnings of the reader's codes."""
_SETTINGS = {
    # A file may name addresses: of its record, of a signer's identity, of a list of revoked certificates.
    # None may make the server call there.
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {
        "allowed_network_hosts": [],
        "allow_redirects": False,
        "decode_identity_assertions": False,
        "max_decompressed_manifest_size_in_mb": 8,
    },
}
_MAX_INGREDIENTS = 8


@dataclass(frozen=True)
class Credentials:
    """Content credentials of a file.

    Attributes:
        state: ``found``, ``none``, ``elsewhere`` (the file names an address, which is not asked),
            ``unreadable``, or ``no_reader`` where c2pa-python is not installed.
        rows: (name, value) as text, never markup; empty unless found.
        meaning: what they can and cannot show.
        integrity: of the record; None unless found.
        sources: terms of ``programs.SOURCE_TYPES`` that it names for the picture or for what it was made
            from.
        signer: who signed, as the certificate says; not to be trusted as markup. Empty unless found.
    """

    state: State
    rows: tuple[tuple[str, str], ...]
    meaning: str
    integrity: Integrity | None = None
    sources: tuple[str, ...] = ()
    signer: str = ""

    @property
    def says_ai(self) -> bool:
        """Whether an intact record says that generative AI made the picture or a part of it."""
        said = dict(self.rows)
        return said.get("Generative AI") == _YES and said.get("Signature", "").startswith(_INTACT)


def reader_installed() -> bool:
    """Whether the package c2pa-python is there; it is required, but has no wheel for every system."""
    return importlib.util.find_spec("c2pa") is not None


def read_credentials(content: bytes, format_name: str) -> Credentials:
    """The content credentials in a file; nothing is fetched from elsewhere.

    Args:
        content: the file's bytes.
        format_name: of ``ImageFacts``.
    """
    if not reader_installed():
        text = "Not looked for: the package c2pa-python is not installed on this server."
        return Credentials("no_reader", (), f"{text} {_ABOUT}")
    if format_name not in _TYPES:
        return Credentials("none", (), f"A {format_name} file cannot hold any. {_ABOUT}")
    answer = _answer(content, _TYPES[format_name])
    if not isinstance(answer, dict):
        return Credentials(answer, (), f"{_FOUND[answer]} {_ABOUT}")
    try:
        return _credentials(answer)
    except Exception:  # a store whose parts are of other kinds than the standard's
        return Credentials("unreadable", (), f"{_FOUND['unreadable']} {_ABOUT}")


def _answer(content: bytes, kind: str) -> State | dict[str, Any]:
    """What the reader says of a file: its store of records, or why there is none."""
    try:
        c2pa: Any = importlib.import_module("c2pa")
        if not hasattr(c2pa, "Context"):
            return "no_reader"
        offline = c2pa.Settings.from_dict(_SETTINGS)
        with (
            c2pa.Context(offline) as context,
            c2pa.Reader(kind, io.BytesIO(content), context=context) as reader,
        ):
            return json.loads(reader.json())
    except Exception as error:  # a native library's errors, on hostile bytes
        what = f"{type(error).__name__} {error}"
        if "ManifestNotFound" in what:
            return "none"
        return "elsewhere" if "Remote: must fetch" in what else "unreadable"


def _credentials(store: dict[str, Any]) -> Credentials:
    manifests: dict[str, Any] = store["manifests"]
    manifest = manifests[store["active_manifest"]]
    signature = manifest.get("signature_info") or {}
    makers = [str(each.get("name", "")) for each in manifest.get("claim_generator_info") or []]
    integrity = _STATES.get(str(store.get("validation_state")), "broken")
    signer = str(signature.get("issuer") or signature.get("common_name") or "unknown")
    # The record of a picture that was edited holds those of the pictures it was made from.
    every = [action for each in manifests.values() for action in _actions(each)]
    sources = sorted({str(action.get("digitalSourceType", "")).rpartition("/")[2] for action in every} - {""})
    agents = dict.fromkeys(filter(None, (_agent(action) for action in every)))
    origins = sorted(SOURCE_TYPES[each].words if each in SOURCE_TYPES else each for each in sources)
    rows = [
        ("Signature", _SIGNED.get(integrity) or f"broken: {_fault(store)}"),
        ("Signed by", signer),
        ("Signed at", str(signature.get("time") or "not said")),
        ("Written by", ", ".join(filter(None, makers)) or "not said"),
        ("Done to it", ", ".join(_in_words(action) for action in _actions(manifest)) or "not said"),
        ("With", ", ".join(agents)),
        ("Made from", "; ".join(_ingredients(manifest))),
        ("Origin", "; ".join(origins) or "not said"),
        ("Generative AI", _YES if AI_SOURCES.intersection(sources) else "it does not say so"),
    ]
    return Credentials(
        "found",
        tuple((name, printable(value, " ")[:200]) for name, value in rows if value),
        f"{_FOUND['found']} {_ABOUT}",
        integrity,
        tuple(each for each in sources if each in SOURCE_TYPES),
        printable(signer, " ")[:200],
    )


def _fault(store: dict[str, Any]) -> str:
    """Why the record does not hold, in words."""
    codes = [str(each.get("code", "")) for each in store.get("validation_status") or []]
    for beginnings, words in _FAULTS:
        if any(code.startswith(beginnings) for code in codes):
            return words
    return "the file was changed after signing, or the signature is wrong"


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


def _agent(action: dict[str, Any]) -> str:
    """The program that did it; a text, or an object with a name."""
    agent = action.get("softwareAgent")
    return str(agent.get("name", "")) if isinstance(agent, dict) else str(agent or "")


def _ingredients(manifest: dict[str, Any]) -> Iterator[str]:
    """The pictures that it was made from, by the names that the record gives them."""
    for each in (manifest.get("ingredients") or [])[:_MAX_INGREDIENTS]:
        title = str(each.get("title") or "an image without a name")
        role = "the image it was made of" if each.get("relationship") == "parentOf" else "a part of it"
        yield f"{title[:60]} ({role}{'' if each.get('active_manifest') else ', without credentials'})"
