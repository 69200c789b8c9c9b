"""Faces drawn on pictures: right place, right colour, readable label, bounded size."""

from __future__ import annotations

import io
import tomllib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor

from deepfake import plotting
from deepfake.detection import figures
from deepfake.detection.embedding.neighbours import Neighbour
from deepfake.detection.figures import (
    band_table,
    bands,
    draw_faces,
    draw_heat,
    score_marks,
    sources_figure,
    sources_table,
    strip_alt,
    strip_figure,
    strip_place,
    strip_table,
)
from deepfake.detection.verdict import FaceVerdict, Verdict
from deepfake.images import encode
from deepfake.images.encode import jpeg_bytes, shrink
from deepfake.plotting import CALL_COLOURS, FAKE_COLOUR, REAL_COLOUR
from deepfake.types import Thresholds
from deepfake.util.files import ROOT


def canvas(height: int, width: int, grey: int = 90) -> np.ndarray:
    return np.full((height, width, 3), grey, np.uint8)


def has_colour(pixels: np.ndarray, colour: str) -> np.ndarray:
    return (pixels == np.array(ImageColor.getrgb(colour), np.uint8)).all(axis=2)


@pytest.mark.parametrize("call", ["fake", "real", "uncertain"])
def test_box_lies_around_the_face_in_the_colour_of_its_call(call):
    before = canvas(400, 600)
    drawn = draw_faces(before, [(100, 150, 200, 280)], [call])
    assert drawn.shape == before.shape
    assert (before == 90).all()  # the input is left alone
    mine = has_colour(drawn, CALL_COLOURS[call])
    for row, column in ((200, 99), (200, 200), (149, 150), (280, 150)):
        assert mine[row, column], (row, column)
    assert (drawn[155:275, 105:195] == 90).all()  # the face itself stays visible
    others = [colour for name, colour in CALL_COLOURS.items() if name != call]
    assert not any(has_colour(drawn, colour).any() for colour in others)


def test_label_tells_the_verdict_without_its_colour(monkeypatch):
    monkeypatch.setattr(figures, "CALL_COLOURS", dict.fromkeys(CALL_COLOURS, "#000000"))
    box = [(100, 150, 200, 280)]
    tags = [draw_faces(canvas(400, 600), box, [call])[:150] for call in ("fake", "real", "uncertain")]
    assert not any(np.array_equal(tags[a], tags[b]) for a, b in ((0, 1), (0, 2), (1, 2)))


def test_faces_are_numbered_in_order():
    two = draw_faces(canvas(400, 600), [(50, 150, 100, 200), (350, 150, 400, 200)], ["real", "real"])
    assert not np.array_equal(two[:150, 50:150], two[:150, 350:450])


@pytest.mark.parametrize("box", [(0, 0, 20, 20), (580, 380, 600, 400), (0, 0, 600, 400), (0, 390, 5, 400)])
def test_label_stays_inside_the_picture(box):
    drawn = draw_faces(canvas(400, 600), [box], ["fake"])
    white = (drawn == 255).all(axis=2)
    assert drawn.shape == (400, 600, 3)
    assert white.sum() > 50  # the label's letters are there
    assert has_colour(drawn, CALL_COLOURS["fake"]).sum() > 200


def test_a_narrow_picture_has_the_number_not_half_a_word():
    drawn = draw_faces(canvas(900, 90), [(10, 300, 80, 380)], ["fake"])
    tag = has_colour(drawn[:290], CALL_COLOURS["fake"])
    letters = (drawn[:290] == 255).all(axis=2)
    assert tag.any(axis=0).sum() < 60, "narrower than the image"
    assert 0 < letters.sum() < 300


def test_large_pictures_are_shrunk_and_boxes_with_them():
    drawn = draw_faces(canvas(3000, 6000), [(3000, 1500, 4500, 2700)], ["fake"], side=600)
    assert drawn.shape == (300, 600, 3)
    assert has_colour(drawn, CALL_COLOURS["fake"])[200, 299]


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1), (33, 32)])
def test_extreme_shapes(size):
    pixels = canvas(*size)
    assert max(shrink(pixels).shape) <= encode.PREVIEW_SIDE
    assert draw_faces(pixels, [(0, 0, 1, 1)], ["real"]).dtype == np.uint8


def test_nothing_is_enlarged():
    pixels = canvas(50, 40)
    assert shrink(pixels) is pixels


def test_counts_must_agree():
    with pytest.raises(ValueError, match="Received 1 boxes and 0 calls"):
        draw_faces(canvas(50, 50), [(0, 0, 9, 9)], [])


def test_jpeg_carries_no_metadata():
    image = Image.open(io.BytesIO(jpeg_bytes(canvas(40, 60))))
    assert image.format == "JPEG"
    assert image.size == (60, 40)
    assert not image.getexif()


def test_theme_has_the_same_colours():
    path = ROOT / ".streamlit" / "config.toml"
    theme = tomllib.loads(path.read_text(encoding="utf-8"))["theme"]
    for half in ("light", "dark"):
        assert theme[half]["orangeColor"] == plotting.FAKE_COLOUR
        assert theme[half]["blueColor"] == plotting.REAL_COLOUR
    assert theme["light"]["grayColor"] == plotting.UNCERTAIN_COLOUR


def test_heat_shows_sign_and_strength() -> None:
    grey = np.full((50, 50, 3), 128, np.uint8)
    heat = np.zeros((2, 2), np.float32)
    heat[0, 0], heat[1, 1] = 1, -1
    drawn = draw_heat(grey, heat, 1.0, side=80)
    assert drawn.shape == (80, 80, 3)
    fake, real = (np.array(ImageColor.getrgb(name)) for name in (FAKE_COLOUR, REAL_COLOUR))
    assert np.abs(drawn[2, 2] - fake).max() < 20
    assert np.abs(drawn[-3, -3] - real).max() < 20
    assert np.array_equal(draw_heat(grey, heat, 0.0, side=80), np.full((80, 80, 3), 128))
    half = np.abs(draw_heat(grey, heat, 0.5, side=80)[2, 2].astype(int) - 128).sum()
    assert 0 < half < np.abs(drawn[2, 2].astype(int) - 128).sum()


