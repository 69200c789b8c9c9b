"""Several detectors as one: the mean of their calibrated logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from deepfake.evaluation.score_join import common_images

ENSEMBLE = "ensemble"
"""The name under which it stands beside its members."""
LOGIT_LIMIT = 1e-6
"""Scores are moved this far from 0 and 1 before their logits are averaged."""


def mean_of_logits(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """An ensemble: sigmoid of the mean of the detectors' logits, on the images that all of them scored.

    Args:
        tables: two or more score tables by name, calibrated. Scores are moved 1e-6 inwards from 0 and 1, so
            that no detector outvotes all others by being certain.

    Returns:
        a score table: image_id, split, source, label (1 = Fake), p_fake, in the order of the first table.

    Raises:
        ComparisonError: as `comparison.compare`.
    """
    common = common_images(tables)
    return common.images.assign(p_fake=expit(_clipped_logits(common.scores).mean(axis=0)))


def ensemble_threshold(thresholds: Sequence[float]) -> float:
    """The members' thresholds put through the same mean, so that no image is needed to choose one.

    A picture that every member scores exactly at its own threshold lies exactly at this one.

    Args:
        thresholds: of each member, 0 to 1 or the next number above 1; at least one.
    """
    return float(expit(_clipped_logits(thresholds).mean()))


def _clipped_logits(p: ArrayLike) -> NDArray[np.float64]:
    return logit(np.clip(np.asarray(p, np.float64), LOGIT_LIMIT, 1 - LOGIT_LIMIT))
