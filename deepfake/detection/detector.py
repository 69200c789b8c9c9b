"""An image in, a verdict out."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepfake.detection.card import Card, load_card, load_model, load_second, load_served
from deepfake.detection.embedding.kinds import load_kinds
from deepfake.detection.embedding.neighbours import NeighbourError, NeighbourIndex, load_index
from deepfake.detection.stress import REFRAMING, Change, stress_test
from deepfake.detection.verdict import FaceVerdict, PartNotes, Verdict, WholeVerdict, picture_score
from deepfake.detection.words import NO_FACE_WARNING, excluded_warnings, turned_line
from deepfake.faces.boxes import overlap
from deepfake.faces.finder import Face, FaceScan, crop, find_faces, turned_back
from deepfake.images.hashing import ImagePrint, image_print
from deepfake.images.load import LoadedImage
from deepfake.images.photographs import looks_drawn
from deepfake.images.pixels import centre_square, to_batch
from deepfake.networks.scoring import Mapper, Reader, compiled_reader
from deepfake.settings import capped
from deepfake.types import Box, OperatingPoint, Pixels, Reason
from deepfake.util.jobs import BoundedQueue

logger = logging.getLogger(__name__)

MOST_PRINTED = 20
"""Faces of one picture by which it is known again, the largest."""
JUDGING = BoundedQueue(at_once=2, waiting=capped(30, 10))
"""The one queue of the whole process, for pages, batches and HTTP: the networks use all cores by themselves,
and each picture at work holds memory."""


class Detector:
    """A network with its card. Safe to share between threads."""

    def __init__(self, card: Card) -> None:
        """Loads the served network, or where there is none the Keras network with TensorFlow (seconds).

        Raises:
            ModelError: the model file is missing or not the one in the card.
        """
        self.card = card
        self._keras: list[Any] = []
        self._keras_lock = threading.Lock()
        first = load_served(card)
        self._first: Reader = first or compiled_reader(self.network, card.input)
        self._second, self._first_card = (
            load_second(card),
            load_card(card.second.main) if card.second else card,
        )
        self._kinds = load_kinds(card)
        self.reader: Reader = lambda batch: self._read_both(batch)[:2]
        self.scorer = lambda batch: self.reader(batch)[0]
        self.mapper: Mapper = first.maps if first and first.has_map else self._maps
        self.index = _index_of(card)

    @property
    def network(self) -> Any:
        """The first network in Keras, for what needs gradients; loaded at the first use, in seconds.

        Raises:
            ModelError: as ``card.load_model``.
        """
        with self._keras_lock:
            if not self._keras:
                self._keras.append(load_model(self.card))
            return self._keras[0]

    def _maps(self, batch: Pixels) -> NDArray[np.float32]:
        from deepfake.networks.grad_cam import compiled_mapper

        return compiled_mapper(self.network, self.card.input)(batch)

    @classmethod
    def load(cls, name: str | None = None) -> Detector:
        """The detector of that name, or the default one: ``get_detector``."""
        return get_detector(name)

    def for_maps(self) -> Detector:
        """The detector whose maps are shown: of two networks the first alone, for a map takes 200 scores.

        Raises:
            ModelError: as ``get_detector``.
        """
        return get_detector(self.card.second.main) if self.card.second else self

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

    def _read_both(
        self, batch: Pixels
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
        """Logits, embeddings, the logits of the first network alone, and the embeddings of the second.

        Where there are two networks their logits are added up; the embeddings are the first's.
        """
        first, vectors = self._first(batch)
        if self._second is None or self.card.second is None:
            return first, vectors, first, None
        second, others, gates = self._second.with_gates(batch)
        return self.card.second.added(first, second, gates), vectors, first, others

    def check(
        self,
        image: LoadedImage,
        point: OperatingPoint = "balanced",
        *,
        whole: bool = True,
        scan: FaceScan | None = None,
    ) -> Verdict:
        """Finds the faces of a picture and judges each.

        Args:
            image: from ``load.load_image``.
            point: ``balanced``, or ``few_false_alarms`` to call fewer real faces fake.
            whole: judge the whole picture beside its faces, where the detector's card allows it.
            scan: its faces, from ``scan_of``; None to look for them.

        Raises:
            Busy: too many pictures wait already.
            TypeError: ``image`` is not from ``load_image``.
        """
        if not isinstance(image, LoadedImage):
            raise TypeError(
                "image must come from load_image, as in check(load_image('a.jpg')). Received: "
                f"{type(image).__name__}."
            )
        with JUDGING.slot():
            scan = scan or find_faces(image.pixels)
            judged = self._check(image, scan, whole and self.card.whole_pictures)
            return judged.at(point, self.card.thresholds)

    def _check(self, image: LoadedImage, scan: FaceScan, judge_whole: bool) -> Verdict:
        """Without calls, which ``Verdict.at`` makes."""
        rules = self.card.rules
        crops = _crops(image.pixels, scan.faces, scan.photo)
        photo = scan.photo or (0, 0, image.pixels.shape[1], image.pixels.shape[0])
        sides = [face.long_side for face in scan.faces]
        with_whole = judge_whole and _kind_measured(self.card, scan, photo)
        scores, out_of_scope, notes = self.score_crops(
            [*crops, upright_square(image.pixels, scan.turn, scan.photo)] if with_whole else crops
        )
        faces = tuple(
            _face(face, score, _reason(part, side, outside, rules.smallest_face), rules.fake_from(side))
            for face, score, part, side, outside in zip(
                scan.faces,
                scores,
                crops,
                sides,
                out_of_scope,
                strict=False,  # no face: one score; or the whole's
            )
        )
        whole = None
        if with_whole and not out_of_scope[-1] and rules.whole and not faces[0].out_of_scope:
            whole = WholeVerdict(scores[-1], scores[-1] >= rules.whole.fake_from, "uncertain", _square(photo))
        p_fake = picture_score(faces, rules.real_scores)
        if whole and whole.counts:
            p_fake = max(whole.p_fake, p_fake or 0.0)
        warnings = [*image.notes, *excluded_warnings([face.reason for face in faces], rules.smallest_face)]
        if not faces:
            warnings.append(NO_FACE_WARNING)
        if scan.turn:
            warnings.append(turned_line(scan.turn, len(faces)))
        return Verdict(
            p_fake=p_fake,
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
            raw_p_fake=max(face.p_fake for face in faces) if faces else scores[0],
            real_scores=rules.real_scores,
            photo=scan.photo,
            part_notes=tuple(notes),
        )

    def score_crops(self, crops: Sequence[Pixels]) -> tuple[list[float], list[bool], list[PartNotes]]:
        """p_fake of each crop, whether it is out of scope, and what else was seen of it.

        Where there is no index to ask nothing is out of scope. Nothing else is seen where, besides, there is
        one network alone.
        """
        if self.index is None and self._second is None:
            return [float(score) for score in self.p_fake(crops)], [False] * len(crops), []
        logits, vectors, first, others = self._read_both(to_batch(list(crops), self.card.input))
        seen = [self.index.look(vector) if self.index else (False, 0, 0) for vector in vectors]
        alone = self._first_card.probability(first).tolist() if self._second else [None] * len(crops)
        kinds = self._kinds.kinds_of(others) if self._kinds and others is not None else [None] * len(crops)
        notes = [
            PartNotes(p, similar, fakes, kind)
            for p, (_, similar, fakes), kind in zip(alone, seen, kinds, strict=True)
        ]
        return self.card.probability(logits).tolist(), [outside for outside, *_ in seen], notes

    def stressed(self, image: LoadedImage, verdict: Verdict) -> Verdict:
        """A verdict after the stress test of each of its parts (28 scores each; faces are found twice more).

        Args:
            image: the picture that was judged.
            verdict: of it, by this detector.
        """
        parts, squares = scored_parts(image.pixels, verdict), [face.box for face in verdict.faces]
        again: list[list[tuple[Change, Pixels]]] = [[] for _ in parts]
        if squares:
            for change in REFRAMING:
                for index, square in _found_again(image.pixels, squares, change):
                    again[index].append((change, square))
        thresholds = self.card.thresholds
        tests = tuple(
            stress_test(self.p_fake, part, thresholds, mine) for part, mine in zip(parts, again, strict=True)
        )
        return replace(verdict, stress=tests).at(verdict.operating_point, self.card.thresholds)


def scan_of(image: LoadedImage) -> FaceScan:
    """The faces of a picture, for whoever has it judged by two detectors in turn.

    Raises:
        Busy: too many pictures wait already.
    """
    with JUDGING.slot():
        return find_faces(image.pixels)


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


def print_of(pixels: Pixels, verdict: Verdict) -> ImagePrint:
    """What a picture and its faces are known again by.

    Args:
        pixels: (H, W, 3) uint8, of the picture or of a smaller copy of it.
        verdict: of it.
    """
    height, width = pixels.shape[:2]
    scale = width / verdict.width
    faces = []
    for face in verdict.faces[:MOST_PRINTED]:
        left, top, right, bottom = (round(edge * scale) for edge in face.box)
        box = left, top, min(max(right, left + 1), width), min(max(bottom, top + 1), height)
        faces.append(np.rot90(crop(pixels, box), face.turn // 90))
    return image_print(pixels, faces)


def upright_square(pixels: Pixels, turn: int = 0, photo: Box | None = None) -> Pixels:
    """What is scored as the whole picture.

    Args:
        pixels: (H, W, 3) uint8.
        turn: ``Verdict.turn``.
        photo: ``Verdict.photo``.
    """
    return np.rot90(centre_square(crop(pixels, photo) if photo else pixels), turn // 90)


def _face(face: Face, score: float, reason: Reason | None, fake_from: float) -> FaceVerdict:
    unlike = reason in ("out_of_scope", "not_a_photograph")
    return FaceVerdict(
        face.box, face.crop, score, "uncertain", face.confidence, unlike, face.turn, reason, fake_from
    )


def _reason(part: Pixels, side: int, out_of_scope: bool, smallest: int) -> Reason | None:
    """Why a face of this long side, scored on this square, is not decided on; None where it is."""
    if looks_drawn(part):
        return "not_a_photograph"
    if side < smallest:
        return "too_small"
    return "out_of_scope" if out_of_scope else None


def _kind_measured(card: Card, scan: FaceScan, photo: Box) -> bool:
    """Whether the score of the whole image may count for such a picture; ``photo`` is without margins."""
    rule, shorter = card.rules.whole, min(photo[2] - photo[0], photo[3] - photo[1])
    if scan.kind != "faces" or rule is None:
        return False
    return rule.covers(len(scan.faces), max(face.long_side for face in scan.faces) / shorter)


def _square(photo: Box) -> Box:
    """The part of a picture that ``upright_square`` cuts out."""
    left, top, right, bottom = photo
    side = min(right - left, bottom - top)
    left, top = left + (right - left - side) // 2, top + (bottom - top - side) // 2
    return left, top, left + side, top + side


def _found_again(pixels: Pixels, boxes: Sequence[Box], change: Change) -> Iterator[tuple[int, Pixels]]:
    """The squares around the faces at ``boxes`` in the picture after a change of ``REFRAMING``, by place.

    A face that is not found again is left out.
    """
    height, width = pixels.shape[:2]
    edge = 0
    if change.kind == "Margin":
        edge = round(change.amount * min(height, width))
        altered = np.pad(pixels, ((edge, edge), (edge, edge), (0, 0)), constant_values=255)
    else:
        altered = np.ascontiguousarray(np.rot90(pixels))
    scan = find_faces(altered)
    crops = _crops(altered, scan.faces, scan.photo)
    for face, square in zip(scan.faces, crops, strict=False):
        left, top, right, bottom = (
            (value - edge for value in face.box) if edge else turned_back(face.box, 1, width, height)
        )
        for index, box in enumerate(boxes):
            if overlap((round(left), round(top), round(right), round(bottom)), box) >= 0.5:
                yield index, square
                break


def _index_of(card: Card) -> NeighbourIndex | None:
    """The detector's index of training pictures; without one, nothing is out of scope."""
    try:
        return load_index(card)
    except NeighbourError as error:
        if error.code != "no_index":
            logger.warning("%s", error.message)
        return None


_loaded: dict[tuple[str, str], Detector] = {}
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""By the detector's folder: one that is there is not kept waiting by another that is being loaded."""


def get_detector(name: str | None = None) -> Detector:
    """The detector of that name, or the default one; loaded once per process and shared.

    Raises:
        ModelError: it is missing or damaged.
    """
    card = load_card(name)
    # One published anew is another one, even where only its calibration changed.
    key = (str(card.folder), card.version)
    with _locks[key[0]]:
        if key not in _loaded:
            for older in [known for known in list(_loaded) if known[0] == key[0]]:
                del _loaded[older]
            _loaded[key] = Detector(card)
        return _loaded[key]


def warm_up() -> None:
    """Loads the face finder and the default detector, and lets them judge a grey square.

    Of two networks the one that gives a first look at a picture comes first and is asked alone: the other
    is as quick at its first picture as later.

    Raises:
        ModelError: there is no detector, or it is damaged.
    """
    blank = np.full((64, 64, 3), 128, np.uint8)
    find_faces(blank)
    second = load_card(None).second
    get_detector(second.main if second else None).score_crops([blank])
    get_detector()
