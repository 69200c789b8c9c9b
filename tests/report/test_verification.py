"""A receipt holds for its file, and for no other; each kind of difference is told by name."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepfake import __version__
from deepfake.cli import main
from deepfake.detection.card import load_card, models_folder
from deepfake.detection.detector import get_detector
from deepfake.images.load import load_image
from deepfake.report.receipt import Receipt, make_receipt, read_receipt, receipt_json
from deepfake.report.verification import TOLERANCE, Verification, verify
from deepfake.util.files import ROOT
from tests.support.records.receipts import DAY, receipt_of

PHOTO = ROOT / "deepfake" / "examples" / "images" / "astronaut.jpg"
CONTENT = PHOTO.read_bytes()
OTHER, BACKSLASH = "0" * 64, chr(92)
Change = Callable[[Receipt], Any]
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made() -> Receipt:
    """Of a real photo, by a shipped detector, without a stress test."""
    return receipt_of(CONTENT, "faces")


def put(path: str, value: Any) -> Change:
    """Sets a field that is named by its keys."""

    def change(receipt: Receipt) -> None:
        keys = [
            key.replace(BACKSLASH, "/") for key in path.split("/")
        ]  # a file's name has a slash of its own
        *above, last = [int(key) if key.isdigit() else key for key in keys]
        place: Any = receipt
        for key in above:
            place = place[key]
        place[last] = value(place[last]) if callable(value) else value

    return change


def changed(receipt: Receipt, change: Change) -> Receipt:
    """A copy after a change, as it comes out of its file."""
    other = copy.deepcopy(receipt)
    change(other)
    return read_receipt(receipt_json(other))


def differing(found: Verification) -> set[str]:
    return {part.part for part in found.parts if part.agrees is False}


def test_what_was_made_agrees(made: Receipt) -> None:
    found = verify(read_receipt(receipt_json(made)), CONTENT)
    assert found.agrees is True
    assert [part.part for part in found.parts] == [
        "file", "detector", "version", "settings", "thresholds", "faces", "scores", "verdict",
    ]  # fmt: skip
    assert (found.largest, found.notes, found.error) == (0.0, (), None)
    face = made["result"]["faces"][0]
    verdict = get_detector("faces").check(load_image(CONTENT))
    assert (face["p_fake"], face["box"]) == (verdict.faces[0].p_fake, list(verdict.faces[0].box))
    assert made["file"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert made["detector"]["files"]["faces/model.tflite"] == load_card("faces").served_sha256
    assert made["versions"]["deepfake"] == __version__


def test_two_networks_and_the_stress_test() -> None:
    both = receipt_of(CONTENT, "faces-clip")
    assert both["settings"]["second_network"] is True
    alone = both["result"]["faces"][0]["first_alone"]
    first = receipt_of(CONTENT, "faces", stress=True)
    assert first["settings"]["second_network"] is False
    assert alone == pytest.approx(first["result"]["faces"][0]["p_fake"], abs=1e-9)
    assert (
        verify(changed(both, put("result/faces/0/first_alone", lambda p: p + 0.02)), CONTENT).agrees is False
    )

    assert len(first["result"]["stress"][0]["changes"]) > 25
    assert verify(first, CONTENT).agrees is True
    other = changed(first, put("result/stress/0/changes/3/p_fake", lambda p: 1 - p))
    found = verify(other, CONTENT)
    assert differing(found) == {"scores"}
    assert (
        "stress test 1.4 (Face 1, JPEG quality 50)"
        in next(p for p in found.parts if p.part == "scores").finding
    )


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (put("file/sha256", OTHER), {"file"}),
        (put("detector/files/faces\\model.tflite", OTHER), {"detector"}),
        (put("detector/score_version", OTHER), {"detector"}),
        (put("detector/rules", OTHER), {"detector"}),
        (put("versions/deepfake", "0.0.1"), {"version"}),
        (put("settings/face_margin", 2.0), {"settings"}),
        (put("settings/second_network", True), {"settings"}),
        (put("settings/operating_point", "few_false_alarms"), {"thresholds"}),
        (put("thresholds/uncertain_low", lambda value: value + 0.001), {"thresholds"}),
        (put("thresholds/fake_from", 0.0), {"thresholds"}),
        (put("result/faces/0/p_fake", lambda p: p + 1.5 * TOLERANCE), {"scores"}),
        (put("result/p_fake", None), {"scores"}),
        (put("result/verdict", "fake"), {"verdict"}),
        (put("result/faces/0/reason", "too_small"), {"verdict"}),
        (put("result/faces/0/box", lambda box: [v + 30 for v in box]), {"faces"}),
        (put("result/faces/0/turn", 180), {"faces"}),
        (put("result/faces", []), {"faces", "scores", "verdict"}),
        (put("result/faces/0/p_fake", lambda p: p + 0.5 * TOLERANCE), set()),
        (put("result/faces/0/box", lambda box: [v + 1 for v in box]), set()),
        (put("file/name", "</script>\n../../other.jpg"), set()),
    ],
)  # fmt: skip
def test_each_difference_is_told(made: Receipt, change: Change, parts: set[str]) -> None:
    found = verify(changed(made, change), CONTENT)
    assert differing(found) == parts
    assert found.agrees is (not parts)


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """Every plain value's place, as ``put`` takes it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key.replace('/', BACKSLASH)}".lstrip("/"))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{path}/{index}")
    else:
        yield path


