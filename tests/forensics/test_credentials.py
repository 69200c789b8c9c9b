"""Content credentials by the real reader: pictures drawn and signed here, and what is read out of them.

Needs c2pa-python and cryptography; ``test_metadata`` reads a stand-in without them.
"""

from __future__ import annotations

import datetime
import http.server
import importlib
import io
import json
import threading
from typing import Any

import pytest

from deepfake.forensics.claims import credentials_line
from deepfake.forensics.credentials import read_credentials
from tests.support.images import encoded, noise_image

c2pa: Any = pytest.importorskip("c2pa", reason="needs the package c2pa-python")
x509: Any = pytest.importorskip("cryptography.x509", reason="needs the package cryptography, to sign with")
ORGANIZATION, COMMON = x509.oid.NameOID.ORGANIZATION_NAME, x509.oid.NameOID.COMMON_NAME
hashes, curves, utils, serialization = (
    importlib.import_module(f"cryptography.hazmat.primitives.{name}")
    for name in ("hashes", "asymmetric.ec", "asymmetric.utils", "serialization")
)

PICTURE = encoded(noise_image(1, 200, 300), "JPEG")
SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def named(common: str) -> Any:
    return x509.Name(
        [
            x509.NameAttribute(ORGANIZATION, "Drawn & <b>Sons</b>"),
            x509.NameAttribute(COMMON, common),
        ]
    )


