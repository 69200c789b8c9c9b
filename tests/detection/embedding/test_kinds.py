"""The kind of a fake: served by its file alone, of the part that decides, never beside a verdict of real."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from deepfake.detection.card import Card, ModelError, SecondOpinion, load_card
from deepfake.detection.detector import Detector
from deepfake.detection.embedding.kinds import KINDS_FILE, KindHead, kinds_bytes, load_kinds
from deepfake.detection.text import kind_line
from deepfake.detection.verdict import FaceVerdict, PartNotes, Verdict, WholeVerdict
from deepfake.types import KindEstimate, Thresholds
from tests.support.images import noise_image
from tests.support.records.kinds import drawn_kinds

HEAD = KindHead(
    np.array([[4, 0, 0], [0, 4, 0]], np.float16),
    np.zeros(3, np.float32),
    ("gan", "swap", "photo"),
    {"gan": 0.6, "swap": 0.6, "photo": 0.6},
)
CUTS = Thresholds(balanced=0.5, few_false_alarms=0.9, uncertain_low=0.4, uncertain_high=0.6)
FACE = FaceVerdict((0, 0, 100, 100), (0, 0, 100, 100), 0.9, "uncertain", 0.99)
SWAP, GAN, UNKNOWN = KindEstimate("swap", 0.72), KindEstimate("gan", 0.9), KindEstimate(None, 0.41)


@pytest.fixture
def card(tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Card:
    """Of two networks, with kinds whose file lies there."""
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tiny_models))
    content = kinds_bytes(HEAD)
    (tmp_path / KINDS_FILE).write_bytes(content)
    card = load_card("tiny")
    kinds = drawn_kinds(sha256=hashlib.sha256(content).hexdigest())
    return replace(
        card,
        folder=tmp_path,
        second=SecondOpinion("tiny", 0.5, "of the second"),
        contents={**card.contents, "kinds": kinds},
    )


def with_kinds(card: Card, **changes: object) -> Card:
    return replace(card, contents={**card.contents, "kinds": {**card.contents["kinds"], **changes}})


def test_what_is_written_is_read(card: Card) -> None:
    head = load_kinds(card)
    assert head is not None
    assert (head.names, head.named_from) == (HEAD.names, HEAD.named_from)
    assert np.array_equal(head.kernel, HEAD.kernel)
    few = np.array([[1, 0], [0.1, 0.1]], np.float32)
    shares = np.exp([4, 0, 0]) / np.exp([4, 0, 0]).sum()
    assert np.allclose(head.probabilities(few)[0], shares)
    named, unnamed = head.kinds_of(few)
    assert named.name == "gan" and named.probability == pytest.approx(shares[0])
    assert unnamed.name is None
    never = replace(head, named_from={"swap": 0.1}).kinds_of(few)[0]
    assert never == KindEstimate(None, named.probability), "a kind without a threshold is never named"


@pytest.mark.parametrize("damage", ["other", "gone"])
def test_only_the_cards_file_is_loaded(damage: str, card: Card) -> None:
    path = card.folder / KINDS_FILE
    path.write_bytes(path.read_bytes() + b"x")
    if damage == "gone":
        path.unlink()
    with pytest.raises(ModelError, match="deepfake kinds DATA FEATURES --model tiny") as caught:
        load_kinds(card)
    assert caught.value.code == ("missing_file" if damage == "gone" else "wrong_hash")


def test_a_file_that_is_no_head_is_refused(card: Card) -> None:
    for content in (b"no zip", kinds_bytes(replace(HEAD, names=("gan", "swap")))):
        (card.folder / KINDS_FILE).write_bytes(content)
        with pytest.raises(ModelError) as caught:
            load_kinds(with_kinds(card, sha256=hashlib.sha256(content).hexdigest()))
        assert caught.value.code == "unreadable"
    for bad in ({"gan": float("nan")}, None, {"gan": "x"}):
        with pytest.raises(ModelError) as caught:
            load_kinds(with_kinds(card, named_from=bad))
        assert caught.value.code == "bad_card"


def test_kinds_of_another_second_network_are_not_used(card: Card, caplog: pytest.LogCaptureFixture) -> None:
    assert load_kinds(with_kinds(card, network_sha256="another")) is None
    assert "another second network" in caplog.text
    assert load_kinds(replace(card, second=None)) is None
    assert load_kinds(load_card("tiny")) is None


def test_the_second_networks_embedding_tells_the_kind(
    tiny_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPFAKE_MODELS", str(tiny_models))
    detector = Detector(load_card())
    crops = [noise_image(1, 64, 64), noise_image(2, 64, 64)]
    before, _, notes = detector.score_crops(crops)
    assert notes == [] or all(note.kind is None for note in notes)
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    nothing = np.zeros(len(crops), np.float32)
    second = SimpleNamespace(with_gates=lambda batch: (nothing, vectors, nothing + 1))
    monkeypatch.setattr(detector, "_second", second)
    monkeypatch.setattr(detector, "_kinds", HEAD)
    monkeypatch.setattr(detector, "card", replace(detector.card, second=SecondOpinion("tiny", 0.5, "")))
    after, _, notes = detector.score_crops(crops)
    assert [note.kind and note.kind.name for note in notes] == ["gan", "swap"]
    assert np.allclose(after, before), "the kind decides nothing"


def verdict(
    *p_fake: float, kinds: tuple[KindEstimate, ...], whole: WholeVerdict | None = None, p: float | None = None
) -> Verdict:
    faces = tuple(replace(FACE, p_fake=each) for each in p_fake)
    best = max(p_fake) if p is None and p_fake else p
    notes = tuple(PartNotes(kind=kind) for kind in kinds)
    made = Verdict(
        best, "uncertain", faces, (), "tiny", "0" * 64, 200, 200, "faces" if faces else "no_face", "balanced",
        whole=whole, raw_p_fake=best or 0.3, part_notes=notes,
    )  # fmt: skip
    return made.at("balanced", CUTS)


@pytest.mark.parametrize(("score", "kind"), [(0.95, SWAP), (0.5, SWAP), (0.1, None)])
def test_a_kind_is_shown_unless_the_verdict_is_real(score: float, kind: KindEstimate | None) -> None:
    found = verdict(score, kinds=(SWAP,))
    assert found.kind == kind
    assert found.to_dict()["kind"] == (kind and {"name": "swap", "probability": 0.72})
    assert kind_line(found) == ("Most like: face swap (72%)" if kind else "")


def test_the_kind_is_that_of_the_part_that_decides() -> None:
    assert verdict(0.2, 0.9, kinds=(GAN, SWAP)).kind == SWAP
    whole = WholeVerdict(0.99, counts=True, verdict="uncertain")
    assert verdict(0.2, kinds=(GAN, SWAP), whole=whole, p=0.99).kind == SWAP
    assert verdict(0.9, kinds=(UNKNOWN,)).kind == UNKNOWN
    assert kind_line(verdict(0.9, kinds=(UNKNOWN,))) == "Kind of fake: cannot tell"


def test_nothing_that_decides_has_no_kind() -> None:
    assert verdict(kinds=(GAN,)).kind is None
    assert verdict(0.9, kinds=()).kind is None
    excluded = replace(verdict(0.9, kinds=(GAN,)), p_fake=None, faces=(replace(FACE, out_of_scope=True),))
    assert excluded.at("balanced", CUTS).kind is None


def test_another_operating_point_may_take_the_kind_away() -> None:
    found = verdict(0.45, kinds=(GAN,))
    assert found.kind == GAN
    assert found.at("balanced", replace(CUTS, uncertain_low=0.5)).kind is None
