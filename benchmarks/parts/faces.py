"""Finding faces on LiteRT and on TensorFlow: ``python -m benchmarks.parts.faces FOLDER``.

TensorFlow's cascade looks at every size of the picture, each network as one compiled graph, with the
arithmetic of the ``mtcnn`` package; what comes before and after it (margins, second look, turned search) is
ours for both. Each picture is searched by both in turn. Milliseconds are medians, and the ratio is the median
of the pairs'.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.faces import finder
from deepfake.faces.boxes import Boxes
from deepfake.faces.mtcnn import MIN_FACE_SIDE, OVERLAP, OVERLAP_ONE_SIZE, PROPOSED, REFINED
from deepfake.faces.pyramid import STEP
from deepfake.images.load import load_image
from deepfake.types import Box, Pixels
from deepfake.util.tensorflow import import_tensorflow

MIN_SIDE = 40  # pixels of a face that must not be lost
SAME = 0.4  # what two boxes of one face share, as part of what both cover


class TensorFlowCascade:
    """What ``FaceCascade`` does, on TensorFlow and without leaving out any size."""

    def __init__(self, least: float) -> None:
        import_tensorflow()
        from mtcnn.stages import StageONet, StagePNet, StageRNet

        self.least = least
        self.propose = _compiled(StagePNet().model, None)
        self.refine = _compiled(StageRNet().model, 24)
        self.decide = _compiled(StageONet().model, 48)

    def __call__(self, pixels: Pixels, **_: object) -> Boxes:
        """As ``FaceCascade`` returns it."""
        import tensorflow as tf
        from mtcnn.utils import bboxes as arithmetic

        image = (pixels.astype(np.float32) - np.float32(127.5)) / np.float32(128)
        boxes = self._proposals(image)
        whole = tf.constant(image[None])
        if len(boxes):
            offsets, scores = self.refine(_patches(whole, boxes, 24))
            boxes = arithmetic.replace_confidence(boxes, scores.numpy())
            boxes = arithmetic.adjust_bboxes(boxes, offsets.numpy())
            boxes = arithmetic.pick_matches(boxes, score_threshold=REFINED)
            boxes = arithmetic.smart_nms_from_bboxes(boxes, threshold=OVERLAP)
            boxes = arithmetic.resize_to_square(boxes)
        if not len(boxes):
            return np.empty((0, 15))
        offsets, landmarks, scores = self.decide(_patches(whole, boxes, 48))
        found = np.concatenate([boxes, landmarks.numpy()], axis=1)
        found[:, 5] = scores.numpy()[:, 1]
        found = arithmetic.adjust_bboxes(found, offsets.numpy())
        found = arithmetic.pick_matches(found, scores_column=5, score_threshold=self.least)
        if len(found):
            found = arithmetic.smart_nms_from_bboxes(found, threshold=OVERLAP)
            found = arithmetic.limit_bboxes(found, np.array([pixels.shape]), limit_landmarks=False)
        return found.reshape(-1, 16)[:, 1:]

    def _proposals(self, image: NDArray[np.float32]) -> Boxes:
        from mtcnn.utils import bboxes as arithmetic
        from mtcnn.utils.images import build_scale_pyramid

        height, width = image.shape[:2]
        found = []
        for scale in build_scale_pyramid(width, height, MIN_FACE_SIDE, STEP):
            size = int(width * scale), int(height * scale)
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            offsets, scores = self.propose(small[None])
            boxes = arithmetic.generate_bounding_box(offsets, scores, PROPOSED)
            boxes = arithmetic.upscale_bboxes(boxes, np.array([scale]))
            if len(boxes):
                found.append(
                    arithmetic.smart_nms_from_bboxes(boxes, threshold=OVERLAP_ONE_SIZE, initial_sort=False)
                )
        if not found:
            return np.empty((0, 6))
        boxes = arithmetic.smart_nms_from_bboxes(np.concatenate(found), threshold=OVERLAP)
        return arithmetic.resize_to_square(boxes)


def _patches(whole: Any, boxes: Boxes, side: int) -> Any:
    import tensorflow as tf

    height, width = whole.shape[1:3]
    corners = boxes[:, [2, 1, 4, 3]] / [height, width, height, width]
    return tf.image.crop_and_resize(whole, corners, np.zeros(len(boxes), np.int32), (side, side))


def _compiled(network: Any, side: int | None) -> Callable[..., Any]:
    import tensorflow as tf

    signature = [tf.TensorSpec([None, side, side, 3], tf.float32)]  # pyright: ignore[reportCallIssue]
    return tf.function(network.__call__, input_signature=signature)


def shared(one: Box, other: Box) -> float:
    """What two boxes share, as part of what both cover."""
    across = max(min(one[2], other[2]) - max(one[0], other[0]), 0)
    down = max(min(one[3], other[3]) - max(one[1], other[1]), 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return across * down / (sum(areas) - across * down)


def shrunk(pixels: Pixels, side: int) -> Pixels:
    """With ``side`` pixels on its longer side, or as it is where that is shorter."""
    scale = side / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def search(cascade: Any, pixels: Pixels) -> tuple[finder.FaceScan, float]:
    """What ``find_faces`` finds with a cascade, and how many milliseconds it takes."""
    finder._loaded[:] = [cascade]
    start = time.perf_counter()
    scan = finder.find_faces(pixels)
    return scan, (time.perf_counter() - start) * 1000


def main() -> None:
    """Searches and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts.faces", description=__doc__)
    parser.add_argument("folder", type=Path, help="of photographs; its folders are looked into too")
    parser.add_argument("--side", type=int, default=1000, help="longer side in pixels (default: 1000)")
    parser.add_argument("--images", type=int, default=100, help="at most, evenly spread (default: 100)")
    options = parser.parse_args()
    paths = sorted(
        path for path in options.folder.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"}
    )
    chosen = paths[:: -(-len(paths) // options.images) or 1]
    ours = finder.FaceCascade(finder.MIN_CONFIDENCE_LARGE)
    theirs = TensorFlowCascade(finder.MIN_CONFIDENCE_LARGE)
    times: list[tuple[float, float]] = []
    faces = lost = more = 0
    overlaps: list[float] = []
    for number, path in enumerate(chosen):
        pixels = shrunk(load_image(path).pixels, options.side)
        if not number:  # a warm-up
            search(ours, pixels)
            search(theirs, pixels)
        (scan, mine), (other, tensorflow) = search(ours, pixels), search(theirs, pixels)
        times.append((mine, tensorflow))
        large = [face for face in other.faces if face.long_side >= MIN_SIDE]
        best = [max((shared(a.box, b.box) for b in scan.faces), default=0.0) for a in large]
        faces, lost = faces + len(large), lost + sum(value < SAME for value in best)
        overlaps += [value for value in best if value >= SAME]
        more += sum(
            all(shared(face.box, known.box) < SAME for known in other.faces)
            for face in scan.faces
            if face.long_side >= MIN_SIDE
        )
    medians = [statistics.median(side) for side in zip(*times, strict=True)]
    ratio = statistics.median(tensorflow / mine for mine, tensorflow in times)
    print(f"{len(chosen)} photographs of {options.side} pixels, median ratio {ratio:.1f}")
    print(f"{medians[0]:.0f} ms a photograph, on TensorFlow {medians[1]:.0f} ms")
    print(f"faces of {MIN_SIDE} pixels and more: {faces}; {lost} of them lost, {more} others found")
    if overlaps:
        print(f"overlap of the boxes: median {statistics.median(overlaps):.3f}, least {min(overlaps):.3f}")


if __name__ == "__main__":
    main()
