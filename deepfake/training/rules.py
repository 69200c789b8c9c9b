"""Measuring a detector's ``rules`` on held-out images: small faces, many faces, whole images of scenes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.index import DatasetIndex
from deepfake.detection.card import Card
from deepfake.detection.detector import Detector, upright_square
from deepfake.detection.rules import MIN_FACE_SIDE, OverlayRule, RealScores, Rules, SizeRow, WholeRule
from deepfake.detection.verdict import Verdict
from deepfake.errors import UserError
from deepfake.evaluation.records import validation_scores
from deepfake.faces.finder import find_faces
from deepfake.images.load import ImageRefused, load_image
from deepfake.perturbations.overlay import overlay
from deepfake.types import Pixels, Thresholds

SIZES = (24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Longest sides of a face in pixels at which small faces are measured."""
HELD = 0.05
"""Of the real faces of each source and size, at most this share is called fake."""
FOUND = 2 / 3
"""Of the fakes of each source, at least this share is found at the smallest face that is decided on."""
MIN_FACES = 40
"""Fewest faces of a source, class and size that are measured."""
SCENE_ALARMS = 0.01
"""Of the photographs that the whole-image rule covers, at most this share is called fake by it."""
MIN_SCENES = 100
"""Photographs of scenes, below which the whole image does not count."""
_FACE_LIMITS = (1, 2, 3)
_SHARES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
Say = Callable[[str], None]


@dataclass(frozen=True)
class Scene:
    """One image with the faces that were cut out of it, as ``Detector.check`` sees it.

    Attributes:
        faces: p_fake of each face that decides.
        sides: longest side of each face found, in pixels.
        share: longest side of the largest face / shorter side of the image.
        whole: p_fake of the whole image; None where it or the largest face is out of scope.
    """

    faces: tuple[float, ...]
    sides: tuple[int, ...]
    share: float
    whole: float | None


def fit_rules(
    detector: Detector,
    validation: DatasetIndex,
    scenes: Sequence[str],
    generated: Sequence[str] = (),
    *,
    command: str = "",
    faces: int = 400,
    say: Say = print,
) -> Rules:
    """The rules of a detector, from images that it was not trained on.

    Args:
        detector: the detector.
        validation: labelled face crops, for the size of faces and the scores of real ones.
        scenes: files of real photographs with several people.
        generated: files of whole images of people that a generator made.
        command: what was typed, for the card.
        faces: of each source and class of ``validation``, at most.
        say: takes lines for the person who waits.
    """
    say("Measuring small faces.")
    scores = small_faces(detector, validation, faces)
    smallest, rows = size_rows(scores, detector.card.thresholds)
    rules = Rules(smallest_face=smallest, by_face_size=rows, command=command)
    say(f"Looking at {len(scenes)} photos of scenes.")
    seen = look_at(detector, scenes, smallest)
    real = [*known_real_scores(detector.card, scores), *(score for scene in seen for score in scene.faces)]
    made = look_at(detector, generated, smallest) if generated else []
    return Rules(
        smallest_face=rules.smallest_face,
        by_face_size=rules.by_face_size,
        real_scores=RealScores.of(real) if len(real) >= MIN_FACES else None,
        whole=whole_rule(seen, made, detector.card.thresholds),
        overlay=overlay_rule(detector, validation, faces),
        command=command,
    )


def known_real_scores(card: Card, scores: pd.DataFrame) -> list[float]:
    """Of real validation images: those that the detector was calibrated on, else those in ``scores``.

    Args:
        card: of the detector.
        scores: from ``small_faces``.
    """
    known = validation_scores(card)
    if known is not None:
        return known.loc[known["label"].isin(["Real", 0]), "p_fake"].tolist()
    return scores.loc[(scores["size"] == 0) & (scores["label"] == 0), "p_fake"].tolist()


def small_faces(detector: Detector, validation: DatasetIndex, most: int) -> pd.DataFrame:
    """Scores of face crops as they are and shrunk until the face has each of ``SIZES``.

    Args:
        detector: the detector.
        validation: labelled face crops.
        most: of each source and class.

    Returns:
        columns source, label (1 Fake), size (of the face in pixels; 0 as it is) and p_fake.

    Raises:
        UserError: code ``no_faces``: in no crop was exactly one face found.
    """
    rows: list[tuple[str, int, int, float]] = []
    table = validation.table.assign(file=validation.paths())
    for (source, label), group in table.groupby(["source", "label"]):
        for file in group.sample(min(len(group), most), random_state=0)["file"]:
            try:
                pixels = load_image(file).pixels
            except ImageRefused:
                continue
            found = find_faces(pixels, turned=False).faces
            if len(found) != 1:
                continue
            side = found[0].long_side
            sizes = [0, *(size for size in SIZES if size < side)]
            crops = [_shrunk(pixels, size / side) if size else pixels for size in sizes]
            for size, p_fake in zip(sizes, detector.p_fake(crops), strict=True):
                rows.append((str(source), int(str(label)), size, float(p_fake)))
    if not rows:
        raise UserError("no_faces", f"Not one face was found in the images of {validation.root}.")
    return pd.DataFrame(rows, columns=["source", "label", "size", "p_fake"])


