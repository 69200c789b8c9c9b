"""Where the faces are, and the square region around each that the detector scores.

Faces are found with MTCNN (Zhang et al. 2016, "Joint Face Detection and Alignment using Multitask Cascaded
Convolutional Networks"), whose weights come inside the ``mtcnn`` package: nothing is downloaded. Every number
below was chosen on OpenForensics crops and on whole photographs.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from deepfake.face_cascade import FaceCascade

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, right and bottom exclusive
Kind = Literal["faces", "face_crop", "no_face"]

DETECTION_SIDE = 1000  # a longer side is shrunk to this before the search
TURNED_SIDE = 480  # the same for the second, turned search, which finds upside-down faces better when small
MIN_FACE_SIDE = 24  # pixels of the picture as given; a smaller face holds too little to score

# Textures, hands and ears reach 0.95 as small boxes; boxes this large were faces down to 0.8.
MIN_CONFIDENCE = 0.96
LARGE_FACE = 0.35  # of the shorter side of the picture
MIN_CONFIDENCE_LARGE = 0.80

# Framing of the OpenForensics crops. The long side of the face takes 0.46 of the crop for Real and 0.67 for
# Fake (medians), so framing alone tells the classes apart (AUC 0.96). We cut at the geometric middle,
# where it speaks for neither.
CROP_SCALE = 1.83  # side of the crop / long side of the face
CROP_LIFT = 0.05  # the face's centre lies this part of the crop's side above the crop's centre

# A picture already is a face crop when it is about square and a face this large is this near its middle.
# Cameras rarely make squares: one that is only nearly square has to show a larger face.
SQUARE_ASPECT = 1.02  # longer / shorter side, at most
FACE_CROP_SIZE = 0.33  # the face's long side / shorter side of a square picture, at least
NEARLY_SQUARE_ASPECT = 1.25
FACE_CROP_SIZE_NEARLY = 0.50
FACE_CROP_OFFSET = 0.20  # distance of the centres, across and down / shorter side of the picture, at most

_lock = threading.Lock()
_loaded: list[FaceCascade] = []


@dataclass(frozen=True)
class Face:
    """A face found in a picture.

    Attributes:
        box: the face from hairline to chin, inside the picture.
        crop: the square region to score, inside the picture.
        confidence: the finder's own score in [0, 1]; not a probability that the face is real.
    """

    box: Box
    crop: Box
    confidence: float


@dataclass(frozen=True)
class FaceScan:
    """What :func:`find_faces` found.

    Attributes:
        faces: largest first.
        kind: ``'faces'``: a photograph with one or more faces. ``'face_crop'``: the picture already is a face
            crop; one face, whose crop is the whole picture, or its centre square when it is not square.
            ``'no_face'``: ``faces`` is empty.
        turn: degrees (0, 90, 180, 270) by which the picture must be turned anticlockwise for its faces to
            stand upright; other than 0 only when nothing was found in the picture as it is. Boxes always
            refer to the picture as given; whoever scores a crop turns it by ``np.rot90(crop, turn // 90)``.
    """

    faces: tuple[Face, ...]
    kind: Kind
    turn: int = 0


@dataclass(frozen=True)
class _Found:
    """A detection in pixels of the searched picture; ``upright`` when the eyes are above the mouth."""

    box: tuple[float, float, float, float]
    confidence: float
    upright: bool


def find_faces(pixels: np.ndarray, *, turned: bool = True) -> FaceScan:
    """Find every face of at least 24 pixels and the region to score around each.

    A picture in which nothing is found is searched again upside down and on either side. Strict profiles (one
    eye visible) and backs of heads are not found. The first call loads TensorFlow and the networks (seconds).
    May be called from several threads.

    Args:
        pixels: uint8 array (H, W, 3), RGB.
        turned: whether to search again where nothing is found.

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
    height, width = pixels.shape[:2]
    found, turn = _search(pixels, DETECTION_SIDE), 0
    if not found and turned:
        found, turn = _search_turned(pixels)
    boxes = [(_inside(f.box, width, height), f.confidence) for f in found]
    boxes = [(box, confidence) for box, confidence in boxes if _long_side(box) >= MIN_FACE_SIDE]
    if not boxes:
        return FaceScan((), "no_face")
    boxes.sort(key=lambda item: (_area(item[0]), item[1]), reverse=True)
    subject = face_crop_subject([box for box, _ in boxes], width, height)
    if subject is not None:
        box, confidence = boxes[subject]
        whole = square_inside(width / 2, height / 2, min(width, height), width, height)
        return FaceScan((Face(box, whole, confidence),), "face_crop", turn)
    faces = tuple(Face(box, crop_box(box, width, height), confidence) for box, confidence in boxes)
    return FaceScan(faces, "faces", turn)


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
    if len(rows) != 1 or not _upright(rows[0][6:11], rows[0][11:16]):
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
    """The square to score around a face, framed midway between the OpenForensics classes.

    Shifted to lie inside the picture, and shrunk to the largest square that fits if it is too large.
    """
    left, top, right, bottom = box
    side = CROP_SCALE * _long_side(box)
    return square_inside((left + right) / 2, (top + bottom) / 2 + CROP_LIFT * side, side, width, height)


def square_inside(x: float, y: float, side: float, width: int, height: int) -> Box:
    """The square of ``side`` pixels centred on (x, y), shrunk and then shifted as little as needed to fit."""
    whole = max(1, min(round(side), width, height))
    left = min(max(round(x - whole / 2), 0), width - whole)
    top = min(max(round(y - whole / 2), 0), height - whole)
    return left, top, left + whole, top + whole


def face_crop_subject(boxes: list[Box], width: int, height: int) -> int | None:
    """Which face makes this picture a face crop, if one does.

    Cutting further into a picture that already is a crop would lose what the detector learnt to look at.
    Faces in the background may be as large as the subject, so the one large and near the middle decides.

    Returns:
        Index into ``boxes``, or None when the picture is a photograph to be cropped.
    """
    short = min(width, height)
    aspect = max(width, height) / short
    if aspect > NEARLY_SQUARE_ASPECT:
        return None
    smallest = FACE_CROP_SIZE if aspect <= SQUARE_ASPECT else FACE_CROP_SIZE_NEARLY
    best, best_score = None, 0.0
    for index, box in enumerate(boxes):
        size = _long_side(box) / short
        across = abs((box[0] + box[2]) / 2 - width / 2) / short
        down = abs((box[1] + box[3]) / 2 - height / 2) / short
        score = size - max(across, down)
        if size < smallest or max(across, down) > FACE_CROP_OFFSET or score <= best_score:
            continue
        best, best_score = index, score
    return best


def is_face(long_side: float, short_side: float, confidence: float) -> bool:
    """Whether to believe a detection; sides of the face and the picture in pixels, confidence in [0, 1]."""
    large = long_side >= LARGE_FACE * short_side
    return confidence >= (MIN_CONFIDENCE_LARGE if large else MIN_CONFIDENCE)


def _search(pixels: np.ndarray, longest: int) -> list[_Found]:
    """Believable detections in the picture shrunk to ``longest`` pixels, in pixels of the picture given."""
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = round(width * scale), round(height * scale)
    if min(size) < MIN_FACE_SIDE:  # no room for a face, and the finder's pyramid needs one level
        return []
    if scale < 1:
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    found = []
    for row in _finder()(pixels):
        left, top, right, bottom, confidence = row[1:6]
        if not is_face(max(right - left, bottom - top), min(size), confidence):
            continue
        box = (left / scale, top / scale, right / scale, bottom / scale)
        found.append(_Found(box, float(confidence), _upright(row[6:11], row[11:16])))
    return found


def _search_turned(pixels: np.ndarray) -> tuple[list[_Found], int]:
    """Search upside down and on either side: the detections of the best turn, and its degrees."""
    height, width = pixels.shape[:2]
    best, turn = [], 0
    for quarters in (2, 1, 3):
        found = [f for f in _search(np.rot90(pixels, quarters), TURNED_SIDE) if f.upright]
        if sum(f.confidence for f in found) > sum(f.confidence for f in best):
            best, turn = found, 90 * quarters
    return [_Found(turned_back(f.box, turn // 90, width, height), f.confidence, True) for f in best], turn


def turned_back(
    box: tuple[float, float, float, float], quarters: int, width: int, height: int
) -> tuple[float, float, float, float]:
    """Where a box found in ``np.rot90(picture, quarters)`` lies in the picture of ``width`` x ``height``."""
    left, top, right, bottom = box
    if quarters == 1:
        return width - bottom, left, width - top, right
    if quarters == 2:
        return width - right, height - bottom, width - left, height - top
    if quarters == 3:
        return top, height - right, bottom, height - left
    raise ValueError(f"quarters must be 1, 2 or 3. Received: {quarters}.")


def _upright(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether the mouth is below the eyes, within 45 degrees; order: two eyes, nose, two mouth corners."""
    down, across = y[3:].mean() - y[:2].mean(), x[3:].mean() - x[:2].mean()
    return bool(down > abs(across))


def _inside(box: tuple[float, float, float, float], width: int, height: int) -> Box:
    """The box in whole pixels, clipped to the picture."""
    left, top, right, bottom = (round(float(value)) for value in box)
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
