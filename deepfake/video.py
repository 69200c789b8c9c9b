"""A short video, judged frame by frame: evidence on stills, none on sound or motion."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any

from deepfake.figures import draw_faces, jpeg_bytes
from deepfake.images import ImageFacts, LoadedImage
from deepfake.registry import CallName, OperatingPoint, Thresholds
from deepfake.video_frames import MAX_FRAMES, Frame, Video, VideoFacts

if TYPE_CHECKING:
    from deepfake.detector import Detector
    from deepfake.verdict import Verdict

FRAME_SIDE = 480
"""Longest side of a frame that is kept, in pixels."""
NO_FACE = (
    "No face was found in any frame looked at, so whole frames were scored. The detector was trained on "
    "faces only: the number means little here."
)
FEW_FACES = "Few of the frames looked at show a face: the verdict rests on {n} of {total}."
FRAME_WISE = (
    "Frame-wise evidence: still pictures of the video were judged one by one. Nothing was said of sound, of "
    "motion, or of how frames follow each other."
)


@dataclass(frozen=True)
class FrameVerdict:
    """One frame's part of a video's verdict.

    Attributes:
        second: since the start of the video.
        verdict: as of a single picture; its scope is ``no_face`` where none was found.
        picture: a JPEG of the frame with its faces marked, for the screen.
    """

    second: float
    verdict: Verdict
    picture: bytes


@dataclass(frozen=True)
class VideoVerdict:
    """What the detector says of a video.

    Attributes:
        p_fake: median over the frames with a face (of the face most likely fake in each), 0..1; over all
            frames where none shows a face.
        verdict: of the median; uncertain where no frame shows a face.
        frames: those looked at, in order.
        warnings: sentences for the person; the last says what frame-wise evidence is.
        model: the detector's name.
        sha256: of the file.
        facts: about the video.
        operating_point: which thresholds decided.
    """

    p_fake: float
    verdict: CallName
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

    def at(self, point: OperatingPoint, thresholds: Thresholds) -> VideoVerdict:
        """The same scores called at an operating point."""
        frames = tuple(replace(f, verdict=f.verdict.at(point, thresholds)) for f in self.frames)
        call: CallName = thresholds.call(self.p_fake, point) if self.with_face else "uncertain"
        return replace(self, verdict=call, frames=frames, operating_point=point)

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON; ``scope`` is ``video_frames`` and pictures are left out."""
        frames = [
            {
                "second": round(frame.second, 3),
                "p_fake": frame.verdict.p_fake,
                "verdict": frame.verdict.verdict,
                "faces": len(frame.verdict.faces),
            }
            for frame in self.frames
        ]
        facts = asdict(self.facts)
        return {
            "p_fake": self.p_fake,
            "verdict": self.verdict,
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
    on_progress: Callable[[int, int], None] | None = None,
) -> VideoVerdict:
    """Judges evenly spaced frames of a video and takes the median.

    Args:
        detector: who judges; each frame goes the way of a single picture.
        content: the video's bytes.
        point: which thresholds decide.
        most: frames to look at.
        on_progress: told (done, total) after each frame.

    Raises:
        VideoRefused: the file is no video that can be used.
    """
    video = Video(content)
    total = video.count(most)
    frames: list[FrameVerdict] = []
    for frame in video.frames(most):
        frames.append(_judged(detector, frame))
        if on_progress is not None:
            on_progress(len(frames), total)
    shown = [frame for frame in frames if frame.verdict.scope != "no_face"]
    warnings = [*video.notes, FRAME_WISE]
    if not shown:
        warnings.insert(0, NO_FACE)
    elif len(shown) < len(frames) / 2:
        warnings.insert(0, FEW_FACES.format(n=len(shown), total=len(frames)))
    verdict = VideoVerdict(
        p_fake=median(frame.verdict.p_fake for frame in shown or frames),
        verdict="uncertain",
        frames=tuple(frames),
        warnings=tuple(warnings),
        model=detector.card.name,
        sha256=hashlib.sha256(content).hexdigest(),
        facts=video.facts,
        operating_point=point,
    )
    return verdict.at(point, detector.card.thresholds)


def fake_stretch(result: VideoVerdict, least: int = 3) -> tuple[float, float] | None:
    """The longest stretch of a video in which every frame with a face was called fake.

    Args:
        result: as called.
        least: frames with a face that make a stretch, at least 1.

    Returns:
        The seconds of its first and last frame; None where there is none, or the whole video is called fake.
    """
    if result.verdict == "fake":
        return None
    runs = [
        list(run) for fake, run in groupby(result.with_face, lambda f: f.verdict.verdict == "fake") if fake
    ]
    longest = max(runs, key=len, default=[])
    return (longest[0].second, longest[-1].second) if len(longest) >= least else None


def _judged(detector: Detector, frame: Frame) -> FrameVerdict:
    # Of videos the detector has seen faces alone.
    verdict = detector.check(as_picture(frame), whole=False)
    marked = draw_faces(
        frame.pixels,
        [face.box for face in verdict.faces],
        [face.verdict for face in verdict.faces],
        FRAME_SIDE,
    )
    return FrameVerdict(frame.second, verdict, jpeg_bytes(marked, quality=80))


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
