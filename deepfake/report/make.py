"""From a verdict to its report: the maps that it shows are made here."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from deepfake.detection.detector import scored_parts
from deepfake.detection.heatmaps import explain
from deepfake.report.document import Report, explained_parts, make_report

if TYPE_CHECKING:
    from deepfake.detection.detector import Detector
    from deepfake.detection.heatmaps import Explanation
    from deepfake.detection.verdict import Verdict
    from deepfake.images.load import LoadedImage


def report_on(
    detector: Detector,
    name: str,
    content: bytes,
    image: LoadedImage,
    *,
    verdict: Verdict,
    date: datetime.date,
) -> Report:
    """The report on an image, with its maps (some 200 scores for each part that has them).

    Args:
        detector: that gave the verdict.
        name, content, image, date: see ``make_report``.
        verdict: of the image, after its stress test.
    """
    return make_report(
        name,
        content,
        image,
        verdict=verdict,
        card=detector.card,
        date=date,
        explanations=explanations_of(detector, image, verdict),
    )


def explanations_of(detector: Detector, image: LoadedImage, verdict: Verdict) -> dict[int, Explanation]:
    """The maps of each of ``explained_parts``, by its number."""
    crops = scored_parts(image.pixels, verdict)
    mapped, parts = detector.for_maps(), verdict.parts
    return {
        index: explain(
            mapped.mapper,
            mapped.scorer,
            mapped.card.input,
            crops[index],
            probability=mapped.card.probability,
            fake=parts[index].p_fake >= detector.card.thresholds.balanced,
        )
        for index in explained_parts(verdict)
    }
