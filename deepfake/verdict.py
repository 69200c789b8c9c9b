"""What a detector says of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from deepfake.faces import Box
from deepfake.registry import CallName, OperatingPoint, Thresholds
from deepfake.stress import StressTest, settled

Scope = Literal["faces", "face_crop", "no_face"]
WHOLE = "Whole picture"


@dataclass(frozen=True)
class FaceVerdict:
    """One face's part of a verdict.

    Attributes:
        box: the face as found: left, top, right, bottom in pixels of the picture.
        crop: the square that was scored.
        p_fake: calibrated probability that the face is fake, 0..1.
        verdict: real, fake or uncertain.
        confidence: the face finder's own, 0..1.
        out_of_scope: its score would decide, but it is too unlike what the detector was trained on
            (``lookalikes``): uncertain.
        turn: degrees (0, 90, 180, 270) anticlockwise by which the crop was turned to stand upright.
    """

    box: Box
    crop: Box
    p_fake: float
    verdict: CallName
    confidence: float
    out_of_scope: bool = False
    turn: int = 0


@dataclass(frozen=True)
class WholeVerdict:
    """The part of a verdict that is about the whole picture, where faces were cut out of it.

    What a generator made whole shows it outside the faces, too.

    Attributes:
        p_fake: of the picture's centre square, 0..1.
        counts: it is above the balanced threshold, and so is one more face for the picture's verdict. Below,
            it says nothing: a swapped face changes little of a picture.
        verdict: real, fake or uncertain.
    """

    p_fake: float
    counts: bool
    verdict: CallName


@dataclass(frozen=True)
class Part:
    """One of the parts of a picture that its verdict rests on.

    Attributes:
        name: for a person: a face's number, or the whole picture.
        p_fake: 0..1.
        verdict: real, fake or uncertain.
    """

    name: str
    p_fake: float
    verdict: CallName


@dataclass(frozen=True)
class Verdict:
    """What the detector says of one picture; every view shows this one object.

    Attributes:
        p_fake: of the face most likely fake, or of ``whole`` where that counts and is higher; of the whole
            picture where no face was found.
        verdict: fake where one face is, real where all are, else uncertain; ``whole`` is one more face where
            it counts. Always uncertain where no face was found.
        faces: largest first; empty where none was found.
        warnings: sentences for the person.
        model: the detector's name.
        sha256: of the picture's bytes.
        width, height: of the upright picture in pixels.
        scope: ``faces`` (faces were cut out), ``face_crop`` (the picture is one), ``no_face``.
        operating_point: which thresholds decided.
        turn: degrees (0, 90, 180, 270) anticlockwise by which the picture was turned to stand upright; of the
            largest face, where they differ.
        stress: the stress test of each of ``parts``; empty where it was not run. Where it was, a part whose
            verdict a mild change turns round is uncertain.
        whole: the whole picture's part, of a detector that knows whole pictures and ``scope`` ``faces``; None
            where it was not judged or is unlike all that the detector was trained on.
    """

    p_fake: float
    verdict: CallName
    faces: tuple[FaceVerdict, ...]
    warnings: tuple[str, ...]
    model: str
    sha256: str
    width: int
    height: int
    scope: Scope
    operating_point: OperatingPoint
    turn: int = 0
    stress: tuple[StressTest, ...] = ()
    whole: WholeVerdict | None = None
    photo: Box | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the verdict rests on: each face, then the whole picture where it counts or is all there is."""
        faces = [
            Part(f"Face {number}", face.p_fake, face.verdict)
            for number, face in enumerate(self.faces, start=1)
        ]
        if self.whole and self.whole.counts:
            return (*faces, Part(WHOLE, self.whole.p_fake, self.whole.verdict))
        return tuple(faces) or (Part(WHOLE, self.p_fake, self.verdict),)

    def at(self, point: OperatingPoint, thresholds: Thresholds) -> Verdict:
        """The same scores called at an operating point; no network is asked."""

        def call(p_fake: float) -> CallName:
            return "uncertain" if self.scope == "no_face" else thresholds.call(p_fake, point)

        stress = tuple(test.at(call) for test in self.stress)
        calls: list[CallName] = [call(part.p_fake) for part in self.parts]
        for number, face in enumerate(self.faces):
            if face.out_of_scope:
                calls[number] = "uncertain"
        if stress:
            calls = [settled(name, test) for name, test in zip(calls, stress, strict=True)]
        faces = tuple(replace(face, verdict=name) for face, name in zip(self.faces, calls, strict=False))
        whole = self.whole
        if whole:
            whole = replace(whole, verdict=calls[-1] if whole.counts else call(whole.p_fake))
        return replace(
            self, verdict=_overall(calls), faces=faces, operating_point=point, stress=stress, whole=whole
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON; ``stress`` is None where the test was not run."""
        fields = asdict(replace(self, stress=()))
        return {**fields, "stress": [test.to_dict() for test in self.stress] or None}


def _overall(calls: Sequence[CallName]) -> CallName:
    """Of a picture with these faces."""
    if "fake" in calls:
        return "fake"
    return "real" if calls and set(calls) == {"real"} else "uncertain"