@pytest.fixture(scope="module")
def signer() -> Any:
    """Signs with a key whose certificate nobody knows."""
    root, key = (curves.generate_private_key(curves.SECP256R1()) for _ in range(2))

    def certificate(common: str, mine: Any, *, authority: bool) -> bytes:
        now = datetime.datetime.now(datetime.UTC)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
        uses = x509.KeyUsage(
            not authority, False, False, False, False, authority, authority, False, False
        )  # fmt: skip
        built = (
            x509.CertificateBuilder()
            .subject_name(named(common))
            .issuer_name(named("Root"))
            .public_key(mine.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(uses, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(mine.public_key()), critical=False)
            .add_extension(identifier, critical=False)
        )
        if not authority:
            mail = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.EMAIL_PROTECTION])
            built = built.add_extension(mail, critical=False)
        return built.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def sign(data: bytes) -> bytes:
        r, s = utils.decode_dss_signature(key.sign(data, curves.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    chain = certificate("Leaf", key, authority=False) + certificate("Root", root, authority=True)
    return c2pa.Signer.from_callback(sign, c2pa.C2paSigningAlg.ES256, chain.decode(), None)


def signed(
    signer: Any, actions: list[dict[str, Any]], picture: bytes = PICTURE, *, edit: bool = False, at: str = ""
) -> bytes:
    """The picture with a record of what was done.

    Args:
        signer: who signs.
        actions: what was done.
        picture: a JPEG file.
        edit: the picture was opened, not made; its own record is kept within the new one.
        at: an address to write into the file in place of the record.
    """
    manifest = {
        "claim_generator_info": [{"name": "Drawing board", "version": "1"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    out = io.BytesIO()
    with c2pa.Builder(json.dumps(manifest)) as builder:
        if edit:
            builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        if at:
            builder.set_no_embed()
            builder.set_remote_url(at)
        builder.sign(signer, "image/jpeg", io.BytesIO(picture), out)
    return out.getvalue()


def created(source: str) -> list[dict[str, Any]]:
    return [{"action": "c2pa.created", "digitalSourceType": SOURCES + source}]


@pytest.mark.parametrize(
    ("source", "origin", "by_ai"),
    [
        ("trainedAlgorithmicMedia", "made by generative AI", "yes, it says"),
        ("digitalCapture", "taken by a camera", "it does not say so"),
    ],
)
def test_by_whom_and_by_what(signer: Any, source: str, origin: str, by_ai: str) -> None:
    found = read_credentials(signed(signer, created(source)), "JPEG")
    assert found.state == "found"
    rows = dict(found.rows)
    assert rows["Signed by"] == "Drawn & <b>Sons</b>"
    assert rows["Written by"] == "Drawing board"
    assert rows["Done to it"] == "created"
    assert (rows["Origin"], rows["Generative AI"]) == (origin, by_ai)
    assert "not on the reader's list" in rows["Signature"]
    assert found.says_ai == (by_ai != "it does not say so")


def test_an_edited_picture_of_ai_is_still_one_of_ai(signer: Any) -> None:
    first = signed(signer, created("trainedAlgorithmicMedia"))
    edited = signed(signer, [{"action": "c2pa.color_adjustments"}], first, edit=True)
    rows = dict(read_credentials(edited, "JPEG").rows)
    assert rows["Generative AI"] == "yes, it says"
    assert "color adjustments" in rows["Done to it"]


def test_a_change_after_signing_breaks_it(signer: Any) -> None:
    content = bytearray(signed(signer, created("trainedAlgorithmicMedia")))
    content[-500] ^= 1
    found = read_credentials(bytes(content), "JPEG")
    assert dict(found.rows)["Signature"] == "broken: the image was changed after signing"
    assert found.integrity == "broken"
    assert not found.says_ai, "nothing is known of who wrote that"
    assert credentials_line(found).points_to == "neither"


def test_a_changed_record_is_not_believed(signer: Any) -> None:
    content = bytearray(signed(signer, created("trainedAlgorithmicMedia")))
    at = content.index(b"jumb") + 300
    content[at : at + 40] = bytes(40)
    found = read_credentials(bytes(content), "JPEG")
    assert dict(found.rows)["Signature"] == "broken: the record was changed after signing"
    assert not found.says_ai


def cut_record(content: bytes, length: int = 200) -> bytes:
    """With the first segment of the record cut to this length."""
    at = content.index(b"\xff\xeb")
    end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return content[: at + 2] + length.to_bytes(2, "big") + content[at + 4 : at + 2 + length] + content[end:]


@pytest.mark.parametrize("length", [20, 60, 200, 1000, 4000])
def test_a_record_that_is_cut_off_is_said_to_be(signer: Any, length: int) -> None:
    found = read_credentials(cut_record(signed(signer, created("digitalCapture")), length), "JPEG")
    assert found.state in ("unreadable", "none")
    assert credentials_line(found).strength == "none"
    if length >= 200:
        assert "damaged or cut off" in found.meaning


def test_damage_anywhere_in_a_record_raises_nothing(signer: Any) -> None:
    content = signed(signer, created("trainedAlgorithmicMedia"))
    start = content.index(b"jumb") - 30
    for at in range(start, start + 6000, 149):
        broken = content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]
        found = read_credentials(broken, "JPEG")
        assert found.integrity in ("broken", "unknown_signer", None)
        credentials_line(found)


def test_programs_and_ingredients_are_named(signer: Any) -> None:
    agent = {"name": "GPT <b>4o</b>"}
    first = signed(signer, [{**created("trainedAlgorithmicMedia")[0], "softwareAgent": agent}])
    edited = signed(signer, [{"action": "c2pa.color_adjustments"}], first, edit=True)
    found = read_credentials(edited, "JPEG")
    rows = dict(found.rows)
    assert rows["With"] == "GPT <b>4o</b>"
    assert rows["Made from"] == "an image without a name (the image it was made of)"
    assert found.sources == ("trainedAlgorithmicMedia",)
    line = credentials_line(found)
    assert (line.strength, line.points_to) == ("moderate", "fake")
    assert "Signed by Drawn b Sons b, whom no list vouches for: made by generative AI." in line.finding


def test_most_files_carry_none() -> None:
    assert read_credentials(PICTURE, "JPEG").state == "none"


def test_a_record_kept_elsewhere_is_not_fetched(signer: Any) -> None:
    calls: list[str] = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            calls.append(self.path)
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:
            return None

    with http.server.HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/record.c2pa"
        content = signed(signer, created("digitalCapture"), at=address)
        assert address.encode() in content
        found = read_credentials(content, "JPEG")
        server.shutdown()
    assert calls == []
    assert found.state == "elsewhere"
    assert "not fetched" in found.meaning
