"""Whether a verdict survives what becomes of pictures on their way: compression, resizing, cropping.

A verdict that a mild change turns into its opposite is uncertain; ``settled`` decides that, for every view.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np

from deepfake.augmentation import jpeg
from deepfake.preprocessing import Pixels
from deepfake.presentation import percent
from deepfake.registry import CallName, Thresholds

Kind = Literal["JPEG", "Resize", "Blur", "Noise", "Crop", "Mirror"]
REFERENCE_SIDE = 256  # blur is given in pixels of a crop of this side


@dataclass(frozen=True)
class Change:
    """One thing done to a crop.

    Attributes:
        kind: what is done.
        amount: how much, in ``unit``.
        unit: in words.
        mild: whether a picture that was only sent or saved again has been through as much.
    """

    kind: Kind
    amount: float
    unit: str
    mild: bool

    @property
    def words(self) -> str:
        """As part of a sentence."""
        return f"{self.kind if self.kind == 'JPEG' else self.kind.lower()} {self.unit}"


@dataclass(frozen=True)
class StressPoint:
    """The score after a change.

    Attributes:
        change: what was done.
        p_fake: calibrated, 0..1.
        call: the verdict at this score.
    """

    change: Change
    p_fake: float
    call: CallName


@dataclass(frozen=True)
class StressTest:
    """The scores of one crop under every change.

    Attributes:
        p_fake: as it is.
        call: the verdict as it is.
        points: in the order of ``CHANGES``.
    """

    p_fake: float
    call: CallName
    points: tuple[StressPoint, ...]

    @property
    def flips(self) -> tuple[StressPoint, ...]:
        """Changes that turn real into fake or fake into real; uncertain is neither."""
        if self.call == "uncertain":
            return ()
        return tuple(point for point in self.points if point.call not in (self.call, "uncertain"))

    @property
    def stable(self) -> bool:
        """No mild change turns the verdict into its opposite."""
        return not any(point.change.mild for point in self.flips)

    def at(self, call: Callable[[float], CallName]) -> StressTest:
        """The same scores under other thresholds; no network is asked."""
        points = tuple(replace(point, call=call(point.p_fake)) for point in self.points)
        return StressTest(self.p_fake, call(self.p_fake), points)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: ``verdict`` (as it is), ``stable``, ``sentence`` and the changes."""
        changes = [
            {**asdict(point.change), "p_fake": point.p_fake, "verdict": point.call} for point in self.points
        ]
        return {
            "verdict": self.call,
            "stable": self.stable,
            "sentence": self.sentence(),
            "changes": changes,
        }

    def sentence(self) -> str:
        """The outcome in words."""
        if self.call == "uncertain":
            low, high = (pick(point.p_fake for point in self.points) for pick in (min, max))
            return (
                f"Uncertain to begin with; the probability moves between {percent(low)} and {percent(high)}."
            )
        if not self.flips:
            return f"Stable: none of {len(self.points)} changes turns the score from fake to real or back."
        named = ", ".join(point.change.words for point in self.flips[:3])
        if len(self.flips) > 3:
            named += f" and {len(self.flips) - 3} more changes"
        if self.stable:
            return f"Stable under mild changes. The score flips only at strong ones: {named}."
        return f"Not stable: the verdict flips at {named}."


CHANGES: tuple[Change, ...] = (
    *(Change("JPEG", quality, f"quality {quality}", quality >= 70) for quality in (95, 85, 70, 50, 30)),
    *(
        Change("Resize", share, f"to {percent(share)} and back", share >= 0.7)
        for share in (0.85, 0.7, 0.5, 0.35)
    ),
    *(Change("Blur", sigma, f"{sigma} pixels", sigma <= 0.5) for sigma in (0.5, 1.0, 2.0)),
    *(Change("Noise", sigma, f"{sigma} of 255", sigma <= 2) for sigma in (2, 5, 10)),
    *(
        Change("Crop", share, f"to the middle {percent(share)}", share >= 0.94)
        for share in (0.94, 0.85, 0.75)
    ),
    Change("Mirror", 1, "left and right", True),
)


def settled(call: CallName, test: StressTest) -> CallName:
    """What is left of a face's verdict after its stress test: itself, or uncertain."""
    return call if test.stable else "uncertain"


def stress_test(
    p_fake: Callable[[Sequence[Pixels]], np.ndarray],
    crop: Pixels,
    call: Callable[[float], CallName] | Thresholds,
) -> StressTest:
    """Scores a crop under every change of ``CHANGES``; the same crop gives the same numbers.

    Args:
        p_fake: ``Detector.p_fake``.
        crop: (H, W, 3) uint8, the face crop that was scored.
        call: makes a verdict of a score.
    """
    name = call.call if isinstance(call, Thresholds) else call
    scores = [float(score) for score in p_fake([crop, *(changed(crop, change) for change in CHANGES)])]
    points = tuple(
        StressPoint(change, score, name(score)) for change, score in zip(CHANGES, scores[1:], strict=True)
    )
    return StressTest(scores[0], name(scores[0]), points)


def changed(crop: Pixels, change: Change) -> Pixels:
    """The crop after a change, of the same size but for ``Crop``."""
    height, width = crop.shape[:2]
    if change.kind == "JPEG":
        return jpeg(crop, int(change.amount))
    if change.kind == "Resize":
        small = cv2.resize(crop, None, fx=change.amount, fy=change.amount, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    if change.kind == "Blur":
        sigma = max(0.35, change.amount * min(height, width) / REFERENCE_SIDE)  # less changes nothing
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), np.uint8)
    if change.kind == "Noise":
        noise = np.random.default_rng(0).normal(0, change.amount, crop.shape)
        return np.clip(np.rint(crop + noise), 0, 255).astype(np.uint8)
    if change.kind == "Crop":
        top, left = (round(side * (1 - change.amount) / 2) for side in (height, width))
        return np.ascontiguousarray(crop[top : height - top, left : width - left])
    return np.ascontiguousarray(crop[:, ::-1])