def _shrunk(pixels: Pixels, scale: float) -> Pixels:
    height, width = pixels.shape[:2]
    size = max(8, round(width * scale)), max(8, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def size_rows(scores: pd.DataFrame, thresholds: Thresholds) -> tuple[int, tuple[SizeRow, ...]]:
    """The smallest face that is decided on, and what it was chosen by.

    A size is decided on where a score exists that holds the false alarms of each source at ``HELD`` and still
    finds ``FOUND`` of its fakes, at this size and at all larger ones.

    Args:
        scores: from ``small_faces``.
        thresholds: of the detector.
    """
    rows: list[SizeRow] = []
    fake_from, smallest, open_ended = 0.0, MIN_FACE_SIDE, True
    for size in reversed(SIZES):
        here = scores[scores["size"] == size]
        groups = [group for _, group in here.groupby("source") if _enough(group)]
        if not groups:
            continue
        held = [float(np.quantile(_of(group, 0), 1 - HELD)) for group in groups]
        fake_from = max([fake_from, *held])
        found = min(float((_of(group, 1) >= fake_from).mean()) for group in groups)
        pooled = pd.concat(groups)
        real, fake = _of(pooled, 0), _of(pooled, 1)
        high, low = thresholds.fake_from(), thresholds.uncertain_low
        right = int((fake >= high).sum() + (real < low).sum())
        decided = right + int((fake < low).sum() + (real >= high).sum())
        rows.append(
            SizeRow(
                face=size,
                n_fake=len(fake),
                n_real=len(real),
                decided=decided / len(pooled),
                accuracy=right / decided if decided else None,
                recall=float((fake >= high).mean()),
                false_positive_rate=float((real >= high).mean()),
                fake_from=fake_from,
                found=found,
            )
        )
        open_ended = open_ended and found >= FOUND
        if open_ended:
            smallest = size
    return smallest, tuple(reversed(rows))


def overlay_rule(detector: Detector, validation: DatasetIndex, most: int) -> OverlayRule | None:
    """How often real faces are called fake as they are, and with something laid over them.

    Args:
        detector: the detector.
        validation: labelled face crops.
        most: of each source.

    Returns:
        None where there is no real face that can be read.
    """
    real = validation.table.assign(file=validation.paths()).query("label == 0")
    pairs: list[tuple[float, float]] = []
    for _, group in real.groupby("source"):
        for number, file in enumerate(group.sample(min(len(group), most), random_state=1)["file"]):
            try:
                pixels = load_image(file).pixels
            except ImageRefused:
                continue
            rng = np.random.default_rng(number)
            before, after = detector.p_fake([pixels, overlay(pixels, float(rng.uniform()), rng)])
            pairs.append((float(before), float(after)))
    if not pairs:
        return None
    fakes = (np.array(pairs) >= detector.card.thresholds.fake_from()).sum(axis=0)
    return OverlayRule(len(pairs), int(fakes[0]), int(fakes[1]))


def _of(group: pd.DataFrame, label: int) -> NDArray[np.float64]:
    return group.loc[group["label"] == label, "p_fake"].to_numpy(np.float64)


def _enough(group: pd.DataFrame) -> bool:
    return min(len(_of(group, 0)), len(_of(group, 1))) >= MIN_FACES


def look_at(detector: Detector, files: Sequence[str], smallest: int) -> list[Scene]:
    """The scores of every image out of which faces are cut; others and refused ones are left out.

    Args:
        detector: the detector.
        files: images.
        smallest: longest side of a face in pixels below which it does not decide.
    """
    scenes = []
    for file in files:
        try:
            image = load_image(file)
        except ImageRefused:
            continue
        verdict = detector.check(image, whole=False)
        if verdict.scope != "faces":
            continue
        sides = [max(face.box[2] - face.box[0], face.box[3] - face.box[1]) for face in verdict.faces]
        decide = [
            (not face.out_of_scope) and side >= smallest
            for face, side in zip(verdict.faces, sides, strict=True)
        ]
        (whole,), (outside,), _ = detector.score_crops(
            [upright_square(image.pixels, verdict.turn, verdict.photo)]
        )
        scenes.append(
            Scene(
                faces=tuple(f.p_fake for f, yes in zip(verdict.faces, decide, strict=True) if yes),
                sides=tuple(sides),
                share=max(sides) / _shorter(verdict),
                whole=None if outside or verdict.faces[0].out_of_scope else whole,
            )
        )
    return scenes


def _shorter(verdict: Verdict) -> int:
    left, top, right, bottom = verdict.photo or (0, 0, verdict.width, verdict.height)
    return min(right - left, bottom - top)


def whole_rule(scenes: Sequence[Scene], made: Sequence[Scene], thresholds: Thresholds) -> WholeRule | None:
    """The kind of image, and the score, that find most generated images at ``SCENE_ALARMS`` on photographs.

    Args:
        scenes: real photographs.
        made: generated whole images.
        thresholds: of the detector.

    Returns:
        None where too few were measured, or where it would find less than one in ten generated images.
    """
    best: WholeRule | None = None
    if len(scenes) < MIN_SCENES or not made:
        return None
    for most in _FACE_LIMITS:
        for least in _SHARES:
            kind = WholeRule(most, least, 0.0, 0, 0)
            real = _covered(scenes, kind)
            if len(real) < MIN_SCENES / 2:
                continue
            allowed = int(SCENE_ALARMS * len(real))  # of those covered, not of all
            ranked = np.sort(real)[::-1]
            above = float(np.nextafter(ranked[allowed], 2.0)) if len(ranked) > allowed else 0.0
            fake_from = max(thresholds.fake_from(), above)
            if fake_from >= 1:
                continue
            fakes = _covered(made, kind)
            found = int((fakes >= fake_from).sum())
            called = int((real >= fake_from).sum())
            if best is None or found > best.found:
                best = WholeRule(most, least, fake_from, len(scenes), called, len(made), found)
    return best if best and best.found >= len(made) / 10 else None


def _covered(scenes: Sequence[Scene], kind: WholeRule) -> NDArray[np.float64]:
    return np.array(
        [s.whole for s in scenes if s.whole is not None and kind.covers(len(s.sides), s.share)], np.float64
    )
