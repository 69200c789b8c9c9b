"""The stress test: whether a verdict survives what becomes of pictures on their way, from JPEG to text.

A verdict that a mild change turns into its opposite is uncertain; ``apply_stress_test`` decides that, for
every view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import cv2
import numpy as np

from deepfake.detection.words import UNCERTAIN
from deepfake.perturbations import primitives
from deepfake.perturbations.overlay import sticker, text
from deepfake.types import Pixels, Thresholds, VerdictLabel
from deepfake.util.text import format_percent

ChangeKind = Literal[
    "JPEG",
    "Resize",
    "Blur",
    "Noise",
    "Crop",
    "Shift",
    "Turn",
    "Mirror",
    "Text",
    "Sticker",
    "Margin",
    "Quarter turn",
]


@dataclass(frozen=True)
class Change:
    """One thing done to a crop.

    Attributes:
        kind: what is done.
        amount: how much, in ``unit``.
        unit: in words.
        mild: whether a picture that was only sent or saved again has been through as much.
    """

    kind: ChangeKind
    amount: float
    unit: str
    mild: bool

    @property
    def words(self) -> str:
        """As part of a sentence."""
        return f"{self.kind if self.kind == 'JPEG' else self.kind.lower()} {self.unit}".rstrip()


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
    call: VerdictLabel


@dataclass(frozen=True)
class StressTest:
    """The scores of one crop under every change.

    Attributes:
        p_fake: as it is.
        call: the verdict as it is.
        points: in the order of ``CHANGES``, then those of ``REFRAMING`` after which the face was found again.
    """

    p_fake: float
    call: VerdictLabel
    points: tuple[StressPoint, ...]

    @property
    def flips(self) -> tuple[StressPoint, ...]:
        """Changes that turn real into fake or fake into real; uncertain is neither."""
        if self.call == "uncertain":
            return ()
        return tuple(point for point in self.points if point.call not in (self.call, "uncertain"))

    def mildest(self, call: VerdictLabel) -> StressPoint | None:
        """The mildest change after which the verdict is this one; None where no tested change does that.

        A mild change before a strong one, then by its place among those of its kind, the mildest of which
        comes first.
        """
        found = [point for point in self.points if point.call == call]
        kinds = [point.change.kind for point in self.points]

        def strength(point: StressPoint) -> tuple[bool, int]:
            return not point.change.mild, self.points.index(point) - kinds.index(point.change.kind)

        return min(found, key=strength, default=None)

    @property
    def stable(self) -> bool:
        """No mild change turns the verdict into its opposite."""
        return not any(point.change.mild for point in self.flips)

    @property
    def kept_by_mild(self) -> bool:
        """No mild change takes the verdict away: turns it into its opposite, or makes it uncertain."""
        return all(point.call == self.call for point in self.points if point.change.mild)

    def at(self, call: Callable[[float], VerdictLabel]) -> StressTest:
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
            moves = f"{format_percent(low)} and {format_percent(high)}"
            return f"Already {UNCERTAIN}; the probability moves between {moves}."
        named = ", ".join(point.change.words for point in self.flips[:3])
        if len(self.flips) > 3:
            named += f" and {len(self.flips) - 3} more changes"
        if not self.stable:
            return f"Not stable: the verdict flips at {named}."
        kept = sum(point.call == self.call for point in self.points)
        if kept == len(self.points):
            return f"Stable: all {kept} changes keep the verdict."
        counts = [f"{kept} of {len(self.points)} changes keep the verdict"]
        if lost := len(self.points) - kept - len(self.flips):
            counts.append(f"{lost} make it {UNCERTAIN}" if lost > 1 else f"1 makes it {UNCERTAIN}")
        reversing = f"; only strong changes reverse it: {named}" if self.flips else "; none reverses it"
        how = "Stable under mild changes" if self.kept_by_mild else "Partly stable"
        return f"{how}: {', '.join(counts)}{reversing}."


CHANGES: tuple[Change, ...] = (
    *(Change("JPEG", quality, f"quality {quality}", quality >= 70) for quality in (95, 85, 70, 50, 30)),
    *(
        Change("Resize", share, f"to {format_percent(share)} and back", share >= 0.7)
        for share in (0.85, 0.7, 0.5, 0.35)
    ),
    *(Change("Blur", sigma, f"{sigma} pixels", sigma <= 0.5) for sigma in (0.5, 1.0, 2.0)),
    *(Change("Noise", sigma, f"{sigma} of 255", sigma <= 2) for sigma in (2, 5, 10)),
    *(
        Change("Crop", share, f"to the middle {format_percent(share)}", share >= 0.94)
        for share in (0.94, 0.85, 0.75)
    ),
    Change("Shift", 0.06, "to the left", True),
    Change("Shift", -0.06, "to the right", True),
    *(
        Change("Turn", degrees, f"{abs(degrees)}° {'left' if degrees > 0 else 'right'}", abs(degrees) <= 5)
        for degrees in (5, -5, 15, -15)
    ),
    Change("Mirror", 1, "left and right", True),
    *(Change("Text", share, f"{format_percent(share)} opaque", False) for share in (0.25, 0.5)),
    Change("Sticker", 2, "on the face", False),
)
"""Done to the square that was scored."""

REFRAMING: tuple[Change, ...] = (
    Change("Margin", 0.2, "white, 20%", True),
    Change("Quarter turn", 90, "", True),
)
"""Done to the picture, in which the face is then looked for again."""


def apply_stress_test(call: VerdictLabel, test: StressTest) -> VerdictLabel:
    """What is left of a face's verdict after its stress test: itself, or uncertain."""
    return call if test.stable else "uncertain"


