"""Detectors side by side, in sentences and tables."""

from __future__ import annotations

import pandas as pd

from deepfake.detection.card import detector_title
from deepfake.evaluation.compare import Comparison, PairComparison
from deepfake.evaluation.statistics.bootstrap import PAIRED_METRICS
from deepfake.evaluation.text.metrics import METRIC_TEXTS
from deepfake.util.text import Unit, format_interval, format_metric

_TEXTS = {text.key: text for text in METRIC_TEXTS}
TITLES: dict[str, str] = {key: _TEXTS[key].title for key in PAIRED_METRICS}
"""Names of the compared metrics on the page."""


def pair_sentence(found: Comparison, pair: PairComparison) -> str:
    """Who calls more pictures rightly, by how much and how surely."""
    a, b = found.metrics[pair.a]["accuracy"], found.metrics[pair.b]["accuracy"]
    difference = pair.differences["accuracy"]
    if a is None or b is None or difference.value is None:
        return "Undefined for these images."
    sentence = (
        f"Of {found.n:,} images, {detector_title(pair.a)} calls {format_metric(a, 'share')} correctly and "
        f"{detector_title(pair.b)} {format_metric(b, 'share')}: a difference of "
        f"{100 * difference.value:+.1f} points"
    )
    if difference.interval is None:
        return f"{sentence}."
    low, high = difference.interval
    sentence += f" (95% interval {100 * low:+.1f} to {100 * high:+.1f})."
    if low <= 0 <= high:
        return f"{sentence} This may be chance."
    return sentence


def mcnemar_sentence(pair: PairComparison) -> str:
    """McNemar's test in words."""
    test, only = pair.mcnemar, pair.agreement
    if not test.discordant:
        return "McNemar's test: both call the same images correctly, so there is nothing to test."
    p = f"p = {test.p_value:.3f}" if test.p_value >= 0.001 else "p < 0.001"
    return (
        f"McNemar's test looks only at the {test.discordant:,} images that one detector alone calls "
        f"correctly ({detector_title(pair.a)} {only.only_a_right:,}, {detector_title(pair.b)} "
        f"{only.only_b_right:,}). If both were wrong equally often, a split at least this uneven would occur "
        f"with {p} ({test.method})."
    )


def side_by_side(found: Comparison) -> pd.DataFrame:
    """A row a metric and a column a detector, as text; the first row holds the thresholds."""
    rows = [
        {
            "Metric": "Threshold",
            **{detector_title(name): f"{cut:.3f}" for name, cut in found.thresholds.items()},
        }
    ]
    for key, title in TITLES.items():
        unit: Unit = _TEXTS[key].unit
        cells = {}
        for name in found.names:
            interval = format_interval(found.intervals[name][key], unit)
            cells[detector_title(name)] = format_metric(found.metrics[name][key], unit) + (
                f" ({interval})" if interval else ""
            )
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
