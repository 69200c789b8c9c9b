"""An image in, a verdict out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepfake.admission import Admission
from deepfake.calibration import calibrated_probability
from deepfake.embedding import compiled_reader
from deepfake.faces import Box, crop, find_faces
from deepfake.images import LoadedImage
from deepfake.lookalikes import LookalikeError, LookalikeIndex, load_index
from deepfake.preprocessing import Pixels, to_batch
from deepfake.public_demo import capped
from deepfake.registry import CallName, Card, OperatingPoint, Thresholds, load_card, load_model
from deepfake.scoring import compiled_scorer
from deepfake.stress import StressTest, settled, stress_test

logger = logging.getLogger(__name__)

Scope = Literal["faces", "face_crop", "no_face"]

SMALL_FACE = 64
"""A scored square with a shorter side, in pixels, has lost most traces of a forgery."""

JUDGING = Admission(at_once=2, waiting=capped(30, 10))
"""Of the whole process: the networks use all cores by themselves, and each picture at work holds memory."""


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
    """

    box: Box
    crop: Box
    p_fake: float
    verdict: CallName
    confidence: float
    out_of_scope: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the detector says of one picture; every view shows this one object.

    Attributes:
        p_fake: of the face most likely fake, or of the whole picture where no face was found.
        verdict: fake where one face is, real where all are, else uncertain; always uncertain where no face
            was found.
        faces: largest first; empty where none was found.
        warnings: sentences for the person.
        model: the detector's name.
        sha256: of the picture's bytes.
        width, height: of the upright picture in pixels.
        scope: ``faces`` (faces were cut out), ``face_crop`` (the picture is one), ``no_face``.
        operating_point: which thresholds decided.
        turn: degrees (0, 90, 180, 270) anticlockwise by which crops were turned to stand upright.
        stress: the stress test of each face, or of the whole picture where none was found; empty where it
            was not run. Where it was, a face whose verdict a mild change turns round is uncertain.
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

    def at(self, point: OperatingPoint, thresholds: Thresholds) -> Verdict:
        """The same scores called at an operating point; no network is asked."""

        def call(p_fake: float) -> CallName:
            return "uncertain" if self.scope == "no_face" else thresholds.call(p_fake, point)

        stress = tuple(test.at(call) for test in self.stress)
        calls: list[CallName] = [
            "uncertain" if face.out_of_scope else call(face.p_fake) for face in self.faces
        ]
        if stress:
            pairs = zip(calls, stress, strict=False)  # no face: one test, no face
            calls = [settled(name, test) for name, test in pairs]
        faces = tuple(replace(face, verdict=name) for face, name in zip(self.faces, calls, strict=True))
        return replace(self, verdict=_overall(calls), faces=faces, operating_point=point, stress=stress)

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON; ``stress`` is None where the test was not run."""
        fields = asdict(replace(self, stress=()))
        return {**fields, "stress": [test.to_dict() for test in self.stress] or None}


def _overall(calls: Sequence[CallName]) -> CallName:
    """Of a picture with these faces."""
    if "fake" in calls:
        return "fake"
    return "real" if calls and set(calls) == {"real"} else "uncertain"


class Detector:
    """A network with its card. Safe to share between threads."""

    def __init__(self, card: Card) -> None:
        """Loads the network; takes seconds.

        Raises:
            ModelError: the model file is missing or not the one in the card.
        """
        self.card = card
        self.network = load_model(card)
        self.scorer = compiled_scorer(self.network, card.input)
        self.reader = compiled_reader(self.network, card.input)
        self.index = _index_of(card)

    def p_fake(self, crops: Sequence[Pixels]) -> NDArray[np.float64]:
        """Calibrated probabilities of Fake.

        Args:
            crops: square face crops, each (S, S, 3) uint8 of any S.

        Returns:
            (N,) in [0, 1].
        """
        if not crops:
            return np.empty(0)
        logits = self.scorer(to_batch(list(crops), self.card.input))
        return calibrated_probability(logits, self.card.temperature, self.card.bias)

    def read(self, crops: Sequence[Pixels]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Calibrated probabilities of Fake (N,), and embeddings (N, D), each of length 1.

        Args:
            crops: at least one square face crop, (S, S, 3) uint8 of any S.
        """
        return self.read_batch(to_batch(list(crops), self.card.input))

    def read_batch(self, batch: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """As ``read``, of crops already at the network's size: (N, size, size, 3) uint8."""
        logits, vectors = self.reader(batch)
        return calibrated_probability(logits, self.card.temperature, self.card.bias), vectors

    def check(self, image: LoadedImage, point: OperatingPoint = "balanced") -> Verdict:
        """Finds the faces of a picture and judges each.

        Args:
            image: from ``images.load_image``.
            point: ``balanced``, or ``few_false_alarms`` to call fewer real faces fake.

        Raises:
            Busy: too many pictures wait already.
        """
        with JUDGING.turn():
            return self._check(image).at(point, self.card.thresholds)

    def _check(self, image: LoadedImage) -> Verdict:
        """Without calls, which ``Verdict.at`` makes."""
        scan = find_faces(image.pixels)
        warnings = list(image.notes)
        crops = scored_crops(image.pixels, [face.crop for face in scan.faces], scan.turn)
        scores, strange = self.judge(crops)
        if scan.kind == "no_face":
            warnings.append(
                "No face was found, so the whole picture was scored. The detector was trained on faces only: "
                "the number means little here."
            )
        if scan.faces and any(strange):
            which = "The face" if len(crops) == 1 else f"{sum(strange)} of {len(crops)} faces"
            warnings.append(
                f"{which} would get a verdict by the score alone, but resembles too little of what the "
                "detector was trained on: uncertain."
            )
        if scan.turn:
            warnings.append(f"The faces were found after turning the picture by {scan.turn} degrees.")
        small = sum(min(part.shape[:2]) < SMALL_FACE for part in crops)
        if small and scan.faces:
            which = "The face" if len(crops) == 1 else f"{small} of {len(crops)} faces"
            warnings.append(
                f"{which} had fewer than {SMALL_FACE} pixels to a side when cut out: "
                "too little detail is left for a sound verdict."
            )
        faces = tuple(
            FaceVerdict(face.box, face.crop, score, "uncertain", face.confidence, odd)
            for face, score, odd in zip(scan.faces, scores, strange, strict=False)  # no face: one score
        )
        return Verdict(
            p_fake=max(scores),
            verdict="uncertain",
            faces=faces,
            warnings=tuple(warnings),
            model=self.card.name,
            sha256=image.facts.sha256,
            width=image.facts.width,
            height=image.facts.height,
            scope=scan.kind,
            operating_point="balanced",
            turn=scan.turn,
        )

    def judge(self, crops: Sequence[Pixels]) -> tuple[list[float], list[bool]]:
        """p_fake of each crop, and whether it would get a verdict but is out of scope.

        Nothing is out of scope where there is no index to ask.
        """
        if self.index is None:
            return [float(score) for score in self.p_fake(crops)], [False] * len(crops)
        scores, vectors = self.read(crops)
        # The balanced point decides wherever the other one does.
        decided = [self.card.thresholds.call(score) != "uncertain" for score in scores]
        strange = [self.index.out_of_scope(vector) for vector in vectors]
        return scores.tolist(), [sure and odd for sure, odd in zip(decided, strange, strict=True)]

    def stressed(self, image: LoadedImage, verdict: Verdict) -> Verdict:
        """A verdict after the stress test of every face (20 scores each).

        Args:
            image: the picture that was judged.
            verdict: of it, by this detector.
        """
        crops = scored_crops(image.pixels, [face.crop for face in verdict.faces], verdict.turn)
        tests = tuple(stress_test(self.p_fake, part, self.card.thresholds) for part in crops)
        return replace(verdict, stress=tests).at(verdict.operating_point, self.card.thresholds)


def scored_crops(pixels: Pixels, crops: Sequence[Box], turn: int = 0) -> list[Pixels]:
    """The parts of a picture that a verdict is about, upright; the whole picture where no face was found.

    Args:
        pixels: (H, W, 3) uint8.
        crops: the faces' squares, in pixels of the picture.
        turn: ``Verdict.turn``.
    """
    return [np.rot90(crop(pixels, square), turn // 90) for square in crops] or [pixels]


def _index_of(card: Card) -> LookalikeIndex | None:
    """The detector's index of training pictures; without one, nothing is out of scope."""
    try:
        return load_index(card)
    except LookalikeError as error:
        if error.code != "no_index":
            logger.warning("%s", error.message)
        return None


_loaded: dict[tuple[Any, ...], Detector] = {}
_lock = threading.Lock()


def get_detector(name: str | None = None) -> Detector:
    """The detector of that name, or the default one; loaded once per process and shared.

    Raises:
        ModelError: it is missing or damaged.
    """
    card = load_card(name)
    # One published anew is another one, even where only its calibration changed.
    key = (str(card.folder), card.sha256, card.input, card.temperature, card.bias, card.thresholds)
    with _lock:
        if key not in _loaded:
            _loaded[key] = Detector(card)
        return _loaded[key]
