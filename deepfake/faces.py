"""Where the faces are, and the square region around each that the detector scores.

Faces are found with MTCNN (Zhang et al. 2016, "Joint Face Detection and Alignment using Multitask Cascaded
Convolutional Networks"), whose weights come inside the ``mtcnn`` package: nothing is downloaded. Every number
below was chosen on OpenForensics crops and on whole photographs.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np

from deepfake.face_cascade import FaceCascade
from deepfake.face_refinement import FloatBox, eyes_above_mouth, refine
from deepfake.margins import inner_box

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, right and bottom exclusive
Kind = Literal["faces", "face_crop", "no_face"]

DETECTION_SIDE = 1000  # a longer side is shrunk to this before the search
TURNED_SIDE = 480  # the same for the second, turned search, which finds upside-down faces better when small
MIN_FACE_SIDE = 24  # pixels of the picture as given; a smaller face holds too little to score

# Textures, hands and ears reach 0.95 as small boxes; boxes this large were faces down to 0.8.
MIN_CONFIDENCE = 0.96
LARGE_FACE = 0.35  # of the shorter side of the picture
MIN_CONFIDENCE_LARGE = 0.80
SURELY_UPRIGHT = 0.9  # mean confidence of a second look at which a face ends the search for other turns

# Framing of the OpenForensics crops. The long side of the face takes 0.46 of the crop for Real and 0.67 for
# Fake (medians), so framing alone tells the classes apart (AUC 0.96). We cut at the geometric middle,
# where it speaks for neither.
CROP_SCALE = 1.83  # side of the crop / long side of the face
CROP_LIFT = 0.05  # the face's centre lies this part of the crop's side above the crop's centre

# A picture already is a face crop when it is about square and one large face is near its middle. Each of these goes
# from not at all to wholly between its two numbers, and so does the square from the face's own to the whole picture.
SIZE_RAMP = (0.30, 0.45)  # the face's long side / shorter side of the picture
ASPECT_RAMP = (1.40, 1.10)  # longer / shorter side
OFFSET_RAMP = (0.28, 0.18)  # distance of the centres, across or down / shorter side of the picture
FACE_CROP_SIDE = 0.9  # the square's side / shorter side from which a picture is called a face crop
FACE_CROP_PLACE = 0.5  # of the ramps of aspect and offset, at least

_lock = threading.Lock()
_loaded: list[FaceCascade] = []


@dataclass(frozen=True)
class Face:
    """A face found in a picture.

    Attributes:
        box: the face from hairline to chin, inside the picture.
        crop: the square region to score, inside the picture and outside its plain margins.
        confidence: the finder's own score in [0, 1]; not a probability that the face is real.
        turn: degrees (0, 90, 180, 270) by which the picture must be turned anticlockwise for this face to stand
            upright; whoever scores its crop turns it by ``np.rot90(crop, turn // 90)``.
    """

    box: Box
    crop: Box
    confidence: float
    turn: int = 0

    @property
    def long_side(self) -> int:
        """Of the face, in pixels of the picture as given."""
        return _long_side(self.box)


@dataclass(frozen=True)
class FaceScan:
    """What :func:`find_faces` found. Boxes refer to the picture as given.

    Attributes:
        faces: largest first.
        kind: ``'faces'``: a photograph with one or more faces. ``'face_crop'``: the picture already is a face
            crop; one face, whose square takes at least 0.9 of the picture's shorter side. ``'no_face'``:
            ``faces`` is empty.
        turn: degrees, as ``Face.turn``, of the largest face: what the picture as a whole must be turned by.
        photo: what is left of the picture without its plain margins; None where it has none.
    """

    faces: tuple[Face, ...]
    kind: Kind
    turn: int = 0
    photo: Box | None = None


@dataclass(frozen=True)
class _Found:
    """A believable detection, in pixels of the searched picture."""

    box: FloatBox
    confidence: float
    turn: int
    surely_upright: bool


def find_faces(pixels: np.ndarray, *, turned: bool = True) -> FaceScan:
    """Find every face of at least 24 pixels and the region to score around each.

    Plain margins are cut away first. Landmarks tell which way up each face is; a picture in which nothing upright is
    found is searched again upside down and on either side. Strict profiles (one eye visible) and backs of heads are
    not found. The first call loads TensorFlow and the networks (seconds). May be called from several threads.

    Args:
        pixels: uint8 array (H, W, 3), RGB.
        turned: whether to look for faces that lie or stand on their heads.

    Returns:
        The faces, largest first; see :class:`FaceScan`.

    Raises:
        ValueError: if ``pixels`` is not a uint8 array of shape (H, W, 3).
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(
            "pixels must be a uint8 array of shape (H, W, 3), RGB. "
            f"Received: dtype {pixels.dtype}, shape {pixels.shape}."
        )
    inner = inner_box(pixels)
    photo = None if inner == (0, 0, pixels.shape[1], pixels.shape[0]) else inner
    scan = _scan(pixels[inner[1] : inner[3], inner[0] : inner[2]], turned)
    if photo is None:
        return scan
    faces = tuple(
        replace(face, box=_moved(face.box, inner), crop=_moved(face.crop, inner)) for face in scan.faces
    )
    return replace(scan, faces=faces, photo=photo)


def _scan(pixels: np.ndarray, turned: bool) -> FaceScan:
    """Of a picture without margins."""
    height, width = pixels.shape[:2]
    found = _search(pixels, DETECTION_SIDE, turns=turned)
    if turned and not any(face.surely_upright for face in found):
        found = _search_turned(pixels, found)
    faces = []
    for face in found:
        box = _inside(face.box, width, height)
        if _long_side(box) >= MIN_FACE_SIDE:
            faces.append(Face(box, box, face.confidence, face.turn))
    if not faces:
        return FaceScan((), "no_face")
    faces.sort(key=lambda face: (_area(face.box), face.confidence), reverse=True)
    subject = face_crop_subject([face.box for face in faces], width, height)
    kind: Kind = "faces"
    if subject is not None:
        kind, faces = "face_crop", [faces[subject]]
    framed = tuple(replace(face, crop=_framed(face, width, height)) for face in faces)
    return FaceScan(framed, kind, framed[0].turn)


def _framed(face: Face, width: int, height: int) -> Box:
    """The square to score around a face, whichever way it lies."""
    quarters = face.turn // 90
    if not quarters:
        return crop_box(face.box, width, height)
    across, down = (height, width) if quarters % 2 else (width, height)
    upright = crop_box(_whole(turned_back(face.box, 4 - quarters, across, down)), across, down)
    return _whole(turned_back(upright, quarters, width, height))


def find_landmarks(pixels: np.ndarray) -> np.ndarray | None:
    """Eyes, nose and mouth's corners of the one face in a picture.

    Args:
        pixels: uint8 array (H, W, 3), RGB.

    Returns:
        (5, 2) float32, x and y as shares of width and height; None where there is not exactly one
        upright face.
    """
    height, width = pixels.shape[:2]
    rows = [
        row
        for row in _finder()(pixels)
        if is_face(max(row[3] - row[1], row[4] - row[2]), min(height, width), row[5])
    ]
    if len(rows) != 1 or not eyes_above_mouth(rows[0][6:11], rows[0][11:16]):
        return None
    return np.stack([rows[0][6:11] / width, rows[0][11:16] / height], axis=1).astype(np.float32)


def crop(pixels: np.ndarray, box: Box) -> np.ndarray:
    """Cut a box out of a picture.

    Args:
        pixels: uint8 array (H, W, 3).
        box: inside the picture, at least one pixel wide and high.

    Returns:
        uint8 array (bottom - top, right - left, 3), a contiguous copy.

    Raises:
        ValueError: if the box is empty or reaches outside the picture.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        raise ValueError(f"box must lie inside a picture of {width} x {height} pixels. Received: {box}.")
    return pixels[top:bottom, left:right].copy()


def crop_box(box: Box, width: int, height: int) -> Box:
    """The square to score around an upright face, framed midway between the OpenForensics classes.

    The larger the face in its picture, the more of the picture is scored, up to all of it: cutting further into a
    picture that already is a crop would lose what the detector learnt to look at. Shifted to lie inside the picture,
    and shrunk to the largest square that fits if it is too large.
    """
    left, top, right, bottom = box
    side = _square_side(box, width, height)
    return square_inside((left + right) / 2, (top + bottom) / 2 + CROP_LIFT * side, side, width, height)


def _square_side(box: Box, width: int, height: int) -> float:
    """Between the face's own square and the shorter side of the picture."""
    short = min(width, height)
    own = min(CROP_SCALE * _long_side(box), short)
    return own + _ramp(_long_side(box) / short, SIZE_RAMP) * _placed(box, width, height) * (short - own)


def _placed(box: Box, width: int, height: int) -> float:
    """How much the picture and the face's place in it are those of a face crop, in [0, 1]."""
    short = min(width, height)
    across = abs((box[0] + box[2]) / 2 - width / 2) / short
    down = abs((box[1] + box[3]) / 2 - height / 2) / short
    return _ramp(max(width, height) / short, ASPECT_RAMP) * _ramp(max(across, down), OFFSET_RAMP)


def _ramp(value: float, ends: tuple[float, float]) -> float:
    """0 at the first end and beyond, 1 at the second and beyond, straight between."""
    return min(max((value - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)


def square_inside(x: float, y: float, side: float, width: int, height: int) -> Box:
    """The square of ``side`` pixels centred on (x, y), shrunk and then shifted as little as needed to fit."""
    whole = max(1, min(round(side), width, height))
    left = min(max(round(x - whole / 2), 0), width - whole)
    top = min(max(round(y - whole / 2), 0), height - whole)
    return left, top, left + whole, top + whole


def face_crop_subject(boxes: list[Box], width: int, height: int) -> int | None:
    """Which face makes this picture a face crop, if one does.

    Faces in the background may be as large as the subject, so the one large and near the middle decides.

    Returns:
        Index into ``boxes``, or None when the picture is a photograph to be cropped.
    """
    short = min(width, height)
    best, best_score = None, 0.0
    for index, box in enumerate(boxes):
        if _square_side(box, width, height) < FACE_CROP_SIDE * short:
            continue
        placed = _placed(box, width, height)
        score = placed * _long_side(box) / short
        if placed >= FACE_CROP_PLACE and score > best_score:
            best, best_score = index, score
    return best


def is_face(long_side: float, short_side: float, confidence: float) -> bool:
    """Whether to believe a detection; sides of the face and the picture in pixels, confidence in [0, 1]."""
    large = long_side >= LARGE_FACE * short_side
    return confidence >= (MIN_CONFIDENCE_LARGE if large else MIN_CONFIDENCE)


def _search(pixels: np.ndarray, longest: int, quarters: int = 0, *, turns: bool = True) -> list[_Found]:
    """Believable detections, in pixels of the picture given.

    Args:
        pixels: uint8 array (H, W, 3).
        longest: side in pixels to which the picture is shrunk for the search.
        quarters: quarter turns anticlockwise by which it is turned for the search.
        turns: whether to look which way up each face is.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = round(width * scale), round(height * scale)
    if min(size) < MIN_FACE_SIDE:  # no room for a face, and the finder's pyramid needs one level
        return []
    searched = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    boxes, confidences = [], []
    for row in _finder()(np.ascontiguousarray(np.rot90(searched, quarters))):
        left, top, right, bottom, confidence = (float(value) for value in row[1:6])
        if is_face(max(right - left, bottom - top), min(size), confidence):
            box = (left, top, right, bottom)
            box = turned_back(box, quarters, *size) if quarters else box
            boxes.append((box[0] / scale, box[1] / scale, box[2] / scale, box[3] / scale))
            confidences.append(confidence)
    refined = refine(_finder().decide, pixels, boxes, turns=turns)
    return [
        _Found(face.box, own, face.turn, face.upright and not face.turn and face.confidence >= SURELY_UPRIGHT)
        for face, own in zip(refined, confidences, strict=True)
    ]


def _search_turned(pixels: np.ndarray, found: list[_Found]) -> list[_Found]:
    """Search upside down and on either side: the best of these and of what was found in the picture as it is."""
    best = found, 0
    for quarters in (2, 1, 3):
        seen = [face for face in _search(pixels, TURNED_SIDE, quarters) if face.turn == 90 * quarters]
        if sum(face.confidence for face in seen) > sum(face.confidence for face in best[0]):
            best = seen, quarters
    seen, quarters = best
    if quarters and max(pixels.shape[:2]) > TURNED_SIDE:
        closely = [face for face in _search(pixels, DETECTION_SIDE, quarters) if face.turn == 90 * quarters]
        seen = closely if len(closely) >= len(seen) else seen
    return seen


def turned_back(box: FloatBox, quarters: int, width: int, height: int) -> FloatBox:
    """Where a box found in ``np.rot90(picture, quarters)`` lies in the picture of ``width`` x ``height``."""
    left, top, right, bottom = box
    if quarters == 1:
        return width - bottom, left, width - top, right
    if quarters == 2:
        return width - right, height - bottom, width - left, height - top
    if quarters == 3:
        return top, height - right, bottom, height - left
    raise ValueError(f"quarters must be 1, 2 or 3. Received: {quarters}.")


def _whole(box: FloatBox) -> Box:
    left, top, right, bottom = (round(float(value)) for value in box)
    return left, top, right, bottom


def _moved(box: Box, inner: Box) -> Box:
    """A box within the inner one, in pixels of the whole picture."""
    return box[0] + inner[0], box[1] + inner[1], box[2] + inner[0], box[3] + inner[1]


def _inside(box: FloatBox, width: int, height: int) -> Box:
    """The box in whole pixels, clipped to the picture."""
    left, top, right, bottom = _whole(box)
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)


def _long_side(box: Box) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _finder() -> FaceCascade:
    """The networks, loaded once."""
    with _lock:
        if not _loaded:
            _loaded.append(FaceCascade(MIN_CONFIDENCE_LARGE))
        return _loaded[0]
