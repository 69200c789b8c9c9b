"""Where in a face crop the score comes from, by two methods, and whether they can be believed.

Both maps are about the logit of Fake: above 0 where the picture speaks for Fake, below 0 where it speaks
for Real. Neither says what is wrong with a picture; they say what the network reacted to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from deepfake.images.pixels import InputSpec, fitted
from deepfake.networks.scoring import Mapper, Scorer
from deepfake.types import Pixels

Heat = NDArray[np.float32]
Probability = Callable[[NDArray[np.floating[Any]]], NDArray[np.float64]]
"""From logits to ``p_fake``; see ``card.Card.probability``."""

CELLS = 12
"""A map is judged, and parts of the picture are covered, on a grid of this many cells a side."""
PATCH_CELLS = 3  # side of the square that occlusion covers
STEPS = 12  # of a deletion or insertion curve
RANDOM_ORDERS = 4
MIN_ADVANTAGE = 0.05  # in the gap between insertion and deletion; random orders differ by less
AGREEMENT = 0.3
"""Rank correlation below which two maps are said to disagree."""
GOOD_AGREEMENT = 0.6
"""Rank correlation from which two maps are said to agree; between, they agree in part."""


@dataclass(frozen=True)
class Faithfulness:
    """Deletion and insertion (Petsiuk et al., RISE, 2018): what becomes of the score of the called class.

    Attributes:
        deletion: mean score in [0, 1] while the parts that mattered most are blurred away first.
        insertion: mean score while they are put back first into a blurred picture.
        random_deletion, random_insertion: the same in random orders. A map says more than chance
            where deletion is below, and insertion above, its random counterpart.
    """

    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float

    @property
    def better_than_chance(self) -> bool:
        """Whether the map clearly beats random orders on both together."""
        gain = self.insertion - self.deletion
        return gain > self.random_insertion - self.random_deletion + MIN_ADVANTAGE


@dataclass(frozen=True)
class Explanation:
    """Both maps of one crop and what they are worth.

    Attributes:
        crop: (H, W, 3) uint8, what was scored.
        grad_cam, occlusion: maps in [-1, 1], above 0 for Fake.
        grad_cam_worth, occlusion_worth: whether each is faithful.
        agreement: Spearman's rank correlation of the two, -1 to 1.
        fake: whether the scores behind the worth are those of Fake, else of Real.
    """

    crop: Pixels
    grad_cam: Heat
    occlusion: Heat
    grad_cam_worth: Faithfulness
    occlusion_worth: Faithfulness
    agreement: float
    fake: bool


def explain(
    mapper: Mapper,
    scorer: Scorer,
    spec: InputSpec,
    crop: Pixels,
    *,
    probability: Probability,
    fake: bool,
    first: Heat | None = None,
    on_progress: Callable[[float], object] | None = None,
) -> Explanation:
    """Both maps of a crop, whether each is faithful, and how far they agree.

    Args:
        mapper, scorer: of ``Detector``.
        spec: the network's input.
        crop: (H, W, 3) uint8, as the network is given it.
        probability: ``Card.probability`` of the detector, so that scores here are those of its verdicts.
        fake: whether the verdict to be explained is Fake, else Real.
        first: what ``grad_cam`` gave for this crop, where it is known already.
        on_progress: told the share of the occlusion that is done, 0..1.
    """
    if first is None:
        first = grad_cam(mapper, spec, crop)
    second = occlusion(scorer, spec, crop, on_progress=on_progress)
    worth = faithfulness(scorer, spec, crop, (first, second), probability=probability, fake=fake)
    return Explanation(crop, first, second, worth[0], worth[1], agreement(first, second), fake)


def grad_cam(mapper: Mapper, spec: InputSpec, crop: Pixels) -> Heat:
    """The map of ``networks.grad_cam`` of one crop.

    Args:
        mapper: of ``Detector``.
        spec: the network's input.
        crop: (H, W, 3) uint8, as the network is given it.

    Returns:
        (h, w) float32 at the resolution of the last feature map, largest absolute value 1 (or all 0).
    """
    return _normed(mapper(fitted(crop, spec)[None])[0])


def occlusion(
    scorer: Scorer,
    spec: InputSpec,
    crop: Pixels,
    *,
    on_progress: Callable[[float], object] | None = None,
) -> Heat:
    """How the logit of Fake falls when a part is covered (Zeiler and Fergus, 2014).

    A square a quarter of the side is blurred beyond recognition at every place of the grid; grey, as in
    the paper, would itself look like a forgery. A cell's value is the mean over the squares on it.

    Args:
        scorer: from ``scoring.compiled_scorer``.
        spec: the network's input.
        crop: (H, W, 3) uint8.
        on_progress: told the share done, 0..1.

    Returns:
        (CELLS, CELLS) float32, largest absolute value 1 (or all 0).
    """
    pixels, blurred = _pair(crop, spec)
    base = float(scorer(pixels[None])[0])
    places = [(y, x) for y in range(1 - PATCH_CELLS, CELLS) for x in range(1 - PATCH_CELLS, CELLS)]
    total, count = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
    batch_size = 28
    for start in range(0, len(places), batch_size):
        part = places[start : start + batch_size]
        masks = np.zeros((len(part), CELLS, CELLS), bool)
        for mask, (y, x) in zip(masks, part, strict=True):
            mask[max(0, y) : y + PATCH_CELLS, max(0, x) : x + PATCH_CELLS] = True
        fallen = base - scorer(np.stack([_mixed(pixels, blurred, mask) for mask in masks]))
        total += (masks * fallen[:, None, None]).sum(axis=0)
        count += masks.sum(axis=0)
        if on_progress is not None:
            on_progress(min(1.0, (start + batch_size) / len(places)))
    return _normed(total / count)


def agreement(one: Heat, other: Heat) -> float:
    """Spearman's rank correlation of two maps on the grid, -1 to 1; 0 where one of them is flat."""
    first, second = (on_grid(heat).ravel() for heat in (one, other))
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def faithfulness(
    scorer: Scorer,
    spec: InputSpec,
    crop: Pixels,
    heats: Sequence[Heat],
    *,
    probability: Probability,
    fake: bool,
    seed: int = 0,
) -> list[Faithfulness]:
    """Whether the parts that maps name are the parts that the score hangs on; one answer a map.

    Args:
        scorer: from ``scoring.compiled_scorer``.
        spec: the network's input.
        crop: (H, W, 3) uint8.
        heats: maps of this crop; all are held against the same random orders.
        probability: ``Card.probability`` of the detector.
        fake: whether the verdict to be explained is Fake, else Real.
        seed: of the random orders.
    """
    sign = 1.0 if fake else -1.0
    rng = np.random.default_rng(seed)
    pixels, blurred = _pair(crop, spec)

    def means(order: NDArray[np.intp]) -> tuple[float, float]:
        """Of the deletion and of the insertion curve of one order of the parts."""
        masks = np.zeros((STEPS + 1, CELLS * CELLS), bool)
        for step in range(1, STEPS + 1):
            masks[step, order[: round(step * CELLS * CELLS / STEPS)]] = True
        grids = masks.reshape(-1, CELLS, CELLS)
        both = ((pixels, blurred), (blurred, pixels))
        logits = [scorer(np.stack([_mixed(one, other, mask) for mask in grids])) for one, other in both]
        p_fake = probability(np.asarray(logits))
        scores = p_fake if fake else 1 - p_fake
        deletion, insertion = (float(np.trapezoid(curve)) / STEPS for curve in scores)
        return deletion, insertion

    chance = np.array([means(rng.permutation(CELLS * CELLS)) for _ in range(RANDOM_ORDERS)]).mean(axis=0)
    orders = [np.argsort(-sign * on_grid(heat).ravel(), kind="stable") for heat in heats]
    return [Faithfulness(*means(order), float(chance[0]), float(chance[1])) for order in orders]


