"""A comparison of detectors in words and short tables for people who do not know the field."""

from __future__ import annotations

import pandas as pd

from deepfake.evaluation.compare import Comparison, PairComparison
from deepfake.evaluation.paired import PAIRED_METRICS
from deepfake.evaluation.text import METRIC_TEXTS, Unit, shown, shown_interval

_TEXTS = {text.key: text for text in METRIC_TEXTS}
TITLES: dict[str, str] = {key: _TEXTS[key].title for key in PAIRED_METRICS}
"""Names of the compared metrics on the page."""


def pair_sentence(found: Comparison, pair: PairComparison) -> str:
    """Who calls more pictures rightly, by how much and how surely."""
    a, b = found.metrics[pair.a]["accuracy"], found.metrics[pair.b]["accuracy"]
    difference = pair.differences["accuracy"]
    if a is None or b is None or difference.value is None:
        return "Undefined for these pictures."
    sentence = (
        f"Of {found.n:,} pictures {pair.a} calls {shown(a, 'share')} rightly and {pair.b} "
        f"{shown(b, 'share')}: a difference of {100 * difference.value:+.1f} points"
    )
    if difference.interval is None:
        return f"{sentence}."
    low, high = difference.interval
    sentence += f" (95 % interval {100 * low:+.1f} to {100 * high:+.1f})."
    if low <= 0 <= high:
        return f"{sentence} It may be chance."
    return sentence


def mcnemar_sentence(pair: PairComparison) -> str:
    """McNemar's test in words."""
    test, only = pair.mcnemar, pair.agreement
    if not test.discordant:
        return "McNemar's test: both call the same pictures rightly, so there is nothing to test."
    p = f"p = {test.p_value:.3f}" if test.p_value >= 0.001 else "p < 0.001"
    return (
        f"McNemar's test looks only at the {test.discordant:,} pictures that one detector alone calls "
        f"rightly ({pair.a} {only.only_a_right:,}, {pair.b} {only.only_b_right:,}). If both erred "
        f"equally often, a split at least this uneven would come about with {p} ({test.method})."
    )


def side_by_side(found: Comparison) -> pd.DataFrame:
    """A row a metric and a column a detector, as text; the first row holds the thresholds."""
    rows = [{"Metric": "Threshold", **{name: f"{cut:.3f}" for name, cut in found.thresholds.items()}}]
    for key, title in TITLES.items():
        unit: Unit = _TEXTS[key].unit
        cells = {}
        for name in found.names:
            interval = shown_interval(found.intervals[name][key], unit)
            cells[name] = shown(found.metrics[name][key], unit) + (f" ({interval})" if interval else "")
        rows.append({"Metric": title, **cells})
    return pd.DataFrame(rows)


def metrics_table(found: Comparison) -> pd.DataFrame:
    """The same as numbers: columns detector, threshold, metric, value, low, high."""
    rows = []
    for name in found.names:
        for key in TITLES:
            low, high = found.intervals[name][key] or (None, None)
            value = found.metrics[name][key]
            row = {"detector": name, "threshold": found.thresholds[name], "metric": key}
            rows.append({**row, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows)


def differences_table(pair: PairComparison) -> pd.DataFrame:
    """Differences as numbers: columns a, b, metric, difference, low, high."""
    rows = []
    for key, one in pair.differences.items():
        low, high = one.interval or (None, None)
        row = {"a": pair.a, "b": pair.b, "metric": key}
        rows.append({**row, "difference": one.value, "low": low, "high": high})
    return pd.DataFrame(rows)


def outcome_order(outcome: str) -> str:
    """In which order the pictures of an outcome stand."""
    if outcome == "Both wrong":
        return "Those that both get most wrong first."
    return "Those on which the scores differ most first."
