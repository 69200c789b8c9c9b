"""MTCNN's three networks run in turn, each on what the one before it let through."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepfake.faces.boxes import Boxes, inside, shifted, squared, surest_first, without_overlaps
from deepfake.faces.patches import Cutter
from deepfake.faces.pyramid import Pyramid, scales
from deepfake.faces.stages import (
    BATCH,
    CELL,
    STRIDE,
    PatchNetwork,
    deciding_network,
    face_share,
    proposal_network,
    refining_network,
)
from deepfake.types import Pixels

MIN_FACE_SIDE = 20  # pixels

# What must be exceeded to be passed on, and how much boxes may overlap before one of them is dropped.
PROPOSED, REFINED = 0.6, 0.7
OVERLAP_ONE_SIZE, OVERLAP = 0.5, 0.7

# A search made for one size of face finds those from this part of it on. Where the last network sees a trace
# of a face up to so many times as large as that size, the next finer search is made too.
FOUND_FROM = 0.7
TRACED = 0.1  # confidence
TRACE = 1.5

Enough = Callable[[Boxes, float], bool]

_NONE = np.empty((0, 15))


class Decision(NamedTuple):
    """What the last network says of N patches.

    Attributes:
        offsets: (N, 4): what the sides must move by, as shares of the patch's.
        landmarks: (N, 10): five x, five y as shares of the patch: eyes, nose, mouth corners.
        scores: (N, 2): confidence that it is none and that it is a face, 0..1.
    """

    offsets: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]

    @classmethod
    def of(cls, said: NDArray[np.float32]) -> Decision:
        """From the network's (N, 16) outputs."""
        face = face_share(said[:, 14:])
        return cls(said[:, :4], said[:, 4:14], np.stack([1 - face, face], axis=1))


class FaceCascade:
    """Finds faces in a picture. Safe to share between threads."""

    def __init__(self, least: float) -> None:
        """
        Args:
            least: confidence in [0, 1] that a face must exceed.
        """
        self.least = least
        self._propose, self._refine, self._decide = proposal_network(), refining_network(), deciding_network()

    def __call__(
        self, pixels: Pixels, *, surely: float = 0, smallest: float = 0, enough: Enough | None = None
    ) -> Boxes:
        """The faces in a picture of any size.

        Args:
            pixels: (H, W, 3) uint8, RGB.
            surely: side in pixels from which on faces are looked for in any case, smaller ones only where
                there is a trace of one.
            smallest: side in pixels of the smallest faces of which a trace counts.
            enough: whether what is found ends the search, of (N, 15) as returned and the size of face in
                pixels that the search so far was made for. Otherwise smaller faces are looked for anyway.

        Returns:
            (N, 15): left, top, right, bottom, confidence, five x, five y (eyes, nose, mouth corners); all but
            the confidence in pixels. A face may come with a fragment of it, or twice.
        """
        height, width = pixels.shape[:2]
        sizes = scales(width, height, MIN_FACE_SIDE, CELL)
        finest = _first_level(sizes, smallest)
        level = max(_first_level(sizes, surely), finest)
        pyramid, look = Pyramid(pixels), _Looks(self._refine, self._decide, Cutter(pixels))
        boxes = self._proposals(pyramid, sizes[level:])
        found, trace = self._faces(look, boxes)
        while level:
            size = CELL / sizes[level]
            small = level > finest and trace < TRACE * size
            if not small and (enough is None or enough(found, size)):
                break
            level -= 1
            boxes = np.concatenate([self._proposals(pyramid, sizes[level : level + 1]), boxes])
            found, trace = self._faces(look, boxes)
        return inside(found, width, height)

    def decide(self, batch: NDArray[np.float32]) -> Decision:
        """What the last network says of (N, 48, 48, 3) from -1 to 1."""
        return Decision.of(self._decide(batch))

    def _proposals(self, pyramid: Pyramid, sizes: list[float]) -> Boxes:
        """(N, 5): every square that may hold a face, in these sizes of the picture."""
        found = [self._proposals_of(pyramid, scale) for scale in sizes]
        return np.concatenate([_NONE[:, :5], *found])

    def _proposals_of(self, pyramid: Pyramid, scale: float) -> Boxes:
        """The same in one size, which is let go at once."""
        said = self._propose(pyramid.level(scale))
        share = face_share(said[:, :, 4:])
        rows, columns = np.nonzero(share > PROPOSED)
        corner = np.stack([columns, rows], axis=1) * STRIDE
        ends = np.concatenate([corner + 1, corner + CELL], axis=1)
        ends = ends + said[rows, columns, :4] * np.float64(CELL - 1)
        boxes = np.concatenate([ends / scale, share[rows, columns, None]], axis=1, dtype=np.float64)
        return without_overlaps(surest_first(boxes), OVERLAP_ONE_SIZE)

    def _faces(self, look: _Looks, boxes: Boxes) -> tuple[Boxes, float]:
        """What the other two networks let through, and the side of the smallest face that leaves a trace."""
        boxes = squared(without_overlaps(surest_first(boxes), OVERLAP))
        if not len(boxes):
            return _NONE, np.inf
        said = look.refined(boxes)
        boxes[:, 4] = face_share(said[:, 4:])
        boxes = shifted(boxes, said[:, :4])
        boxes = boxes[boxes[:, 4] > REFINED]
        boxes = squared(without_overlaps(surest_first(boxes), OVERLAP))
        if not len(boxes):
            return _NONE, np.inf
        offsets, landmarks, scores = Decision.of(look.decided(boxes))
        trace = np.min((boxes[:, 2] - boxes[:, 0])[scores[:, 1] > TRACED], initial=np.inf)
        found = np.concatenate([boxes, _placed(landmarks, boxes)], axis=1)
        found[:, 4] = scores[:, 1]
        found = shifted(found, offsets)
        found = found[found[:, 4] > self.least]
        # The package's own measure here keeps a surer fragment (a mouth) and drops the face that contains it.
        return without_overlaps(surest_first(found), OVERLAP), float(trace)


