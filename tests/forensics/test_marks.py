"""Marks in files: each kind is read where its program writes it, and hostile ones are not believed."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from PIL import ExifTags

from deepfake.forensics.containers import read_texts
from deepfake.forensics.marks import MAX_MARKS, Marks, read_marks
from deepfake.forensics.programs import known_program, plain_words, source_term
from deepfake.images.load import ImageRefused, load_image
from tests.support.marked import (
    AI,
    GRAPH,
    WEB_UI,
    chunk,
    exif,
    iptc,
    marked_files,
    packet,
    png,
    saved,
    source,
    user_comment,
    with_chunk,
    with_segment,
)

FILES = marked_files()
base = ExifTags.Base


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_mark_is_read_where_its_program_writes_it(name: str) -> None:
    format_name, content, role, who, prompt = FILES[name]
    assert load_image(content).facts.format == format_name
    first = read_marks(content, format_name).marks[0]
    assert (first.role, first.who) == (role, who)
    assert first.prompt.startswith(prompt)
    assert bool(first.prompt) == bool(prompt)
    assert read_marks(content, format_name).notes == ()


def test_a_plain_image_has_no_marks() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF"):
        assert read_marks(saved(kind), kind) == Marks()


# hostile files: none of these is believed

CAPTURED = exif({base.Make: "Canon", base.Model: "EOS R5"})
BOMB = zlib.compress(b"parameters " + bytes(64 * 2**20), 9)
LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else "lol"}">' for n in range(9))
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"


def compressed(key: bytes, body: bytes) -> bytes:
    return chunk(b"zTXt", key + b"\0\0" + body)


def international(key: bytes, body: bytes, *, packed: bool = True) -> bytes:
    return chunk(b"iTXt", key + bytes([0, packed, 0, 0, 0]) + body)


def riff(content: bytes, name: bytes, body: bytes) -> bytes:
    """A WebP with a chunk behind the end that its header states."""
    return content + name + struct.pack("<I", len(body)) + body


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body) + 8) + name + body


HOSTILE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "XMP behind a JPEG's end": ("JPEG", lambda: saved("JPEG") + source(AI).encode()),
    "a segment of XMP behind a JPEG's end": (
        "JPEG",
        lambda: saved("JPEG") + b"\xff\xe1" + struct.pack(">H", 2000) + XMP_HEAD + source(AI).encode(),
    ),
    "a comment behind a JPEG's end": (
        "JPEG",
        lambda: saved("JPEG") + b"\xff\xfe" + struct.pack(">H", len(WEB_UI) + 2) + WEB_UI.encode(),
    ),
    "parameters as bytes behind a JPEG's end": (
        "JPEG",
        lambda: saved("JPEG") + b"parameters\0" + WEB_UI.encode(),
    ),
    "a marked JPEG behind another one": (
        "JPEG",
        lambda: saved("JPEG") + saved("JPEG", exif=user_comment(WEB_UI)),
    ),
    "a chunk behind a PNG's end": ("PNG", lambda: png() + chunk(b"tEXt", b"parameters\0" + WEB_UI.encode())),
    "a whole marked PNG behind another one": ("PNG", lambda: png() + png({"parameters": WEB_UI})),
    "a chunk with a wrong checksum": (
        "PNG",
        lambda: with_chunk(chunk(b"tEXt", b"parameters\0" + WEB_UI.encode(), 7)),
    ),
    "a chunk of a kind of its own": (
        "PNG",
        lambda: with_chunk(chunk(b"prMt", b"parameters\0" + WEB_UI.encode())),
    ),
    "a compressed text that unpacks to 64 MB": ("PNG", lambda: with_chunk(compressed(b"parameters", BOMB))),
    "an international text that unpacks to 64 MB": (
        "PNG",
        lambda: with_chunk(international(b"parameters", BOMB)),
    ),
    "XMP that unpacks to 64 MB": ("PNG", lambda: with_chunk(international(b"XML:com.adobe.xmp", BOMB))),
    "a bomb within a compressed text": (
        "PNG",
        lambda: with_chunk(compressed(b"parameters", zlib.compress(BOMB))),
    ),
    "a text packed twice": (
        "PNG",
        lambda: with_chunk(international(b"parameters", zlib.compress(zlib.compress(WEB_UI.encode())))),
    ),
    "a text of 10 MB": (
        "PNG",
        lambda: with_chunk(chunk(b"tEXt", b"parameters\0" + b"x" * 10 * 2**20 + b"\n" + WEB_UI.encode())),
    ),
    "XMP of 2 MB": (
        "JPEG",
        lambda: jpeg_of_xmp(source(AI).replace("</rdf:RDF>", " " * 2**21 + "</rdf:RDF>")),
    ),
    "XMP of 2 MB in WebP": (
        "WEBP",
        lambda: saved("WEBP", xmp=source(AI).replace("</rdf:RDF>", " " * 2**21 + "</rdf:RDF>").encode()),
    ),
    "XMP that grows by entities": (
        "JPEG",
        lambda: jpeg_of_xmp(
            f"<!DOCTYPE a [{LAUGHS}]>" + bare(source(AI).replace('about=""', 'about="&a8;"'))
        ),
    ),
    "XMP that names a file": (
        "JPEG",
        lambda: jpeg_of_xmp('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + bare(source(AI))),
    ),
    "XMP that is cut off": ("JPEG", lambda: jpeg_of_xmp(source(AI)[:-60])),
    "XMP under a wrong name": ("JPEG", lambda: with_segment(0xE1, b"http://evil/\0" + source(AI).encode())),
    "XMP in a comment": ("JPEG", lambda: saved("JPEG", comment=source(AI))),
    "a source type of another namespace": (
        "JPEG",
        lambda: jpeg_of_xmp(source(AI).replace("http://iptc.org/std", "http://evil.org/std")),
    ),
    "a source type outside the RDF": (
        "JPEG",
        lambda: jpeg_of_xmp(
            '<x:xmpmeta xmlns:x="adobe:ns:meta/" xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
            f'i:DigitalSourceType="{AI}"/>'
        ),
    ),
    "a source type that no standard knows": ("JPEG", lambda: jpeg_of_xmp(source(AI + "Not"))),
    "a source type of a strange vocabulary": (
        "JPEG",
        lambda: jpeg_of_xmp(source(AI.replace("cv.iptc.org", "evil.org"))),
    ),
    "a source type in a sentence": (
        "JPEG",
        lambda: jpeg_of_xmp(packet("", f'photoshop:Credit="this is not {AI}"')),
    ),
    "parameters in prose": (
        "PNG",
        lambda: png({"parameters": "Steps: I took 20 steps. Seed: none, no Sampler."}),
    ),
    "settings without their form": ("PNG", lambda: png({"parameters": "Sampler: Euler, Seed: 3, Steps: 20"})),
    "a prompt that is no graph": ("PNG", lambda: png({"prompt": "ComfyUI class_type inputs"})),
    "a graph with something else in it": ("PNG", lambda: png({"prompt": json.dumps({**GRAPH, "note": "x"})})),
    "JSON nested 100,000 deep": ("PNG", lambda: png({"workflow": '{"a":' * 100_000})),
    "JSON with a number of 10,000 digits": ("PNG", lambda: png({"prompt": '{"a": ' + "9" * 10_000 + "}"})),
    "NovelAI's settings without its name": (
        "PNG",
        lambda: png({"Comment": json.dumps({"prompt": "x", "steps": 1, "seed": 1})}),
    ),
    "a job's number alone": (
        "PNG",
        lambda: png({"Description": "Job ID: 01234567-89ab-cdef-0123-456789abcdef"}),
    ),
    "a denial": ("JPEG", lambda: saved("JPEG", comment="Not made with Midjourney, not by DALL-E")),
    "a name in other letters": ("JPEG", lambda: iptc({110: "Mіdjourney".encode()})),  # noqa: RUF001
    "a credit to a person": ("JPEG", lambda: iptc({110: b"Fluxus Gallery / Sora Tanaka"})),
    "a maker of NUL bytes": (
        "JPEG",
        lambda: saved("JPEG", exif=exif({base.Make: "\0" * 40, base.Model: "\0"})),
    ),
    "EXIF behind a WebP's end": ("WEBP", lambda: riff(saved("WEBP"), b"EXIF", user_comment(WEB_UI))),
    "XMP behind a WebP's end": ("WEBP", lambda: riff(saved("WEBP"), b"XMP ", source(AI).encode())),
    "a box of XMP behind an AVIF's end": ("AVIF", lambda: saved("AVIF") + box(b"free", source(AI).encode())),
    "a box of XMP behind a HEIC's end": ("HEIC", lambda: saved("HEIF") + box(b"uuid", source(AI).encode())),
    "a comment behind a GIF's end": ("GIF", lambda: saved("GIF") + b"!\xfe\x09DALL-E 33\0"),
    "XMP behind a BMP": ("BMP", lambda: saved("BMP") + source(AI).encode()),
}


def bare(text: str) -> str:
    """Without the instruction that may stand before a document type only at the very beginning."""
    return text.partition("?>")[2]


def jpeg_of_xmp(text: str) -> bytes:
    """Of more than a segment holds, as much of it as there is room for in PNG."""
    if len(text) < 65_000:
        return with_segment(0xE1, XMP_HEAD + text.encode())
    return saved("WEBP", xmp=text.encode())


@pytest.mark.parametrize(
    ("format_name", "content"),
    [
        ("JPEG", jpeg_of_xmp(source(AI))),
        ("JPEG", jpeg_of_xmp(bare(source(AI)))),
        ("JPEG", with_segment(0xFE, WEB_UI.encode())),
        ("PNG", with_chunk(chunk(b"tEXt", b"parameters\0" + WEB_UI.encode()))),
        ("PNG", with_chunk(compressed(b"parameters", zlib.compress(WEB_UI.encode())))),
        ("PNG", with_chunk(international(b"parameters", zlib.compress(WEB_UI.encode())))),
        ("PNG", with_chunk(international(b"XML:com.adobe.xmp", source(AI).encode(), packed=False))),
        ("JPEG", iptc({110: b"Midjourney"})),
    ],
)
def test_what_the_hostile_files_are_made_of_is_believed_in_its_place(
    format_name: str, content: bytes
) -> None:
    assert read_marks(content, format_name).of("generator")


def test_twenty_hostile_files_and_more() -> None:
    assert len(HOSTILE) >= 20


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mark_is_not_believed(name: str) -> None:
    format_name, make = HOSTILE[name]
    content = make()
    if content[:4] == b"RIFF":
        format_name = "WEBP"
    tracemalloc.start()
    start = time.perf_counter()
    found = read_marks(content, format_name)
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [mark for mark in found.marks if mark.role is not None] == []
    assert seconds < 5
    assert peak < 64 * 2**20 + 4 * len(content)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a compressed text that unpacks to 64 MB", "unpacks to more than 1 MB"),
        ("a text of 10 MB", "more than is read"),
        ("XMP of 2 MB", "more than the 512 kB"),
        ("XMP that grows by entities", "declares entities"),
        ("XMP that names a file", "declares entities"),
        ("XMP that is cut off", "damaged"),
    ],
)
def test_what_is_ignored_is_said_in_words(name: str, words: str) -> None:
    format_name, make = HOSTILE[name]
    content = make()
    found = read_marks(content, "WEBP" if content[:4] == b"RIFF" else format_name)
    (note,) = found.notes
    assert words in note
    assert note.endswith("ignored.")


def test_one_bad_text_does_not_hide_the_others() -> None:
    content = with_chunk(compressed(b"parameters", BOMB) + chunk(b"tEXt", b"parameters\0" + WEB_UI.encode()))
    found = read_marks(content, "PNG")
    assert found.of("generator")
    assert len(found.notes) == 1
    with pytest.raises(ImageRefused):  # and the verdict is not asked for such a file at all
        load_image(content)


def test_a_chunk_behind_the_pixels_counts_as_in_other_readers() -> None:
    found = read_marks(with_chunk(chunk(b"tEXt", b"parameters\0" + WEB_UI.encode()), behind=b"IDAT"), "PNG")
    assert found.of("generator")


def test_a_camera_and_a_generator_contradict_each_other() -> None:
    both = read_marks(saved("JPEG", exif=CAPTURED, xmp=source(AI).encode()), "JPEG")
    assert both.contradictory
    assert {mark.role for mark in both.marks} == {"camera", "generator"}
    edited = read_marks(saved("JPEG", exif=CAPTURED, comment="Created with GIMP"), "JPEG")
    assert not edited.contradictory


def test_odd_letters_and_markup_stay_text() -> None:
    make, software = "<img src=x> Ca\0non\u202e", "a\n[b](http://c.d) :smile: \x1b[31m"
    found = read_marks(saved("JPEG", exif=exif({base.Make: make, base.Software: software})), "JPEG")
    camera = found.of("camera")[0]
    assert camera.who == "img src x Canon"
    assert camera.value.isprintable()
    (other,) = [mark for mark in found.marks if mark.role is None]
    assert other.who == "a b http c d smile 31m"
    for mark in found.marks:
        assert not set(mark.who) & set("<>[]():`*_\n\u202e")
        assert len(mark.value) <= 300


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-be", "utf-16-le", "shift_jis", "gb18030"])
def test_odd_encodings_are_letters_or_nothing(encoding: str) -> None:
    body = "東京 Zürich".encode(encoding, "replace")
    for code in (b"UNICODE\0", b"ASCII\0\0\0", b"JIS\0\0\0\0\0", bytes(8), b""):
        content = saved("JPEG", exif=exif({base.Make: "Canon"}, {base.UserComment: code + body}))
        assert [mark.who for mark in read_marks(content, "JPEG").marks] == ["Canon"]
        for text in read_texts(content, "JPEG").texts:
            assert "\0" not in text.text
            text.text.encode("utf-8")


def test_ten_megabytes_of_metadata_are_soon_done_with() -> None:
    parts = b"".join(chunk(b"tEXt", b"parameters\0" + bytes([65 + n % 26]) * 100_000) for n in range(100))
    history = "".join(f'<rdf:li stEvt:softwareAgent="Adobe Photoshop {n}"/>' for n in range(6000))
    start = time.perf_counter()
    found = read_marks(with_chunk(parts), "PNG")
    assert found.marks == ()
    assert "more than 64 texts" in found.notes[0]
    many = packet(f"<xmpMM:History><rdf:Seq>{history}</rdf:Seq></xmpMM:History>")
    found = read_marks(saved("WEBP", xmp=many.encode()), "WEBP")
    assert [mark.who for mark in found.marks] == ["Photoshop"]
    assert time.perf_counter() - start < 5
    assert len(found.marks) <= MAX_MARKS


def test_deep_xml_is_soon_done_with() -> None:
    names = "<xmp:CreatorTool>" * 12_000 + "x" + "</xmp:CreatorTool>" * 12_000
    start = time.perf_counter()
    read_marks(saved("WEBP", xmp=packet(names).encode()), "WEBP")
    assert time.perf_counter() - start < 5


def test_damaged_files_raise_nothing() -> None:
    for name in (
        "web UI, JPEG",
        "source type, PNG",
        "ComfyUI, WebP",
        "web UI, AVIF",
        "IPTC program",
        "Lightroom",
    ):
        format_name, content, *_ = FILES[name]
        for cut in range(12, min(len(content), 1200), 37):
            read_marks(content[:cut], format_name)
            read_marks(content[:cut] + bytes([content[cut] ^ 0xFF]) + content[cut + 1 :], format_name)


def test_names_and_terms() -> None:
    assert source_term("digsrctype:compositeSynthetic") == "compositeSynthetic"
    assert source_term("javascript:trainedAlgorithmicMedia") is None
    assert known_program("photographer Midjourney") is None
    assert known_program("Edited with Snapseed") == known_program("snapseed 2")
    assert known_program("Fluxus") is None
    assert plain_words("x" * 500) == "x" * 60
