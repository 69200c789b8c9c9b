"""One face, one number: real and generated pictures in margins, turned, and in several sizes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepfake.detection.detector import Detector, get_detector
from deepfake.detection.verdict import Verdict
from deepfake.faces.finder import find_faces
from deepfake.images.load import load_image


@pytest.fixture(scope="module")
def detector() -> Detector:
    return get_detector("faces")


def check(detector: Detector, image: Image.Image, *, quality: int | None = None) -> Verdict:
    buffer = io.BytesIO()
    if quality:
        image.save(buffer, "JPEG", quality=quality)
    else:
        image.save(buffer, "PNG", compress_level=1)
    return detector.check(load_image(buffer.getvalue()), whole=False)


def some(folder: Path, count: int) -> list[Image.Image]:
    files = sorted(folder.iterdir())[:: max(1, len(list(folder.iterdir())) // count)][:count]
    return [Image.open(file).convert("RGB") for file in files]


def in_a_margin(image: Image.Image, share: float, colour: str, sides: str) -> Image.Image:
    margin = round(share * min(image.size))
    left, top, right, bottom = (margin * (side in sides) for side in "ltrb")
    page = Image.new("RGB", (left + image.width + right, top + image.height + bottom), colour)
    page.paste(image, (left, top))
    return page


MARGINS = [
    (0.05, "white", "ltrb"),
    (0.1, "black", "tb"),
    (0.5, "white", "ltrb"),
    (0.5, "#3b6ea5", "l"),
    (1.0, "grey", "lr"),
]


def test_a_margin_changes_nothing(detector: Detector, real_data: Path) -> None:
    """Of fakes that are called fake; those before a white wall cannot be told from their white margin."""
    fakes = some(real_data / "faces140k" / "Validation" / "Fake", 8)
    fakes += some(real_data / "openforensics" / "Validation" / "Fake", 4)
    gaps, saved = [], []
    for image in fakes:
        plain, jpeg = (check(detector, image, quality=quality).raw for quality in (None, 85))
        for share, colour, sides in MARGINS:
            page = in_a_margin(image, share, colour, sides)
            gaps.append(abs(check(detector, page).raw - plain))
            saved.append(abs(check(detector, page, quality=85).raw - jpeg))
    assert np.mean(np.array(gaps) <= 0.05) >= 0.95
    assert np.mean(np.array(saved) <= 0.05) >= 0.9
    assert max(*gaps, *saved) < 0.25


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turn_changes_nothing(detector: Detector, real_data: Path, quarters: int) -> None:
    pictures = some(real_data / "faces140k" / "Validation" / "Real", 6)
    for name in ("photo_4", "photo_7", "photo_9", "photo_33", "photo_72", "photo_120"):
        photo = Image.open(real_data / "photos" / f"{name}.jpg").convert("RGB")
        photo.thumbnail((900, 900))
        pictures.append(photo)
    for picture in pictures:
        upright = check(detector, picture)
        verdict = check(detector, Image.fromarray(np.rot90(np.asarray(picture), quarters)))
        assert verdict.p_fake == pytest.approx(upright.p_fake, abs=0.05)
        assert len(verdict.faces) == len(upright.faces)
        turns = {
            (face.turn - before.turn) % 360 for face, before in zip(verdict.faces, upright.faces, strict=True)
        }
        assert turns == {(-90 * quarters) % 360}


def test_a_size_changes_little(detector: Detector, real_data: Path) -> None:
    """Of faces with 100 pixels and more; below, detail is lost."""
    for name in ("photo_1", "photo_4", "photo_9", "photo_13", "photo_37", "photo_45"):
        photo = Image.open(real_data / "photos" / f"{name}.jpg").convert("RGB")
        scores = []
        for side in (500, 640, 800, 1000, 1700, 2400):
            scale = side / max(photo.size)
            size = round(photo.width * scale), round(photo.height * scale)
            (face,) = check(detector, photo.resize(size, Image.Resampling.LANCZOS)).faces
            assert max(face.box[2] - face.box[0], face.box[3] - face.box[1]) >= 100
            scores.append(face.p_fake)
        assert max(scores) - min(scores) <= 0.15, name


def test_no_mouth_is_taken_for_the_face(real_data: Path) -> None:
    photo = Image.open(real_data / "photos" / "photo_13.jpg").convert("RGB")
    for side in (515, 730, 977):  # where a surer mouth lay within the face
        scale = side / max(photo.size)
        pixels = np.asarray(
            photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
        )
        (face,) = find_faces(pixels).faces
        assert face.long_side / side == pytest.approx(0.4, abs=0.02)


def test_data_set_crops_are_scored_as_they_are_evaluated(detector: Detector, real_data: Path) -> None:
    gaps = []
    for source in ("openforensics", "faces140k"):
        for label in ("Fake", "Real"):
            for image in some(real_data / source / "Validation" / label, 15):
                whole = float(detector.p_fake([np.asarray(image)])[0])
                verdict = check(detector, image)
                if verdict.scope != "no_face":
                    gaps.append(abs(verdict.raw - whole))
    assert np.mean(np.array(gaps) <= 0.02) >= 0.9
    assert np.mean(gaps) < 0.02
