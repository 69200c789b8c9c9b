"""An image in, a verdict out."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from deepfake.calibration import calibrated_probability
from deepfake.faces import Box, crop, find_faces
from deepfake.images import LoadedImage
from deepfake.preprocessing import Pixels, to_batch
from deepfake.registry import CallName, Card, OperatingPoint, Thresholds, load_card, load_model
from deepfake.scoring import compiled_scorer

Scope = Literal["faces", "face_crop", "no_face"]

SMALL_FACE = 64
"""A scored square with a shorter side, in pixels, has lost most traces of a forgery."""


@dataclass(frozen=True)
class FaceVerdict:
    """One face's part of a verdict.

    Attributes:
        box: the face as found: left, top, right, bottom in pixels of the picture.
        crop: the square that was scored.
        p_fake: calibrated probability that the face is fake, 0..1.
        verdict: real, fake or uncertain.
        confidence: the face finder's own, 0..1.
    """

    box: Box
    crop: Box
    p_fake: float
    verdict: CallName
    confidence: float


@dataclass(frozen=True)
class Verdict:
    """What the detector says of one picture; every view shows this one object.

    Attributes:
        p_fake: of the face most likely fake, or of the whole picture where no face was found.
        verdict: that face's verdict; always uncertain where no face was found.
        faces: largest first; empty where none was found.
        warnings: sentences for the person.
        model: the detector's name.
        sha256: of the picture's bytes.
        width, height: of the upright picture in pixels.
        scope: ``faces`` (faces were cut out), ``face_crop`` (the picture is one), ``no_face``.
        operating_point: which thresholds decided.
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

    def at(self, point: OperatingPoint, thresholds: Thresholds) -> Verdict:
        """The same scores called at an operating point; no network is asked."""
        faces = tuple(replace(face, verdict=thresholds.call(face.p_fake, point)) for face in self.faces)
        call: CallName = "uncertain" if self.scope == "no_face" else thresholds.call(self.p_fake, point)
        return replace(self, verdict=call, faces=faces, operating_point=point)

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON."""
        return asdict(self)


class Detector:
    """A network with its card. Safe to share between threads."""

    def __init__(self, card: Card) -> None:
        """Loads the network; takes seconds.

        Raises:
            ModelError: the model file is missing or not the one in the card.
        """
        self.card = card
        self.scorer = compiled_scorer(load_model(card), card.input)

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
        return calibrated_probability(logits, self.card.temperature)

    def check(self, image: LoadedImage, point: OperatingPoint = "balanced") -> Verdict:
        """Finds the faces of a picture and judges each.

        Args:
            image: from ``images.load_image``.
            point: ``balanced``, or ``few_false_alarms`` to call fewer real faces fake.
        """
        scan = find_faces(image.pixels)
        warnings = list(image.notes)
        crops = [np.rot90(crop(image.pixels, face.crop), scan.turn // 90) for face in scan.faces]
        crops = crops or [image.pixels]
        scores = [float(score) for score in self.p_fake(crops)]
        if scan.kind == "no_face":
            warnings.append(
                "No face was found, so the whole picture was scored. The detector was trained on faces only: "
                "the number means little here."
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
            FaceVerdict(face.box, face.crop, score, "uncertain", face.confidence)
            for face, score in zip(scan.faces, scores, strict=False)  # no face: one score, no face
        )
        scored = Verdict(
            p_fake=max(scores),
            verdict="uncertain",
            faces=faces,
            warnings=tuple(warnings),
            model=self.card.name,
            sha256=image.facts.sha256,
            width=image.facts.width,
            height=image.facts.height,
            scope=scan.kind,
            operating_point=point,
        )
        return scored.at(point, self.card.thresholds)


_loaded: dict[tuple[Any, ...], Detector] = {}
_lock = threading.Lock()


def get_detector(name: str | None = None) -> Detector:
    """The detector of that name, or the default one; loaded once per process and shared.

    Raises:
        ModelError: it is missing or damaged.
    """
    card = load_card(name)
    # One published anew is another one, even where only its calibration changed.
    key = (str(card.folder), card.sha256, card.input, card.temperature, card.thresholds)
    with _lock:
        if key not in _loaded:
            _loaded[key] = Detector(card)
        return _loaded[key]
