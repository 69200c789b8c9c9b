"""What the interface asks of the package: verdicts on images and videos, reports. Runs in threads."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deepfake.images.archives import Source
from deepfake.types import OperatingPoint
from deepfake.util.jobs import Stopped


@dataclass(frozen=True)
class ReportFile:
    """A report, or the receipt of one.

    Attributes:
        content: the file's bytes.
        media_type: of them.
        ending: of a file's name.
        fields: of the verdict, as ``Verdict.to_dict`` gives them.
    """

    content: bytes
    media_type: str
    ending: str
    fields: dict[str, Any]


def judge(source: Source, model: str, point: OperatingPoint, stress: bool = False) -> dict[str, Any]:
    """One picture's part of an answer: ``Outcome.to_dict``, with its evidence.

    Raises:
        ModelError: the detector cannot be loaded, which concerns every picture.
    """
    from deepfake.detection.batch import judge_source
    from deepfake.detection.detector import get_detector
    from deepfake.report.evidence import with_evidence

    detector = get_detector(model)
    outcome = judge_source(detector, source, point, stress=stress)
    return with_evidence(outcome, source, detector.card).to_dict()


def judge_video(source: Source, model: str, point: OperatingPoint, gone: threading.Event) -> dict[str, Any]:
    """``outcome.video_fields`` of a video, in its turn; of long works one goes on at a time.

    Args:
        source: the video.
        model, point: who judges, and by which thresholds.
        gone: once it is set, nobody waits any more.

    Raises:
        UserError: the file is refused, or the queue is full.
        Stopped: ``gone`` was set.
    """
    from deepfake.detection.detector import JUDGING, get_detector
    from deepfake.detection.outcome import video_fields
    from deepfake.detection.video import check_video

    detector, content = get_detector(model), _bytes(source)
    with JUDGING.slot(background=True):
        result = check_video(detector, content, point, on_progress=_unless(gone))
    return {"file": source.name, **video_fields(result)}


def report(source: Source, model: str, point: OperatingPoint, form: str, gone: threading.Event) -> ReportFile:
    """A report on an image as a file, in its turn; of long works one goes on at a time.

    Args:
        source: the image.
        model, point: who judges, and by which thresholds.
        form: ``html``, ``pdf`` or ``receipt``.
        gone: once it is set, nobody waits any more.

    Raises:
        UserError: the image is refused, or the queue is full.
        Stopped: ``gone`` was set.
    """
    from deepfake.detection.detector import JUDGING, get_detector
    from deepfake.images.load import load_image

    detector, content, go_on = get_detector(model), _bytes(source), _unless(gone)
    today = datetime.datetime.now(datetime.UTC).date()
    with JUDGING.slot(background=True):
        go_on(0, 2)
        image = load_image(content)
        verdict = detector.stressed(image, detector.check(image, point))
        fields = verdict.to_dict()
        if form == "receipt":
            from deepfake.report.receipt import make_receipt, receipt_json

            made = receipt_json(make_receipt(source.name, verdict, detector.card, today))
            return ReportFile(made, "application/json", "receipt.json", fields)
        go_on(1, 2)
        from deepfake.report.make import report_on

        document = report_on(detector, source.name, content, image, verdict=verdict, date=today)
    if form == "pdf":
        from deepfake.report.pdf import report_pdf

        return ReportFile(report_pdf(document, today), "application/pdf", "pdf", fields)
    from deepfake.report.html import report_html

    return ReportFile(report_html(document).encode(errors="replace"), "text/html", "html", fields)


def _bytes(source: Source) -> bytes:
    if source.refusal:
        raise source.refusal
    assert isinstance(source.content, bytes)  # as all that came over HTTP
    return source.content


def _unless(gone: threading.Event) -> Callable[[int, int], None]:
    def go_on(done: int, total: int) -> None:
        if gone.is_set():
            raise Stopped

    return go_on
