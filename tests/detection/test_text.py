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

from deepfake.detection import text as presentation
from deepfake.detection.outcome import Outcome, by_suspicion, outcomes_csv, outcomes_json
from deepfake.detection.rules import OverlayRule, Rules, WholeRule
from deepfake.detection.text import lead_line, remark_lines, scope_line, spoken_line
from deepfake.detection.verdict import FaceVerdict, Verdict, WholeVerdict
from deepfake.errors import UserError
from deepfake.images.load import ImageFacts
from deepfake.report.context import context_remark, context_sentence
from deepfake.types import OPERATING_POINTS, Thresholds
from deepfake.util import text as util_text

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
        assert util_text.format_percent(share) not in ("0%", "100%")


def test_context_counts_the_nearest_images():
    sentence = context_sentence(score_table(), VERDICT)
    assert sentence == "Of 80 validation images with a similar score, all were fake."
    real = replace(VERDICT, p_fake=0.1)
    assert (
        context_sentence(score_table(), real)
        == "Of 80 validation images with a similar score, none were fake."
    )
    remark = context_remark(score_table(), VERDICT)
    assert "with a similar score: 100% (95% interval 95 to 100%)." in remark
    assert "Of all 400 validation images 50% are fake" in remark
    assert context_remark(None, VERDICT) == ""
    assert context_remark(score_table(), replace(VERDICT, p_fake=None)) == ""


def test_one_sentence_leads_and_the_others_follow_once():
    meaning = "Of 80 validation images with a similar score, all were fake."
    assert lead_line(VERDICT, meaning) == meaning
    assert remark_lines(VERDICT, meaning) == [scope_line(VERDICT), *VERDICT.warnings]
    assert lead_line(VERDICT) == scope_line(VERDICT)
    assert scope_line(VERDICT) not in remark_lines(VERDICT, lead_line(VERDICT))
    nothing = replace(VERDICT, p_fake=None, faces=(), scope="no_face", raw_p_fake=0.4, warnings=("No face.",))
    assert lead_line(nothing, meaning) == "No face."
    assert remark_lines(nothing, "No face.") == [presentation.raw_line(nothing)]
    several = replace(VERDICT, faces=(FACE, replace(FACE, p_fake=0.1, verdict="real")))
    assert lead_line(several) == "1 of 2 faces looks fake."


def test_below_an_image_it_stands_that_one_of_several_was_used():
    facts = ImageFacts("GIF", 64, 48, 2048, "", "P", 8, 1, 1, False, False)
    assert presentation.facts_line(facts) == "64 x 48 pixels, GIF, 2 kB"
    assert presentation.facts_line(replace(facts, frames=4)).endswith("2 kB, 1 of 4 images in it used")


def test_a_screen_reader_hears_one_verdict_or_counts():
    real = replace(VERDICT, verdict="real", p_fake=0.02)
    assert spoken_line([VERDICT]) == "Likely fake. Probability of fake: 90%"
    assert spoken_line([real, None, VERDICT, real]) == "1 fake, 2 real, 1 not checked"
    faceless = replace(VERDICT, p_fake=None, faces=(), scope="no_face", verdict="uncertain")
    assert spoken_line([faceless, VERDICT]) == "1 fake, 1 without a face"
    assert spoken_line([None]) == "Not checked"


def test_the_most_suspicious_come_first():
    def row(name: str, **changes) -> Outcome:
        return Outcome(name, replace(VERDICT, **changes))

    rows = [
        Outcome("broken", error=UserError("damaged", "It is damaged.")),
        row("real", verdict="real", p_fake=0.1),
        row("nothing", verdict="uncertain", p_fake=None),
        row("unsure", verdict="uncertain", p_fake=0.95),
        row("fake", verdict="fake", p_fake=0.9),
        row("faker", verdict="fake", p_fake=0.99),
    ]
    order = ["faker", "fake", "unsure", "nothing", "real", "broken"]
    assert [each.file for each in by_suspicion(rows)] == order


def test_context_is_silent_where_it_would_mislead():
    assert context_sentence(None, VERDICT) == ""
    no_face = replace(VERDICT, scope="no_face", faces=(), p_fake=None, raw_p_fake=0.9)
    assert context_sentence(score_table(), no_face) == ""
    assert context_sentence(score_table(), replace(VERDICT, faces=(FACE, FACE))) == "", "the highest of two"
    whole = replace(VERDICT, p_fake=0.97, whole=WholeVerdict(0.97, True, "fake"))
    assert context_sentence(score_table(), whole) == ""
    rules = Rules(whole=WholeRule(2, 0.3, 0.9, 300, 2, 80, 60))
    assert context_sentence(score_table(), whole, rules) == (
        "Among validation images, it called 2 of 300 photos of scenes fake by the whole image "
        "and 60 of 80 generated images."
    )


