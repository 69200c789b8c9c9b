"""What a threshold means where another share of the images is fake, in words."""

from __future__ import annotations

import pandas as pd

from deepfake.evaluation.statistics.thresholds import PER, Expected, ExpectedOutcomes, ThresholdMetrics
from deepfake.evaluation.text.metrics import format_rate
from deepfake.util.text import format_metric


def outcome_order(outcome: str) -> str:
    """In which order the pictures of an outcome stand."""
    if outcome == "Both wrong":
        return "Those that both got most wrong first."
    return "Those on which the scores differ most first."


def rate_sentence(point: ExpectedOutcomes, wanted: float) -> str:
    """What the threshold catches, and how sure the rate of false alarms is.

    Args:
        point: the threshold chosen.
        wanted: the false-alarm rate asked for, 0..1.
    """
    metrics = point.metrics
    sentence = (
        f"At this threshold, the false-positive rate is {format_rate(metrics.false_alarm_rate)} and recall "
        f"is {format_rate(metrics.recall)}."
    )
    high = metrics.false_alarm_rate.high
    if high is not None and high > wanted:
        sentence += (
            f" With {metrics.false_alarm_rate.n:,} real images as evidence, the rate on other images may be "
            f"up to {100 * high:.2f}% rather than the {100 * wanted:.2f}% asked for."
        )
    return sentence


def outcome_rows(point: ExpectedOutcomes) -> pd.DataFrame:
    """What becomes of 1,000 pictures.

    Returns:
        columns Outcome, Expected, 95 % interval (text; spelled so since the first CSV), value, low,
        high (numbers; None where undefined).
    """
    fakes = PER * point.base_rate
    rows = [
        _outcome_row(f"Fakes found, of {fakes:g}", point.found),
        _outcome_row(f"Fakes missed, of {fakes:g}", point.missed),
        _outcome_row(f"Real images called fake, of {PER - fakes:g}", point.false_alarms),
        _outcome_row(f"Real images not flagged, of {PER - fakes:g}", point.passed),
        _outcome_row("Precision: actually fake, of those called fake", point.precision, 100.0, "%"),
    ]
    return pd.DataFrame(rows).astype({"value": object, "low": object, "high": object})


def _outcome_row(
    title: str, expected: Expected | None, unit: float = 1.0, suffix: str = ""
) -> dict[str, object]:
    if expected is None:
        empty = dict.fromkeys(("value", "low", "high"))
        return {"Outcome": title, "Expected": "undefined", "95 % interval": "", **empty}
    value, low, high = (unit * part for part in (expected.value, expected.low, expected.high))
    return {
        "Outcome": title,
        "Expected": f"{value:.1f}{suffix}",
        "95 % interval": f"{low:.1f} to {high:.1f}{suffix}",
        "value": expected.value,
        "low": expected.low,
        "high": expected.high,
    }


def rates_sentence(metrics: ThresholdMetrics) -> str:
    """Catch rate and false-alarm rate at a threshold, in counts."""
    recall, alarms = metrics.recall, metrics.false_alarm_rate
    return (
        f"Of {recall.n:,} fakes {metrics.found:,} were called fake: a recall of "
        f"{format_metric(recall.share, 'share')}. Of {alarms.n:,} real images {metrics.false_alarms:,} "
        f"were: a false-positive rate of {format_metric(alarms.share, 'share')}."
    )


def worth_sentence(point: ExpectedOutcomes) -> str:
    """Of 100 pictures called fake, how many are; and how many of 10,000 are called so."""
    head = f"If {100 * point.base_rate:g}% of images are fake, "
    if point.precision is None or point.found is None or point.false_alarms is None:
        return f"{head}none would be called fake."
    of_100, low, high = (
        round(100 * share) for share in (point.precision.value, point.precision.low, point.precision.high)
    )
    are, others = ("is" if of_100 == 1 else "are"), ("is" if of_100 == 99 else "are")
    called = round(10_000 * (point.found.value + point.false_alarms.value) / PER)
    return (
        f"{head}{of_100} of 100 images called fake {are} fake and {100 - of_100} {others} real (95% interval "
        f"{low} to {high} fake). Of 10,000 images {called:,} would be called fake."
    )


def meaning_sentence(point: ExpectedOutcomes) -> str:
    """What to make of being called fake; empty where nothing is."""
    if point.precision is None:
        return ""
    if point.precision.value < 0.5:
        return "An image called fake is then still more likely real: most alarms are false."
    if point.precision.value - point.base_rate < 0.05:
        return "Being called fake then says almost nothing: fakes are hardly more common here than overall."
    before, after = format_metric(point.base_rate, "share"), format_metric(point.precision.value, "share")
    return f"Being called fake then raises the share of fakes from {before} to {after}."
