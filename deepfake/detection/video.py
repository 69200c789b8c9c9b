"""A short video, judged frame by frame: evidence on stills, none on sound or motion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any

from deepfake.images.load import ImageFacts, LoadedImage
from deepfake.images.video import MAX_FRAMES, Frame, Video, VideoFacts
from deepfake.types import OperatingPoint, Pixels, Thresholds, VerdictLabel

if TYPE_CHECKING:
    from deepfake.detection.detector import Detector
    from deepfake.detection.verdict import Verdict

Preview = Callable[[Pixels, "Verdict"], bytes]
"""Makes a JPEG file of a frame's pixels and its verdict, for the screen."""
MIN_STRETCH_FRAMES = 3
"""Frames in a row that are called fake before a stretch is named."""
STRETCH_SHARE = 0.25
"""Of the frames that can be decided on, from which a stretch makes the video fake."""
NO_FACE_IN_VIDEO = "No face was found in any frame, so nothing was analyzed: the detector checks faces only."
NONE_DECIDED = (
    "No frame shows a face that the detector can decide on: all are too small or too unlike its training."
)
FEW_FACES = "Few of the frames looked at show a face: the verdict rests on {n} of {total}."
FRAME_WISE = (
    "Frame-by-frame analysis: frames of the video were checked one by one. Audio, motion and consistency "
    "between frames are not analyzed."
)


@dataclass(frozen=True)
class FrameVerdict:
    """One frame's part of a video's verdict.

    Attributes:
        second: since the start of the video.
        verdict: as of a single picture; its scope is ``no_face`` where none was found.
        picture: what ``preview`` made of the frame, for the screen; empty without one.
    """

    second: float
    verdict: Verdict
    picture: bytes


@dataclass(frozen=True)
class Stretch:
    """A part of a video.

    Attributes:
        start, end: seconds of its first and its last frame.
        frames: how many.
        p_fake: their median, 0..1.
    """

    start: float
    end: float
    frames: int
    p_fake: float


