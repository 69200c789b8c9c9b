"""Still pictures out of a short video, evenly spaced, decoded in memory."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake.errors import UserError
from deepfake.preprocessing import Pixels
from deepfake.public_demo import capped

if TYPE_CHECKING:
    from av.container import InputContainer

MAX_VIDEO_BYTES = capped(128, 32) * 2**20
"""Largest video accepted, in bytes (128 MiB)."""
MAX_SECONDS = 120.0
"""Longest video accepted."""
MAX_FRAME_PIXELS = 9_000_000
"""Largest frame accepted, in pixels; 4K has 8.3 million."""
MAX_FRAMES = 32
"""Frames looked at."""
VIDEO_EXTENSIONS = (".mp4", ".m4v", ".mov", ".webm", ".mkv")
_MOST_PACKETS = 30_000  # 120 s at 240 frames a second
_DECODING_SECONDS = 120.0
# Everyday codecs only: the rarer a decoder, the less it was tried on hostile files.
_CODECS = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mjpeg", "prores"})


class VideoRefused(UserError):
    """A file that cannot be used as a video.

    Codes: ``not_a_video``, ``too_many_bytes``, ``too_long``, ``too_many_pixels``, ``no_picture``,
    ``unsupported_codec``, ``too_slow``, ``unreadable``, ``not_found``. Messages never name the file.
    """


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video.

    Attributes:
        seconds: from the first frame to the end of the last.
        width, height: of a frame as shown, in pixels.
        frames: in the whole video.
        codec: how the pictures are packed, such as h264.
        has_sound: whether there is a sound track, which nobody listens to here.
    """

    seconds: float
    width: int
    height: int
    frames: int
    codec: str
    has_sound: bool


@dataclass(frozen=True)
class Frame:
    """A still picture: ``second`` since the start, ``pixels`` (H, W, 3) uint8 RGB, upright."""

    second: float
    pixels: Pixels


def read_video(path: Path) -> bytes:
    """A video's bytes; too large a file is not read.

    Raises:
        VideoRefused: ``not_found``, ``too_many_bytes``.
    """
    try:
        size = path.stat().st_size
        if size > MAX_VIDEO_BYTES:
            raise _too_many_bytes(size)
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise VideoRefused("not_found", "There is no such file that can be read. Check the path.") from error


def _demuxer(head: bytes) -> str | None:
    """Named outright: where a demuxer is guessed, playlists that name other files are opened too."""
    from deepfake.image_signatures import identify

    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    kind = identify(head) if head[4:8] == b"ftyp" else None
    return "mov" if kind is not None and not kind.is_image else None