class _Looks:
    """What the second and third network say of boxes of one picture; each box is looked at once."""

    def __init__(self, refine: PatchNetwork, decide: PatchNetwork, cutter: Cutter) -> None:
        self.refined, self.decided = _Look(refine, cutter, 24), _Look(decide, cutter, 48)


class _Look:
    """A network's look at boxes of one picture, which it remembers."""

    def __init__(self, network: PatchNetwork, cutter: Cutter, side: int) -> None:
        self._network, self._cutter, self._side = network, cutter, side
        self._seen: dict[bytes, NDArray[np.float32]] = {}

    def __call__(self, boxes: Boxes) -> NDArray[np.float32]:
        """What the network says of each box."""
        names = [box.tobytes() for box in boxes[:, :4]]
        new = [index for index, name in enumerate(names) if name not in self._seen]
        for start in range(0, len(new), BATCH):
            part = new[start : start + BATCH]
            said = self._network(self._cutter.patches(boxes[part], self._side))
            self._seen.update(zip((names[index] for index in part), said, strict=True))
        return np.stack([self._seen[name] for name in names])


def _first_level(sizes: list[float], side: float) -> int:
    """The coarsest size of the picture that, with all coarser ones, finds faces of that many pixels."""
    return max(sum(FOUND_FROM * CELL / scale <= side for scale in sizes) - 1, 0)


def _placed(landmarks: NDArray[np.float32], boxes: Boxes) -> Boxes:
    """Landmarks (N, 10) given as shares of each box, in pixels of the picture."""
    left, top, right, bottom = (boxes[:, column, None] for column in range(4))
    across = (right - left + 1) * landmarks[:, :5] + left - 1
    down = (bottom - top + 1) * landmarks[:, 5:] + top - 1
    return np.concatenate([across, down], axis=1)