@dataclass(frozen=True)
class VideoVerdict:
    """What the detector says of a video.

    Attributes:
        p_fake: median over the frames that can be decided on (as ``Verdict.p_fake``), 0..1; None where there
            is none.
        verdict: fake where the median or a ``stretch`` of a quarter of these frames is; a shorter stretch
            makes a real one uncertain; uncertain where there are no such frames.
        frames: those looked at, in order.
        warnings: sentences for the person; the last says what frame-wise evidence is.
        model: the detector's name.
        sha256: of the file.
        facts: about the video.
        operating_point: which thresholds decided.
    """

    p_fake: float | None
    verdict: VerdictLabel
    frames: tuple[FrameVerdict, ...]
    warnings: tuple[str, ...]
    model: str
    sha256: str
    facts: VideoFacts
    operating_point: OperatingPoint

    @property
    def with_face(self) -> tuple[FrameVerdict, ...]:
        """The frames that show a face."""
        return tuple(frame for frame in self.frames if frame.verdict.scope != "no_face")

    @property
    def deciding(self) -> tuple[FrameVerdict, ...]:
        """The frames that can be decided on."""
        return tuple(frame for frame in self.frames if frame.verdict.p_fake is not None)

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """In which every frame that can be decided on is called fake, one after the other.

        Of ``MIN_STRETCH_FRAMES`` frames and more; none where one is all of the video.
        """
        runs = [list(run) for fake, run in groupby(self.deciding, _called_fake) if fake]
        return tuple(
            Stretch(run[0].second, run[-1].second, len(run), median(f.verdict.p_fake or 0.0 for f in run))
            for run in runs
            if MIN_STRETCH_FRAMES <= len(run) < len(self.deciding)
        )

    @property
    def stretch(self) -> Stretch | None:
        """The longest of the ``stretches``; None where there is none."""
        return max(self.stretches, key=lambda each: each.frames, default=None)

    def at(self, point: OperatingPoint, thresholds: Thresholds) -> VideoVerdict:
        """The same scores called at an operating point."""
        frames = tuple(replace(f, verdict=f.verdict.at(point, thresholds)) for f in self.frames)
        result = replace(self, frames=frames, operating_point=point)
        call: VerdictLabel = "uncertain" if self.p_fake is None else thresholds.call(self.p_fake, point)
        if (stretch := result.stretch) is not None:
            if stretch.frames >= STRETCH_SHARE * len(result.deciding):
                call = "fake"
            elif call == "real":
                call = "uncertain"
        return replace(result, verdict=call)

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON; ``scope`` is ``video_frames`` and pictures are left out.

        ``stretch`` holds ``start`` and ``end`` in seconds, ``frames``
        and their median ``p_fake``, or is None; ``raw_p_fake`` is the median of all frames.
        """
        frames = [
            {
                "second": round(frame.second, 3),
                "p_fake": frame.verdict.p_fake,
                "raw_p_fake": frame.verdict.raw,
                "verdict": frame.verdict.verdict,
                "faces": len(frame.verdict.faces),
            }
            for frame in self.frames
        ]
        facts = asdict(self.facts)
        return {
            "p_fake": self.p_fake,
            "raw_p_fake": median(frame.verdict.raw for frame in self.frames),
            "verdict": self.verdict,
            "stretch": self.stretch and asdict(self.stretch),
            "frames": frames,
            "warnings": self.warnings,
            "model": self.model,
            "sha256": self.sha256,
            "width": facts.pop("width"),
            "height": facts.pop("height"),
            "scope": "video_frames",
            "operating_point": self.operating_point,
            "video": facts,
        }


def check_video(
    detector: Detector,
    content: bytes,
    point: OperatingPoint = "balanced",
    *,
    most: int = MAX_FRAMES,
    preview: Preview | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> VideoVerdict:
    """Judges evenly spaced frames of a video and takes the median.

    Args:
        detector: who judges; each frame goes the way of a single picture.
        content: the video's bytes.
        point: which thresholds decide.
        most: frames to look at.
        preview: makes what a page shows of a frame, a JPEG file, of its pixels and verdict.
        on_progress: told (done, total) after each frame.

    Raises:
        VideoRefused: the file is no video that can be used.
    """
    video = Video(content)
    total = video.count(most)
    frames: list[FrameVerdict] = []
    for frame in video.frames(most):
        frames.append(_judged(detector, frame, preview))
        if on_progress is not None:
            on_progress(len(frames), total)
    shown = [frame for frame in frames if frame.verdict.scope != "no_face"]
    decided = [frame.verdict.p_fake for frame in frames if frame.verdict.p_fake is not None]
    warnings = [*video.notes, FRAME_WISE]
    if not shown:
        warnings.insert(0, NO_FACE_IN_VIDEO)
    elif not decided:
        warnings.insert(0, NONE_DECIDED)
    elif len(shown) < len(frames) / 2:
        warnings.insert(0, FEW_FACES.format(n=len(shown), total=len(frames)))
    verdict = VideoVerdict(
        p_fake=median(decided) if decided else None,
        verdict="uncertain",
        frames=tuple(frames),
        warnings=tuple(warnings),
        model=detector.card.name,
        sha256=hashlib.sha256(content).hexdigest(),
        facts=video.facts,
        operating_point=point,
    )
    return verdict.at(point, detector.card.thresholds)


def _called_fake(frame: FrameVerdict) -> bool:
    return frame.verdict.verdict == "fake"


def _judged(detector: Detector, frame: Frame, preview: Preview | None) -> FrameVerdict:
    # Of videos the detector has seen faces alone.
    verdict = detector.check(as_picture(frame), whole=False)
    return FrameVerdict(frame.second, verdict, preview(frame.pixels, verdict) if preview else b"")


def as_picture(frame: Frame) -> LoadedImage:
    """A frame as if it had come as a picture file of its own; its hash is that of its pixels."""
    height, width = frame.pixels.shape[:2]
    facts = ImageFacts(
        format="VIDEO",
        width=width,
        height=height,
        n_bytes=frame.pixels.nbytes,
        sha256=hashlib.sha256(frame.pixels.tobytes()).hexdigest(),
        mode="RGB",
        bit_depth=8,
        orientation=1,
        frames=1,
        has_alpha=False,
        has_exif=False,
    )
    return LoadedImage(frame.pixels, facts, ())
