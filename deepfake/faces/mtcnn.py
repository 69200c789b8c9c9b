"""MTCNN's three networks run in turn, each on what the one before it let through.

The networks, their weights and the arithmetic of boxes are those of the ``mtcnn`` package. Its own way
from one to the next hands the whole picture to TensorFlow as 64-bit numbers again for each size searched,
which costs more than the networks themselves.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepfake.types import Pixels
from deepfake.util.tensorflow import import_tensorflow

SMALLEST_FACE = 20  # pixels
CELL = 12  # side of the square that the first network looks at
STEP = 0.709  # from one size of the picture to the next smaller one

# What must be exceeded to be passed on, and how much boxes may overlap before one of them is dropped.
PROPOSED, REFINED = 0.6, 0.7
OVERLAP_ONE_SIZE, OVERLAP = 0.5, 0.7

Boxes = NDArray[np.float64]
Network = Callable[[Any], Any]


class FaceCascade:
    """Finds faces in a picture. Safe to share between threads."""

    def __init__(self, least: float) -> None:
        """Loads the networks and TensorFlow; takes seconds.

        Args:
            least: confidence in [0, 1] that a face must exceed.
        """
        import_tensorflow()
        from mtcnn.stages import StageONet, StagePNet, StageRNet

        # By name alone, mtcnn would first unpickle a file of that name in the working directory.
        weights = importlib.resources.files("mtcnn") / "assets" / "weights"
        self.least = least
        self.propose = _compiled(StagePNet(weights=str(weights / "pnet.lz4")).model, None)
        self.refine = _compiled(StageRNet(weights=str(weights / "rnet.lz4")).model, 24)
        self.decide = _compiled(StageONet(weights=str(weights / "onet.lz4")).model, 48)

    def __call__(self, pixels: Pixels) -> Boxes:
        """The faces in a picture of any size.

        Args:
            pixels: (H, W, 3) uint8, RGB.

        Returns:
            (N, 16): 0, left, top, right, bottom, confidence, five x, five y (eyes, nose, mouth corners);
            all but the first and the confidence in pixels. A face may come with a fragment of it, or twice.
        """
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
            return np.empty((0, 16))
        offsets, landmarks, scores = self.decide(_patches(whole, boxes, 48))
        found = np.concatenate([boxes, _placed(landmarks.numpy(), boxes)], axis=1)
        found[:, 5] = scores.numpy()[:, 1]
        found = arithmetic.adjust_bboxes(found, offsets.numpy())
        found = arithmetic.pick_matches(found, scores_column=5, score_threshold=self.least)
        if not len(found):
            return np.empty((0, 16))
        # The package's own measure here keeps a surer fragment (a mouth) and drops the face that contains it.
        found = arithmetic.smart_nms_from_bboxes(found, threshold=OVERLAP)
        return arithmetic.limit_bboxes(found, np.array([pixels.shape]), limit_landmarks=False)

    def _proposals(self, image: NDArray[np.float32]) -> Boxes:
        """(N, 6): 0, left, top, right, bottom, confidence of every square that may hold a face."""
        from mtcnn.utils import bboxes as arithmetic
        from mtcnn.utils.images import build_scale_pyramid

        height, width = image.shape[:2]
        found = []
        for scale in build_scale_pyramid(width, height, SMALLEST_FACE, STEP):
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
    """The boxes cut out of (1, H, W, 3), each at ``side`` pixels."""
    import tensorflow as tf

    height, width = whole.shape[1:3]
    corners = boxes[:, [2, 1, 4, 3]] / [height, width, height, width]
    return tf.image.crop_and_resize(whole, corners, np.zeros(len(boxes), np.int32), (side, side))


def _placed(landmarks: NDArray[np.float32], boxes: Boxes) -> Boxes:
    """Landmarks (N, 10) given as shares of each box, in pixels of the picture."""
    left, top, right, bottom = (boxes[:, column, None] for column in range(1, 5))
    across = (right - left + 1) * landmarks[:, :5] + left - 1
    down = (bottom - top + 1) * landmarks[:, 5:] + top - 1
    return np.concatenate([across, down], axis=1)


def _compiled(network: Any, side: int | None) -> Network:
    """The network as one graph for all batch sizes: two to three times as fast as layer by layer."""
    import tensorflow as tf

    signature = [tf.TensorSpec([None, side, side, 3], tf.float32)]  # pyright: ignore[reportCallIssue]
    return tf.function(network.__call__, input_signature=signature)
