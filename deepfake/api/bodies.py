"""What goes into the interface and what comes out, as types; ``schema`` makes the OpenAPI document of them.

Where an answer is a dataclass of the package with a few fields more or fewer, only those few stand here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NotRequired, TypedDict

from deepfake.detection.verdict import Basis, Verdict
from deepfake.detection.video import Stretch
from deepfake.images.video import VideoFacts
from deepfake.types import EvidenceLine, OperatingPoint, Thresholds, VerdictLabel


@dataclass(frozen=True)
class JudgeFields:
    """How files are to be judged.

    Attributes:
        model: a detector's name; the default one if left out.
        threshold: which thresholds decide.
        fast: of a detector with two networks ask the first alone.
    """

    model: str | None = None
    threshold: OperatingPoint = "balanced"
    fast: bool = False


@dataclass(frozen=True)
class PredictFields(JudgeFields):
    """How images are to be judged.

    Attributes:
        stress: also score each face compressed, resized, blurred; a verdict that does not survive is
            uncertain.
    """

    stress: bool = False


@dataclass(frozen=True)
class ReportFields(JudgeFields):
    """How an image is to be judged, and what the report is to be.

    Attributes:
        format: a page of HTML, a PDF, or the receipt that ``deepfake verify`` checks.
    """

    format: Literal["html", "pdf", "receipt"] = "html"


class FileInJson(TypedDict):
    """A file for those who cannot send forms.

    Attributes:
        name: shown again in the answer; never a path.
        data: the file's bytes in base64 (RFC 4648), without a prefix such as ``data:``.
    """

    name: NotRequired[str]
    data: str


class Failure(TypedDict):
    """Why there is no answer.

    Attributes:
        code: for programs.
        message: for a person.
    """

    code: str
    message: str


class Refused(TypedDict):
    """A file without a verdict."""

    file: str
    error: Failure


class StressedChange(TypedDict):
    """The score after one change of the stress test.

    Attributes:
        kind: what was done.
        amount, unit: how much.
        mild: whether an image that was only sent or saved again has been through as much.
        p_fake: 0..1.
        verdict: at this score.
    """

    kind: str
    amount: float
    unit: str
    mild: bool
    p_fake: float
    verdict: VerdictLabel


class Stress(TypedDict):
    """The stress test of one part of an image.

    Attributes:
        verdict: by the score alone.
        stable: no mild change turns the verdict into its opposite.
        sentence: the outcome in words.
        changes: the score after each.
    """

    verdict: VerdictLabel
    stable: bool
    sentence: str
    changes: list[StressedChange]


class CheckedImage(TypedDict):
    """What ``Outcome.to_dict`` adds to the fields of ``Verdict``, or gives otherwise.

    Attributes:
        file: the name as given.
        stress: a test a face, then one of the whole image where it counts; None where it was not asked for.
        raw_p_fake: the highest score of any face, of the whole image where no face was found, 0..1: also
            where nothing can be decided on, and then no ground for a verdict.
        basis: what ``p_fake`` is of.
        evidence: what each witness says: the file's signed record and marks, which are claims that anyone can
            write or strip, and the detector. They never change the score.
    """

    file: str
    stress: list[Stress] | None
    raw_p_fake: float
    basis: Basis
    evidence: list[EvidenceLine]


class Predictions(TypedDict):
    """What came of the images of a request.

    Attributes:
        model: the detector's name.
        results: a verdict or an error for each image, in the order they were sent.
    """

    model: str
    operating_point: OperatingPoint
    results: list[Verdict | Refused]


class CheckedFrame(TypedDict):
    """One frame of a video.

    Attributes:
        second: since the start of the video.
        p_fake: 0..1; None where the frame shows no face that can be decided on.
        raw_p_fake: the highest score, 0..1, also where nothing can be decided on.
        verdict: on the frame.
        faces: how many were found.
    """

    second: float
    p_fake: float | None
    raw_p_fake: float
    verdict: VerdictLabel
    faces: int


class CheckedVideo(TypedDict):
    """What ``outcome.video_fields`` adds to the fields of ``VideoVerdict``, or gives otherwise.

    Attributes:
        file: the name as given.
        raw_p_fake: the median over all frames, 0..1, also those that cannot be decided on.
        stretch: the part in which every frame is called fake; None where there is none.
        frames: those looked at, in order.
        width, height: of a frame, upright, in pixels.
        scope: frames are checked one by one; sound and motion are not.
        video: the file.
        headline: the verdict in words.
    """

    file: str
    raw_p_fake: float
    stretch: Stretch | None
    frames: list[CheckedFrame]
    width: int
    height: int
    scope: Literal["video_frames"]
    video: VideoFacts
    headline: str


class Model(TypedDict):
    """A detector.

    Attributes:
        default: it judges where none is named.
        description: one sentence.
        knows, does_not_know: kinds of fakes it was, and was not, trained on.
        false_alarms: which real images it tends to call fake; may be empty.
        sha256: of its network, ``model.keras``; of two networks, of the first.
        second_sha256: of its second network, ``second.tflite``; None where it has one network.
        thresholds: where a score becomes a verdict.
    """

    name: str
    default: bool
    description: str
    knows: tuple[str, ...]
    does_not_know: tuple[str, ...]
    false_alarms: str
    sha256: str
    second_sha256: str | None
    thresholds: Thresholds


class DamagedModel(TypedDict):
    """A detector that cannot be used."""

    name: str
    default: bool
    error: Failure


class Models(TypedDict):
    """The detectors."""

    models: list[Model | DamagedModel]


class Health(TypedDict):
    """Whether it is up.

    Attributes:
        status: ``starting`` until a detector is loaded.
    """

    status: Literal["ok", "starting"]
    version: str


class Alive(TypedDict):
    """The process answers, or is ready for work."""

    status: Literal["ok"]


class Problem(TypedDict):
    """An error (RFC 9457).

    Attributes:
        detail: what is wrong and what to do, for a person.
        code: for programs.
        request_id: as in the header X-Request-ID; it stands in the server's log too.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
