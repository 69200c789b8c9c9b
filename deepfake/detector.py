"""An image in, a verdict out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from deepfake.admission import Admission
from deepfake.embedding import compiled_reader
from deepfake.faces import Box, Face, crop, find_faces
from deepfake.images import LoadedImage
from deepfake.lookalikes import LookalikeError, LookalikeIndex, load_index
from deepfake.preprocessing import Pixels, centre_square, to_batch
from deepfake.public_demo import capped
from deepfake.registry import Card, OperatingPoint, load_card, load_model
from deepfake.scoring import compiled_scorer
from deepfake.stress import stress_test
from deepfake.verdict import FaceVerdict, Verdict, WholeVerdict

logger = logging.getLogger(__name__)

SMALL_FACE = 64
"""A scored square with a shorter side, in pixels, has lost most traces of a forgery."""

JUDGING = Admission(at_once=2, waiting=capped(30, 10))
"""Of the whole process: the networks use all cores by themselves, and each picture at work holds memory."""


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
        return self.card.probability(logits)

    def read(self, crops: Sequence[Pixels]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Calibrated probabilities of Fake (N,), and embeddings (N, D), each of length 1.

        Args:
            crops: at least one square face crop, (S, S, 3) uint8 of any S.
        """
        return self.read_batch(to_batch(list(crops), self.card.input))

    def read_batch(self, batch: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """As ``read``, of crops already at the network's size: (N, size, size, 3) uint8."""
        logits, vectors = self.reader(batch)
        return self.card.probability(logits), vectors

    def check(self, image: LoadedImage, point: OperatingPoint = "balanced", *, whole: bool = True) -> Verdict:
        """Finds the faces of a picture and judges each.

        Args:
            image: from ``images.load_image``.
            point: ``balanced``, or ``few_false_alarms`` to call fewer real faces fake.
            whole: judge the whole picture beside its faces, where the detector's card allows it.

        Raises:
            Busy: too many pictures wait already.
        """
        with JUDGING.turn():
            return self._check(image, whole and self.card.whole_pictures).at(point, self.card.thresholds)

    def _check(self, image: LoadedImage, judge_whole: bool) -> Verdict:
        """Without calls, which ``Verdict.at`` makes."""
        scan = find_faces(image.pixels)
        warnings = list(image.notes)
        crops = _crops(image.pixels, scan.faces, scan.photo)
        with_whole = scan.kind == "faces" and judge_whole
        scores, strange = self.judge(
            [*crops, upright_square(image.pixels, scan.turn, scan.photo)] if with_whole else crops
        )
        whole = None
        if with_whole:
            score, odd = scores.pop(), strange.pop()
            counts = score >= self.card.thresholds.balanced
            whole = None if odd else WholeVerdict(score, counts, "uncertain")
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
            FaceVerdict(face.box, face.crop, score, "uncertain", face.confidence, odd, face.turn)
            for face, score, odd in zip(scan.faces, scores, strange, strict=False)  # no face: one score
        )
        return Verdict(
            p_fake=max([*scores, whole.p_fake] if whole and whole.counts else scores),
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
            whole=whole,
            photo=scan.photo,
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
        """A verdict after the stress test of each of its parts (20 scores each).

        Args:
            image: the picture that was judged.
            verdict: of it, by this detector.
        """
        parts = scored_parts(image.pixels, verdict)
        tests = tuple(stress_test(self.p_fake, part, self.card.thresholds) for part in parts)
        return replace(verdict, stress=tests).at(verdict.operating_point, self.card.thresholds)


def scored_parts(pixels: Pixels, verdict: Verdict, *, every: bool = False) -> list[Pixels]:
    """What each of ``Verdict.parts`` was scored on, upright.

    Args:
        pixels: (H, W, 3) uint8, of the picture.
        verdict: of it.
        every: the whole picture also where it was judged and does not count.
    """
    parts = _crops(pixels, verdict.faces, verdict.photo)
    if verdict.whole and (every or verdict.whole.counts):
        parts.append(upright_square(pixels, verdict.turn, verdict.photo))
    return parts


def _crops(pixels: Pixels, faces: Sequence[Face | FaceVerdict], photo: Box | None) -> list[Pixels]:
    """The faces, upright; the picture without its margins where none was found."""
    parts = [np.rot90(crop(pixels, face.crop), face.turn // 90) for face in faces]
    return parts or [crop(pixels, photo) if photo else pixels]


def upright_square(pixels: Pixels, turn: int = 0, photo: Box | None = None) -> Pixels:
    """What is scored as the whole picture.

    Args:
        pixels: (H, W, 3) uint8.
        turn: ``Verdict.turn``.
        photo: ``Verdict.photo``.
    """
    return np.rot90(centre_square(crop(pixels, photo) if photo else pixels), turn // 90)


def _index_of(card: Card) -> LookalikeIndex | None:
    """The detector's index of training pictures; without one, nothing is out of scope."""
    try:
        return load_index(card)
    except LookalikeError as error:
        if error.code != "no_index":
            logger.warning("%s", error.message)
        return None


_loaded: dict[tuple[str, str], Detector] = {}
_lock = threading.Lock()


def get_detector(name: str | None = None) -> Detector:
    """The detector of that name, or the default one; loaded once per process and shared.

    Raises:
        ModelError: it is missing or damaged.
    """
    card = load_card(name)
    # One published anew is another one, even where only its calibration changed.
    key = (str(card.folder), card.version)
    with _lock:
        if key not in _loaded:
            _loaded[key] = Detector(card)
        return _loaded[key]
