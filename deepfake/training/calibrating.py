"""What a network's raw score means: fitted once, on validation images, when a detector is published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from deepfake.data.gather import name_draw
from deepfake.data.index import REMADE, DatasetIndex
from deepfake.detection.card import calibrated_probability
from deepfake.evaluation.calibration import (
    fit_temperature_and_bias,
    threshold_at_fpr,
    threshold_balanced,
    uncertain_band,
)
from deepfake.images.pixels import InputSpec
from deepfake.networks.scoring import Scorer, score_files
from deepfake.training.recipe import Recipe
from deepfake.training.samples import augmentation_of
from deepfake.types import Thresholds

RELIABILITY = 0.95
"""Outside the uncertain band at least this share of verdicts is right, on the images calibrated on."""
FALSE_ALARMS = 0.01
MOST_IMAGES = 6000
"""Of a calibration on several sources."""


@dataclass(frozen=True)
class Calibration:
    """Fitted on validation images.

    Attributes:
        temperature, bias: sigmoid(logit / temperature + bias) is p_fake.
        thresholds: where p_fake becomes a verdict.
        images: how many were used.
        perturbed: share of them that were perturbed copies, 0..1.
        by_source: images of each source.
        scores: the images with their calibrated scores, a score table (``score_table.check_table``).
    """

    temperature: float
    bias: float
    thresholds: Thresholds
    images: int
    perturbed: float
    by_source: dict[str, int]
    scores: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """What a card says of it beside the fitted numbers."""
        return {
            "split": "Validation",
            "perturbed": self.perturbed,
            "images": self.images,
            "by_source": self.by_source,
            "reliability_outside_band": RELIABILITY,
        }

    def fitted(self) -> dict[str, Any]:
        """The fitted numbers as a card holds them."""
        return {
            "temperature": self.temperature,
            "bias": self.bias,
            "thresholds": asdict(self.thresholds),
        }


def calibrate(scorer: Scorer, spec: InputSpec, validation: DatasetIndex, recipe: Recipe) -> Calibration:
    """Fits temperature and bias, thresholds and the uncertain band.

    A recipe without ``shares`` is calibrated on the perturbed copies of all validation images: the proxy of
    the official Test. One with ``shares`` is calibrated on its sources in these shares, as many perturbed as
    in its training, half of each class: the proxy of what people bring. That leaves out ``remade``: such
    fakes teach what to look at, but nobody brings them.

    Args:
        scorer: from ``scoring.compiled_scorer``.
        spec: the network's input.
        validation: the validation images, both classes.
        recipe: what the network was trained by.

    Raises:
        ImageRefused: an image cannot be used.
    """
    sample = _in_shares(validation, recipe) if recipe.shares else validation
    perturbed = _perturbed(sample, recipe)
    paths = np.array(sample.paths(), dtype=object)
    logits = np.empty(len(sample), np.float32)
    for form in (False, True):
        mine = perturbed == form
        logits[mine] = score_files(scorer, spec, paths[mine].tolist(), perturbed=form)
    labels = sample.table["label"].to_numpy()
    temperature, bias = fit_temperature_and_bias(logits, labels)
    p_fake = calibrated_probability(logits, temperature, bias)
    low, high = uncertain_band(labels, p_fake, RELIABILITY)
    thresholds = Thresholds(
        balanced=threshold_balanced(labels, p_fake),
        few_false_alarms=threshold_at_fpr(labels, p_fake, FALSE_ALARMS),
        uncertain_low=low,
        uncertain_high=high,
    )
    scores = sample.table[["split", "source", "label"]].assign(
        image_id=sample.table["path"].to_numpy(), p_fake=p_fake
    )
    counts = {str(source): int(n) for source, n in sample.table["source"].value_counts().sort_index().items()}
    return Calibration(temperature, bias, thresholds, len(sample), float(perturbed.mean()), counts, scores)


def _in_shares(validation: DatasetIndex, recipe: Recipe) -> DatasetIndex:
    """Each source's share of ``MOST_IMAGES``, half of each class, or as much of it as there is."""
    shares = {source: share for source, share in (recipe.shares or {}).items() if source != REMADE}
    each = {source: round(MOST_IMAGES * share / sum(shares.values()) / 2) for source, share in shares.items()}
    parts = [
        group.sample(min(len(group), each[str(source)]), random_state=0)
        for (source, _), group in validation.table.groupby(["source", "label"])
        if source in each
    ]
    return DatasetIndex(validation.root, pd.concat(parts).sort_values("path").reset_index(drop=True))


def _perturbed(sample: DatasetIndex, recipe: Recipe) -> NDArray[np.bool_]:
    """(N,) which images are scored as their perturbed copy; follows from their names."""
    if not recipe.shares:
        return np.ones(len(sample), bool)
    kinds = {source: augmentation_of(recipe, str(source)) for source in sample.table["source"].unique()}
    share = np.array([kind.perturbed if (kind := kinds[s]) else 0.0 for s in sample.table["source"]])
    return np.array([name_draw(path) for path in sample.table["path"]]) < share
