"""What a call of fake is worth where fakes are rarer or more common than in a test: Bayes' rule in counts."""

from __future__ import annotations

from dataclasses import dataclass

from deepfake.errors import UserError
from deepfake.evaluation.text import shown
from deepfake.evaluation.thresholds import Rate, ThresholdMetrics


@dataclass(frozen=True)
class CallWorth:
    """Of pictures called fake, how many are.

    Attributes:
        share_fake: of all pictures, 0..1.
        called: of all pictures, the share called fake.
        precision: of those called fake, the share that is; None where none is called fake.
        low, high: of precision, when catch rate and false alarms lie at the bad and at the good ends of
            their 95 % intervals: wider than a 95 % interval of precision itself.
    """

    share_fake: float
    called: float
    precision: float | None
    low: float | None
    high: float | None


def call_worth(recall: Rate, false_alarms: Rate, share_fake: float) -> CallWorth:
    """Bayes' rule.

    Args:
        recall: fakes called fake, of all fakes.
        false_alarms: real pictures called fake, of all real ones.
        share_fake: of all pictures, 0..1.

    Raises:
        UserError: ``one_class``: a rate is of nothing; ``bad_share``.
    """
    if not 0 <= share_fake <= 1:
        raise UserError("bad_share", f"The share of fakes must lie in 0 to 1. Received {share_fake}.")
    if None in (recall.share, false_alarms.share):
        raise UserError("one_class", "Fake and real pictures are both needed. Choose another evaluation.")

    def precision(caught: float, alarms: float) -> float | None:
        called = share_fake * caught + (1 - share_fake) * alarms
        return share_fake * caught / called if called else None

    caught, alarms = float(recall.share or 0), float(false_alarms.share or 0)
    return CallWorth(
        share_fake,
        share_fake * caught + (1 - share_fake) * alarms,
        precision(caught, alarms),
        precision(float(recall.low or 0), float(false_alarms.high or 0)),
        precision(float(recall.high or 0), float(false_alarms.low or 0)),
    )


def rates_sentence(metrics: ThresholdMetrics) -> str:
    """Catch rate and false-alarm rate at a threshold, in counts."""
    recall, alarms = metrics.recall, metrics.false_alarm_rate
    return (
        f"Of {recall.n:,} fakes {metrics.found:,} were called fake: a catch rate of "
        f"{shown(recall.share, 'share')}. Of {alarms.n:,} real pictures {metrics.false_alarms:,} were: a "
        f"false-alarm rate of {shown(alarms.share, 'share')}."
    )


def worth_sentence(worth: CallWorth) -> str:
    """The answer as counts of 100 and of 10,000 pictures.

    >>> print(worth_sentence(CallWorth(0.01, 0.0148, 0.338, 0.3, 0.4)))
    If 1 % of pictures are fake, 34 of 100 pictures called fake are fake and 66 are real (30 to 40 fake, \
as far as the measurement goes). Of 10,000 pictures 148 would be called fake.
    """
    head = f"If {100 * worth.share_fake:g} % of pictures are fake, "
    if worth.precision is None:
        return f"{head}none would be called fake."
    of_100 = round(100 * worth.precision)
    are, others = ("is" if of_100 == 1 else "are"), ("is" if of_100 == 99 else "are")
    interval = ""
    if worth.low is not None and worth.high is not None:
        interval = (
            f" ({round(100 * worth.low)} to {round(100 * worth.high)} fake, as far as the measurement goes)"
        )
    return (
        f"{head}{of_100} of 100 pictures called fake {are} fake and {100 - of_100} {others} real{interval}. "
        f"Of 10,000 pictures {round(10_000 * worth.called):,} would be called fake."
    )


def meaning_sentence(worth: CallWorth) -> str:
    """What to make of it; empty where nothing is called fake."""
    if worth.precision is None:
        return ""
    if worth.precision < 0.5:
        return "A picture called fake is then more likely real: most alarms are false."
    if worth.precision - worth.share_fake < 0.05:
        return "Being called fake then says next to nothing: the share is about that of all pictures."
    before, after = shown(worth.share_fake, "share"), shown(worth.precision, "share")
    return f"Being called fake then raises the share of fakes from {before} to {after}."
