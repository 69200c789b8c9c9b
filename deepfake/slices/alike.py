"""How far to trust a verdict on an image like this: what was said of held-out images that share its facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from deepfake.detection.rules import Rules, SizeRow
from deepfake.evaluation.statistics.thresholds import Rate, rate
from deepfake.slices.bins import BY_NAME, NOT_KNOWN, FactName
from deepfake.slices.facts import SquareFacts
from deepfake.slices.held_out import varies_within_sets
from deepfake.types import OperatingPoint, Thresholds

ALIKE_FACTS: tuple[FactName, ...] = ("framing", "quality", "sharpness", "brightness")
"""What held-out images are compared by. Not by face size: the shipped ones were all brought to one size, so
that a small face in them stands in a wide frame. Small faces have a measurement of their own,
``small_face``. Facts that are the same within every set (``held_out.varies_within_sets``) are compared alone,
not together with the others: they would ask for images of one set."""
MIN_ALIKE = 30
"""Images alike in everything that are worth a line."""

AlikeIn = Literal["fact", "everything", "all", "small_face"]


@dataclass(frozen=True)
class Alike:
    """What a detector said of some held-out images with known answers.

    Attributes:
        kind: alike in one ``fact``; in ``everything`` that differs within sets; ``all`` held-out images; a
            ``small_face``: images shrunk until the face was this small.
        title: the fact or the facts, for a person.
        words: its range; empty of several.
        right: called fake or real, and so they are; the others are wrong or uncertain.
        wrong: called fake or real, and they are not.
        real_called_fake: of the real ones.
        fakes_called_real: of the fakes; not known of a ``small_face``.
        mostly: the source that most of them are from; empty for all of them and for a ``small_face``.
        mostly_share: its share, 0..1.
    """

    kind: AlikeIn
    title: str
    words: str
    right: Rate
    wrong: Rate
    real_called_fake: Rate
    fakes_called_real: Rate
    mostly: str = ""
    mostly_share: float = 0.0

    @property
    def n(self) -> int:
        """Images."""
        return self.right.n


def images_alike(
    table: pd.DataFrame, facts: SquareFacts, thresholds: Thresholds, point: OperatingPoint = "balanced"
) -> list[Alike]:
    """The held-out images that share a fact of an image, fact by fact; those that share all; and all.

    Args:
        table: ``HeldOut.table``, at least one row.
        facts: of the image.
        thresholds: of the detector.
        point: which of them decide.

    Returns:
        a row for each of ``ALIKE_FACTS`` that is known, without images where there is none like it; then,
        where they are ``MIN_ALIKE``, those alike in everything; then all.
    """
    calls = np.array([thresholds.call(score, point) for score in table["p_fake"]])
    fake = table["label"].to_numpy() == 1
    shared, found = np.ones(len(table), bool), []
    together: list[FactName] = []
    known, sources = {"calls": calls, "fake": fake}, table["source"]
    for name in ALIKE_FACTS:
        fact = BY_NAME[name]
        (mine,) = fact.slices_of(np.array([getattr(facts, name)]))
        if mine == NOT_KNOWN and not fact.missing:
            continue
        same = fact.slices_of(table[name].to_numpy(float)) == mine
        if varies_within_sets(table, name):
            shared &= same
            together.append(name)
        found.append(_alike("fact", fact.title, fact.words(int(mine)), rows=same, sources=sources, **known))
    if together and shared.sum() >= MIN_ALIKE:
        titles = ", ".join(BY_NAME[name].title.lower() for name in together).replace("jpeg", "JPEG")
        found.append(
            _alike("everything", titles[0].upper() + titles[1:], "", rows=shared, sources=sources, **known)
        )
    return [*found, _alike("all", "All held-out images", "", rows=np.ones(len(table), bool), **known)]


def _alike(
    kind: AlikeIn,
    title: str,
    words: str,
    *,
    calls: np.ndarray,
    fake: np.ndarray,
    rows: np.ndarray,
    sources: pd.Series | None = None,
) -> Alike:
    called_fake, called_real = (calls == "fake") & rows, (calls == "real") & rows
    right = int((called_fake & fake).sum() + (called_real & ~fake).sum())
    alarms, missed = int((called_fake & ~fake).sum()), int((called_real & fake).sum())
    n, n_fake = int(rows.sum()), int((fake & rows).sum())
    counts = sources[rows].value_counts() if sources is not None and n else None
    return Alike(
        kind,
        title,
        words,
        rate(right, n),
        rate(alarms + missed, n),
        rate(alarms, n - n_fake),
        rate(missed, n_fake),
        "" if counts is None else str(counts.index[0]),
        0.0 if counts is None else float(counts.iloc[0] / n),
    )


def small_face(rules: Rules, facts: SquareFacts, input_size: int) -> Alike | None:
    """What was said of images shrunk until the face was about this small (``training.rules``).

    None for a face that is not small: its square fills the network's input. Also where the detector's card
    holds no such measurement. At the balanced operating point, as it was measured.

    Args:
        rules: of the detector.
        facts: of the image.
        input_size: side of the network's input, in pixels.
    """
    row = _nearest_size(rules.by_face_size, facts.face)
    if row is None or facts.side >= input_size or np.isnan(facts.face):
        return None
    n = row.n_fake + row.n_real
    decided = round(row.decided * n)
    right = round(decided * (row.accuracy or 0.0))
    alarms = min(round(row.false_positive_rate * row.n_real), decided - right)
    return Alike(
        "small_face",
        "Face size",
        f"{row.face} pixels",
        rate(right, n),
        rate(decided - right, n),
        rate(alarms, row.n_real),
        rate(decided - right - alarms, row.n_fake),
    )


def _nearest_size(rows: Sequence[SizeRow], face: float) -> SizeRow | None:
    if not rows or np.isnan(face):
        return None
    return min(rows, key=lambda row: abs(np.log(row.face / face)))
