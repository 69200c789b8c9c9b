"""Small videos, encoded here."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np


def clip(
    seconds: float = 2,
    *,
    codec: str = "libx264",
    container: str = "mp4",
    width: int = 128,
    rate: int = 25,
    mark: bool = False,
    noise: bool = False,
    aspect: Fraction | None = None,
    times: list[int] | None = None,
) -> bytes:
    """A drawn clip: red above, growing brighter from frame to frame, blue below.

    With ``mark`` the corner above at the left is white; ``times`` are the frames', in 50ths of a second.
    """
    buffer, random = io.BytesIO(), np.random.default_rng(1)
    with av.open(buffer, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, 96, "yuv420p"
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if times:
            stream.codec_context.time_base = Fraction(1, 50)
            stream.codec_context.max_b_frames = 0
        n = len(times) if times else round(seconds * rate)
        for number in range(n):
            pixels = np.zeros((96, width, 3), np.uint8)
            pixels[:48, :, 0] = 40 + round(200 * number / n)
            pixels[48:, :, 2] = 200
            if mark:
                pixels[:24, :32] = 255
            if noise:
                pixels[60:80, 20:60] = random.integers(0, 255, (20, 40, 3))
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times:
                frame.pts, frame.time_base = times[number], Fraction(1, 50)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return buffer.getvalue()
