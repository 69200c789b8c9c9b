"""A detector and a data set -> a long table of scores, from which every number is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deepfake.data.index import CLASS_NAMES, DatasetError, DatasetIndex
from deepfake.detection.detector import Detector
from deepfake.evaluation.metrics import Evaluation, evaluate_scores
from deepfake.evaluation.thresholds import sort_scores
from deepfake.evaluation.verdict_rule import RuleMetrics, at_every_point, rules_to_dict
from deepfake.networks.scoring import score_files
from deepfake.types import OperatingPoint


@dataclass(frozen=True)
class Measurement:
    """Scores of one detector on one data set.

    Attributes:
        table: ``image_id`` (path in the data set), ``split``, ``source``, ``label`` (Fake or Real),
            ``p_fake`` (calibrated, 0..1); one row an image that could be read.
        evaluation: the metrics; those that need a threshold are of a forced choice at ``balanced``.
        verdict_rule: what the verdicts are at each operating point.
        refused: (path, reason) of files that could not be read and are in no number.
    """

    table: pd.DataFrame
    evaluation: Evaluation
    verdict_rule: dict[OperatingPoint, RuleMetrics]
    refused: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """The numbers ready for JSON: those of ``Evaluation.to_dict``, and ``verdict_rule``."""
        return {**self.evaluation.to_dict(), "verdict_rule": rules_to_dict(self.verdict_rule)}


def measure(
    detector: Detector,
    data: DatasetIndex,
    *,
    perturbed: bool = False,
    n_bootstrap: int = 1000,
    on_progress: Callable[[int], None] | None = None,
) -> Measurement:
    """Scores every image of a data set as a face crop (no face finding) and evaluates the scores.

    Args:
        detector: the detector.
        data: labelled face crops.
        perturbed: score the one perturbed copy of each image (``pipeline.perturbed_copy``).
        n_bootstrap: resamples for the intervals.
        on_progress: told after each batch how many images are done.

    Raises:
        DatasetError: code ``no_images``: not one image could be read; ``missing_file``: some are not there.
    """
    data.check_files()
    refused: dict[int, str] = {}
    logits = score_files(
        detector.scorer,
        detector.card.input,
        data.paths(),
        perturbed=perturbed,
        on_refused=lambda row, reason: refused.update({row: reason.message}),
        on_progress=on_progress,
    )
    good = ~np.isnan(logits)
    if not good.any():
        raise DatasetError(
            "no_images", f"None of the {len(data)} images in {data.root} could be read; first: {refused[0]}"
        )
    rows = data.table[good]
    labels = rows["label"].to_numpy()
    p_fake = detector.card.probability(logits[good])
    table = pd.DataFrame(
        {
            "image_id": rows["path"].to_numpy(),
            "split": rows["split"].to_numpy(),
            "source": rows["source"].to_numpy(),
            "label": [CLASS_NAMES[0] if label == 1 else CLASS_NAMES[1] for label in labels],
            "p_fake": p_fake,
        }
    )
    evaluation = evaluate_scores(
        labels, p_fake, threshold=detector.card.thresholds.balanced, n_bootstrap=n_bootstrap
    )
    paths = data.table["path"]
    rules = at_every_point(sort_scores(labels, p_fake), detector.card.thresholds)
    return Measurement(
        table, evaluation, rules, tuple((paths[row], why) for row, why in sorted(refused.items()))
    )
