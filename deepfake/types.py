"""Small types that every folder speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Landmarks = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom exclusive."""
VerdictLabel = Literal["real", "fake", "uncertain"]
Reason = Literal["out_of_scope", "not_a_photograph", "too_small", "fake_as_a_whole"]
"""Why a face is uncertain whatever its score."""
OperatingPoint = Literal["balanced", "few_false_alarms"]
OPERATING_POINTS: tuple[OperatingPoint, ...] = ("balanced", "few_false_alarms")

FakeKind = Literal["gan", "diffusion", "swap", "edit", "photo"]
"""Whole faces by a GAN; by diffusion; swapped or reenacted faces; edits and composites; no fake at all."""
FAKE_KINDS: tuple[FakeKind, ...] = ("gan", "diffusion", "swap", "edit", "photo")

Strength = Literal["none", "weak", "moderate", "strong"]
Direction = Literal["fake", "real", "neither"]


@dataclass(frozen=True)
class KindEstimate:
    """The kind of fake that an image is most like; ``detection.kinds`` tells it.

    Attributes:
        name: None where it cannot be told.
        probability: of the likeliest kind, 0..1, if all kinds were equally common.
    """

    name: FakeKind | None
    probability: float


@dataclass(frozen=True)
class EvidenceLine:
    """What one witness says of an image; ``report.evidence`` computes them.

    Attributes:
        name: of the witness, such as ``Detector's score``.
        finding: what it says, in a sentence or two; of what a file holds only letters, digits and few signs.
        strength: how much that is worth by itself.
        points_to: which way.
        ignore: what not to take it for.
    """

    name: str
    finding: str
    strength: Strength
    points_to: Direction
    ignore: str


@dataclass(frozen=True)
class Thresholds:
    """Where calibrated ``p_fake`` becomes a verdict.

    Attributes:
        balanced: maximises balanced accuracy on perturbed validation images.
        few_false_alarms: at or above it at most 1% of real validation images lie.
        uncertain_low, uncertain_high: outside this band verdicts reach the reliability in the card.
    """

    balanced: float
    few_false_alarms: float
    uncertain_low: float
    uncertain_high: float

    def call(self, p_fake: float, point: OperatingPoint = "balanced") -> VerdictLabel:
        """``fake``, ``real`` or, between the two, ``uncertain``."""
        if p_fake >= self.fake_from(point):
            return "fake"
        return "real" if p_fake < self.uncertain_low else "uncertain"

    def fake_from(self, point: OperatingPoint = "balanced") -> float:
        """The lowest ``p_fake`` that is called fake."""
        if point == "few_false_alarms":
            return max(self.uncertain_high, self.few_false_alarms)
        return self.uncertain_high

    def decide_all(self, p_fake: NDArray[np.float64]) -> NDArray[np.object_]:
        """(N,) ``real``, ``fake`` or ``uncertain`` at the balanced point; "" where there is none."""
        calls = np.full(p_fake.shape, "uncertain", object)
        calls[p_fake < self.uncertain_low] = "real"
        calls[p_fake >= self.uncertain_high] = "fake"
        calls[np.isnan(p_fake)] = ""
        return calls


CLASS_NAMES = ("Fake", "Real")
"""Of labels 1 and 0. Folders stand in this order, and the columns of a two-column softmax."""


def class_name(label: object) -> str:
    """Fake for 1, Real for 0."""
    return CLASS_NAMES[0 if label == 1 else 1]
