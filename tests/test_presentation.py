"""A verdict in words and tables."""

from __future__ import annotations

import csv
import doctest
import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from deepfake import presentation
from deepfake.errors import UserError
from deepfake.presentation import Outcome, context_sentence, outcomes_csv, outcomes_json, scope_line
from deepfake.registry import OPERATING_POINTS
from deepfake.verdict import FaceVerdict, Verdict, WholeVerdict

FACE = FaceVerdict((1, 2, 3, 4), (0, 0, 5, 5), 0.9, "fake", 0.99)
VERDICT = Verdict(
    p_fake=0.9,
    verdict="fake",
    faces=(FACE,),
    warnings=("First of 3 frames used.", "Small."),
    model="tiny",
    sha256="ab" * 32,
    width=10,
    height=20,
    scope="faces",
    operating_point="balanced",
)


def score_table(n: int = 400) -> pd.DataFrame:
    """Half fake; every image at or above 0.5 is, none below."""
    p = np.linspace(0, 1, n)
    names = [f"image-{i}" for i in range(n)]
    return pd.DataFrame(
        {"image_id": names, "split": "Validation", "source": "drawn", "label": p >= 0.5, "p_fake": p}
    ).astype({"label": int})


def test_examples():
    results = doctest.testmod(presentation)
    assert results.attempted > 0
    assert results.failed == 0


def test_percent_never_claims_certainty():
    for share in (1e-9, 0.004, 0.9951, 1 - 1e-9):
        assert presentation.percent(share) not in ("0 %", "100 %")


def test_context_counts_the_nearest_images():
    sentence = context_sentence(score_table(), VERDICT)
    assert sentence.startswith(
        "Of 80 images kept out of training that scored like this, 80 were fake (95 % interval: 95 to 100 %)."
    )
    assert "Of all 400 such images 50 % were fake" in sentence
    assert "80 images kept out of training that scored like this, 0 were" in context_sentence(
        score_table(), replace(VERDICT, p_fake=0.1)
    )


def test_context_is_silent_without_a_table_and_does_not_apply_without_a_face():
    assert context_sentence(None, VERDICT) == ""
    no_face = replace(VERDICT, scope="no_face", faces=())
    assert "all of them showed a face" in context_sentence(score_table(), no_face)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "1 face found"),
        ({"faces": (FACE, FACE)}, "2 faces found"),
        ({"scope": "face_crop"}, "close-up"),
        ({"scope": "no_face", "faces": ()}, "No face found"),
    ],
)
def test_scope_line(changes, words):
    assert words in scope_line(replace(VERDICT, **changes))


@pytest.mark.parametrize(("counts", "ending"), [(False, "nothing against it."), (True, "outside the faces.")])
def test_scope_line_tells_of_the_whole_picture(counts, ending):
    line = presentation.scope_line(replace(VERDICT, whole=WholeVerdict(0.97, counts, "fake")))
    assert line.startswith("1 face found and judged. The whole picture was judged as well")
    assert "probability of fake 97 %" in line
    assert line.endswith(ending)


def test_json_holds_every_field_and_refusals():
    refused = Outcome("é.png", error=UserError("bad", "Broken."))
    rows = json.loads(outcomes_json([Outcome("a.png", VERDICT), refused]))
    assert rows[0] == {"file": "a.png", **json.loads(json.dumps(VERDICT.to_dict()))}
    error = {"code": "bad", "message": "Broken."}
    assert rows[1] == {"file": "é.png", "error": error, "refusal": "Broken."}


def test_csv_reads_back_and_holds_no_formula():
    names = ['a, "b"\n.png', "=HYPERLINK(1).png", "+1.png", "-1.png", "@x.png"]
    text = outcomes_csv(
        [Outcome(name, VERDICT) for name in names] + [Outcome("b.png", error=UserError("bad", "-Broken."))]
    )
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"] for row in rows] == [names[0], *(f"'{name}" for name in names[1:]), "b.png"]
    assert rows[0]["p_fake"] == "0.9000"
    assert rows[0]["faces"] == "1"
    assert rows[0]["warnings"] == "First of 3 frames used. Small."
    assert rows[0]["refusal"] == ""
    assert rows[-1]["verdict"] == rows[-1]["faces"] == rows[-1]["p_fake"] == ""
    assert rows[-1]["refusal"] == rows[-1]["error_message"] == "'-Broken."
    assert [row["error_code"] for row in rows] == ["", "", "", "", "", "bad"]
    assert {row["whole_p_fake"] for row in rows} == {""}


@pytest.mark.parametrize("counts", [True, False])
def test_csv_holds_the_whole_images_score_that_decided(counts):
    verdict = replace(VERDICT, p_fake=0.97, whole=WholeVerdict(0.97, counts, "fake"))
    (row,) = csv.DictReader(io.StringIO(outcomes_csv([Outcome("a.png", verdict)])))
    assert (row["whole_p_fake"], row["whole_counts"]) == ("0.9700", str(counts).lower())


def test_every_operating_point_is_explained():
    assert set(presentation.POINT_WORDS) == set(presentation.POINT_MEANINGS) == set(OPERATING_POINTS)
