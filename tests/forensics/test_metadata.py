"""Picture forensics: that each finding reacts to what it is meant to find, and to nothing hostile."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from deepfake.data.image_stats import measure_images
from deepfake.data.inventory import take_inventory
from deepfake.forensics import credentials
from deepfake.forensics.credentials import Credentials, read_credentials
from deepfake.forensics.metadata import compare_thumbnail, hashes, read_compression, read_exif, standard_table
from deepfake.forensics.pixels import error_level, examine, noise_level, spectrum
from deepfake.images.load import ImageRefused, load_image
from deepfake.util.files import ROOT
from tests.support.camera import PICTURE, camera_file, jpeg, with_preview
from tests.support.images import encoded, noise_image


def test_error_level_shows_what_was_pasted_in() -> None:
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (256, 256, 3), dtype=np.uint8)
    settled = np.asarray(Image.open(io.BytesIO(jpeg(texture, quality=90)))).copy()
    settled[64:128, 64:128] = texture[64:128, 64:128]  # never compressed
    grey = error_level(settled).pixels[:, :, 0].astype(float)
    assert grey[72:120, 72:120].mean() > 1.5 * grey[160:240, 160:240].mean()


def test_noise_level_shows_the_smooth_part() -> None:
    pixels = np.full((200, 200, 3), 128, np.int64) + np.random.default_rng(0).normal(0, 8, (200, 200, 1))
    pixels[:100, :100] = 128
    grey = noise_level(np.clip(pixels, 0, 255).astype(np.uint8)).pixels[:, :, 0]
    assert grey[20:80, 20:80].max() == 0
    assert grey[120:180, 120:180].mean() > 100


def test_spectrum_shows_a_grid() -> None:
    pixels = np.full((256, 256, 3), 128, np.uint8)
    pixels += np.random.default_rng(0).integers(0, 8, pixels.shape, dtype=np.uint8)
    plain = spectrum(pixels).pixels[:, :, 0].astype(int)
    pixels[:, ::4] += 20
    grid = spectrum(pixels).pixels[:, :, 0].astype(int)
    assert grid[128, 64] == grid[128, 192] == 255  # a quarter of the sampling rate, both signs
    assert plain[128, 64] < 255


@pytest.mark.parametrize("pixels", [np.zeros((32, 32, 3), np.uint8), noise_image(2, 33, 2000)])
def test_maps_of_odd_pictures(pixels: np.ndarray) -> None:
    for shown in (error_level(pixels), noise_level(pixels), spectrum(pixels)):
        assert shown.pixels.dtype == np.uint8
        assert shown.pixels.shape[2] == 3
        assert max(shown.pixels.shape) <= 1000
        assert np.isfinite(shown.white)
        assert shown.look_for
        assert shown.ignore


def test_exif_in_words_and_the_place_only_on_request() -> None:
    content = camera_file()
    found = read_exif(content)
    assert dict(found.rows) == {
        "Camera maker": "Maker",
        "Software": "Editor 1",
        "Image taken": "2024:05:06 07:08:09",
    }
    assert (found.has_place, found.latitude, found.longitude) == (True, None, None)
    assert "10.5" not in repr(examine(content))
    asked = read_exif(content, with_place=True)
    assert asked.latitude == pytest.approx(-10.51)
    assert asked.longitude == pytest.approx(20)
    assert read_exif(jpeg()).rows == ()


def test_hostile_metadata_is_one_short_line_of_text() -> None:
    content = camera_file(software="a\n\x1b[31m" + "x" * 5000, make="<script>")
    rows = dict(read_exif(content).rows)
    assert rows["Camera maker"] == "<script>"
    assert len(rows["Software"]) <= 200
    assert rows["Software"].isprintable()
    broken = bytearray(content)
    at = broken.index(b"Exif\x00\x00") + 14
    for seed in range(60):  # damaged directories raise nothing
        rng = np.random.default_rng(seed)
        for index in rng.integers(0, 150, 12):
            broken[at + index] = rng.integers(0, 256)
        read_exif(bytes(broken))
        read_compression(bytes(broken))
        compare_thumbnail(bytes(broken), load_image(jpeg()))


@pytest.mark.parametrize("quality", [10, 50, 75, 90, 95])
def test_quality_is_read_from_the_tables(quality: int) -> None:
    found = read_compression(jpeg(quality=quality, progressive=quality == 50))
    assert (found.quality, found.standard, found.progressive) == (quality, True, quality == 50)
    assert np.array_equal(found.tables[0], standard_table(quality))
    assert len(found.tables) == 2


def test_tables_of_ones_own_are_told_apart() -> None:
    own = np.clip(standard_table(80) + np.eye(8, dtype=int) * 3, 1, 255)
    found = read_compression(jpeg(qtables=[own.ravel().tolist()] * 2))
    assert not found.standard
    assert found.quality is not None
    assert 70 <= found.quality <= 85
    assert read_compression(encoded(PICTURE)).quality is None


def test_a_preview_of_another_picture_is_noticed() -> None:
    other = noise_image(9, 200, 300)
    small = np.asarray(Image.fromarray(PICTURE).resize((150, 100)))
    for preview, agrees in ((small, True), (np.asarray(Image.fromarray(other).resize((150, 100))), False)):
        content = with_preview(PICTURE, preview)
        found = compare_thumbnail(content, load_image(content))
        assert found.pixels is not None
        assert found.agrees is agrees
    assert compare_thumbnail(jpeg(), load_image(jpeg())).pixels is None
    flat = with_preview(PICTURE, np.full((100, 150, 3), 99, np.uint8))
    assert compare_thumbnail(flat, load_image(flat)).agrees is None


def test_perceptual_hash_survives_what_the_other_does_not() -> None:
    def bits(content: bytes) -> int:
        return int(hashes(load_image(content)).perceptual, 16)

    small = np.asarray(Image.fromarray(PICTURE).resize((150, 100)))
    first, copy, other = bits(encoded(PICTURE)), bits(jpeg(small, quality=40)), bits(jpeg(noise_image(9)))
    assert (first ^ copy).bit_count() <= 6
    assert (first ^ other).bit_count() >= 16
    assert len(hashes(load_image(jpeg())).perceptual) == 16


def test_the_hash_is_that_by_which_an_audit_finds_copies(tmp_path: Path) -> None:
    folder = tmp_path / "Fake"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg())
    (audited,) = measure_images(take_inventory(tmp_path)).perceptual
    assert hashes(load_image(jpeg())).perceptual == audited.tobytes().hex()


def test_examine_refuses_what_is_no_picture() -> None:
    with pytest.raises(ImageRefused):
        examine(b"no picture")


# content credentials: the package is optional, so a stand-in with its interface is read here


def test_without_a_reader_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials.importlib.util, "find_spec", lambda name: None)
    found = read_credentials(jpeg(), "JPEG")
    assert (found.state, found.rows) == ("no_reader", ())
    assert "not installed" in found.meaning


def test_a_reader_that_would_fetch_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", types.ModuleType("c2pa"))  # older ones cannot be kept offline
    monkeypatch.setattr(credentials.importlib.util, "find_spec", lambda name: object())
    found = read_credentials(jpeg(), "JPEG")
    assert found.state == "no_reader"
    assert "too old" in found.meaning


@pytest.mark.parametrize(
    ("answer", "state"),
    [("manifest", "found"), ("ManifestNotFound: no JUMBF data found", "none"), ("OtherError", "unreadable")],
)
def test_credentials_by_a_reader(monkeypatch: pytest.MonkeyPatch, answer: str, state: str) -> None:
    action = {"action": "c2pa.created", "digitalSourceType": "http://x/trainedAlgorithmicMedia"}
    store = {
        "active_manifest": "a",
        "validation_state": "Valid",
        "manifests": {
            "a": {
                "signature_info": {"issuer": "Signer\n<b>", "time": "2026-01-01"},
                "claim_generator_info": [{"name": "Generator"}],
                "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
            }
        },
    }

    class Reader:
        def __init__(self, kind: str, stream: io.BytesIO, context: object) -> None:
            assert (kind, stream.read(2)) == ("image/jpeg", b"\xff\xd8")
            assert isinstance(context, dict)
            assert context["verify"] == {"remote_manifest_fetch": False, "ocsp_fetch": False}
            assert context["core"]["allowed_network_hosts"] == [], "nothing is fetched"
            assert not context["core"]["decode_identity_assertions"], "which would ask a signer's server"
            if answer != "manifest":
                raise RuntimeError(answer)

        def __enter__(self) -> Reader:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def json(self) -> str:
            return json.dumps(store)

    stand_in: Any = types.ModuleType("c2pa")
    stand_in.Reader, stand_in.Context = Reader, contextlib.nullcontext
    stand_in.Settings = types.SimpleNamespace(from_dict=lambda settings: settings)
    monkeypatch.setitem(sys.modules, "c2pa", stand_in)
    monkeypatch.setattr(credentials.importlib.util, "find_spec", lambda name: object())
    found = read_credentials(jpeg(), "JPEG")
    assert found.state == state
    rows = dict(found.rows)
    if state == "found":
        assert rows["Signed by"] == "Signer <b>"
        assert rows["Generative AI"] == "yes, it says"
        assert rows["Origin"] == "made by generative AI"
        assert rows["Done to it"] == "created"
        assert "not on the reader's list" in rows["Signature"]


# on a page


def drawn(content: bytes, file_id: str) -> AppTest:
    def script() -> None:
        import streamlit as st

        from ui.check.forensics import show_forensics, show_signed_record
        from ui.uploads import Upload

        upload = Upload(st.session_state["file"], "a.jpg", st.session_state["content"])
        show_signed_record(upload, "JPEG")
        show_forensics(upload)

    app = AppTest.from_function(script, default_timeout=60)
    app.session_state["content"], app.session_state["file"] = content, file_id
    return app


def test_a_record_of_ai_is_seen_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    said, signed = "it does not say so", "intact, by"
    monkeypatch.setattr("ui.check.forensics.reader_installed", lambda: True)
    monkeypatch.setattr(
        "ui.check.forensics.read_credentials",
        lambda content, kind: Credentials("found", (("Signature", signed), ("Generative AI", said)), ""),
    )
    assert not drawn(jpeg(), "two").run().warning
    said, signed = "yes, it says", "broken: the file"
    assert not drawn(jpeg(), "broken").run().warning
    signed = "intact, by"
    app = drawn(jpeg(), "three").run()
    assert "made or changed by generative AI" in app.warning[0].value
    assert not app.tabs


def test_closed_until_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    app = drawn(camera_file(), "one").run()
    assert not app.exception
    assert not app.tabs
    app.session_state["forensics-one"] = True
    app.run()
    assert not app.exception
    assert len(app.tabs) == 6
    assert len(app.get("plotly_chart")) == 1
    assert "**Look for:**" in app.markdown[0].value
    assert "**Ignore:**" in app.markdown[0].value
    words = "\n".join(str(each.value) for kind in (app.markdown, app.caption, app.warning) for each in kind)
    assert "Private: the file says where it was taken" in words
    assert "Latitude" not in words
    assert "**75** of 100" in words
    app.toggle[0].set_value(True).run()
    assert "Latitude -10.51000, longitude 20.00000" in "\n".join(str(each.value) for each in app.markdown)


def test_a_refused_file_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    app = drawn(b"no picture", "two").run()
    app.session_state["forensics-two"] = True
    app.run()
    assert not app.exception
    assert "not an image" in app.error[0].value
