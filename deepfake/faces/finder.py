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
from numpy.typing import NDArray

from deepfake.faces.boxes import Boxes
from deepfake.faces.margins import inner_box
from deepfake.faces.mtcnn import FOUND_FROM, FaceCascade
from deepfake.faces.refinement import FloatBox, eyes_above_mouth, refine
from deepfake.types import Box

ScanKind = Literal["faces", "face_crop", "no_face"]

DETECTION_SIDE = 1000  # a longer side is shrunk to this before the search
TURNED_SIDE = 480  # the same for the second, turned search, which finds upside-down faces better when small
MIN_FACE_SIDE = 24  # pixels of the picture as given; a smaller face holds too little to score
# Smaller faces are too small for a verdict. They are looked for where there is a trace of one, or no other.
SURE_FACE = 40  # pixels of the picture as given
NEARLY, NEARLY_SIDE = 0.92, 2.0  # a finer search may believe in it: confidence, side / size searched for
TURNED_FACE = 20  # pixels searched: the same for the turned search, for which any face will do

# Textures, hands and ears reach 0.95 as small boxes; boxes this large were faces down to 0.8.
MIN_CONFIDENCE = 0.96
LARGE_FACE = 0.35  # of the shorter side of the picture
MIN_CONFIDENCE_LARGE = 0.80
NESTED = 0.7  # of the smaller of two boxes within the other: one face
FRAGMENT_SURER = 0.05  # by which the second look must be surer of the smaller one to keep that
SURELY_UPRIGHT = 0.9  # mean confidence of a second look at which a face ends the search for other turns

# Framing of the OpenForensics crops. The long side of the face takes 0.46 of the crop for Real and 0.67 for
# Fake (medians), so framing alone tells the classes apart (AUC 0.96). We cut at the geometric middle,
# where it speaks for neither.
CROP_SCALE = 1.83  # side of the crop / long side of the face
CROP_LIFT = 0.05  # the face's centre lies this part of the crop's side above the crop's centre

# The larger a face near the middle of a square picture, the more of it is scored: data sets hold such crops,
# and detectors learnt from them whole. Cameras rarely make squares. Each ramp goes from the face's own square
# at the first number to the whole picture at the second.
SIZE_RAMP = (0.27, 0.35)  # the face's long side / shorter side of the picture
ASPECT_RAMP = (1.10, 1.02)  # longer / shorter side
OFFSET_RAMP = (0.28, 0.18)  # distance of the centres, across or down / shorter side of the picture

# Where a picture is called a face crop and what else is in it is background.
FACE_CROP_SIDE = 0.9  # side of the square / shorter side of the picture, at least
FACE_CROP_ASPECT = 1.25
FACE_CROP_OFFSET = 0.20

_lock = threading.Lock()
_loaded: list[FaceCascade] = []


@dataclass(frozen=True)
class Face:
    """A face found in a picture.

    Attributes:
        box: the face from hairline to chin, inside the picture.
        crop: the square region to score, inside the picture and outside its plain margins.
        confidence: the finder's own score in [0, 1]; not a probability that the face is real.
        turn: degrees (0, 90, 180, 270) by which the picture must be turned anticlockwise for this face to
            stand upright; whoever scores its crop turns it by ``np.rot90(crop, turn // 90)``.
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
    kind: ScanKind
    turn: int = 0
    photo: Box | None = None


@dataclass(frozen=True)
class _Found:
    """A believable detection, in pixels of the picture."""

    box: FloatBox
    confidence: float
    turn: int
    sureness: float  # of a second look; 0 where the landmarks do not fit the turn

    @property
    def surely_upright(self) -> bool:
        return not self.turn and self.sureness >= SURELY_UPRIGHT


def find_faces(pixels: np.ndarray, *, turned: bool = True) -> FaceScan:
    """Find every face of at least 40 pixels, smaller ones where they leave a trace or are the only ones, and
    the region to score around each.

    Plain margins are cut away first. Landmarks tell which way up each face is; a picture in which nothing
    upright is found is searched again upside down and on either side. Strict profiles (one eye visible) and
    backs of heads are not found. The first call loads the networks (a tenth of a second). May be called from
    several threads.

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
    """Of a picture without margins: stood upright first, so that it is judged alike however it lies."""
    height, width = pixels.shape[:2]
    found = _search(pixels, DETECTION_SIDE, turns=turned)
    quarters = _quarters(pixels, found) if turned else 0
    if not quarters:
        return _framed(found, width, height)
    upright = np.ascontiguousarray(np.rot90(pixels, quarters))
    found = _search(upright, DETECTION_SIDE) or _search(upright, TURNED_SIDE)
    scan = _framed(found, upright.shape[1], upright.shape[0])
    faces = tuple(
        replace(
            face,
            box=_whole(turned_back(face.box, quarters, width, height)),
            crop=_whole(turned_back(face.crop, quarters, width, height)),
            turn=(face.turn + 90 * quarters) % 360,
        )
        for face in scan.faces
    )
    return replace(scan, faces=faces, turn=faces[0].turn if faces else 0)