class Video:
    """An opened video: its facts, and frames on request."""

    def __init__(self, content: bytes) -> None:
        """Reads how long and how large it is, without decoding.

        Args:
            content: the file's bytes.

        Raises:
            VideoRefused: it is no video, or exceeds a limit.
        """
        if len(content) > MAX_VIDEO_BYTES:
            raise _too_many_bytes(len(content))
        demuxer = _demuxer(content[:1024])
        if demuxer is None:
            raise VideoRefused(
                "not_a_video",
                "The file is not a video that can be read here. Expected MP4, MOV, WebM or Matroska.",
            )
        self._content, self._demuxer = content, demuxer
        try:
            self._times, self.facts = self._survey()
        except VideoRefused:
            raise
        except Exception as error:  # decoders raise nearly anything on hostile bytes
            raise _unreadable() from error

    def frames(self, most: int = MAX_FRAMES) -> Iterator[Frame]:
        """Evenly spaced frames, in order, each from the middle of an equal part of the video.

        Args:
            most: how many, at least 1; all where the video has fewer.

        Raises:
            VideoRefused: ``unreadable``, or ``too_slow``.
        """
        places = (np.arange(n := min(most, len(self._times))) + 0.5) * len(self._times) / n
        wanted = [self._times[int(place)] for place in places]
        try:
            yield from self._decoded(wanted)
        except VideoRefused:
            raise
        except Exception as error:
            raise _unreadable() from error

    def _open(self) -> InputContainer:
        import av

        return av.open(io.BytesIO(self._content), mode="r", format=self._demuxer)

    def _survey(self) -> tuple[list[int], VideoFacts]:
        """When each frame is shown, in the stream's own units; containers may not say how long they are."""
        with self._open() as container:
            if not container.streams.video:
                raise VideoRefused("no_picture", "The file holds sound but no pictures. Give a video.")
            stream = container.streams.video[0]
            codec = stream.codec_context.codec.canonical_name
            _check_codec(codec)
            width, height = _shown_size(stream.width, stream.height, stream.sample_aspect_ratio)
            _check_size(max(width, stream.width), height)
            times, end = [], 0
            for packet in container.demux(stream):
                if packet.pts is None:  # the last, empty one
                    continue
                times.append(packet.pts)
                end = max(end, packet.pts + (packet.duration or 0))
                if len(times) > _MOST_PACKETS:
                    raise _too_long()
            if not times or stream.time_base is None:
                raise VideoRefused("no_picture", "The video holds no pictures. Copy or download it again.")
            times.sort()
            seconds = float((end - times[0]) * stream.time_base)
            if seconds > MAX_SECONDS:
                raise _too_long(seconds)
            sound = bool(container.streams.audio)
        return times, VideoFacts(seconds, width, height, len(times), codec, sound)

    def _decoded(self, wanted: list[int]) -> Iterator[Frame]:
        deadline, waiting = time.monotonic() + _DECODING_SECONDS, wanted[::-1]
        with self._open() as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            base = stream.time_base or Fraction(1)
            for frame in container.decode(stream):
                if time.monotonic() > deadline:
                    raise VideoRefused(
                        "too_slow", "The video takes too long to read. Use a smaller or shorter version."
                    )
                if frame.pts is None or frame.pts < waiting[-1]:
                    continue
                yield Frame(float((frame.pts - self._times[0]) * base), _upright(frame))
                while waiting and waiting[-1] <= frame.pts:
                    waiting.pop()
                if not waiting:
                    return
        if len(waiting) == len(wanted):
            raise _unreadable()


def _upright(frame: Any) -> Pixels:
    _check_size(frame.width, frame.height)  # it may differ from what the header says
    width, height = _shown_size(frame.width, frame.height, getattr(frame, "sample_aspect_ratio", None))
    pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))


def _shown_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Pixels need not be square in a video."""
    if aspect and Fraction(1, 3) < aspect < 3:
        return max(1, round(width * aspect)), height
    return width, height


def _check_codec(codec: str) -> None:
    if codec not in _CODECS:
        raise VideoRefused(
            "unsupported_codec",
            f"The video is packed as {codec[:40]}, which is not read here. Save it as MP4 with H.264.",
        )


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_FRAME_PIXELS:
        raise VideoRefused(
            "too_many_pixels",
            f"The video is {width:,} x {height:,} pixels; at most {MAX_FRAME_PIXELS / 1e6:g} million a frame "
            "are accepted. Use a smaller version.",
        )
    if min(width, height) < 32:
        raise VideoRefused(
            "no_picture", f"The video is {width} x {height} pixels. Each side must be at least 32 pixels."
        )


def _too_many_bytes(n_bytes: int) -> VideoRefused:
    mib = 2**20
    return VideoRefused(
        "too_many_bytes",
        f"The video has {n_bytes / mib:,.1f} MiB; at most {MAX_VIDEO_BYTES / mib:,.0f} MiB are accepted. "
        "Cut it, or use a smaller version.",
    )


def _too_long(seconds: float | None = None) -> VideoRefused:
    found = f"lasts {seconds:,.0f} seconds" if seconds else "has too many frames"
    return VideoRefused(
        "too_long",
        f"The video {found}; at most {MAX_SECONDS:.0f} seconds are accepted. Cut out the part in question.",
    )


def _unreadable() -> VideoRefused:
    return VideoRefused(
        "unreadable",
        "The video is damaged or of a kind that cannot be read here. Save it as MP4 with H.264, or get a "
        "fresh copy.",
    )
