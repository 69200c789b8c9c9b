"""Still pictures out of a short video, evenly spaced in time, decoded in memory."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from deepfake.errors import UserError
from deepfake.images.ends import looks_cut
from deepfake.settings import capped
from deepfake.types import Pixels

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

MAX_VIDEO_BYTES = capped(128, 32) * 2**20
"""Largest video accepted, in bytes (128 MiB)."""
MAX_SECONDS = 120.0
"""Longest video accepted."""
MAX_FRAME_PIXELS = 9_000_000
"""Largest frame accepted, in pixels; 4K has 8.3 million."""
MAX_FRAMES = 32
"""Frames looked at."""
_MAX_PACKETS = 30_000  # 120 s at 240 frames a second
_DECODING_SECONDS = 120.0
# Everyday codecs only: the rarer a decoder, the less it was tried on hostile files.
_CODECS = frozenset({"h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mjpeg", "prores"})


class VideoRefused(UserError):
    """A file that cannot be used as a video.

    Codes: ``not_a_video``, ``too_many_bytes``, ``too_long``, ``too_many_pixels``, ``no_picture``,
    ``unsupported_codec``, ``too_slow``, ``unreadable``, ``truncated``, ``not_found``. Messages
    never name the file.
    """


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video.

    Attributes:
        seconds: from the first frame to the end of the last.
        width, height: of a frame as shown, upright and with square pixels.
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
    from deepfake.images.formats import identify

    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    kind = identify(head) if head[4:8] == b"ftyp" else None
    return "mov" if kind is not None and not kind.is_image else None


class Video:
    """An opened video: its facts, and frames on request.

    Attributes:
        facts: see ``VideoFacts``.
        notes: sentences for the person: what of the file is missing.
    """

    def __init__(self, content: bytes) -> None:
        """Reads how long and how large it is; of the pictures one is decoded.

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
        self._cut = looks_cut(content, "MP4" if demuxer == "mov" else "Matroska")
        self.notes: tuple[str, ...] = ()
        try:
            self._survey()
        except VideoRefused:
            raise
        except Exception as error:  # decoders raise nearly anything on hostile bytes
            raise self._unreadable() from error

    def count(self, most: int = MAX_FRAMES) -> int:
        """How many frames ``frames`` gives."""
        return len(self._wanted(most))

    def frames(self, most: int = MAX_FRAMES) -> Iterator[Frame]:
        """Frames evenly spaced in time, in order, each from the middle of an equal part of the video.

        Args:
            most: how many, at least 1; fewer where one frame is shown for longer than a part.

        Raises:
            VideoRefused: ``unreadable``, ``truncated`` or ``too_slow``.
        """
        try:
            yield from self._decoded(self._wanted(most))
        except VideoRefused:
            raise
        except Exception as error:
            raise self._unreadable() from error

    def _wanted(self, most: int) -> list[int]:
        """Start times of the frames that are shown in the middle of each of ``most`` equal parts."""
        start, span = self._times[0], self._end - self._times[0]
        middles = [start + (2 * part + 1) * span // (2 * most) for part in range(most)]
        places = np.searchsorted(self._times, middles, side="right") - 1
        return [self._times[index] for index in dict.fromkeys(places.tolist())]

    def _unreadable(self) -> VideoRefused:
        return _truncated() if self._cut else _unreadable()

    def _open(self) -> InputContainer:
        import av

        return av.open(io.BytesIO(self._content), mode="r", format=self._demuxer)

    def _survey(self) -> None:
        """When each frame is shown, in the stream's own units; containers may not say how long they are."""
        with self._open() as container:
            stream = _film(container)
            codec = stream.codec_context.codec.canonical_name
            _check_codec(codec)
            self._aspect = stream.sample_aspect_ratio
            _check_size(stream.width, stream.height, self._aspect)
            times, end = [], 0
            for packet in container.demux(stream):
                if packet.pts is None or packet.is_corrupt or packet.is_discard:  # the last is empty, or cut
                    continue
                times.append(packet.pts)
                end = max(end, packet.pts + (packet.duration or 0))
                if len(times) > _MAX_PACKETS:
                    raise _too_long()
            if not times or stream.time_base is None:
                raise _no_picture()
            seconds = float((end - min(times)) * stream.time_base)
            if seconds > MAX_SECONDS:
                raise _too_long(seconds)
            if self._cut:
                self.notes = (_cut_note(seconds, (container.duration or 0) / 1e6),)
            sound, coded = bool(container.streams.audio), (stream.width, stream.height)
        self._times, self._end = sorted(times), end
        height, width = self._first_shape() or _shown_size(*coded, self._aspect)[::-1]
        self.facts = VideoFacts(seconds, width, height, len(times), codec, sound)

    def _first_shape(self) -> tuple[int, int] | None:
        """Height and width of the first frame that can be decoded, upright; None where none can."""
        try:
            frame = next(self._decoded(self._times[:1]), None)
        except VideoRefused:
            raise
        except Exception:  # `frames` meets it again and says so
            return None
        return frame.pixels.shape[:2] if frame else None

    def _decoded(self, wanted: list[int]) -> Iterator[Frame]:
        deadline, waiting = time.monotonic() + _DECODING_SECONDS, wanted[::-1]
        with self._open() as container:
            stream = _film(container)
            stream.thread_type = "AUTO"
            base = stream.time_base or Fraction(1)
            for frame in _whole_frames(container, stream):
                if time.monotonic() > deadline:
                    raise VideoRefused(
                        "too_slow", "The video takes too long to read. Use a smaller or shorter version."
                    )
                if frame.pts is None or frame.pts < waiting[-1]:
                    continue
                second = float((frame.pts - self._times[0]) * base)
                yield Frame(second, _upright(frame, self._aspect))
                while waiting and waiting[-1] <= frame.pts:
                    waiting.pop()
                if not waiting:
                    return
        if len(waiting) == len(wanted):
            raise self._unreadable()


def _film(container: InputContainer) -> VideoStream:
    """The track that moves: cover art and previews are pictures too, and may come first.

    Raises:
        VideoRefused: ``no_picture``.
    """
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
    films = [stream for stream in container.streams.video if not stream.disposition & still]
    if not films:
        raise VideoRefused("no_picture", "The file holds sound but no moving images. Give a video.")
    best = container.streams.best("video")
    return next((stream for stream in films if stream is best), films[0])


def _whole_frames(container: InputContainer, stream: VideoStream) -> Iterator[Any]:
    """The frames in order, but for those of which a part is missing."""
    for packet in container.demux(stream):
        if not packet.is_corrupt:
            yield from (frame for frame in packet.decode() if not frame.is_corrupt)


def _upright(frame: Any, aspect: Fraction | None) -> Pixels:
    _check_size(frame.width, frame.height, aspect)  # it may differ from what the header says
    width, height = _shown_size(frame.width, frame.height, aspect)
    pixels = frame.to_ndarray(format="rgb24", width=width, height=height)
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            pixels = _turned(pixels, bytes(data))
    return np.ascontiguousarray(pixels)


def _turned(pixels: Pixels, matrix: bytes) -> Pixels:
    """Pixels turned and mirrored as a display matrix says, to the nearest right angle.

    Args:
        pixels: (H, W, 3).
        matrix: nine 32-bit numbers; a point (x, y) is shown at (a x + c y, b x + d y) of a b . c d . . . .
    """
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if max(abs(a), abs(d)) < max(abs(b), abs(c)):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _shown_size(width: int, height: int, aspect: Fraction | None) -> tuple[int, int]:
    """Pixels need not be square in a video; the shorter way is stretched, so that nothing is lost."""
    if not aspect or not Fraction(1, 3) < aspect < 3:
        return width, height
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def _check_codec(codec: str) -> None:
    if codec not in _CODECS:
        raise VideoRefused(
            "unsupported_codec",
            f"The video is packed as {codec[:40]}, which is not read here. Save it as MP4 with H.264.",
        )


def _check_size(width: int, height: int, aspect: Fraction | None) -> None:
    width, height = _shown_size(width, height, aspect)
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


def _no_picture() -> VideoRefused:
    return VideoRefused("no_picture", "The video holds no images. Copy or download it again.")


def _cut_note(seconds: float, whole: float) -> str:
    of = f" of {whole:.1f}" if whole > seconds else ""
    return (
        f"The file is incomplete: it ends too early. Only the first {seconds:.1f}{of} seconds could be read."
    )


def _truncated() -> VideoRefused:
    return VideoRefused(
        "truncated", "The file is incomplete: it ends before the video does. Copy or download it again."
    )


def _unreadable() -> VideoRefused:
    return VideoRefused(
        "unreadable",
        "The video is damaged or of a kind that cannot be read here. Save it as MP4 with H.264, or get a "
        "fresh copy.",
    )