def _quarters(pixels: np.ndarray, detections: list[_Found]) -> int:
    """Quarter turns anticlockwise that stand a picture upright.

    Only where nothing found is surely upright is the picture searched upside down and on either side.
    """
    if any(face.surely_upright for face in detections):
        return 0
    best, most = 0, sum(face.sureness for face in detections if not face.turn)
    for quarters in (2, 1, 3):
        seen = _search(np.ascontiguousarray(np.rot90(pixels, quarters)), TURNED_SIDE)
        sure = sum(face.sureness for face in seen if not face.turn)
        if sure > most:
            best, most = quarters, sure
    return best


def _framed(detections: list[_Found], width: int, height: int) -> FaceScan:
    """The faces that are large enough, each with the square to score."""
    faces = [Face(_inside(f.box, width, height), (0, 0, 0, 0), f.confidence, f.turn) for f in detections]
    faces = [face for face in faces if face.long_side >= MIN_FACE_SIDE]
    if not faces:
        return FaceScan((), "no_face")
    faces.sort(key=lambda face: (_area(face.box), face.confidence), reverse=True)
    subject = face_crop_subject([face.box for face in faces], width, height)
    kept = faces if subject is None else [faces[subject]]
    framed = tuple(replace(face, crop=_square(face, width, height)) for face in kept)
    return FaceScan(framed, "faces" if subject is None else "face_crop", framed[0].turn)


def _square(face: Face, width: int, height: int) -> Box:
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
        if is_face(max(row[2] - row[0], row[3] - row[1]), min(height, width), row[4])
    ]
    if len(rows) != 1 or not eyes_above_mouth(rows[0][5:10], rows[0][10:15]):
        return None
    return np.stack([rows[0][5:10] / width, rows[0][10:15] / height], axis=1).astype(np.float32)


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
        raise ValueError(f"box must lie inside an image of {width} x {height} pixels. Received: {box}.")
    return pixels[top:bottom, left:right].copy()


def crop_box(box: Box, width: int, height: int) -> Box:
    """The square to score around an upright face, framed midway between the OpenForensics classes.

    The larger the face in a square picture, the more of the picture is scored, up to all of it: cutting
    further into a picture that already is a crop would lose what the detector learnt to look at. Shifted to
    lie inside the picture, and shrunk to the largest square that fits if it is too large.
    """
    left, top, right, bottom = box
    side = _square_side(box, width, height)
    return square_inside((left + right) / 2, (top + bottom) / 2 + CROP_LIFT * side, side, width, height)


def _square_side(box: Box, width: int, height: int) -> float:
    """Between the face's own square and the shorter side of the picture."""
    short = min(width, height)
    own = min(CROP_SCALE * _long_side(box), short)
    whole = (
        _ramp(_long_side(box) / short, SIZE_RAMP)
        * _ramp(max(width, height) / short, ASPECT_RAMP)
        * _ramp(_offset(box, width, height), OFFSET_RAMP)
    )
    return own + whole * (short - own)


