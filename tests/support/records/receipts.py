"""Receipts for tests."""

from __future__ import annotations

import datetime

from deepfake.detection.detector import get_detector
from deepfake.images.load import load_image
from deepfake.report.receipt import Receipt, make_receipt

DAY = datetime.date(2026, 1, 2)


def receipt_of(content: bytes, detector_name: str, *, stress: bool = False) -> Receipt:
    """The receipt of an image's verdict by an installed detector."""
    detector, image = get_detector(detector_name), load_image(content)
    verdict = detector.check(image)
    if stress:
        verdict = detector.stressed(image, verdict)
    return make_receipt("a.jpg", verdict, detector.card, DAY)
