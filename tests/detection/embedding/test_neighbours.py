"""The training pictures most alike: found, counted, stored, refused where they do not belong."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deepfake.cli import main
from deepfake.data.index import index_dataset
from deepfake.detection import detector
from deepfake.detection.card import load_card
from deepfake.detection.detector import Detector, get_detector
from deepfake.detection.embedding.neighbours import (
    INDEX_FILE,
    K_NEAREST,
    NeighbourError,
    NeighbourIndex,
    OutlierScore,
    kth_distance,
    load_index,
    others_sentence,
    outlier_sentence,
    share_fake,
    share_words,
    write_index,
)
from deepfake.detection.neighbour_index import even_sample, max_distance_of
from deepfake.faces.finder import Face, FaceScan
from deepfake.images.load import load_image
from tests.support.images import encoded, noise_image


def circle(n: int = 100) -> NeighbourIndex:
    """Points around a circle; the first half is Fake. The reference: distances 0.00, 0.01, ... 0.99."""
    turns = np.arange(n) * 2 * np.pi / n
    return NeighbourIndex(
        vectors=np.stack([np.cos(turns), np.sin(turns)], axis=1).astype(np.float16),
        labels=(np.arange(n) < n // 2).astype(np.uint8),
        sources=("drawn",) * n,
        paths=tuple(f"{number}.png" for number in range(n)),
        reference=(np.arange(100) / 100).astype(np.float32),
        max_distance=0.95,
        data="Circle",
        folder="",
        model_sha256="ab",
    )


def test_the_nearest_of_one_class() -> None:
    """At 0.33 all neighbours are Fake; the nearest Real ones lie beyond 0, at the end of the circle."""
    index, here = circle(), np.array([np.cos(0.33), np.sin(0.33)], np.float32)
    assert [each.path for each in index.nearest_of(here, 1, 3)] == [
        each.path for each in index.nearest(here, 3)
    ]
    others = index.nearest_of(here, 0, 3)
    assert [each.path for each in others] == ["99.png", "98.png", "97.png"]
    assert {each.label for each in others} == {0}
    assert len(index.nearest_of(here, 0, 1000)) == 50
    said = others_sentence(others, 0.9999)
    assert f"similarity of {others[0].similarity:.2f}, less similar than the nearest fake one (1.00)" in said


def test_nearest() -> None:
    index = circle()
    found = index.nearest(np.array([np.cos(0.33), np.sin(0.33)], np.float32), k=3)
    assert [each.path for each in found] == ["5.png", "6.png", "4.png"]  # at 0.314, 0.377 and 0.251
    assert [each.similarity for each in found] == pytest.approx([0.9999, 0.9989, 0.9969], abs=5e-4)
    assert share_fake(found) == 1.0
    assert len(index.nearest(np.array([1, 0], np.float32), k=1000)) == 100
    assert "3 of the 3 most similar training images are fakes" in share_words(found, index)
    assert "among 100 training images, 50% of them" in share_words(found, index)


def test_unlikeness_grows_with_the_distance() -> None:
    line = replace(circle(), vectors=np.array([[1, 0]] * 100, np.float16))
    found = [line.outlier_score(np.array([np.cos(turn), np.sin(turn)], np.float32)) for turn in (0, 1, 2)]
    assert [each.distance for each in found] == pytest.approx(
        [1 - np.cos(turn) for turn in (0, 1, 2)], abs=1e-3
    )
    assert [each.share_nearer for each in found] == pytest.approx([0.0, 0.46, 1.0], abs=0.011)
    assert "over 99% of validation images" in outlier_sentence(OutlierScore(0.5, 0.995), line)
    near = replace(line, max_distance=0.3)
    readings = [
        outlier_sentence(OutlierScore(*pair), near) for pair in ((0.1, 0.5), (0.2, 0.95), (0.4, 0.99))
    ]
    assert [words.split(" (")[0].split(":")[0] for words in readings] == [
        "Typical input",
        "Unusual input",
        "Too unlike the training images",
    ]


def test_the_kth_neighbour_counts() -> None:
    alike = np.array([0.1, 0.9, 0.3, 0.5, 0.7, 0.2], np.float32)
    assert kth_distance(alike) == pytest.approx(1 - sorted(alike)[-K_NEAREST])
    assert kth_distance(alike[:2]) == pytest.approx(0.9), "the furthest of fewer"


def test_scope_keeps_most_of_what_is_decided() -> None:
    distances = np.arange(200, dtype=np.float32)
    decided = np.arange(200) < 101
    assert max_distance_of(distances, decided) == pytest.approx(95)
    assert max_distance_of(distances, np.zeros(200, bool)) == np.inf
    far, near = np.array([0, -1], np.float32), np.array([1, 0], np.float32)
    line = replace(circle(), vectors=np.array([[1, 0]] * 100, np.float16))
    assert (line.out_of_scope(near), line.out_of_scope(far)) == (False, True)
    assert not replace(line, max_distance=np.inf).out_of_scope(far)


def test_what_is_out_of_scope_is_uncertain(
    indexed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = Face((10, 10, 90, 90), (0, 0, 100, 100), 0.9)
    monkeypatch.setattr(detector, "find_faces", lambda _: FaceScan((face,), "faces", 0))
    picture = load_image(encoded(noise_image(1, 100, 100)))
    shutil.copytree(indexed, tmp_path / "models")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    card_file = tmp_path / "models" / "tiny" / "card.json"
    card = json.loads(card_file.read_text())
    sure = {"balanced": 0.0, "few_false_alarms": 0.0, "uncertain_low": 0.0, "uncertain_high": 0.0}
    card_file.write_text(json.dumps({**card, "thresholds": sure}))  # all is fake
    verdicts = []
    for max_distance in (np.inf, -1.0):
        index = replace(load_index(load_card("tiny")), max_distance=max_distance)
        write_index(index, tmp_path / "models" / "tiny" / INDEX_FILE)
        verdicts.append(Detector(load_card("tiny")).check(picture))
    inside, outside = verdicts
    assert (inside.verdict, [face.out_of_scope for face in inside.faces]) == ("fake", [False])
    assert (outside.verdict, [face.out_of_scope for face in outside.faces]) == ("uncertain", [True])
    assert outside.p_fake is None, "what is out of scope lends no number"
    assert inside.p_fake == pytest.approx(outside.raw_p_fake)
    assert any("too unlike the training images" in warning for warning in outside.warnings)
    assert outside.at("few_false_alarms", load_card("tiny").thresholds).verdict == "uncertain"


def test_even_sample() -> None:
    table = pd.DataFrame({"source": ["a"] * 90 + ["b"] * 8 + ["c"] * 2, "label": [0, 1] * 50})
    drawn = even_sample(table, 20)
    assert drawn.equals(even_sample(table, 20))
    assert drawn.groupby(["source", "label"]).size().tolist() == [5, 5, 4, 4, 1, 1]
    assert len(even_sample(table, 1000)) == 100


def test_a_training_picture_finds_itself(indexed: Path, tiny_dataset: Path) -> None:
    index = load_index(load_card("tiny"))
    assert (len(index), len(index.reference), index.data, index.folder) == (32, 32, "Tiny", tiny_dataset.name)
    assert set(index.sources) == set(index_dataset(tiny_dataset).table["source"])
    path = "Train/Fake/fake_3.png"
    _, (vector,) = get_detector("tiny").read([load_image(tiny_dataset / path).pixels])
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    first = index.nearest(vector)[0]
    assert (first.path, first.label) == (path, 1)
    assert first.similarity == pytest.approx(1, abs=2e-3)
    assert not list((indexed / "tiny").glob("*.part*"))


def test_an_index_that_does_not_belong_is_refused(indexed: Path, tmp_path: Path) -> None:
    card = load_card("tiny")
    with pytest.raises(NeighbourError, match="python -m deepfake index DATA --model tiny") as caught:
        load_index(replace(card, folder=tmp_path))
    assert caught.value.code == "no_index"
    with pytest.raises(NeighbourError) as caught:
        load_index(replace(card, sha256="00"))
    assert caught.value.code == "other_model"
    for content in (b"", b"PK\x03\x04 damaged"):
        (tmp_path / INDEX_FILE).write_bytes(content)
        with pytest.raises(NeighbourError) as caught:
            load_index(replace(card, folder=tmp_path))
        assert caught.value.code == "bad_index"
    write_index(replace(circle(), paths=("one",), model_sha256=card.sha256), tmp_path / INDEX_FILE)
    with pytest.raises(NeighbourError) as caught:
        load_index(replace(card, folder=tmp_path))
    assert caught.value.code == "bad_index"


def test_code_in_an_index_is_not_run(tmp_path: Path, use_tiny_models: Path) -> None:
    np.savez(tmp_path / INDEX_FILE, text=np.array([json.loads], dtype=object), labels=np.zeros(1))
    with pytest.raises(NeighbourError) as caught:
        load_index(replace(load_card("tiny"), folder=tmp_path))
    assert caught.value.code == "bad_index"


def test_sources_that_the_data_lacks_are_told(
    indexed: Path,
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["index", str(tiny_dataset), "--model", "tiny", "--title", "Tiny"]
    assert main(command) == 0
    assert "also trained on" not in capsys.readouterr().err
    shutil.copytree(indexed, tmp_path / "models")
    file = tmp_path / "models" / "tiny" / "card.json"
    card = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**card, "data": {"sources": ["celeba", "swaps"]}}), encoding="utf-8")
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tmp_path / "models"))
    assert main(command) == 0
    assert "also trained on celeba, swaps, of which DATA holds nothing" in capsys.readouterr().err


def test_what_the_command_refuses(
    indexed: Path, tmp_path: Path, tiny_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", str(tmp_path), "--model", "tiny"]) == 1
    assert main(["index", str(tiny_dataset), "--model", "tiny", "--images", "0"]) == 1
    shutil.copytree(tiny_dataset / "Test", tmp_path / "only" / "Test")
    assert main(["index", str(tmp_path / "only"), "--model", "tiny"]) == 1
    errors = capsys.readouterr().err
    assert "at least 1, received 0" in errors
    assert "No image of split 'Train'" in errors
