"""What the rule of verdicts does on images whose answer is known: two thresholds, and none decided between.

Verdicts say fake from one threshold, real below another, and nothing between. A forced choice
(``evaluation``, ``threshold_metrics``) calls every image at one threshold; its accuracy is another number.
The positive class is Fake.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from deepfake.evaluation.thresholds import Rate, SortedScores, rate
from deepfake.types import OPERATING_POINTS, OperatingPoint, Thresholds


@dataclass(frozen=True)
class RuleMetrics:
    """The verdicts that scores get at an operating point, counted.

    By the score alone: the scope check and the stress test, which turn further verdicts into *uncertain*, and
    the search for faces are not in it.

    Attributes:
        operating_point: which thresholds decide.
        fake_from: called fake when p_fake >= fake_from.
        real_below: called real when p_fake < real_below; uncertain between the two.
        decided: images called fake or real, of all.
        correct: images called what they are, of those decided.
        false_positive_rate: Real images called fake, of all Real, undecided ones too.
        recall: Fake images called fake, of all Fake, undecided ones too.
        missed: Fake images called real, of all Fake.
    """

    operating_point: OperatingPoint
    fake_from: float
    real_below: float
    decided: Rate
    correct: Rate
    false_positive_rate: Rate
    recall: Rate
    missed: Rate

    def to_dict(self) -> dict[str, Any]:
        """The fields, ready for JSON; of a rate its ``k``, ``n``, ``share``, ``low`` and ``high``."""
        return asdict(self)


def at_rule(scores: SortedScores, thresholds: Thresholds, point: OperatingPoint = "balanced") -> RuleMetrics:
    """The verdicts of scores; the same calls as ``Thresholds.call``."""
    fake_from, real_below = thresholds.fake_from(point), thresholds.uncertain_low
    found, alarms = (int((side >= fake_from).sum()) for side in (scores.fake, scores.real))
    missed, passed = (
        int(np.searchsorted(side, min(real_below, fake_from), side="left"))
        for side in (scores.fake, scores.real)
    )
    decided = found + alarms + missed + passed
    return RuleMetrics(
        operating_point=point,
        fake_from=fake_from,
        real_below=real_below,
        decided=rate(decided, scores.n),
        correct=rate(found + passed, decided),
        false_positive_rate=rate(alarms, scores.real.size),
        recall=rate(found, scores.fake.size),
        missed=rate(missed, scores.fake.size),
    )


def at_every_point(scores: SortedScores, thresholds: Thresholds) -> dict[OperatingPoint, RuleMetrics]:
    """The verdicts of scores at each operating point."""
    return {point: at_rule(scores, thresholds, point) for point in OPERATING_POINTS}


def rules_to_dict(rules: Mapping[OperatingPoint, RuleMetrics]) -> dict[str, Any]:
    """What a card and ``evaluate --json`` hold under ``verdict_rule``."""
    return {point: metrics.to_dict() for point, metrics in rules.items()}


def rules_from_dict(contents: Any) -> dict[OperatingPoint, RuleMetrics]:
    """What ``rules_to_dict`` gave; empty where a card says nothing of it.

    Raises:
        KeyError, TypeError: it says something else.
    """
    found: dict[OperatingPoint, RuleMetrics] = {}
    for point in OPERATING_POINTS:
        if contents and point in contents:
            told = dict(contents[point])
            rates = ("decided", "correct", "false_positive_rate", "recall", "missed")
            found[point] = RuleMetrics(**{**told, **{name: Rate(**told[name]) for name in rates}})
    return found