@pytest.mark.parametrize(
    ("fakes", "expected", "words"),
    [
        (6, 2.1, "6 of 49 faces look fake; among 49 real ones about 2 would by chance."),
        (1, 0.4, "1 of 49 faces looks fake; among 49 real ones fewer than 1 would by chance."),
        (0, 2.1, "None of them looks fake."),
        (6, None, "6 of 49 faces look fake."),
    ],
)
def test_many_faces_in_words(fakes, expected, words):
    faces = (*[FACE] * fakes, *[replace(FACE, p_fake=0.1, verdict="real")] * (49 - fakes))
    verdict = replace(VERDICT, faces=faces, expected_fake=expected)
    assert presentation.scope_line(verdict) == f"49 faces found and checked. {words}"


@pytest.mark.parametrize(
    ("faces", "words"),
    [
        (
            [replace(FACE, p_fake=0.3, verdict="uncertain")],
            "3 faces found and checked. None of them looks fake, but 1 is uncertain, and so is the image.",
        ),
        (
            [replace(FACE, verdict="uncertain", reason="not_a_photograph")],
            "2 of 3 faces decide. None of them looks fake, but not all could be checked, so the image is "
            "uncertain.",
        ),
        (
            [replace(FACE, verdict="uncertain", reason="too_small")],
            "2 of 3 faces decide. None of them looks fake.",
        ),
    ],
)
def test_it_is_said_what_makes_faces_that_do_not_look_fake_uncertain(faces, words):
    real = replace(FACE, p_fake=0.1, verdict="real")
    call = "real" if faces[0].reason == "too_small" else "uncertain"
    assert scope_line(replace(VERDICT, verdict=call, faces=(real, real, *faces))) == words


def test_what_an_overlay_can_bring_about_is_said_under_a_verdict_of_fake():
    rules = Rules(overlay=OverlayRule(100, 3, 9))
    assert "with one, 9 of 100 real validation faces" in presentation.overlay_line(VERDICT, rules)
    assert presentation.overlay_line(VERDICT, Rules()) == ""
    none = Rules(overlay=OverlayRule(100, 3, 3))
    assert presentation.overlay_line(VERDICT, none) == "", "it was not seen to do anything"
    assert presentation.overlay_line(replace(VERDICT, verdict="real"), rules) == ""


def test_rows_say_why_a_score_does_not_decide():
    faces = (
        replace(FACE, verdict="uncertain", reason="too_small"),
        replace(FACE, verdict="uncertain", p_fake=0.8, fake_from=0.93),
        replace(FACE, verdict="uncertain", p_fake=0.4, fake_from=0.93),
        FACE,
    )
    rows = presentation.part_rows(replace(VERDICT, faces=faces), Thresholds(0.5, 0.9, 0.2, 0.7))
    assert [row.words for row in rows] == [
        "Uncertain: too small to analyze",
        "Uncertain: a face this small is called fake only from 93%",
        "Uncertain",
        "Likely fake",
    ]
    assert [row.p_fake for row in rows] == [None, 0.8, 0.4, 0.9]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "1 face found"),
        ({"faces": (FACE, FACE)}, "2 faces found"),
        ({"scope": "face_crop"}, "close-up of one face; it was checked as it is"),
        ({"scope": "face_crop", "photo": (0, 0, 10, 20)}, "it was checked as it is"),
        ({"scope": "face_crop", "photo": (1, 1, 9, 19)}, "it was checked without its plain margin"),
        ({"scope": "no_face", "faces": ()}, "No face found"),
    ],
)
def test_scope_line(changes, words):
    assert words in scope_line(replace(VERDICT, **changes))


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (False, "The whole image was checked as well: no sign of AI generation."),
        (True, "The verdict rests on the whole image (the marked square), 97% fake: "),
    ],
)
def test_scope_line_tells_of_the_whole_picture(counts, words):
    verdict = replace(VERDICT, p_fake=0.97 if counts else 0.9, whole=WholeVerdict(0.97, counts, "fake"))
    assert presentation.scope_line(verdict).startswith(f"1 face found and checked. {words}")


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
    nothing = replace(VERDICT, scope="no_face", faces=(), p_fake=None, raw_p_fake=0.66, verdict="uncertain")
    (row,) = csv.DictReader(io.StringIO(outcomes_csv([Outcome("a", nothing)])))
    assert (row["p_fake"], row["raw_p_fake"], row["basis"]) == ("", "0.6600", "nothing")
    assert json.loads(outcomes_json([Outcome("a", nothing)]))[0]["p_fake"] is None


@pytest.mark.parametrize("counts", [True, False])
def test_csv_holds_the_whole_images_score_that_decided(counts):
    verdict = replace(VERDICT, p_fake=0.97, whole=WholeVerdict(0.97, counts, "fake"))
    (row,) = csv.DictReader(io.StringIO(outcomes_csv([Outcome("a.png", verdict)])))
    assert (row["whole_p_fake"], row["whole_counts"]) == ("0.9700", str(counts).lower())


def test_every_operating_point_is_explained():
    assert set(presentation.POINT_WORDS) == set(presentation.POINT_MEANINGS) == set(OPERATING_POINTS)
