"""The evidence table: each witness is graded by its rule, and none of them changes a verdict."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from deepfake.cli import main
from deepfake.detection.card import Card, SecondOpinion, load_card
from deepfake.detection.detector import Detector, get_detector
from deepfake.detection.rules import RealScores
from deepfake.detection.stress import CHANGES, StressPoint, StressTest
from deepfake.detection.verdict import FaceVerdict, PartNotes, Verdict, WholeVerdict
from deepfake.forensics.claims import FileClaims, credentials_line, forensics_line, marks_line, read_claims
from deepfake.forensics.credentials import Credentials
from deepfake.forensics.marks import Mark, Marks, read_marks
from deepfake.forensics.metadata import Compression, Thumbnail
from deepfake.images.load import load_image
from deepfake.report.evidence import NAMES, RULE, evidence_lines, strength_of, with_evidence
from deepfake.types import Direction, EvidenceLine, Strength, Thresholds, VerdictLabel
from tests.support.marked import AI, JOB, WEB_UI, exif, marked_files, png, saved, source

CUTS = Thresholds(0.5, 0.9, 0.2, 0.8)
FACE = FaceVerdict((10, 10, 90, 90), (0, 0, 100, 100), 0.9, "fake", 0.99)
NO_CLAIMS = FileClaims(Credentials("none", (), ""), Marks())


@pytest.fixture
def card(use_tiny_models: Path) -> Card:
    return replace(load_card("tiny"), thresholds=CUTS)


@pytest.fixture
def pair(card: Card) -> Card:
    return replace(card, second=SecondOpinion("tiny", 0.5, ""))


def verdict(*p_fake: float, whole: WholeVerdict | None = None, **fields: Any) -> Verdict:
    """On an image with faces of these scores."""
    faces = tuple(replace(FACE, p_fake=p) for p in p_fake)
    scores = [*p_fake, *([whole.p_fake] if whole and whole.counts else [])]
    best: float | None = max(scores) if scores else None
    made = Verdict(
        best, "uncertain", faces, (), "tiny", "0" * 64, 200, 200, "faces" if faces else "no_face", "balanced",
        whole=whole, raw_p_fake=best or 0.3, **fields,
    )  # fmt: skip
    return made.at("balanced", CUTS)


def line(lines: tuple[EvidenceLine, ...], name: str) -> EvidenceLine:
    (found,) = [each for each in lines if each.name == name]
    return found


@pytest.mark.parametrize(
    ("odds", "word"),
    [
        (1, "none"),
        (1.9, "none"),
        (2, "weak"),
        (1 / 9, "weak"),
        (10, "moderate"),
        (0.011, "moderate"),
        (100, "strong"),
    ],
)
def test_strength_follows_the_odds(odds: float, word: Strength) -> None:
    assert strength_of(odds) == word
    assert strength_of(1 / odds) == word


def test_of_a_certain_score_nothing_is_divided_by_nought(card: Card) -> None:
    for p_fake in (0.0, 1.0):
        assert line(evidence_lines(verdict(p_fake), card), "Detector's score").strength == "strong"


@pytest.mark.parametrize(
    ("p_fake", "strength", "points_to"),
    [
        (0.995, "strong", "fake"),
        (0.95, "moderate", "fake"),
        (0.82, "weak", "fake"),
        (0.5, "none", "neither"),
        (0.15, "weak", "real"),
        (0.05, "moderate", "real"),
        (0.005, "strong", "real"),
    ],
)
def test_the_detector_is_graded_by_its_probability(
    card: Card, p_fake: float, strength: Strength, points_to: Direction
) -> None:
    found = line(evidence_lines(verdict(p_fake), card), "Detector's score")
    assert (found.strength, found.points_to) == (strength, points_to)


def test_lines_are_in_one_order_and_only_of_what_was_run(pair: Card) -> None:
    plain = evidence_lines(verdict(0.9), replace(pair, second=None))
    assert [each.name for each in plain] == ["Detector's score", "Whole image", "Look-alikes"]
    point = StressPoint(CHANGES[0], 0.9, "fake")
    tested = replace(verdict(0.9), stress=(StressTest(0.9, "fake", (point,)),))
    looked = (Thumbnail(None, None, None, ""), Compression((), None, False, False, ""))
    every = evidence_lines(tested, pair, NO_CLAIMS, looked)
    assert tuple(each.name for each in every) == NAMES
    assert all(each.finding and each.ignore for each in every)
    assert "never changes the score" in RULE


def test_without_a_face_nothing_is_said_of_one(card: Card) -> None:
    lines = evidence_lines(verdict(), card)
    assert {(each.strength, each.points_to) for each in lines} == {("none", "neither")}
    assert "No face found" in line(lines, "Detector's score").finding


def test_barred_faces_say_nothing(card: Card) -> None:
    small = replace(FACE, p_fake=0.99, reason="too_small")
    made = replace(verdict(0.9, part_notes=(PartNotes(None, 8, 8),)), faces=(small,), p_fake=None).at(
        "balanced", CUTS
    )
    lines = evidence_lines(made, card)
    assert line(lines, "Detector's score").strength == "none"
    alike = line(lines, "Look-alikes")
    assert (alike.strength, alike.points_to) == ("none", "neither")
    assert "no verdict" in alike.finding


def test_a_whole_image_that_decides_leaves_the_faces_their_own_line(card: Card) -> None:
    whole = WholeVerdict(0.97, True, "uncertain", (0, 0, 200, 200))
    lines = evidence_lines(verdict(0.1, whole=whole), card)
    assert line(lines, "Whole image").points_to == "fake"
    assert line(lines, "Whole image").strength == "moderate"
    assert line(lines, "Detector's score").points_to == "real"
    assert "10%" in line(lines, "Detector's score").finding
    silent = evidence_lines(verdict(0.1, whole=replace(whole, counts=False)), card)
    assert line(silent, "Whole image").strength == "none"


def test_many_faces_are_set_off(card: Card) -> None:
    scores = RealScores.of([n / 400 for n in range(1, 400)])
    made = verdict(0.96, 0.1, 0.1, real_scores=scores)
    found = line(evidence_lines(made, card), "Detector's score")
    assert "set off against 3 faces" in found.finding


@pytest.mark.parametrize(
    ("before", "after", "strength", "points_to"),
    [
        (0.5, 0.95, "moderate", "fake"),
        (0.5, 0.75, "weak", "fake"),
        (0.9, 0.2, "moderate", "real"),
        (0.9, 0.92, "none", "neither"),
    ],
)
def test_the_second_opinion_is_what_it_adds(
    pair: Card, before: float, after: float, strength: Strength, points_to: Direction
) -> None:
    lines = evidence_lines(verdict(after, part_notes=(PartNotes(before),)), pair)
    found = line(lines, "Second opinion")
    assert (found.strength, found.points_to) == (strength, points_to)


def test_of_several_faces_the_most_suspicious_is_named(pair: Card) -> None:
    notes = (PartNotes(0.1, 8, 0), PartNotes(0.5, 8, 8))
    lines = evidence_lines(verdict(0.1, 0.95, part_notes=notes), pair)
    assert line(lines, "Second opinion").finding.startswith("Face 2: 50% by the first")
    assert line(lines, "Look-alikes").finding.startswith("Face 2: 8 of the 8")
    whole = WholeVerdict(0.97, True, "uncertain", (0, 0, 200, 200))
    by_whole = verdict(0.1, whole=whole, part_notes=(PartNotes(0.1, 8, 0), PartNotes(0.5, 8, 8)))
    assert line(evidence_lines(by_whole, pair), "Look-alikes").finding.startswith("Whole image: 8 of")


@pytest.mark.parametrize(("fakes", "points_to"), [(8, "fake"), (0, "real"), (7, "neither")])
def test_look_alikes_count_where_they_agree(card: Card, fakes: int, points_to: Direction) -> None:
    found = line(evidence_lines(verdict(0.9, part_notes=(PartNotes(None, 8, fakes),)), card), "Look-alikes")
    assert found.points_to == points_to
    assert found.strength == ("none" if points_to == "neither" else "weak"), "they are no independent witness"


def test_a_stress_test_that_fails_points_nowhere(card: Card) -> None:
    def after(call: VerdictLabel, p_fake: float) -> EvidenceLine:
        point = StressPoint(CHANGES[0], p_fake, call)
        made = replace(verdict(0.9), stress=(StressTest(0.9, "fake", (point,)),)).at("balanced", CUTS)
        return line(evidence_lines(made, card), "Stress test")

    assert (after("fake", 0.9).strength, after("fake", 0.9).points_to) == ("weak", "fake")
    unsure = after("uncertain", 0.5)
    assert (unsure.strength, unsure.points_to) == ("none", "neither")
    assert unsure.finding.startswith("Partly stable")
    broken = after("real", 0.1)
    assert (broken.strength, broken.points_to) == ("none", "neither")
    assert "Not stable" in broken.finding


# what the file says


@pytest.mark.parametrize(
    ("name", "strength", "points_to", "words"),
    [
        ("web UI, PNG", "strong", "fake", "record with its prompt: Stable Diffusion web UI"),
        ("ComfyUI", "strong", "fake", "record with its prompt: ComfyUI"),
        ("FLUX", "moderate", "fake", "EXIF Make names FLUX"),
        ("source type, JPEG", "moderate", "fake", "DigitalSourceType says: made by generative AI"),
        ("composite", "weak", "fake", "changed by generative AI"),
        ("FaceApp", "weak", "fake", "FaceApp, which alters faces"),
        ("Photoshop", "weak", "neither", "Photoshop, an editor"),
        ("camera", "weak", "real", "Canon EOS R5, and the file names no editor"),
        ("capture", "weak", "real", "taken by a camera"),
    ],
)
def test_marks_are_graded_by_how_they_are_made(
    name: str, strength: Strength, points_to: Direction, words: str
) -> None:
    file = marked_files()[name]
    found = marks_line(read_marks(file.content, file.format))
    assert (found.strength, found.points_to) == (strength, points_to)
    assert words in found.finding


def test_contradictory_marks_cancel_each_other() -> None:
    camera = exif({271: "Canon", 272: "EOS R5"})
    found = marks_line(read_marks(saved("JPEG", exif=camera, xmp=source(AI).encode()), "JPEG"))
    assert (found.strength, found.points_to) == ("weak", "neither")
    assert "at least one of the two is wrong" in found.finding
    assert "Canon EOS R5" in found.finding


def test_a_camera_and_an_editor_do_not() -> None:
    held = exif({271: "Canon", 272: "EOS R5", 305: "Adobe Photoshop 25"})
    found = marks_line(read_marks(saved("JPEG", exif=held), "JPEG"))
    assert (found.strength, found.points_to) == ("weak", "neither")
    assert "a camera (Canon EOS R5) and an editor (Photoshop)" in found.finding


def test_what_was_ignored_is_said() -> None:
    assert "ignored" in marks_line(Marks((), ("Its XMP is damaged and was ignored.",))).finding
    unknown = marks_line(Marks((Mark(None, "paint 9", "EXIF Software", "paint 9"),)))
    assert (unknown.strength, unknown.points_to) == ("none", "neither")


@pytest.mark.parametrize(
    ("integrity", "sources", "strength", "points_to"),
    [
        ("trusted", ("trainedAlgorithmicMedia",), "strong", "fake"),
        ("unknown_signer", ("trainedAlgorithmicMedia",), "moderate", "fake"),
        ("unknown_signer", ("compositeWithTrainedAlgorithmicMedia", "digitalCapture"), "weak", "fake"),
        ("trusted", ("digitalCapture",), "moderate", "real"),
        ("unknown_signer", ("digitalCapture",), "weak", "real"),
        ("trusted", ("humanEdits",), "weak", "neither"),
        ("trusted", (), "weak", "neither"),
        ("broken", ("trainedAlgorithmicMedia",), "none", "neither"),
    ],
)
def test_records_are_graded_by_signature_and_source(
    integrity: Any, sources: tuple[str, ...], strength: Strength, points_to: Direction
) -> None:
    rows = (("Signature", "broken: the image was changed after signing"),)
    found = credentials_line(Credentials("found", rows, "", integrity, sources, "A <b>[x](http://y.z)</b>"))
    assert (found.strength, found.points_to) == (strength, points_to)
    assert not set(found.finding) & set("<>[]()")
    assert ("changed after signing" in found.finding) == (integrity == "broken")


@pytest.mark.parametrize("state", ["none", "elsewhere", "unreadable", "no_reader"])
def test_no_record_says_nothing(state: Any) -> None:
    found = credentials_line(Credentials(state, (), ""))
    assert (found.strength, found.points_to) == ("none", "neither")
    assert found.finding.endswith(".")


def test_a_preview_of_another_image_is_a_weak_sign() -> None:
    low = Compression((), 30, True, False, "")
    found = forensics_line(Thumbnail(None, 0.1, False, ""), low)
    assert (found.strength, found.points_to) == ("weak", "fake")
    assert "quality of 30" in found.finding
    assert forensics_line(Thumbnail(None, 0.99, True, ""), replace(low, quality=90)).strength == "none"


# through the doors


def test_marks_never_change_a_score(use_tiny_models: Path, tmp_path: Path) -> None:
    detector = get_detector("tiny")
    scores = set()
    for content in (png(), png({"parameters": WEB_UI}), png({"Description": JOB}, xmp=source(AI))):
        found = detector.check(load_image(content)).to_dict()
        scores.add(json.dumps({key: found[key] for key in ("p_fake", "raw_p_fake", "verdict", "faces")}))
    assert len(scores) == 1


def test_predict_json_has_the_table(
    use_tiny_models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png({"parameters": WEB_UI}))
    main(["predict", "--json", str(path)])
    told = json.loads(capsys.readouterr().out)["evidence"]
    assert [each["name"] for each in told] == [*NAMES[:4], "Look-alikes"]
    assert set(told[0]) == {"name", "finding", "strength", "points_to", "ignore"}
    assert told[1]["strength"] == "strong"
    main(["predict", "--json", "--stress", str(path)])
    assert json.loads(capsys.readouterr().out)["evidence"][-1]["name"] == "Stress test"
    main(["predict", str(path)])
    assert "Stable Diffusion" not in capsys.readouterr().out


def test_a_file_that_was_changed_since_is_not_read(use_tiny_models: Path, tmp_path: Path) -> None:
    from deepfake.detection.batch import judge_source
    from deepfake.images.archives import Source

    path = tmp_path / "a.png"
    path.write_bytes(png())
    detector: Detector = get_detector("tiny")
    outcome = judge_source(detector, Source("a.png", path))
    path.write_bytes(png({"parameters": WEB_UI}))
    names = [each.name for each in with_evidence(outcome, Source("a.png", path), detector.card).evidence]
    assert names[0] == "Detector's score"
    path.unlink()
    assert with_evidence(outcome, Source("a.png", path), detector.card).evidence
    refused = judge_source(detector, Source("b", b"no picture"))
    assert with_evidence(refused, Source("b", b"no picture"), detector.card) == refused
    assert "evidence" not in refused.to_dict()


def test_lines_are_plain_records() -> None:
    claims = read_claims(png({"parameters": WEB_UI}), "PNG")
    assert json.loads(json.dumps(asdict(marks_line(claims.marks))))["name"] == "Marks in the file"
