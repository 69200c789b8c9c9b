"""A verdict under what happens to pictures on their way."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from deepfake.detection.outcome import Outcome, outcomes_csv
from deepfake.detection.stress import (
    CHANGES,
    REFRAMING,
    Change,
    StressPoint,
    StressTest,
    changed,
    stress_test,
)
from deepfake.detection.text import changed_lines, stress_line
from deepfake.detection.verdict import FaceVerdict, Scope, Verdict
from deepfake.errors import UserError
from deepfake.types import Pixels, Thresholds, VerdictLabel
from tests.support.images import noise_image

THRESHOLDS = Thresholds(0.5, 0.9, 0.4, 0.6)


def detailed() -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (120, 100, 3), dtype=np.uint8)


def by_detail(crops: Sequence[Pixels]) -> np.ndarray:
    """High where neighbouring pixels differ much."""
    return np.array([np.abs(np.diff(crop.astype(float), axis=1)).mean() / 100 for crop in crops]).clip(0, 1)


def test_every_change_changes_and_is_the_same_again() -> None:
    crop = detailed()
    before = crop.copy()
    for change in CHANGES:
        result = changed(crop, change)
        assert result.dtype == np.uint8
        assert result.shape == crop.shape or change.kind in ("Crop", "Shift")
        assert not np.array_equal(result, crop)
        assert np.array_equal(result, changed(crop, change))
    assert np.array_equal(crop, before)


@pytest.mark.parametrize("kind", ["JPEG", "Resize", "Blur", "Noise"])
def test_stronger_changes_change_more(kind: str) -> None:
    crop = noise_image(2, 200, 200) // 2 + detailed().repeat(2, axis=0)[:200, :].repeat(2, axis=1) // 2
    apart = [
        np.abs(changed(crop, change).astype(int) - crop).mean() for change in CHANGES if change.kind == kind
    ]
    assert 0 < apart[0] < apart[-1]
    assert any(change.mild for change in CHANGES if change.kind == kind)


def test_crop_keeps_the_middle() -> None:
    crop = detailed()
    middle = changed(crop, Change("Crop", 0.75, "", False))
    assert middle.shape == (90, 76, 3)
    assert np.array_equal(middle, crop[15:105, 12:88])


def test_what_hangs_on_detail_flips_under_blur() -> None:
    result = stress_test(by_detail, detailed(), THRESHOLDS)
    assert result.call == "fake"
    assert not result.stable
    assert {point.change.kind for point in result.flips} >= {"Blur", "Resize"}
    assert "Mirror" not in {point.change.kind for point in result.flips}
    assert result.sentence().startswith("Not stable: the verdict flips at ")
    assert [point.change for point in result.points] == list(CHANGES)
    (mirrored,) = (point for point in result.points if point.change.kind == "Mirror")
    assert mirrored.p_fake == pytest.approx(result.p_fake, abs=0.01)


def test_text_over_a_face_that_looks_fake_only_then_leaves_the_verdict_real() -> None:
    def scores(kind: str) -> np.ndarray:
        return np.array([0.1, *(0.9 if change.kind == kind else 0.1 for change in CHANGES)])

    text = stress_test(lambda _: scores("Text"), detailed(), THRESHOLDS)
    assert text.stable
    kept = f"{len(CHANGES) - 2} of {len(CHANGES)} changes keep the verdict"
    strong = "only strong changes reverse it: text 25% opaque, text 50% opaque."
    assert text.sentence() == f"Stable under mild changes: {kept}; {strong}"
    for kind in ("Shift", "Turn"):
        assert not stress_test(lambda _, kind=kind: scores(kind), detailed(), THRESHOLDS).stable


def test_a_margin_and_a_quarter_turn_of_the_picture_are_mild() -> None:
    crop = detailed()
    again = [(change, crop[10:]) for change in REFRAMING]
    seen: list[Pixels] = []

    def scores(crops: Sequence[Pixels]) -> np.ndarray:
        seen.extend(crops)
        return np.array([0.9] * (len(crops) - 2) + [0.1, 0.9])

    result = stress_test(scores, crop, THRESHOLDS, again)
    assert [point.change for point in result.points] == [*CHANGES, *REFRAMING]
    assert np.array_equal(seen[-1], crop[10:])
    assert not result.stable
    assert result.sentence() == "Not stable: the verdict flips at margin white, 20%."


def test_verdicts_that_become_uncertain_are_counted() -> None:
    def scores(kinds: Sequence[str]) -> np.ndarray:
        return np.array([0.9, *(0.5 if change.kind in kinds else 0.9 for change in CHANGES)])

    one = stress_test(lambda _: scores(["Mirror"]), detailed(), THRESHOLDS)
    assert (one.stable, one.kept_by_mild) == (True, False)
    kept = len(CHANGES) - 1
    assert one.sentence() == (
        f"Partly stable: {kept} of {len(CHANGES)} changes keep the verdict, 1 makes it uncertain; "
        "none reverses it."
    )
    strong = stress_test(lambda _: scores(["Text"]), detailed(), THRESHOLDS)
    assert strong.kept_by_mild
    assert strong.sentence().startswith("Stable under mild changes: ")
    assert "2 make it uncertain; none reverses it." in strong.sentence()


@pytest.mark.parametrize(("score", "call"), [(0.95, "fake"), (0.05, "real"), (0.5, "uncertain")])
def test_a_constant_score_is_stable(score: float, call: VerdictLabel) -> None:
    result = stress_test(lambda crops: np.full(len(crops), score), detailed(), THRESHOLDS)
    assert (result.call, result.stable, result.flips) == (call, True, ())
    assert ("Stable" in result.sentence()) == (call != "uncertain")


def test_uncertain_is_no_flip_and_strong_changes_leave_it_stable() -> None:
    def scores(*, strong: float, mild: float) -> np.ndarray:
        return np.array([0.95, *(mild if change.mild else strong for change in CHANGES)])

    drifting = stress_test(lambda _: scores(strong=0.5, mild=0.9), detailed(), THRESHOLDS)
    assert drifting.stable
    assert not drifting.flips
    strong = stress_test(lambda _: scores(strong=0.1, mild=0.9), detailed(), THRESHOLDS)
    assert strong.stable
    assert len(strong.flips) == sum(not change.mild for change in CHANGES)
    assert (
        "only strong changes reverse it: JPEG quality 50, JPEG quality 30, resize to 50% and back and "
        in strong.sentence()
    )


def verdict_of(*scores: float, scope: Scope = "faces") -> Verdict:
    """Faces with these scores, called at ``THRESHOLDS``."""
    faces = tuple(FaceVerdict((0, 0, 9, 9), (0, 0, 9, 9), score, "uncertain", 0.9) for score in scores)
    verdict = Verdict(
        max(scores), "uncertain", faces if scope != "no_face" else (), (), "tiny", "", 9, 9, scope, "balanced"
    )
    return verdict.at("balanced", THRESHOLDS)


def scored(score: float, mild: float) -> StressTest:
    """The stress test of a face that scores ``score`` as it is and ``mild`` after every mild change."""
    scores = np.array([score, *(mild if change.mild else score for change in CHANGES)])
    return stress_test(lambda _: scores, detailed(), THRESHOLDS)


@pytest.mark.parametrize(
    ("scores", "mild", "calls", "call"),
    [
        ([0.9], [0.1], ["uncertain"], "uncertain"),
        ([0.9], [0.5], ["fake"], "fake"),
        ([0.1], [0.9], ["uncertain"], "uncertain"),
        ([0.9, 0.7], [0.1, 0.7], ["uncertain", "fake"], "fake"),
        ([0.9, 0.1], [0.1, 0.1], ["uncertain", "real"], "uncertain"),
        ([0.1, 0.2], [0.1, 0.2], ["real", "real"], "real"),
    ],
)
def test_a_verdict_that_flips_becomes_uncertain(
    scores: list[float], mild: list[float], calls: list[VerdictLabel], call: VerdictLabel
) -> None:
    before = verdict_of(*scores)
    tests = tuple(scored(*pair) for pair in zip(scores, mild, strict=True))
    after = replace(before, stress=tests).at("balanced", THRESHOLDS)
    assert (after.verdict, [face.verdict for face in after.faces]) == (call, calls)
    assert after.p_fake == before.p_fake
    assert bool(stress_line(after)) == (calls != [face.verdict for face in before.faces])
    if stress_line(after):
        assert stress_line(after).startswith("Uncertain") == (call == "uncertain")
    assert after.at("balanced", THRESHOLDS) == after


def test_the_stress_test_follows_the_threshold() -> None:
    flipping = replace(verdict_of(0.8), stress=(scored(0.8, 0.1),)).at("balanced", THRESHOLDS)
    assert "The face would be called likely fake by its score alone. Not stable" in stress_line(flipping)
    careful = flipping.at("few_false_alarms", THRESHOLDS)
    assert (careful.verdict, stress_line(careful)) == ("uncertain", ""), "uncertain by its score alone"
    assert careful.stress[0].sentence().startswith("Already uncertain")
    assert careful.at("balanced", THRESHOLDS) == flipping


def test_without_a_face_nothing_is_called_stable() -> None:
    verdict = replace(verdict_of(0.9, scope="no_face"), stress=(scored(0.9, 0.1),)).at("balanced", THRESHOLDS)
    assert (verdict.verdict, stress_line(verdict)) == ("uncertain", "")
    assert verdict.stress[0].sentence().startswith("Already uncertain")


def test_in_json_and_csv() -> None:
    verdict = replace(verdict_of(0.9), stress=(scored(0.9, 0.1),)).at("balanced", THRESHOLDS)
    fields = json.loads(json.dumps(verdict.to_dict()))
    (test,) = fields["stress"]
    assert (fields["verdict"], test["verdict"], test["stable"]) == ("uncertain", "fake", False)
    assert [change["kind"] for change in test["changes"]] == [change.kind for change in CHANGES]
    assert verdict_of(0.9).to_dict()["stress"] is None
    refused = Outcome("c", error=UserError("bad", "no"))
    rows = outcomes_csv([Outcome("a", verdict), Outcome("b", verdict_of(0.9)), refused])
    assert [row["stress"] for row in csv.DictReader(rows.splitlines())] == ["not stable", "", ""]


def changes_to(**calls: VerdictLabel) -> StressTest:
    """A test of something likely real, with these verdicts after the changes named ``KIND_AMOUNT``."""
    points = tuple(
        StressPoint(
            change, 0.5, calls.get(f"{change.kind.lower()}_{abs(change.amount):g}".replace(".", ""), "real")
        )
        for change in CHANGES
    )
    return StressTest(0.1, "real", points)


def test_the_mildest_change_is_a_mild_one_before_a_strong_one() -> None:
    strong = changes_to(jpeg_50="fake", blur_1="fake", blur_2="fake")
    found = strong.mildest("fake")
    assert found is not None
    assert (found.change.kind, found.change.amount) == ("Blur", 1.0), (
        "the second of its kind, JPEG 50 the fourth"
    )
    mild = changes_to(jpeg_95="fake", blur_05="fake", jpeg_30="fake")
    found = mild.mildest("fake")
    assert found is not None
    assert (found.change.kind, found.change.amount) == ("JPEG", 95)
    assert mild.mildest("uncertain") is None


def test_what_would_change_a_verdict_is_said() -> None:
    assert changed_lines(changes_to()) == [
        f"None of the {len(CHANGES)} tested changes makes it likely fake or leaves it uncertain."
    ]
    lines = changed_lines(changes_to(jpeg_70="uncertain", noise_5="fake"))
    assert lines == [
        "The mildest tested change that makes it likely fake is a strong one: noise 5 of 255 (then 50%).",
        "The mildest tested change that leaves it uncertain is a mild one: JPEG quality 70 (then 50%).",
    ]
