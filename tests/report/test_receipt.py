"""What is let through as a receipt: every field checked; anything else is a sentence with a code."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deepfake.cli import main
from deepfake.detection.card import load_card
from deepfake.detection.verdict import FaceVerdict, PartNotes, Verdict, WholeVerdict
from deepfake.report.receipt import (
    MAX_BYTES,
    Receipt,
    ReceiptError,
    make_receipt,
    processor_features,
    read_receipt,
    read_receipt_file,
    receipt_json,
)
from tests.support.records.receipts import DAY

Capture = pytest.CaptureFixture[str]
NUMBER = b"0.123456"
"""A number of the receipt below, as it stands in the file."""


@pytest.fixture(scope="module")
def made() -> Receipt:
    """Of a verdict that no network gave."""
    face = FaceVerdict((1, 2, 60, 70), (0, 0, 80, 80), 0.123456, "real", 0.9)
    whole = WholeVerdict(0.2, False, "uncertain", (0, 0, 90, 90))
    verdict = Verdict(
        0.123456, "real", (face,), (), "faces", "a" * 64, 100, 90, "faces", "balanced", whole=whole,
        part_notes=(PartNotes(0.5), PartNotes(0.75)),
    )  # fmt: skip
    return make_receipt("a.jpg", verdict, load_card("faces"), DAY)


def code_of(content: bytes) -> str:
    with pytest.raises(ReceiptError) as caught:
        read_receipt(content)
    assert len(caught.value.message) < 400
    return caught.value.code


def test_it_comes_back_as_it_was(made: Receipt) -> None:
    assert read_receipt(receipt_json(made)) == made
    assert read_receipt(b"\xef\xbb\xbf" + json.dumps(made).encode()) == made, "an editor's mark in front"
    result = made["result"]
    assert (result["faces"][0]["first_alone"], result["whole"]["first_alone"]) == (0.5, 0.75)
    assert (result["raw_first_alone"], result["stress"]) == (None, None)
    assert set(processor_features().values()) <= {True, False, None, made["processor"]["machine"]}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not_json"),
        (b"no JSON", "not_json"),
        (b"\xff\xd8\xff\xe0", "not_json"),
        (b'{"receipt": 1', "not_json"),
        (b"[" * 200_000, "not_json"),
        (b'{"a":' * 100_000, "not_json"),
        (b'{"receipt": ' + b"9" * 5000 + b"}", "not_json"),
        (b'{"receipt": NaN}', "not_json"),
        (b'{"receipt": 1, "receipt": 2}', "not_json"),
        (b"null", "not_a_receipt"),
        (b"[1]", "not_a_receipt"),
        (b'"receipt"', "not_a_receipt"),
        (b"{}", "not_a_receipt"),
        (b'{"receipt": 2}', "unknown_version"),
        (b'{"receipt": true}', "unknown_version"),
        (b'{"receipt": 1.0}', "unknown_version"),
        (b'{"receipt": "1"}', "unknown_version"),
        (b'{"receipt": {"receipt": 1}}', "unknown_version"),
        (b'{"receipt": 1}', "missing_field"),
        (b" " * (MAX_BYTES + 1), "too_many_bytes"),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else value,
)
def test_what_is_no_receipt(content: bytes, code: str) -> None:
    assert code_of(content) == code


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (b"NaN", "not_json"),
        (b"Infinity", "not_json"),
        (b"-Infinity", "not_json"),
        (b"1e999", "bad_field"),
        (b"1.5", "bad_field"),
        (b"-0.5", "bad_field"),
        (b"9" * 4000, "bad_field"),
        (b"true", "bad_field"),
        (b'"0.5"', "bad_field"),
        (b"[0.5]", "bad_field"),
        (b"[" * 500 + b"]" * 500, "bad_field"),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, bytes) else value,
)
def test_scores_are_numbers_from_0_to_1(made: Receipt, number: bytes, code: str) -> None:
    content = receipt_json(made)
    assert content.count(NUMBER) == 3
    assert code_of(content.replace(NUMBER, number)) == code


def objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where an object stands, each by its keys."""
    if isinstance(value, dict):
        yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, (dict, list)):
            yield from objects(item, (*path, key))


def test_every_field_is_needed_and_none_is_added(made: Receipt) -> None:
    free = {("detector", "files"), ("versions",)}
    paths = [path for path in objects(made) if path not in free]
    assert len(paths) == 9
    for path in paths:
        other = copy.deepcopy(made)
        place: Any = other
        for key in path:
            place = place[key]
        place["signed_by"] = "somebody"
        assert code_of(receipt_json(other)) == "unknown_field", path
        del place["signed_by"]
        for name in list(place):
            value = place.pop(name)
            assert code_of(receipt_json(other)) in {"missing_field", "not_a_receipt"}, (*path, name)
            place[name] = value
        assert read_receipt(receipt_json(other)) == made


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("made",), "yesterday"),
        (("file",), []),
        (("file", "name"), "a" * 256),
        (("file", "sha256"), "A" * 64),
        (("file", "width"), 10**30),
        (("detector", "files"), {str(number): "a" * 64 for number in range(11)}),
        (("detector", "files"), {"a" * 256: "a" * 64}),
        (("detector", "name"), None),
        (("settings", "operating_point"), "strict"),
        (("settings", "operating_point"), ["balanced"]),
        (("versions",), {"deepfake": 1}),
        (("processor", "avx2"), 1),
        (("result", "verdict"), "genuine"),
        (("result", "faces"), [{}] * 2001),
        (("result", "faces"), {}),
        (("result", "stress"), []),
        (("result", "whole"), 0.5),
    ],
)  # fmt: skip
def test_fields_hold_what_they_must(made: Receipt, path: tuple[str, ...], value: Any) -> None:
    other = copy.deepcopy(made)
    place: Any = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(ReceiptError, match=r"^In the receipt .* must be .* Received: ") as caught:
        read_receipt(receipt_json(other))
    assert caught.value.code == "bad_field"
    assert ".".join(path) in caught.value.message


def test_files_that_are_no_receipts_end_in_a_sentence(tmp_path: Path, capsys: Capture) -> None:
    """Nothing of a detector is loaded; the exit status is 2."""
    image = tmp_path / "a.jpg"
    image.write_bytes(b"no image")
    large, pipe, words = tmp_path / "large", tmp_path / "pipe", tmp_path / "words"
    with large.open("wb") as file:
        file.truncate(50 * 2**20)
    os.mkfifo(pipe)
    words.write_text("\x1b[2J\u202e no JSON")
    for path, code in (
        *((large, "too_many_bytes"), (pipe, "not_found"), (tmp_path, "not_found"), (words, "not_json")),
        *((tmp_path / "none", "not_found"), (Path("a\0b"), "not_found"), (Path("a" * 5000), "not_found")),
        (image, "not_json"),
    ):
        with pytest.raises(ReceiptError) as caught:
            read_receipt_file(path)
        assert caught.value.code == code, path
        assert main(["verify", str(path), str(image)]) == 2
        out, err = capsys.readouterr()
        assert (out, err.startswith("deepfake: cannot be checked: ")) == ("", True)
        assert err.strip().isprintable()
    assert main(["verify", "--json", str(words), str(image)]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["agrees"], told["error"]["code"]) == (None, "not_json")
    assert main(["verify", "", str(image)]) == 2


def test_a_missing_image_ends_in_a_sentence(made: Receipt, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.json").write_bytes(receipt_json(made))
    assert main(["verify", str(tmp_path / "a.json"), str(tmp_path / "none.jpg")]) == 2
    assert "There is no such file" in capsys.readouterr().err
