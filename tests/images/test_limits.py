"""Files built to keep a decoder busy are refused at once; honest ones near the limits are not."""

from __future__ import annotations

import struct
import time

import pytest

from benchmarks.fuzz.busy import busy_files, shared_directory, with_scans
from benchmarks.fuzz.corpus import png_chunk, seed_files
from deepfake.forensics.metadata import read_exif
from deepfake.images.formats import identify
from deepfake.images.limits import MAX_CHUNKS, overload
from deepfake.images.load import ImageRefused, load_image

SEEDS = seed_files()
BUSY = busy_files(SEEDS, 2 * MAX_CHUNKS)


@pytest.mark.parametrize("name", BUSY)
def test_a_file_that_keeps_decoders_busy_is_refused_at_once(name: str) -> None:
    start = time.thread_time()
    with pytest.raises(ImageRefused, match="keep this program busy") as caught:
        load_image(BUSY[name])
    assert time.thread_time() - start < 0.5
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("name", SEEDS)
def test_honest_files_are_not(name: str) -> None:
    kind = identify(SEEDS[name])
    assert kind
    assert kind.reader
    assert overload(SEEDS[name], kind.reader) is None
    for cut in range(0, len(SEEDS[name]), 7):
        overload(SEEDS[name][:cut], kind.reader)  # a walk off the end raises nothing


def test_pieces_in_honest_numbers() -> None:
    png, jpeg = SEEDS["png"], SEEDS["jpeg"]
    load_image(png[:33] + png_chunk(b"aaAa", b"") * 5000 + png[33:])
    profile = b"".join(
        b"\xff\xe2" + struct.pack(">H", 1016) + b"ICC_PROFILE\0" + bytes((n, 255)) + bytes(1000)
        for n in range(1, 256)
    )
    assert load_image(jpeg[:2] + profile + jpeg[2:]).notes


def test_a_few_passes_without_an_end_are_looked_at() -> None:
    few, many = (with_scans(SEEDS["jpeg progressive"], n)[:-2] for n in (5, 30))
    assert overload(few, "JPEG") is None
    assert overload(many, "JPEG") == "more than 20 passes over the image"
    assert overload(many + b"\xff\xd9", "JPEG") is None


@pytest.mark.parametrize("name", ["png", "webp"])
def test_exif_whose_tags_share_megabytes_is_not_read(name: str) -> None:
    exif = b"II*\0" + shared_directory(500, 2**20)
    if name == "png":
        hostile = SEEDS["png"][:33] + png_chunk(b"eXIf", exif) + SEEDS["png"][33:]
    else:
        chunk = b"EXIF" + struct.pack("<I", len(exif)) + exif
        webp = SEEDS["webp"]
        at = webp.index(b"EXIF")
        hostile = webp[:4] + struct.pack("<I", at - 8 + len(chunk)) + webp[8:at] + chunk
    start = time.thread_time()
    image = load_image(hostile)
    assert image.facts.has_exif
    assert image.facts.orientation == 1
    assert not read_exif(hostile).rows
    assert time.thread_time() - start < 0.2
