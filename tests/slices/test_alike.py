"""What was said of held-out images like this one: counted by hand, intervals by Wilson's formula."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from deepfake.detection.rules import Rules, SizeRow
from deepfake.slices.alike import MIN_ALIKE, images_alike, small_face
from deepfake.slices.facts import SquareFacts
from deepfake.slices.text import alike_sentence, alike_table, own_error_sentence, size_sentence
from deepfake.types import Thresholds
from tests.support.records.slices import drawn_table

TABLE = drawn_table(3000)
CUTS = Thresholds(0.5, 0.9, 0.3, 0.7)
FACTS = SquareFacts(face=153.6, side=256, quality=75, sharpness=500, brightness=100)


def wilson(k: int, n: int) -> tuple[float, float]:
    """Written out anew from Wilson (1927)."""
    z, p = 1.959963984540054, k / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def test_images_alike_in_a_fact_are_counted() -> None:
    found = {each.title: each for each in images_alike(TABLE, FACTS, CUTS)}
    mine = TABLE[(TABLE["sharpness"] >= 300) & (TABLE["sharpness"] < 1000)]
    fake = mine["label"] == 1
    right = int(((mine["p_fake"] >= 0.7) & fake).sum() + ((mine["p_fake"] < 0.3) & ~fake).sum())
    wrong = int(((mine["p_fake"] >= 0.7) & ~fake).sum() + ((mine["p_fake"] < 0.3) & fake).sum())
    each = found["Sharpness"]
    assert (each.n, each.right.k, each.wrong.k) == (len(mine), right, wrong)
    assert each.right.interval == pytest.approx(wilson(right, len(mine)))
    assert (each.real_called_fake.n, each.fakes_called_real.n) == (int((~fake).sum()), int(fake.sum()))
    assert each.real_called_fake.k + each.fakes_called_real.k == wrong


def test_all_facts_together_leave_out_what_only_names_a_set() -> None:
    """JPEG quality is the same within each of the two sets: asked for, it would ask for one set."""
    found = images_alike(TABLE, FACTS, CUTS)
    assert [each.kind for each in found] == ["fact"] * 4 + ["everything", "all"]
    both = TABLE[
        TABLE["framing"].between(0.5, 0.65, inclusive="left")
        & TABLE["sharpness"].between(300, 1000, inclusive="left")
        & TABLE["brightness"].between(90, 120, inclusive="left")
    ]
    assert found[4].n == len(both) >= MIN_ALIKE
    assert found[4].title == "Face in the frame, sharpness, brightness"
    assert set(both["source"]) == {"one", "two"}
    assert found[5].n == len(TABLE)
    varied = TABLE.assign(quality=np.where(np.arange(len(TABLE)) % 10 == 1, 60.0, 75.0))
    assert "JPEG quality" in images_alike(varied, FACTS, CUTS)[4].title


def test_a_stricter_point_calls_fewer_fake() -> None:
    whole, strict = (
        images_alike(TABLE, FACTS, CUTS, point)[-1] for point in ("balanced", "few_false_alarms")
    )
    assert strict.real_called_fake.k < whole.real_called_fake.k
    assert strict.right.k < whole.right.k


def test_an_image_like_none_says_so() -> None:
    odd = replace(FACTS, face=20, sharpness=5000, brightness=250)
    found = images_alike(TABLE, odd, CUTS)
    assert "everything" not in [each.kind for each in found]
    said = alike_sentence(found)
    assert f"Fewer than {MIN_ALIKE}" in said
    assert "images with face in the frame below 35%" in said, "small faces are called by chance"
    none, larger = replace(odd, quality=30), TABLE[(TABLE["framing"] >= 0.35) & (TABLE["brightness"] < 180)]
    assert "in any of these facts" in alike_sentence(images_alike(larger, none, CUTS))


def test_a_file_without_a_quality_is_like_those_without_one() -> None:
    found = images_alike(TABLE.assign(quality=np.nan), replace(FACTS, quality=math.nan), CUTS)
    quality = next(each for each in found if each.title == "JPEG quality")
    assert (quality.words, quality.n) == ("not a JPEG", len(TABLE))


def test_the_sentence_says_n_share_and_interval() -> None:
    found = images_alike(TABLE, FACTS, CUTS)
    closest, whole = found[-2], found[-1]
    low, high = wilson(closest.right.k, closest.n)
    said = alike_sentence(found)
    assert f"Of {closest.n:,} held-out images like this one" in said
    assert f"{100 * closest.right.k / closest.n:.0f}% were called correctly" in said
    assert f"({100 * low:.0f} to {100 * high:.0f}%)" in said
    assert f"Of all {whole.n:,}: {100 * whole.right.k / whole.n:.0f}%" in said
    assert len(alike_table(found)) == len(found)


def test_the_error_of_this_verdict_is_named() -> None:
    found = images_alike(TABLE, FACTS, CUTS)
    closest = found[-2]
    assert f"{closest.real_called_fake.n:,} real ones among them" in own_error_sentence(found, "fake")
    assert f"{closest.fakes_called_real.n:,} fakes among them" in own_error_sentence(found, "real")
    assert own_error_sentence(found, "uncertain") == ""


ROWS = tuple(
    SizeRow(size, 40, 40, decided, accuracy, 0.5, 0.1)
    for size, decided, accuracy in ((32, 0.5, 0.8), (64, 0.7, 0.9), (128, 0.8, 0.95))
)


def test_a_small_face_is_beside_those_shrunk_as_far() -> None:
    small = small_face(Rules(by_face_size=ROWS), SquareFacts(60, 110, 90, 100, 100), 192)
    assert small is not None
    assert (small.words, small.n, small.right.k, small.wrong.k) == ("64 pixels", 80, 50, 6)
    assert small.right.interval == pytest.approx(wilson(50, 80))
    assert (small.real_called_fake.k, small.real_called_fake.n) == (4, 40)
    said = size_sentence(small, SquareFacts(60, 110, 90, 100, 100), 192)
    assert said.startswith("The face has 60 pixels. Of 80 images shrunk until it had 64 pixels, 62%")


def test_a_large_face_and_a_detector_without_rules_have_no_such_row() -> None:
    large, small = SquareFacts(200, 360, 90, 100, 100), SquareFacts(60, 110, 90, 100, 100)
    assert small_face(Rules(by_face_size=ROWS), large, 192) is None
    assert "enough for the detector" in size_sentence(None, large, 192)
    assert small_face(Rules(), small, 192) is None
    assert "was not measured" in size_sentence(None, small, 192)
    assert small_face(Rules(by_face_size=ROWS), replace(small, face=math.nan), 192) is None
