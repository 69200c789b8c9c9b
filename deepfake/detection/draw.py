"""Pictures and figures of results. The colours of Fake, Real and Uncertain are defined here only."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from deepfake.detection.text import CALL_WORDS
from deepfake.images.encode import PREVIEW_SIDE, shrink
from deepfake.plotting import CALL_COLOURS, FAKE_COLOUR, REAL_COLOUR
from deepfake.types import Box, CallName, Pixels


def draw_faces(
    pixels: Pixels,
    boxes: Sequence[Box],
    calls: Sequence[CallName],
    side: int = PREVIEW_SIDE,
    *,
    square: Box | None = None,
) -> Pixels:
    """The picture, shrunk to ``side``, with a numbered, labelled box around each face.

    Numbers count from 1 in the order given. The verdict stands in the label and in the colour; a label much
    wider than its box, which would cover other faces, or wider than the picture is the number alone.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        boxes: left, top, right, bottom in pixels of ``pixels``, right and bottom exclusive.
        calls: the verdict of each.
        side: longest side of the result, in pixels.
        square: what the verdict 'fake' rests on where it is not a face; framed and labelled.

    Returns:
        a new (h, w, 3) uint8 array.

    Raises:
        ValueError: ``boxes`` and ``calls`` differ in length.
    """
    if len(boxes) != len(calls):
        raise ValueError(f"Every box needs a call. Received {len(boxes)} boxes and {len(calls)} calls.")
    small = shrink(pixels, side)
    scale = small.shape[1] / pixels.shape[1]
    canvas = Image.fromarray(small)
    drawing = ImageDraw.Draw(canvas)
    long_side = max(small.shape[:2])
    line = max(1, round(long_side / 170))
    if square is not None:
        left, top, right, bottom = (round(edge * scale) for edge in square)
        drawing.rectangle((left, top, right - 1, bottom - 1), outline="white", width=2 * line + 2)
        inner = (left + 1, top + 1, right - 2, bottom - 2)
        drawing.rectangle(inner, outline=CALL_COLOURS["fake"], width=2 * line)
    # Smallest first, so that the largest faces' labels end on top.
    for number in range(len(boxes), 0, -1):
        left, top, right, bottom = (round(edge * scale) for edge in boxes[number - 1])
        call = calls[number - 1]
        rim = (left - line - 1, top - line - 1, right + line, bottom + line)
        drawing.rectangle(rim, outline="white", width=line + 2)  # visible on any background
        outer = (left - line, top - line, right + line - 1, bottom + line - 1)
        drawing.rectangle(outer, outline=CALL_COLOURS[call], width=line)
    size = max(11, round(long_side / 30))
    font = ImageFont.load_default(size=size)
    if square is not None:
        left, top, _, bottom = (round(edge * scale) for edge in square)
        _draw_tag(drawing, font, f"Whole image {CALL_WORDS['fake'].lower()}", (left, top, bottom), "fake")
    for number in range(len(boxes), 0, -1):
        left, top, right, bottom = (round(edge * scale) for edge in boxes[number - 1])
        call = calls[number - 1]
        text = f"{number} {CALL_WORDS[call]}"
        wide = drawing.textlength(text, font=font)
        if (len(boxes) > 1 and wide > 1.5 * (right - left)) or wide + size > canvas.width:
            text = str(number)
        _draw_tag(drawing, font, text, (left, top, bottom), call)
    return np.asarray(canvas)


def draw_heat(crop: Pixels, heat: np.ndarray, opacity: float, side: int = 320) -> Pixels:
    """A crop with a map over it: Fake's colour where it speaks for Fake, Real's where for Real.

    Args:
        crop: (H, W, 3) uint8 RGB.
        heat: (h, w) in [-1, 1], above 0 for Fake; brought to the crop's size.
        opacity: 0..1 of the strongest places.
        side: of the result, in pixels.

    Returns:
        (side, side, 3) uint8.
    """
    small = cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
    large = np.clip(cv2.resize(heat.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC), -1, 1)
    fake, real = (np.array(ImageColor.getrgb(name), np.float32) for name in (FAKE_COLOUR, REAL_COLOUR))
    colour = np.where(large[..., None] > 0, fake, real)
    cover = np.abs(large)[..., None] * opacity
    return np.rint(small * (1 - cover) + colour * cover).astype(np.uint8)


def _draw_tag(
    drawing: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    text: str,
    place: tuple[int, int, int],
    call: CallName,
) -> None:
    """A label above a box, or below it at the picture's upper edge, kept inside the picture."""
    left, top, bottom = place
    width, height = drawing.im.size  # pyright: ignore[reportAttributeAccessIssue]
    x0, y0, x1, y1 = drawing.textbbox((0, 0), text, font=font)
    pad = max(2, round((y1 - y0) / 4))
    tag_width, tag_height = round(x1 - x0) + 2 * pad, round(y1 - y0) + 2 * pad
    x = max(0, min(left, width - tag_width))
    y = top - tag_height if top >= tag_height else min(bottom, height - tag_height)
    y = max(0, y)
    drawing.rectangle((x, y, x + tag_width - 1, y + tag_height - 1), fill=CALL_COLOURS[call])
    drawing.text((x + pad - x0, y + pad - y0), text, fill="white", font=font)
