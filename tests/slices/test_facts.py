"""Facts of scored squares, and the tables that hold them."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from deepfake.images.load import load_image
from deepfake.perturbations.mix import FINAL_QUALITY, perturbed_copy
from deepfake.slices.facts import (
    COMMON_SIDE,
    FactsError,
    age_in_name,
    facts_of_file,
    facts_of_part,
    measure_facts,
    read_facts,
    write_facts,
)
from deepfake.util.files import ROOT
from tests.support.images import noise_image
from tests.support.records.slices import drawn_table

PORTRAIT = ROOT / "deepfake" / "examples" / "images" / "generated-1.jpg"


def laplacian_variance(pixels: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.CV_16S).var())


@pytest.mark.parametrize("quality", [60, 75, 95])
def test_facts_of_a_file_are_those_of_its_pixels(tmp_path: Path, quality: int) -> None:
    file = tmp_path / "a.jpg"
    Image.fromarray(noise_image(1, COMMON_SIDE, COMMON_SIDE)).save(file, quality=quality)
    facts, pixels = facts_of_file(file), load_image(file).pixels
    assert math.isnan(facts.face), "blotches are no face"
    assert (facts.side, facts.quality) == (COMMON_SIDE, quality)
    assert facts.sharpness == pytest.approx(laplacian_variance(pixels))
    assert facts.brightness == pytest.approx(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).mean(), abs=0.01)


def test_sharpness_is_measured_at_one_size(tmp_path: Path) -> None:
    """Twice as many pixels of the same image are no less sharp; a blurred copy is."""
    fine = np.random.default_rng(2).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    pixels = np.asarray(Image.fromarray(fine).resize((512, 512), Image.Resampling.BICUBIC))
    for name, image in (
        ("large", pixels),
        ("small", cv2.resize(pixels, (256, 256), interpolation=cv2.INTER_AREA)),
        ("blurred", cv2.GaussianBlur(pixels, (0, 0), 6)),
    ):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    large, small, blurred = (
        facts_of_file(tmp_path / f"{name}.png") for name in ("large", "small", "blurred")
    )
    assert large.sharpness == pytest.approx(small.sharpness, rel=0.05)
    assert blurred.sharpness < 0.8 * small.sharpness
    assert large.side == 512
    assert math.isnan(large.quality), "a PNG has none"


def test_a_perturbed_copy_has_facts_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    Image.fromarray(noise_image(3, 256, 256)).save(file)
    image = load_image(file)
    facts = facts_of_file(file, perturbed=True)
    assert facts.quality == FINAL_QUALITY
    copy = perturbed_copy(image.pixels, image.facts.sha256)
    assert facts.sharpness == pytest.approx(laplacian_variance(copy))
    assert facts.sharpness != pytest.approx(laplacian_variance(image.pixels))


@pytest.mark.usefixtures("use_tiny_models")
def test_facts_of_an_upload_are_of_its_square() -> None:
    """A close-up is scored whole, so that it has the facts of its file; in a wide image only its square."""
    from deepfake.detection.detector import get_detector

    content = PORTRAIT.read_bytes()
    image, whole = load_image(content), facts_of_file(PORTRAIT)
    found = facts_of_part(image, content, get_detector().check(image), 0)
    assert found.face == whole.face > 100
    assert (found.side, found.quality, found.sharpness) == (whole.side, whole.quality, whole.sharpness)
    assert found.framing == pytest.approx(whole.face / min(image.pixels.shape[:2]))
    wide = np.pad(image.pixels, ((0, 0), (0, 900), (0, 0)), mode="reflect")
    verdict = get_detector().check(load_image(_png(wide)))
    apart = facts_of_part(load_image(_png(wide)), _png(wide), verdict, 0)
    left, _, right, _ = verdict.faces[0].crop
    assert apart.side == right - left
    assert math.isnan(apart.quality)


def _png(pixels: np.ndarray) -> bytes:
    import io

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "age"),
    [
        ("utkface-100_1_2_20170112213500903.jpg.chip.jpg", 100),
        ("a/Real/1_0_0_20161219203650636.jpg", 1),
        ("26_0_1.jpg", None),
        ("fake_26.jpg", None),
        ("26_2_1_20170116184024662.jpg", None),
    ],
)
def test_only_names_of_utkface_tell_an_age(name: str, age: int | None) -> None:
    found = age_in_name(name)
    assert math.isnan(found) if age is None else found == age


def test_files_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    Image.fromarray(noise_image(1)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    told: list[int] = []
    files = {name: tmp_path / f"{name}.png" for name in ("good", "bad", "gone")}
    table = measure_facts(files, on_progress=told.append)
    assert table["image_id"].tolist() == ["good"]
    assert told == [3]


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    table = drawn_table(50)
    table.loc[3, ["face", "quality"]] = np.nan
    write_facts(table, tmp_path / "facts.csv")
    again = read_facts(tmp_path / "facts.csv")
    assert again["image_id"].tolist() == table["image_id"].tolist()
    for name, near in (("face", 0.5), ("quality", 0.5), ("brightness", 0.5), ("age", 0)):
        np.testing.assert_allclose(again[name], table[name], atol=near)
    np.testing.assert_allclose(again["sharpness"], table["sharpness"], rtol=5e-4)
    np.testing.assert_allclose(again["framing"], again["face"] / again["side"])
    assert again["framing"].isna().to_numpy().nonzero()[0].tolist() == [3]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("image_id,face\na,3\n", "lack side"),
        ("image_id,face,side,quality,sharpness,brightness,age\na,large,1,1,1,1,\n", "no numbers"),
        ("", "cannot be read"),
        (None, "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "facts-a.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(FactsError, match=said) as raised:
        read_facts(path)
    assert raised.value.code == "bad_facts"
    assert "python -m deepfake facts" in raised.value.message