def other_value(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 1000 if isinstance(value, (int, float)) else f"not {value}"


def test_every_field_but_the_claims_is_compared(made: Receipt, monkeypatch: pytest.MonkeyPatch) -> None:
    full = copy.deepcopy(made)
    changes = [{"change": "JPEG quality 95", "p_fake": 0.5, "verdict": "real"}]
    full["result"]["stress"] = [{"part": "Face 1", "verdict": "real", "stable": True, "changes": changes}]
    whole = {"square": [0, 0, 9, 9], "p_fake": 0.5, "first_alone": 0.5, "counts": False, "verdict": "real"}
    full["result"]["whole"] = whole
    full["result"]["faces"][0]["first_alone"] = full["result"]["raw_first_alone"] = 0.5
    monkeypatch.setattr("deepfake.report.verification._receipt_again", lambda *_: copy.deepcopy(full))
    assert verify(full, CONTENT).agrees is True
    unchecked = set()
    for path in leaves(full):
        if path == "detector/name":
            continue  # it chooses the detector: see below
        other = copy.deepcopy(full)
        put(path, other_value)(other)
        if verify(other, CONTENT).agrees is not False:
            unchecked.add(path)
    claims = {path for path in leaves(full) if path.startswith(("processor/", "versions/"))}
    assert unchecked == {"receipt", "made", "file/name"} | (claims - {"versions/deepfake"})


def test_one_changed_byte_of_the_file(made: Receipt) -> None:
    """In its header, where it changes no pixel: all else agrees."""
    content = bytearray(CONTENT)
    assert content[6:10] == b"JFIF"
    content[12] ^= 1  # of JFIF's own version
    found = verify(made, bytes(content))
    assert (found.agrees, differing(found)) == (False, {"file"})


def test_another_processor_or_library_is_said_and_does_not_count(made: Receipt) -> None:
    other = changed(made, put("processor/avx512", None))
    other["versions"]["numpy"] = "0.1"
    found = verify(other, CONTENT)
    assert found.agrees is True
    assert [note.split(",")[0] for note in found.notes] == [
        "Other versions of libraries",
        "Another processor",
    ]
    assert "numpy: in the receipt 0.1, here" in found.notes[0]


def test_a_verdict_at_a_threshold_says_so(made: Receipt) -> None:
    finding = verify(changed(made, put("result/verdict", "uncertain")), CONTENT).parts[-1].finding
    assert finding.startswith("image: in the receipt uncertain, here real. The scores agree")


def test_another_detector(made: Receipt) -> None:
    found = verify(changed(made, put("detector/name", "openforensics")), CONTENT)
    assert {"detector", "thresholds", "scores"} <= differing(found)
    named = next(part.finding for part in found.parts if part.part == "detector")
    assert "faces/model.tflite: in the receipt" in named
    assert "no such file" in named


@pytest.mark.parametrize(
    "name", ["nobody", "", "../models/faces", "/etc", "faces/../faces", "\x00", "\ud800"]
)
def test_a_detector_that_is_not_installed(made: Receipt, name: str) -> None:
    found = verify(changed(made, put("detector/name", name)), CONTENT)
    assert found.agrees is None
    assert found.error
    assert found.error.code == "unknown_model"
    assert found.to_dict()["error"]["code"] == "unknown_model"


def test_a_damaged_network_is_not_loaded(
    made: Receipt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the receipt has the hash of what lies there."""
    shutil.copytree(models_folder() / "faces", tmp_path / "faces")
    served = tmp_path / "faces" / "model.tflite"
    content = bytearray(served.read_bytes())
    content[-1] ^= 1
    served.write_bytes(content)
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path))
    hashed = put("detector/files/faces\\model.tflite", hashlib.sha256(content).hexdigest())
    found = verify(changed(made, hashed), CONTENT)
    assert found.agrees is None
    assert found.error
    assert found.error.code == "wrong_hash"


def test_a_file_that_is_no_image(made: Receipt) -> None:
    text = b"no image"
    found = verify(made, text)
    assert (found.agrees, differing(found)) == (False, {"file"}), "it is not the receipt's, image or not"
    assert found.error
    assert found.error.code == "not_an_image"
    own = changed(made, put("file/sha256", hashlib.sha256(text).hexdigest()))
    assert verify(own, text).agrees is None


def test_a_receipt_of_another_detector_is_not_made() -> None:
    verdict = get_detector("faces").check(load_image(CONTENT))
    with pytest.raises(ValueError, match="by the detector of this card"):
        make_receipt("a.jpg", replace(verdict, model="another"), load_card("faces"), DAY)
    receipt = make_receipt("a\ud800" * 500, verdict, load_card("faces"), DAY)
    assert read_receipt(receipt_json(receipt)) == receipt


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("deepfake.report.make.explanations_of", lambda *_: {})
    image, receipt = shutil.copy(PHOTO, tmp_path / "a.jpg"), tmp_path / "page.receipt.json"
    assert main(["report", str(image), "--html", str(tmp_path / "page.html"), "--model", "faces"]) == 0
    assert "page.html" in capsys.readouterr().out
    assert main(["verify", str(receipt), str(image)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("agrees: ")
    assert len(out.splitlines()) == 9
    assert "tolerance 0.01" in out

    lie = {**json.loads(receipt.read_text()), "made": "1999-01-01"}
    lie["result"]["verdict"] = "fake"
    receipt.write_text(json.dumps(lie))
    assert main(["verify", str(receipt), str(image), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["agrees"], told["tolerance"]) == (False, 0.01)
    assert [part["part"] for part in told["parts"] if not part["agrees"]] == ["verdict"]

    lie["detector"]["name"] = "nobody\x1b[2J"
    receipt.write_text(json.dumps(lie))
    assert main(["verify", str(receipt), str(image)]) == 2
    out = capsys.readouterr().out
    assert out.startswith("cannot be checked: ")
    assert "There is no detector called 'nobody?[2J'" in out


def test_a_receipt_takes_no_other_files_place(tmp_path: Path, capsys: Capture) -> None:
    image, page = shutil.copy(PHOTO, tmp_path / "a.receipt.json"), str(tmp_path / "a.html")
    assert main(["report", str(image), "--html", page]) == 1
    assert "is the image itself" in capsys.readouterr().err
    assert main(["report", str(PHOTO), "--html", page, "--receipt", page]) == 2
    assert "name the same file twice" in capsys.readouterr().err
    assert Path(image).read_bytes() == CONTENT