def stress_test(
    p_fake: Callable[[Sequence[Pixels]], np.ndarray],
    crop: Pixels,
    call: Callable[[float], VerdictLabel] | Thresholds,
    reframed: Sequence[tuple[Change, Pixels]] = (),
) -> StressTest:
    """Scores a crop under every change of ``CHANGES``; the same crop gives the same numbers.

    Args:
        p_fake: ``Detector.p_fake``.
        crop: (H, W, 3) uint8, the face crop that was scored.
        call: makes a verdict of a score.
        reframed: changes of ``REFRAMING``, each with the square around the same face in the changed picture.
    """
    name = call.call if isinstance(call, Thresholds) else call
    changes = [*CHANGES, *(change for change, _ in reframed)]
    crops = [crop, *(changed(crop, change) for change in CHANGES), *(again for _, again in reframed)]
    scores = [float(score) for score in p_fake(crops)]
    points = tuple(
        StressPoint(change, score, name(score)) for change, score in zip(changes, scores[1:], strict=True)
    )
    return StressTest(scores[0], name(scores[0]), points)


def changed(crop: Pixels, change: Change) -> Pixels:
    """The crop after a change of ``CHANGES``, of the same size but for ``Crop`` and ``Shift``."""
    return np.ascontiguousarray(_CHANGED[change.kind](crop, change.amount), np.uint8)


def _draws() -> np.random.Generator:
    """The same for every crop."""
    return np.random.default_rng(0)


def _resize(crop: Pixels, share: float) -> np.ndarray:
    """Scales by exactly ``share``; ``primitives.rescale`` goes by whole sides, to other numbers."""
    height, width = crop.shape[:2]
    small = cv2.resize(crop, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


_CHANGED: Mapping[ChangeKind, Callable[[Pixels, float], np.ndarray]] = {
    "JPEG": lambda crop, quality: primitives.jpeg(crop, int(quality)),
    "Resize": _resize,
    "Blur": lambda crop, sigma: primitives.blur(crop, sigma, at_least=0.35),  # less changes nothing
    "Noise": lambda crop, sigma: primitives.noise(crop, _draws().normal(0, sigma, crop.shape)),
    "Crop": primitives.crop,
    "Shift": primitives.shift,
    "Turn": primitives.turn,
    "Mirror": lambda crop, _: crop[:, ::-1],
    "Text": lambda crop, opacity: text(crop, opacity, _draws()),
    "Sticker": lambda crop, count: sticker(crop, (count - 1) / 4, _draws()),  # the strength that lays as many
}
