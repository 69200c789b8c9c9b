"""What a detector's scores may decide: rules with numbers, measured on held-out images and kept in its card.

``training.rules`` measures them, ``verdict`` and ``detector`` obey them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

MIN_FACE_SIDE = 35
"""Longest side of a face in pixels below which a detector without measured rules does not decide."""


@dataclass(frozen=True)
class SizeRow:
    """How a detector did on faces of one size.

    Attributes:
        face: longest side of the face in pixels of the image.
        n_fake, n_real: faces measured.
        decided: share of them that were called real or fake, 0..1.
        accuracy: share of the decided ones that were called correctly; None where none was decided.
        recall: share of the fakes that were called fake.
        false_positive_rate: share of the real faces that were called fake.
        fake_from: the score from which at most ``training.rules.HELD`` of the real faces of each source, of
            this size or larger, would be called fake.
        found: share of the fakes at or above ``fake_from``, of the source where it is lowest.
    """

    face: int
    n_fake: int
    n_real: int
    decided: float
    accuracy: float | None
    recall: float
    false_positive_rate: float
    fake_from: float = 0.0
    found: float = 1.0


@dataclass(frozen=True)
class WholeRule:
    """For which images the score of the whole image counts.

    Attributes:
        most_faces: it counts for images with at most this many faces.
        least_share: longest side of the largest face / shorter side of the image, at least.
        fake_from: lowest score that counts.
        scenes: photographs of scenes with several people that the rule was measured on.
        called_fake: how many of them it calls fake by the whole image.
        generated, found: generated whole images measured, and how many of them it calls fake.
    """

    most_faces: int
    least_share: float
    fake_from: float
    scenes: int
    called_fake: int
    generated: int = 0
    found: int = 0

    def covers(self, faces: int, share: float) -> bool:
        """Whether an image is of the kind that the rule was measured on.

        Args:
            faces: found in the image.
            share: longest side of the largest face / shorter side of the image.
        """
        return 1 <= faces <= self.most_faces and share >= self.least_share


@dataclass(frozen=True)
class OverlayRule:
    """What text, captions and stickers over a real face do to its verdict.

    Attributes:
        n: real faces measured.
        called_fake: how many of them were called fake as they are.
        overlaid: how many of them were called fake with something laid over them.
    """

    n: int
    called_fake: int
    overlaid: int


@dataclass(frozen=True)
class RealScores:
    """How real faces score: what a score is worth where there are many faces to choose it from.

    Attributes:
        p_fake: rising scores, 0..1.
        share: share of real faces that score at least so much, falling; one standard error above the share of
            those held out, which are few at the upper end.
        n: faces measured.
    """

    p_fake: tuple[float, ...]
    share: tuple[float, ...]
    n: int

    @classmethod
    def of(cls, scores: Sequence[float], points: int = 80) -> RealScores:
        """The table of these scores of real faces, at most ``points`` long; denser where scores are rare.

        Args:
            scores: at least one, 0..1.
            points: at least 2.
        """
        ranked = np.sort(np.asarray(scores, np.float64))[::-1]
        n = len(ranked)
        ranks = np.unique(np.rint(np.geomspace(1, n, min(n, points))).astype(int))[::-1]
        pairs = [(float(ranked[rank - 1]), _upper(int(rank), n)) for rank in ranks]
        rising = [pair for k, pair in enumerate(pairs) if k == len(pairs) - 1 or pairs[k + 1][0] > pair[0]]
        return cls(tuple(p for p, _ in rising), tuple(share for _, share in rising), n)

    def at_least(self, p_fake: float) -> float:
        """Share of real faces that score at least ``p_fake``; above all that were seen, as the highest."""
        return float(np.exp(np.interp(_odds(p_fake), _odds_of(self.p_fake), np.log(self.share))))

    def score_of(self, share: float) -> float:
        """The score that this share of real faces reaches or exceeds."""
        falling = np.log(self.share)[::-1]
        return _probability(float(np.interp(math.log(share), falling, _odds_of(self.p_fake)[::-1])))

    def of_several(self, p_fake: Sequence[float]) -> float:
        """The score of one face that would surprise as much as these of one image together.

        Simes' test of 'all are real' (Simes, An improved Bonferroni procedure for multiple tests of
        significance, 1986): it holds its false-positive rate for scores that rise and fall together, as those
        of one image do. For the highest of n alone it is Bonferroni's: one n-th of the share.

        Args:
            p_fake: of at least one face.

        Returns:
            that of the face where there is one; never more than the highest.
        """
        highest = max(p_fake)
        if len(p_fake) == 1:
            return highest
        shares = sorted(self.at_least(score) for score in p_fake)
        n = len(shares)
        together = min(n / rank * share for rank, share in enumerate(shares, start=1))
        return min(highest, self.score_of(min(1.0, together)))


@dataclass(frozen=True)
class Rules:
    """The rules of one detector, as its card holds them; the defaults are for cards without.

    Attributes:
        smallest_face: longest side in pixels below which a face is not decided on.
        by_face_size: what that was chosen by; may be empty.
        real_scores: None where they were not measured: then the highest face speaks for the image.
        whole: None where the score of the whole image never counts.
        overlay: None where it was not measured.
        command: what measures them again; empty where they were not measured.
    """

    smallest_face: int = MIN_FACE_SIDE
    by_face_size: tuple[SizeRow, ...] = ()
    real_scores: RealScores | None = None
    whole: WholeRule | None = None
    overlay: OverlayRule | None = None
    command: str = ""

    def fake_from(self, face: float) -> float:
        """The score that a face of this size must reach to be called fake, beside the detector's threshold.

        0 from a quarter above the largest size measured.

        Args:
            face: its longest side in pixels.
        """
        rows = [row for row in self.by_face_size if row.face >= self.smallest_face]
        if not rows:
            return 0.0
        sizes, scores = [row.face for row in rows], [row.fake_from for row in rows]
        return float(np.interp(face, [*sizes, 1.25 * sizes[-1]], [*scores, 0.0]))

    def to_dict(self) -> dict[str, Any]:
        """Ready for a card."""
        return asdict(self)


def read_rules(contents: Mapping[str, Any]) -> Rules:
    """The rules in a card's ``rules``.

    Raises:
        KeyError, TypeError, ValueError: they are not what ``Rules.to_dict`` writes.
    """
    given = dict(contents)
    scores, whole, overlay = (given.get(name) for name in ("real_scores", "whole", "overlay"))
    rules = Rules(
        smallest_face=int(given.get("smallest_face", MIN_FACE_SIDE)),
        by_face_size=tuple(SizeRow(**row) for row in given.get("by_face_size", ())),
        real_scores=scores
        and RealScores(
            tuple(map(float, scores["p_fake"])), tuple(map(float, scores["share"])), int(scores["n"])
        ),
        whole=whole and WholeRule(**whole),
        overlay=overlay and OverlayRule(**overlay),
        command=str(given.get("command", "")),
    )
    table = rules.real_scores
    if table is not None:
        sound = len(table.p_fake) == len(table.share) > 0 and all(0 < share <= 1 for share in table.share)
        if not sound or np.any(np.diff(table.p_fake) <= 0) or np.any(np.diff(table.share) >= 0):
            raise ValueError("rules: real_scores must rise in p_fake and fall in share")
    return rules


def _upper(rank: int, n: int) -> float:
    """The share of which ``rank`` of ``n`` were seen, one standard error up; below 1 for all."""
    return (rank + math.sqrt(rank * (1 - rank / (n + 1))) + 1) / (n + 3)


_EDGE = 1e-7


def _odds(p_fake: float) -> float:
    inside = min(max(p_fake, _EDGE), 1 - _EDGE)
    return math.log(inside / (1 - inside))


def _odds_of(p_fake: Sequence[float]) -> np.ndarray:
    return np.array([_odds(p) for p in p_fake])


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))
