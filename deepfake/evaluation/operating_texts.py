"""An operating point in words for people who do not know the field."""

from __future__ import annotations

import pandas as pd

from deepfake.evaluation.operating_point import PER, Expected, OperatingPoint
from deepfake.evaluation.text import shown_rate


def rate_sentence(point: OperatingPoint, wanted: float) -> str:
    """What the threshold catches, and how sure the rate of false alarms is.

    Args:
        point: the threshold chosen.
        wanted: the false-alarm rate asked for, 0..1.
    """
    metrics = point.metrics
    sentence = (
        f"It calls {shown_rate(metrics.false_alarm_rate)} of the real pictures fake and finds "
        f"{shown_rate(metrics.recall)} of the fakes."
    )
    high = metrics.false_alarm_rate.high
    if high is not None and high > wanted:
        sentence += (
            f" With {metrics.false_alarm_rate.n:,} real pictures to judge by, the rate elsewhere may be "
            f"up to {100 * high:.2f} % rather than the {100 * wanted:.2f} % asked for."
        )
    return sentence


def outcome_rows(point: OperatingPoint) -> pd.DataFrame:
    """What becomes of 1,000 pictures.

    Returns:
        columns Outcome, Expected, 95 % interval (text), value, low, high (numbers; None where undefined).
    """
    fakes = PER * point.base_rate
    rows = [
        _row(f"Fakes found, of {fakes:g}", point.found),
        _row(f"Fakes missed, of {fakes:g}", point.missed),
        _row(f"Real pictures called fake, of {PER - fakes:g}", point.false_alarms),
        _row(f"Real pictures let pass, of {PER - fakes:g}", point.passed),
        _row("Of those called fake, fake in truth", point.precision, 100.0, " %"),
    ]
    return pd.DataFrame(rows).astype({"value": object, "low": object, "high": object})


def _row(title: str, expected: Expected | None, unit: float = 1.0, suffix: str = "") -> dict[str, object]:
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