def on_grid(heat: Heat) -> Heat:
    """(CELLS, CELLS) of a map of any resolution."""
    if heat.shape == (CELLS, CELLS):
        return heat
    shrinking = min(heat.shape) > CELLS
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(heat, (CELLS, CELLS), interpolation=how), np.float32)


def _pair(crop: Pixels, spec: InputSpec) -> tuple[Pixels, Pixels]:
    """The network's view of a crop, and the same blurred until no detail is left."""
    pixels = fitted(crop, spec)
    blurred = cv2.GaussianBlur(pixels, (0, 0), spec.size / 16)
    return pixels, np.asarray(blurred, np.uint8)


def _mixed(pixels: Pixels, other: Pixels, mask: NDArray[np.bool_]) -> Pixels:
    """``other`` where the grid's mask is set, with soft edges."""
    side = pixels.shape[0]
    soft = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)[..., None]
    return np.rint(pixels * (1 - soft) + other * soft).astype(np.uint8)


def _normed(heat: NDArray[Any]) -> Heat:
    largest = float(np.abs(heat).max())
    return (heat / largest if largest > 0 else heat).astype(np.float32)


MAP_NAMES = (
    ("Grad-CAM", "from inside the network, coarse"),
    ("Occlusion", "how the score falls when a part is blurred"),
)
"""Each map's name and what it is made of, in the order of ``Explanation``."""


def colours_mean(*, two_networks: bool) -> str:
    """How to read the maps; of a detector with two networks they are those of the first."""
    means = (
        "Orange areas pushed the score toward fake, blue ones toward real. The maps show what the detector "
        "reacted to, not what is wrong with the image."
    )
    return f"{means} Of its two networks they show the first." if two_networks else means


def worth_words(worth: Faithfulness, *, fake: bool) -> str:
    """Whether a map beats chance, with the numbers.

    Args:
        worth: of the map.
        fake: whether its scores are those of Fake, else of Real.
    """
    shown, gone = round(worth.insertion, 2), round(worth.deletion, 2)
    side = "fake" if fake else "real"
    chance = round(worth.random_insertion - worth.random_deletion, 2) + 0.0  # no -0.00
    better = "Better than chance" if worth.better_than_chance else "No better than chance: do not rely on it"
    return (
        f"{better}. Score of {side}: insertion {shown:.2f}, deletion {gone:.2f}, gap {shown - gone:+.2f} "
        f"(in random order {chance:+.2f}). A larger gap means a more faithful map."
    )


def agreement_words(agreement: float) -> str:
    """How far two maps say the same."""
    if agreement < AGREEMENT:
        return (
            f"The two maps disagree (rank correlation {agreement:.2f} of 1): what they show says little "
            "about this image."
        )
    how = "agree" if agreement >= GOOD_AGREEMENT else "agree in part"
    return f"The two maps {how} (rank correlation {agreement:.2f} of 1)."
