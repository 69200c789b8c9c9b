"""The slices: which facts of an image they go by, and where one ends and the next begins.

The edges are the same for every detector and evaluation, so that slices compare. They are round numbers that
part the shipped sets into slices of some hundred images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

FactName = Literal["face", "framing", "quality", "sharpness", "brightness", "age"]
NOT_KNOWN = -1
"""The slice of an image whose fact is not known."""


@dataclass(frozen=True)
class Fact:
    """One fact, and the edges between its slices.

    Attributes:
        name: a column of ``facts.read_facts``.
        title: for a person.
        edges: rising; a value on an edge belongs to the slice above it.
        unit: after a number, with its space.
        steps: of whole numbers 1, so that a slice is named '64 to 95'; 0: '30 to 100'.
        missing: what it means that it is not known; empty where that says nothing and no slice is made of it.
    """

    name: FactName
    title: str
    edges: tuple[float, ...]
    unit: str = ""
    steps: int = 0
    missing: str = ""

    def slices_of(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """(N,) the slice of each value, 0 to ``len(edges)``; ``NOT_KNOWN`` for NaN."""
        found = np.searchsorted(self.edges, values, side="right")
        return np.where(np.isnan(values), NOT_KNOWN, found).astype(np.int64)

    def words(self, number: int) -> str:
        """A slice's range, such as '64 to 95 pixels'."""
        if number == NOT_KNOWN:
            return self.missing
        if number == 0:
            return f"below {self._shown(self.edges[0])}{self.unit}"
        low = self._shown(self.edges[number - 1])
        if number == len(self.edges):
            return f"{low}{self.unit} and more"
        return f"{low} to {self._shown(self.edges[number] - self.steps)}{self.unit}"

    def label(self, number: int) -> str:
        """A slice's name in a table, such as 'Face size: 64 to 95 pixels'."""
        return f"{self.title}: {self.words(number)}"

    def _shown(self, edge: float) -> str:
        return f"{100 * edge:.0f}" if self.unit == "%" else f"{edge:,.0f}"


FACTS: tuple[Fact, ...] = (
    Fact("face", "Face size", (64, 96, 128, 160, 192, 256, 512), " pixels", 1, "no face found"),
    Fact("framing", "Face in the frame", (0.35, 0.5, 0.65, 0.8), "%"),
    Fact("quality", "JPEG quality", (50, 70, 85, 93), "", 1, "not a JPEG"),
    Fact("sharpness", "Sharpness", (30, 100, 300, 1000, 3000)),
    Fact("brightness", "Brightness", (60, 90, 120, 150, 180), "", 1),
    Fact("age", "Age", (10, 20, 40, 60), " years", 1),
)
"""In the order in which they are shown. Framing is the face's longest side, of the side of the scored square;
sharpness is measured at ``facts.COMMON_SIDE``; brightness is the mean gray level of 255."""
BY_NAME: dict[str, Fact] = {fact.name: fact for fact in FACTS}
