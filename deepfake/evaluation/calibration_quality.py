"""Calibration before and after: what a detector's temperature and bias did to its probabilities.

A score table holds calibrated probabilities only, so the raw logits are computed back from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from deepfake.detection.card import Card
from deepfake.evaluation.calibration import reliability_table
from deepfake.evaluation.metrics import evaluate_scores


@dataclass(frozen=True)
class CalibrationQuality:
    """How far probabilities can be taken at their word.

    Attributes:
        ece: expected calibration error, 15 equal-width bins (Guo et al., 2017).
        brier: mean squared distance of the probability from the label.
        nll: mean negative log likelihood in nats (log loss).
        reliability: ``calibration.reliability_table``.
    """

    ece: float
    brier: float
    nll: float
    reliability: pd.DataFrame


def quality(labels: ArrayLike, p_fake: ArrayLike) -> CalibrationQuality:
    """All of it for (N,) labels (1 = Fake) and probabilities.

    Raises:
        EvaluationError: unsound labels or scores.
    """
    found = evaluate_scores(labels, p_fake, n_bootstrap=0)
    return CalibrationQuality(found.ece, found.brier, found.log_loss, reliability_table(labels, p_fake))


def uncalibrated(p_fake: ArrayLike, card: Card) -> NDArray[np.float64]:
    """The probabilities as they would be without temperature and bias: sigmoid of the raw logits, (N,).

    A probability of exactly 0 or 1 stays what it is.
    """
    # Calibration is a straight line from logit to logit: two points of it give its slope and its start.
    start, at_one = logit(card.probability([0.0, 1.0]))
    return expit((logit(np.asarray(p_fake, np.float64)) - start) / (at_one - start))


def before_and_after(table: pd.DataFrame, card: Card) -> tuple[CalibrationQuality, CalibrationQuality]:
    """The quality of a score table without and with the card's calibration.

    Raises:
        EvaluationError: an unsound table.
    """
    labels, p_fake = table["label"], table["p_fake"]
    return quality(labels, uncalibrated(p_fake, card)), quality(labels, p_fake)