def _offset(box: Box, width: int, height: int) -> float:
    """How far the face's centre is from the picture's, across or down, in shorter sides of the picture."""
    across, down = abs(box[0] + box[2] - width) / 2, abs(box[1] + box[3] - height) / 2
    return max(across, down) / min(width, height)


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
    if max(width, height) > FACE_CROP_ASPECT * short:
        return None
    best, best_score = None, 0.0
    for index, box in enumerate(boxes):
        offset = _offset(box, width, height)
        if offset > FACE_CROP_OFFSET or _square_side(box, width, height) < FACE_CROP_SIDE * short:
            continue
        score = _long_side(box) / short - offset
        if score > best_score:
            best, best_score = index, score
    return best


def is_face(long_side: float, short_side: float, confidence: float) -> bool:
    """Whether to believe a detection; sides of the face and the picture in pixels, confidence in [0, 1]."""
    large = long_side >= LARGE_FACE * short_side
    return confidence >= (MIN_CONFIDENCE_LARGE if large else MIN_CONFIDENCE)


def _search(pixels: np.ndarray, longest: int, *, turns: bool = True) -> list[_Found]:
    """Believable detections, in pixels of the picture given.

    Args:
        pixels: uint8 array (H, W, 3).
        longest: side in pixels to which the picture is shrunk for the search.
        turns: whether to look which way up each face is.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = round(width * scale), round(height * scale)
    if min(size) < MIN_FACE_SIDE:  # no room for a face, and the finder's pyramid needs one level
        return []
    searched = pixels
    if scale < 1:
        searched = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)

    smallest = MIN_FACE_SIDE * scale
    finder = _finder()
    if longest == TURNED_SIDE:
        rows = finder(searched, surely=TURNED_FACE, smallest=smallest)
    else:
        rows = finder(
            searched,
            surely=SURE_FACE * scale,
            smallest=smallest,
            enough=lambda rows, size: _enough(rows, min(searched.shape[:2]), size, smallest),
        )
    rows = rows[_believed(rows, min(size))]
    boxes: list[FloatBox] = [tuple(row) for row in (rows[:, :4] / scale).tolist()]
    confidences = rows[:, 4].tolist()
    refined = refine(finder.decide, pixels, boxes, turns=turns)
    found = [
        _Found(face.box, confidence, face.turn, face.confidence * face.upright)
        for face, confidence in zip(refined, confidences, strict=True)
    ]
    return _without_fragments(found)


def _sides(rows: Boxes) -> NDArray[np.float64]:
    return np.maximum(rows[:, 2] - rows[:, 0], rows[:, 3] - rows[:, 1])


def _believed(rows: Boxes, short_side: int) -> NDArray[np.bool_]:
    """Which of the cascade's rows are faces."""
    return np.array(
        [is_face(side, short_side, sure) for side, sure in zip(_sides(rows), rows[:, 4], strict=True)], bool
    )


def _enough(rows: Boxes, short_side: int, size: float, smallest: float) -> bool:
    """Whether a search made for faces of ``size`` pixels settles it.

    It does not where a small face is nearly believed, nor where there is none and smaller ones count.
    """
    believed = _believed(rows, short_side)
    nearly = (rows[:, 4] >= NEARLY) & (_sides(rows) < NEARLY_SIDE * size) & ~believed
    return not nearly.any() and bool(believed.any() or FOUND_FROM * size <= smallest)


def _without_fragments(detections: list[_Found]) -> list[_Found]:
    """One detection for each face: a mouth within a face looks like a small face at first sight."""
    kept: list[_Found] = []
    for face in sorted(detections, key=lambda face: _area(face.box), reverse=True):
        around = [other for other in kept if _shared(face.box, other.box) > NESTED]
        if all(face.sureness > other.sureness + FRAGMENT_SURER for other in around):
            kept = [other for other in kept if other not in around]
            kept.append(face)
    return kept


def _shared(one: FloatBox, other: FloatBox) -> float:
    """What two boxes share, as part of the smaller one."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(across, 0) * max(down, 0) / max(min(_area(one), _area(other)), 1e-6)


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


def _area(box: FloatBox) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _finder() -> FaceCascade:
    """The networks, loaded once."""
    with _lock:
        if not _loaded:
            _loaded.append(FaceCascade(MIN_CONFIDENCE_LARGE))
        return _loaded[0]
