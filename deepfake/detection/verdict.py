"""What a detector says of a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from deepfake.detection.rules import RealScores
from deepfake.detection.stress import StressTest, apply_stress_test
from deepfake.types import Box, KindEstimate, OperatingPoint, Reason, Thresholds, VerdictLabel

Scope = Literal["faces", "face_crop", "no_face"]
Basis = Literal["faces", "whole", "nothing"]
WHOLE = "Whole image"


@dataclass(frozen=True)
class FaceVerdict:
    """One face's part of a verdict.

    Attributes:
        box: the face as found: left, top, right, bottom in pixels of the picture.
        crop: the square that was scored.
        p_fake: calibrated probability that the face is fake, 0..1.
        verdict: real, fake or uncertain.
        confidence: the face finder's own, 0..1.
        out_of_scope: it is too unlike what the detector was trained on (``neighbours``), or no photograph.
        turn: degrees (0, 90, 180, 270) anticlockwise by which the crop was turned to stand upright.
        reason: why it is uncertain whatever its score: ``out_of_scope`` and ``not_a_photograph`` (see above),
            ``too_small`` (``rules``), ``fake_as_a_whole`` (it would be called real, but the whole image is
            called fake); None where its score decides.
        fake_from: the score that it must reach to be called fake, beside the detector's threshold; 0 unless
            it is small (``Rules.fake_from``).
    """

    box: Box
    crop: Box
    p_fake: float
    verdict: VerdictLabel
    confidence: float
    out_of_scope: bool = False
    turn: int = 0
    reason: Reason | None = None
    fake_from: float = 0.0

    @property
    def excluded(self) -> bool:
        """Its score is no verdict, and lends the picture no number."""
        return self.out_of_scope or self.reason in ("out_of_scope", "not_a_photograph", "too_small")


@dataclass(frozen=True)
class WholeVerdict:
    """The part of a verdict that is about the whole picture, where faces were cut out of it.

    What a generator made whole shows it outside the faces, too.

    Attributes:
        p_fake: of the picture's centre square, 0..1.
        counts: the picture is of the kind that such scores were measured on, and this one is high enough
            (``rules.WholeRule``). Else it says nothing: a swapped face changes little of a picture.
        verdict: real, fake or uncertain.
        square: what was scored: left, top, right, bottom in pixels of the picture.
    """

    p_fake: float
    counts: bool
    verdict: VerdictLabel
    square: Box = (0, 0, 0, 0)


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
    verdict: VerdictLabel


@dataclass(frozen=True)
class PartNotes:
    """What was seen of a part beside its score, for ``report.evidence``; none of it decides.

    Attributes:
        first_alone: p_fake by the first of two networks alone, 0..1; None where there is one network.
        similar: how many of the most similar training images were looked at; 0 where there is no index.
        similar_fakes: how many of those are fakes.
        kind: of fake that it is most like; None where the detector does not tell kinds.
    """

    first_alone: float | None = None
    similar: int = 0
    similar_fakes: int = 0
    kind: KindEstimate | None = None


@dataclass(frozen=True)
class Verdict:
    """What the detector says of one picture; every view shows this one object.

    Attributes:
        p_fake: of the face most likely fake, set off against the number of faces (``RealScores.of_several``),
            or of ``whole`` where that counts and is higher, 0..1. None where nothing in the picture can be
            decided on: no face, or only faces that are ``excluded``.
        verdict: fake where ``p_fake`` and a face say so, real where all faces are, else uncertain; ``whole``
            is one more face where it counts. Always uncertain where ``p_fake`` is None.
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
        raw_p_fake: the highest score of any face, or of the whole picture where no face was found, 0..1,
            whether it means anything or not; ``p_fake`` where left out.
        expected_fake: how many faces of as many real ones would be called fake, each by its score alone; None
            where the detector's rules do not say.
        photo: the picture without its plain margins, in which everything was looked for: left, top, right,
            bottom in pixels; None where it has none.
        kind: of fake that the part which decides is most like; None where the verdict is real, where nothing
            decides, and of detectors that do not tell kinds.
        real_scores: of the detector's ``rules``; not part of the record.
        part_notes: of each part that was scored, the faces first; empty where none were taken. They are not
            part of the record.
    """

    p_fake: float | None
    verdict: VerdictLabel
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
    raw_p_fake: float | None = None
    expected_fake: float | None = None
    photo: Box | None = None
    kind: KindEstimate | None = None
    real_scores: RealScores | None = field(default=None, repr=False)
    part_notes: tuple[PartNotes, ...] = field(default=(), repr=False)

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the verdict rests on: each face, then the whole picture where it counts or is all there is."""
        faces = [
            Part(f"Face {number}", face.p_fake, face.verdict)
            for number, face in enumerate(self.faces, start=1)
        ]
        if self.whole and self.whole.counts:
            return (*faces, Part(WHOLE, self.whole.p_fake, self.whole.verdict))
        return tuple(faces) or (Part(WHOLE, self.raw, self.verdict),)

    @property
    def raw(self) -> float:
        """``raw_p_fake``, or ``p_fake`` where it was left out."""
        return self.raw_p_fake if self.raw_p_fake is not None else self.p_fake or 0.0

    @property
    def basis(self) -> Basis:
        """What ``p_fake`` is of: the faces, the whole picture, or nothing."""
        if self.p_fake is None:
            return "nothing"
        return "whole" if self.whole and self.whole.counts and self.whole.p_fake >= self.p_fake else "faces"

    @property
    def deciding(self) -> tuple[FaceVerdict, ...]:
        """The faces whose scores decide."""
        return tuple(face for face in self.faces if not face.excluded)

    @property
    def most_suspicious(self) -> int | None:
        """The number of the face, from 0, with the highest score that decides; of all where none decides.

        None where no face was found.
        """
        faces = enumerate(self.faces)
        return max(faces, key=lambda pair: (not pair[1].excluded, pair[1].p_fake), default=(None,))[0]

    def at(self, point: OperatingPoint, thresholds: Thresholds) -> Verdict:
        """The same scores called at an operating point; no network is asked."""

        def call(p_fake: float) -> VerdictLabel:
            return "uncertain" if self.scope == "no_face" else thresholds.call(p_fake, point)

        stress = tuple(test.at(call) for test in self.stress)
        calls: list[VerdictLabel] = [call(part.p_fake) for part in self.parts]
        faces = [_as_scored(face) for face in self.faces]
        for number, face in enumerate(faces):
            if face.excluded or (calls[number] == "fake" and face.p_fake < face.fake_from):
                calls[number] = "uncertain"
        if stress:
            calls = [apply_stress_test(name, test) for name, test in zip(calls, stress, strict=True)]
        own, whole = calls[: len(faces)], self.whole
        if whole:
            whole = replace(whole, verdict=calls[-1] if whole.counts else call(whole.p_fake))
        by_whole = whole is not None and whole.counts and whole.verdict == "fake"
        verdict = "fake" if by_whole else _of_faces(faces, own, self.real_scores, call)
        if whole and whole.counts and not by_whole and verdict == "real":
            verdict = "uncertain"
        if by_whole:
            for number, name in enumerate(own):
                if name == "real":  # else it would contradict the picture's verdict
                    own[number] = "uncertain"
                    faces[number] = replace(faces[number], reason="fake_as_a_whole")
        table = self.real_scores
        return replace(
            self,
            expected_fake=table and len(self.deciding) * table.at_least(thresholds.fake_from(point)),
            verdict=verdict,
            faces=tuple(replace(face, verdict=name) for face, name in zip(faces, own, strict=True)),
            operating_point=point,
            stress=stress,
            whole=whole,
            kind=None if verdict == "real" else self._kind(),
        )

    def _kind(self) -> KindEstimate | None:
        """Of the part whose score is the picture's, whatever the verdict."""
        if self.basis == "whole":
            index = len(self.faces)
        elif self.deciding:
            index = self.faces.index(max(self.deciding, key=lambda face: face.p_fake))
        else:
            return None
        return self.part_notes[index].kind if index < len(self.part_notes) else None

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON, with ``basis``; ``stress`` is None where the test was not run."""
        fields = asdict(replace(self, stress=(), real_scores=None, part_notes=()))
        del fields["real_scores"], fields["part_notes"]
        stress = [test.to_dict() for test in self.stress] or None
        return {**fields, "stress": stress, "raw_p_fake": self.raw, "basis": self.basis}


def picture_score(faces: Sequence[FaceVerdict], real_scores: RealScores | None) -> float | None:
    """``Verdict.p_fake`` as far as it is of faces; None where no face can be decided on."""
    scores = [face.p_fake for face in faces if not face.excluded]
    if not scores:
        return None
    return real_scores.of_several(scores) if real_scores else max(scores)


def _as_scored(face: FaceVerdict) -> FaceVerdict:
    """Without what an earlier call made of it."""
    return replace(face, reason=None) if face.reason == "fake_as_a_whole" else face


def _of_faces(
    faces: Sequence[FaceVerdict],
    calls: Sequence[VerdictLabel],
    real_scores: RealScores | None,
    call: Callable[[float], VerdictLabel],
) -> VerdictLabel:
    """The verdict on a picture with these faces."""
    # Only faces that are called fake by themselves may make it fake; the others are the chances they had.
    heard = [
        replace(face, p_fake=face.p_fake if name == "fake" else 0.0)
        for face, name in zip(faces, calls, strict=True)
    ]
    score = picture_score(heard, real_scores)
    if score is None:
        return "uncertain"
    if "fake" in calls:
        return "fake" if call(score) == "fake" else "uncertain"
    # Faces too small to tell, in the background say, do not keep the others from being real.
    voting = {name for face, name in zip(faces, calls, strict=True) if face.reason != "too_small"}
    return "real" if voting == {"real"} else "uncertain"
