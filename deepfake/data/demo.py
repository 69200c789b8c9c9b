"""A small drawn data set, so that every part of the project works with no download.

The faces are drawings: flat colours, thick outlines, hatched skin. Nobody is shown and nobody could take
them for photographs. A Fake one has the inside of its face taken from another drawing and blended in with a
soft seam, which is what a face swap does to a photograph. What is learnt from it says nothing of photographs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.data.index import SPLITS
from deepfake.data.synthesis.self_blend import self_blend
from deepfake.errors import UserError
from deepfake.images.encode import jpeg_bytes
from deepfake.types import Landmarks, Pixels, class_name

DRAWN_SIDE = 192
SPLIT_SHARES = (2 / 3, 1 / 6, 1 / 6)
"""Of Train, Validation and Test."""
DEMO_IMAGES, MIN_IMAGES = 480, 12
_SCALE = 2  # drawn twice as large, then shrunk: smooth lines
_AT_ONCE = 2  # threads; OpenCV draws without Python's lock
_QUALITIES = (75, 96)  # of the JPEG files, the same range for both classes

Colour = tuple[int, int, int]


class DemoError(UserError):
    """The set cannot be written; code ``not_empty``, ``too_few_images`` or ``not_written``."""


@dataclass(frozen=True)
class DrawnFace:
    """A drawing and where its face is.

    Attributes:
        pixels: (192, 192, 3) uint8 RGB.
        landmarks: the eyes, the nose and the mouth's corners, see ``types.Landmarks``.
        centre, axes: of the oval of the face, in pixels.
    """

    pixels: Pixels
    landmarks: Landmarks
    centre: tuple[float, float]
    axes: tuple[float, float]


def write_demo(
    folder: Path,
    *,
    images: int = DEMO_IMAGES,
    seed: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Writes ``Train|Validation|Test / Fake|Real`` with as many Fake as Real drawings, as JPEG files.

    Args:
        folder: new or empty.
        images: in all, at least 12; rounded down to what divides evenly.
        seed: the same seed draws the same pixels again.
        on_progress: told how many images are written.

    Returns:
        How many images were written.

    Raises:
        DemoError: the folder holds something, cannot be written to, or too few images are asked for.
    """
    if images < MIN_IMAGES:
        raise DemoError("too_few_images", f"Ask for at least {MIN_IMAGES} images. Received: {images}.")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DemoError("not_empty", f"{folder} is not an empty folder. Name a new one.")
        drawings = []
        for index, (split, share) in enumerate(zip(SPLITS, SPLIT_SHARES, strict=True)):
            for label in (1, 0):
                name = class_name(label)
                into = folder / split / name
                into.mkdir(parents=True)
                for number in range(round(images * share) // 2):
                    file = into / f"drawn_{split.lower()}_{name.lower()}_{number:04}.jpg"
                    drawings.append((file, (seed, index, label, number)))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done, _ in enumerate(pool.map(_write_one, drawings), start=1):
                if on_progress is not None:
                    on_progress(done)
    except OSError as error:
        raise DemoError("not_written", f"{folder} cannot be written: {error.strerror}.") from error
    return len(drawings)


def _write_one(drawing: tuple[Path, tuple[int, int, int, int]]) -> None:
    """Draws one file from its own seed, so that the order of drawing does not matter."""
    file, seed = drawing
    rng = np.random.default_rng(seed)
    pixels = _softened(draw_fake(rng) if seed[2] else draw_face(rng).pixels, rng)
    file.write_bytes(jpeg_bytes(pixels, int(rng.integers(*_QUALITIES))))


def draw_fake(rng: np.random.Generator) -> Pixels:
    """A drawing whose face holds the inside of another drawing's; (192, 192, 3) uint8."""
    base = draw_face(rng)
    # The least alike of a few: a seam between two skins that a small network finds within a minute.
    donor = max((draw_face(rng) for _ in range(4)), key=lambda other: _unlike(base, other))
    inner = self_blend(donor.pixels, donor.landmarks, rng)
    scale = np.array(base.axes) / np.array(donor.axes)
    shift = np.array(base.centre) - scale * np.array(donor.centre)
    matrix = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]], np.float32)
    # Shrunk and enlarged again on the way, as a generator of few pixels would leave it.
    small = cv2.resize(inner, None, fx=0.33, fy=0.33, interpolation=cv2.INTER_AREA)
    inner = cv2.resize(small, (DRAWN_SIDE, DRAWN_SIDE), interpolation=cv2.INTER_LINEAR)
    inner = cv2.warpAffine(
        inner, matrix, (DRAWN_SIDE, DRAWN_SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    mask = np.zeros((DRAWN_SIDE, DRAWN_SIDE), np.float32)
    axes = [axis * float(rng.uniform(0.72, 0.88)) for axis in base.axes]
    cv2.ellipse(mask, (base.centre, (2 * axes[0], 2 * axes[1]), 0.0), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(2, 5)))[..., None]
    mixed = inner.astype(np.float32) * mask + base.pixels.astype(np.float32) * (1 - mask)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _unlike(one: DrawnFace, other: DrawnFace) -> float:
    """How far the colours of the two skins are apart."""
    first, second = (face.pixels[_cheek(face)].astype(float) for face in (one, other))
    return float(np.abs(first - second).sum())


def _cheek(face: DrawnFace) -> tuple[int, int]:
    eye, _, nose = (face.landmarks[:3] * DRAWN_SIDE).round().astype(int)
    return int(nose[1]), int(eye[0])


def draw_face(rng: np.random.Generator) -> DrawnFace:
    """One drawing: a hatched oval with hair, eyes, nose and mouth before a wall with shapes on it."""
    side = DRAWN_SIDE * _SCALE
    wall, skin, hair, shirt, eye = (_colour(rng, *limits) for limits in _PALETTE)
    ink: Colour = (30, 28, 36)
    line = 3 * _SCALE
    canvas = np.full((side, side, 3), wall, np.uint8)
    _furnish(canvas, rng)
    middle = np.array([side / 2, side * 0.5]) + rng.uniform(-0.06, 0.06, 2) * side
    wide, high = side * rng.uniform(0.23, 0.32), side * rng.uniform(0.31, 0.39)

    def at(x: float, y: float) -> tuple[int, int]:
        return round(middle[0] + x * wide), round(middle[1] + y * high)

    def oval(x: float, y: float, across: float, down: float, colour: Colour) -> None:
        size = (round(across * wide), round(down * high))
        cv2.ellipse(canvas, at(x, y), size, 0, 0, 360, colour, -1, cv2.LINE_AA)
        cv2.ellipse(canvas, at(x, y), size, 0, 0, 360, ink, line, cv2.LINE_AA)

    oval(0, 1.75, 1.7, 0.8, shirt)
    oval(0, -0.25, rng.uniform(1.1, 1.3), rng.uniform(0.95, 1.1), hair)
    for ear in (-1, 1):
        oval(ear, 0.05, 0.17, 0.2, skin)
    oval(0, 0, 1, 1, skin)
    _hatch(canvas, at(0, 0), (wide, high), skin, rng)
    fringe = np.array(
        [at(x, y) for x, y in ((-0.9, -0.45), (-0.4, -1.0), (0.4, -1.0), (0.9, -0.45), (0, -0.7))]
    )
    cv2.fillPoly(canvas, [fringe.astype(np.int32)], hair, cv2.LINE_AA)
    apart, level, mouth_level = rng.uniform(0.36, 0.46), rng.uniform(-0.2, -0.08), rng.uniform(0.48, 0.6)
    half_mouth, smile = rng.uniform(0.22, 0.38), rng.uniform(-0.06, 0.14)
    for sign in (-1, 1):
        oval(sign * apart, level, 0.2, 0.1, (250, 250, 246))
        oval(sign * apart + rng.uniform(-0.03, 0.03), level, 0.08, 0.07, eye)
        brow = [at(sign * (apart + d), level - 0.22 + 0.05 * abs(d)) for d in (-0.22, 0.22)]
        cv2.line(canvas, brow[0], brow[1], hair, line + 2, cv2.LINE_AA)
    nose = np.array([at(0, level + 0.1), at(0.12, 0.24), at(-0.05, 0.26)], np.int32)
    cv2.polylines(canvas, [nose], False, ink, line, cv2.LINE_AA)
    corners = [at(-half_mouth, mouth_level), at(half_mouth, mouth_level)]
    lips = np.array([corners[0], at(0, mouth_level + smile), corners[1]], np.int32)
    cv2.polylines(canvas, [lips], False, (150, 40, 50), line + 2, cv2.LINE_AA)
    points = [at(-apart, level), at(apart, level), at(0, 0.24), *corners]
    pixels = np.asarray(cv2.resize(canvas, (DRAWN_SIDE, DRAWN_SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    centre = (float(middle[0]) / _SCALE, float(middle[1]) / _SCALE)
    return DrawnFace(
        pixels,
        np.array(points, np.float32) / np.float32(side),
        centre,
        (float(wide) / _SCALE, float(high) / _SCALE),
    )


_FRINGE = ((-0.9, -0.45), (-0.4, -1.0), (0.4, -1.0), (0.9, -0.45), (0, -0.7))


def _softened(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """As sharp as chance will have it, Fake and Real alike: sharpness must not give the label away."""
    sigma = float(rng.uniform(0, 1.3))
    return pixels if sigma < 0.3 else np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma), np.uint8)


def _furnish(canvas: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Large shapes behind the head, so that no two drawings look alike from afar."""
    side = canvas.shape[0]
    for _ in range(4):
        x, y = (round(float(value)) for value in rng.uniform(-0.1, 1.1, 2) * side)
        wide, high = (round(float(value)) for value in rng.uniform(0.1, 0.4, 2) * side)
        colour = _colour(rng, (40, 50, 60), (235, 225, 215))
        if rng.random() < 0.5:
            cv2.rectangle(canvas, (x - wide, y - high), (x + wide, y + high), colour, -1)
        else:
            cv2.ellipse(canvas, (x, y), (wide, high), 0, 0, 360, colour, -1, cv2.LINE_AA)


# Lowest and highest red, green and blue of the wall, the skin, the hair, the shirt and the eyes.
_PALETTE: tuple[tuple[Colour, Colour], ...] = (
    ((120, 140, 150), (235, 240, 245)),
    ((150, 105, 75), (250, 215, 190)),
    ((25, 20, 20), (190, 140, 90)),
    ((40, 50, 90), (220, 180, 220)),
    ((30, 50, 40), (110, 150, 190)),
)


def _colour(rng: np.random.Generator, low: Colour, high: Colour) -> Colour:
    share = rng.random() * 0.8 + rng.random(3) * 0.2  # light and dark together, so that skin stays skin
    red, green, blue = (round(a + (b - a) * s) for a, b, s in zip(low, high, share.tolist(), strict=True))
    return red, green, blue


def _hatch(
    canvas: NDArray[np.uint8],
    centre: tuple[int, int],
    axes: tuple[float, float],
    skin: Colour,
    rng: np.random.Generator,
) -> None:
    """Slanted strokes inside the oval, a little darker than the skin."""
    side = canvas.shape[0]
    strokes = canvas.copy()
    darker = tuple(round(0.82 * value) for value in skin)
    slant = float(rng.uniform(0.4, 1.2))
    for start in range(-2 * side, side, 7 * _SCALE):
        if start + slant * side < -_SCALE:  # left of the drawing
            continue
        cv2.line(strokes, (start, 0), (start + round(slant * side), side), darker, _SCALE, cv2.LINE_AA)
    mask = np.zeros((side, side), np.uint8)
    cv2.ellipse(mask, centre, (round(axes[0] * 0.97), round(axes[1] * 0.97)), 0, 0, 360, 255, -1)
    cv2.copyTo(strokes, mask, canvas)
