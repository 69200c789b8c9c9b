"""Plain margins: found wherever they stand, and told from a plain wall."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from deepfake.faces.margins import MIN_INNER_SIDE, inner_box
from tests.support.images import noise_image

Box = tuple[int, int, int, int]
WIDTH, HEIGHT = 240, 200


def photograph(seed: int = 5, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Blotches with grain, from edge to edge."""
    grain = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    return np.clip(noise_image(seed, height, width) + grain, 0, 255).astype(np.uint8)


def padded(pixels: np.ndarray, share: float, colour: str, sides: str) -> tuple[Image.Image, Box]:
    """With a margin of that share of the shorter side, and where the photograph stands."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = (round(share * min(height, width)) * (side in sides) for side in "ltrb")
    page = Image.new("RGB", (left + width + right, top + height + bottom), colour)
    page.paste(Image.fromarray(pixels), (left, top))
    return page, (left, top, left + width, top + height)


def jpeg(image: Image.Image, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def portrait(colour: tuple[int, int, int], grain: float = 0.0, side: int = 256) -> np.ndarray:
    """A head and shoulders before a plain wall."""
    page = Image.new("RGB", (side, side), colour)
    draw = ImageDraw.Draw(page)
    draw.ellipse((side * 0.05, side * 0.75, side * 0.95, side * 1.6), fill=(40, 60, 120))
    draw.ellipse((side * 0.3, side * 0.2, side * 0.7, side * 0.8), fill=(205, 160, 130))
    draw.pieslice((side * 0.28, side * 0.15, side * 0.72, side * 0.75), 180, 360, fill=(50, 35, 30))
    noise = np.random.default_rng(1).normal(0, grain, (side, side, 3)) if grain else 0
    return np.clip(np.asarray(page) + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("sides", ["ltrb", "tb", "lr", "t", "l", "r", "b", "tl", "rb", "ltb"])
@pytest.mark.parametrize("colour", ["white", "black", "grey", "#3b6ea5"])
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_margins_are_cut_to_the_pixel(share: float, colour: str, sides: str) -> None:
    page, place = padded(photograph(), share, colour, sides)
    assert inner_box(np.asarray(page)) == place


@pytest.mark.parametrize("quality", [95, 75, 50])
@pytest.mark.parametrize("sides", ["ltrb", "tb", "r"])
@pytest.mark.parametrize("colour", ["white", "black", "#c33333"])
def test_margins_are_found_after_jpeg(colour: str, sides: str, quality: int) -> None:
    page, place = padded(photograph(), 0.3, colour, sides)
    assert np.allclose(inner_box(jpeg(page, quality)), place, atol=2)


@pytest.mark.parametrize("scale", [0.37, 1.7])
def test_margins_are_found_after_scaling(scale: float) -> None:
    page, place = padded(photograph(height=500, width=600), 0.2, "white", "ltrb")
    small = page.resize((round(page.width * scale), round(page.height * scale)), Image.Resampling.LANCZOS)
    box = inner_box(np.asarray(small))
    assert np.allclose(box, np.array(place) * scale, atol=3)
    blended = np.asarray(small.crop(box)).astype(int)
    assert min(line.min() for line in (blended[0], blended[-1], blended[:, 0], blended[:, -1])) < 200


def test_margins_within_margins() -> None:
    letterbox, inner = padded(photograph(), 0.2, "black", "tb")
    page, outer = padded(np.asarray(letterbox), 0.3, "white", "ltrb")
    assert inner_box(np.asarray(page)) == (
        outer[0] + inner[0],
        outer[1] + inner[1],
        outer[0] + inner[2],
        outer[1] + inner[3],
    )


def test_a_frame_with_round_corners() -> None:
    page, place = padded(photograph(height=400, width=300), 0.2, "white", "ltrb")
    mask = Image.new("L", page.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((place[0], place[1], place[2] - 1, place[3] - 1), 40, fill=255)
    rounded = Image.composite(page, Image.new("RGB", page.size, "white"), mask)
    assert np.allclose(inner_box(np.asarray(rounded)), place, atol=2)


def test_a_noisy_margin() -> None:
    page, place = padded(photograph(), 0.3, "#dddddd", "ltrb")
    noise = np.random.default_rng(0).normal(0, 1.5, (page.height, page.width, 1))
    pixels = np.clip(np.asarray(page) + noise, 0, 255).astype(np.uint8)
    assert np.allclose(inner_box(pixels), place, atol=2)


def test_a_margin_along_a_dark_edge() -> None:
    """Part of the photograph is as dark as the margin; the rest of the edge tells."""
    pixels = photograph()
    for column in range(WIDTH):
        pixels[: HEIGHT // 6 + column // 3, column] = 1
    page, place = padded(pixels, 0.3, "black", "lr")
    assert inner_box(np.asarray(page)) == place
    page, place = padded(pixels, 0.3, "black", "lrb")
    assert inner_box(np.asarray(page)) == place


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (128, 130, 133)])
@pytest.mark.parametrize("grain", [0.0, 1.0, 4.0])
@pytest.mark.parametrize("side", [96, 256, 900])
def test_a_plain_wall_behind_a_head_stays(colour: tuple[int, int, int], grain: float, side: int) -> None:
    pixels = portrait(colour, grain, side)
    assert inner_box(pixels) == (0, 0, side, side)
    assert inner_box(jpeg(Image.fromarray(pixels), 80)) == (0, 0, side, side)


def test_sky_and_gradients_stay() -> None:
    ramp = np.tile(np.linspace(255, 0, 256).astype(np.uint8)[:, None, None], (1, 256, 3))
    hills = ramp.copy()
    hills[:100] = 255
    for column in range(256):
        hills[100 - round(30 + 25 * np.sin(column / 40)) :, column] = (60, 90, 50)
    for pixels in (ramp, hills, photograph(), np.rot90(hills)):
        assert inner_box(pixels) == (0, 0, pixels.shape[1], pixels.shape[0])


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (64, 64), (300, 200)])
def test_nothing_but_one_colour_is_left_alone(shape: tuple[int, int]) -> None:
    assert inner_box(np.full((*shape, 3), 77, np.uint8)) == (0, 0, shape[1], shape[0])


def test_what_would_be_too_small_a_picture_is_left_alone() -> None:
    page, _ = padded(photograph(height=MIN_INNER_SIDE - 4, width=MIN_INNER_SIDE - 4), 1, "white", "ltrb")
    assert inner_box(np.asarray(page)) == (0, 0, page.width, page.height)


def test_every_size_of_margin_and_picture() -> None:
    """Whatever is given, the box lies inside the picture and the pixels are left as they were."""
    rng = np.random.default_rng(3)
    for _ in range(60):
        height, width = rng.integers(1, 90, 2)
        pixels = np.full((height, width, 3), rng.integers(0, 256, 3), np.uint8)
        part = pixels[: rng.integers(1, height + 1), : rng.integers(1, width + 1)]
        part[:] = cv2.resize(photograph(), (part.shape[1], part.shape[0]))
        before = pixels.copy()
        left, top, right, bottom = inner_box(pixels)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert np.array_equal(pixels, before)