def test_heat_lies_on_grey() -> None:
    crop = np.full((50, 50, 3), (200, 30, 30), np.uint8)
    still = np.zeros((2, 2), np.float32)
    shown = draw_heat(crop, still, 0.6, side=80)
    assert np.ptp(shown.reshape(-1, 3), axis=1).max() == 0, "no colour of its own"
    assert (draw_heat(crop, still, 0.0, side=80) == (200, 30, 30)).all(), "without a map as it is"


THRESHOLDS = Thresholds(balanced=0.5, few_false_alarms=0.9, uncertain_low=0.2, uncertain_high=0.7)
FACE = FaceVerdict((1, 2, 3, 4), (0, 0, 5, 5), 0.8, "fake", 0.99)
SEEN = Verdict(0.8, "fake", (FACE,), (), "tiny", "ab" * 32, 10, 20, "faces", "balanced")


def known() -> pd.DataFrame:
    return pd.DataFrame({"label": [1, 1, 1, 1, 0, 0], "p_fake": [1.0, 0.8, 0.3, 0.0001, 0.0, 0.2]})


def test_a_strip_is_stretched_toward_its_ends():
    places = [strip_place(p_fake) for p_fake in (0.0, 0.001, 0.01, 0.1, 0.5, 0.9, 1.0)]
    assert places == sorted(places)
    assert (places[0], places[1], places[4], places[-1]) == (0.0, 0.0, 0.5, 1.0)
    assert places[2] - places[1] > 0.1, "a step from 0.1 to 1% is as wide as one from 1 to 10%"


def test_bands_meet_and_follow_the_operating_point():
    for point, fake_from in (("balanced", 0.7), ("few_false_alarms", 0.9)):
        real, unsure, fake = bands(THRESHOLDS, point)  # pyright: ignore[reportArgumentType]
        assert (real.low, real.high, unsure.high, fake.high) == (0.0, 0.2, fake_from, 1.0)
        assert (real.high, unsure.high) == (unsure.low, fake.low)


def test_every_validation_image_is_counted_once():
    table = strip_table(known())
    assert (table["Fake"].sum(), table["Real"].sum()) == (4, 2)
    assert table["From"].tolist()[1:] == table["To"].tolist()[:-1]
    assert (table["Fake"].iloc[0], table["Fake"].iloc[-1], table["Real"].iloc[0]) == (1, 1, 1)
    shares = band_table(known(), THRESHOLDS, "balanced")
    assert shares["Fake images"].tolist() == [0.25, 0.25, 0.5]
    assert shares["Real images"].tolist() == [0.5, 0.5, 0.0], "0.2 is not below the lower threshold"


def test_a_strip_shows_bands_images_and_the_score():
    drawn: Any = strip_figure(known(), SEEN, THRESHOLDS)
    fakes, real, *_ = drawn.data
    assert all(height >= 0 for height in fakes.y)
    assert all(height <= 0 for height in real.y)
    words = [note.text for note in drawn.layout.annotations]
    assert [word in words for word in ("Real", "Uncertain", "Fake", "<b>This image: 80%</b>")] == [True] * 4
    line = drawn.data[-1]
    assert list(line.x) == [strip_place(0.8)] * 2
    bare: Any = strip_figure(None, SEEN, THRESHOLDS)
    assert len(bare.data) == 2, "the mark alone"


def test_a_strip_marks_each_of_several_faces_that_decide():
    left_out = FaceVerdict((5, 2, 7, 4), (0, 0, 5, 5), 0.99, "uncertain", 0.9, out_of_scope=True)
    other = FaceVerdict((5, 2, 7, 4), (0, 0, 5, 5), 0.1, "real", 0.9)
    several = Verdict(0.75, "fake", (FACE, left_out, other), (), "tiny", "a", 9, 9, "faces", "balanced")
    assert [mark.words for mark in score_marks(several)] == ["This image: 75%", "Face 1: 80%", "Face 3: 10%"]
    assert len(score_marks(SEEN)) == 1, "one face is the image's score"
    assert score_marks(Verdict(None, "uncertain", (), (), "tiny", "a", 9, 9, "no_face", "balanced")) == ()


def test_a_strip_in_words():
    words = strip_alt(known(), SEEN, THRESHOLDS)
    assert words.startswith("The score of this image, 80%, lies in the band Fake. Bands: Real 0% to 20%, ")
    assert "50% of the fake and 0% of the real validation images lie in the same band" in words
    assert "validation" not in strip_alt(None, SEEN, THRESHOLDS)


def test_similar_images_are_counted_by_source():
    found = [Neighbour("a", 1, "sdfd", 0.9), Neighbour("b", 0, "<b>", 0.8), Neighbour("c", 1, "sdfd", 0.7)]
    table = sources_table(found)
    assert table["Source"].tolist() == ["faces by Stable Diffusion 2.1", "<b>"]
    assert table[["Fake", "Real"]].to_numpy().tolist() == [[2, 0], [0, 1]]
    assert table["Similarity"].tolist() == [0.9, 0.8]
    drawn: Any = sources_figure(found)
    fakes, real = drawn.data
    assert (list(fakes.x), list(real.x)) == ([2, 0], [0, 1])
    assert fakes.y[1] == "&lt;b&gt;", "a source's name is no markup"
