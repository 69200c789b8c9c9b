"""One detector on many kinds of images: a row for each, and how far it falls from one to another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from deepfake.evaluation.curves import coverage_risk, risk_at
from deepfake.evaluation.records import Recorded
from deepfake.evaluation.statistics.thresholds import (
    Rate,
    RuleMetrics,
    SortedScores,
    at_threshold,
    auc_with_interval,
    sort_scores,
)

DECIDED = (0.3, 0.5, 0.7, 0.9, 1.0)
"""Shares of the images, the surest first, of which ``abstaining_table`` tells the errors."""
GROUPS = ("source", "generator", "split")
ALARM_POINTS = 0.03
"""A fall of more than 3 points whose interval excludes 0 raises an alarm."""

GapKind = Literal["altered", "test", "altered_to_test"]


@dataclass(frozen=True)
class Subset:
    """Some images of an evaluation: all of them, or those of one source, generator or split."""

    name: str
    scores: SortedScores


def subsets_of(title: str, table: pd.DataFrame) -> list[Subset]:
    """All images of a score table, then each source, generator and split where there are several.

    Args:
        title: the evaluation's.
        table: a score table (``scores.read_scores``).
    """
    subsets = [Subset(title, sort_scores(table["label"], table["p_fake"]))]
    for column in GROUPS:
        if column not in table.columns or table[column].nunique() < 2:
            continue
        for value, group in table.groupby(column, sort=True):
            scores = sort_scores(group["label"], group["p_fake"])
            subsets.append(Subset(f"{title}: {column} {str(value) or 'not named'}", scores))
    return subsets


def abstaining_table(
    datasets: Mapping[str, tuple[pd.DataFrame, RuleMetrics]], threshold: float
) -> pd.DataFrame:
    """What deciding less often buys on each dataset: risk against coverage.

    Args:
        datasets: by title: the score table, and what the verdicts of its scores are.
        threshold: a forced choice, from which the surest scores are the furthest (``curves.coverage_risk``).

    Returns:
        A row a dataset, the one with most errors first: for each of ``DECIDED``, as in ``30%``,
        the share of wrong calls among so many of the surest images; ``wrong`` among those that get a
        verdict, NaN where none does, and ``decided``, their share.
    """
    rows, names = {}, [f"{share:.0%}" for share in DECIDED]
    for title, (table, rule) in datasets.items():
        risks = risk_at(coverage_risk(table["label"], table["p_fake"], threshold), DECIDED)
        wrong = math.nan if rule.correct.share is None else 1 - rule.correct.share
        known = dict(zip(names, risks, strict=True))
        rows[title] = {**known, "wrong": wrong, "decided": rule.decided.share}
    return pd.DataFrame.from_dict(rows, orient="index").sort_values(names[-1], ascending=False)


def breakdown_table(subsets: Sequence[Subset], threshold: float) -> pd.DataFrame:
    """A row for each subset at one threshold.

    Returns:
        columns part, images, fake, real (counts), then accuracy, auc, recall (fakes found) and
        false_alarm_rate, each followed by NAME_low and NAME_high of its 95% interval (Wilson, 1927; for the
        AUC DeLong et al., 1988). NaN where a class that the number needs has no image.
    """
    rows = []
    for subset in subsets:
        metrics = at_threshold(subset.scores, threshold)
        row = {
            "part": subset.name,
            "images": subset.scores.n,
            "fake": subset.scores.fake.size,
            "real": subset.scores.real.size,
        }
        area = auc_with_interval(subset.scores) or (math.nan, math.nan, math.nan)
        for name, triple in (
            ("accuracy", _triple(metrics.accuracy)),
            ("auc", area),
            ("recall", _triple(metrics.recall)),
            ("false_alarm_rate", _triple(metrics.false_alarm_rate)),
        ):
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), triple, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def _triple(rate: Rate) -> tuple[float, float, float]:
    """Share, low and high; NaN where there are none."""
    if rate.share is None or rate.interval is None:
        return math.nan, math.nan, math.nan
    return rate.share, *rate.interval


@dataclass(frozen=True)
class Gap:
    """How much balanced accuracy is lost from one evaluation to another of the same detector and data set.

    Attributes:
        kind: ``altered`` (clean to altered copies), ``test`` (Validation to Test) or ``altered_to_test``
            (altered Validation to Test).
        before, after: titles of the two.
        accuracy_before, accuracy_after: balanced accuracy at the same threshold.
        fall: accuracy_before - accuracy_after; below 0 where it rose.
        low, high: 95% interval of the fall, from the Wilson intervals of the four shares (MOVER; Zou and
            Donner, 2008). The two sets count as independent; copies of the same images are not, which makes
            the interval too wide rather than too narrow.
        alarm: the fall is above ``ALARM_POINTS`` and its interval excludes 0.
    """

    kind: GapKind
    before: str
    after: str
    accuracy_before: float
    accuracy_after: float
    fall: float
    low: float
    high: float
    alarm: bool


def gaps(evaluations: Sequence[tuple[Recorded, SortedScores]], threshold: float) -> list[Gap]:
    """Every gap between evaluations of one data set (by the first word of its title) at one threshold."""
    found = []
    for kind, first, second in _pairs(evaluations):
        gap = _gap(kind, first, second, threshold)
        if gap is not None:
            found.append(gap)
    return found


Scored = tuple[Recorded, SortedScores]


def _pairs(evaluations: Sequence[Scored]) -> Iterator[tuple[GapKind, Scored, Scored]]:
    for first in evaluations:
        for second in evaluations:
            one, other = first[0], second[0]
            if not comparable(one, other):
                continue
            if (one.data, one.split, one.source) == (other.data, other.split, other.source) and (
                one.perturbed,
                other.perturbed,
            ) == (False, True):
                yield "altered", first, second
            if (one.split, other.split) == ("Validation", "Test"):
                if one.perturbed == other.perturbed:
                    yield "test", first, second
                elif one.perturbed:
                    yield "altered_to_test", first, second


def comparable(one: Recorded, other: Recorded) -> bool:
    """Whether two evaluations are of parts of one data set, as far as their titles tell."""
    same_source = not (one.source and other.source) or one.source == other.source
    return _family(one) == _family(other) and same_source


def _family(recorded: Recorded) -> str:
    """The title's first word: 'Faces' and 'Faces sample' are parts of one data set."""
    return recorded.data.lower().partition(" ")[0]


def _gap(kind: GapKind, first: Scored, second: Scored, threshold: float) -> Gap | None:
    before, after = at_threshold(first[1], threshold), at_threshold(second[1], threshold)
    if before.balanced_accuracy is None or after.balanced_accuracy is None:
        return None
    fall = before.balanced_accuracy - after.balanced_accuracy
    below = above = 0.0
    # fall = (recall - alarms) / 2 before, less the same after; each share brings its own uncertainty.
    for sign, rate in (
        (1, before.recall),
        (-1, before.false_alarm_rate),
        (-1, after.recall),
        (1, after.false_alarm_rate),
    ):
        share, low, high = _triple(rate)
        down, up = (share - low, high - share) if sign > 0 else (high - share, share - low)
        below, above = below + (down / 2) ** 2, above + (up / 2) ** 2
    low, high = fall - math.sqrt(below), fall + math.sqrt(above)
    return Gap(
        kind=kind,
        before=first[0].title,
        after=second[0].title,
        accuracy_before=before.balanced_accuracy,
        accuracy_after=after.balanced_accuracy,
        fall=fall,
        low=low,
        high=high,
        alarm=fall > ALARM_POINTS and low > 0,
    )
