"""A robustness measurement behind a page's back: one at a time in this process, for every visitor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deepfake.data.index import DatasetIndex
from deepfake.detection.detector import get_detector
from deepfake.robustness.sweep import Robustness, balanced_sample, subject_of, sweep
from deepfake.util.jobs import Job, ReportProgress, Stopped, start_job

JOB = "robustness"
"""The key of the one measurement at a time, see ``util.jobs``."""
MAX_KEPT_RESULTS = 12
"""Results kept, the latest ones; older ones are dropped."""
_results: dict[tuple[str, str], Robustness] = {}


@dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        models: the detectors' names.
        data: what the pictures are, in words.
    """

    models: tuple[str, ...]
    data: str


def start(models: Sequence[str], data: DatasetIndex, title: str, images: int) -> Job:
    """Begins a measurement and returns at once; its ``about`` is the ``Request``, its result the sweep's.

    Args:
        models: names of detectors.
        data: labelled face crops.
        title: what they are, in words.
        images: at most so many, half of each class.

    Raises:
        UserError: code ``busy``: another one is under way.
    """
    sample = balanced_sample(data, images)

    def work(report: ReportProgress, stopped: Callable[[], bool]) -> Sequence[Robustness]:
        def progress(done: int) -> None:
            if stopped():
                raise Stopped
            report(done, len(sample))

        report(0, len(sample))
        subjects = [subject_of(get_detector(name)) for name in models]
        measured = sweep(subjects, sample, title=title, on_progress=progress)
        for result in measured:
            _results.pop((result.model, result.data), None)
            _results[(result.model, result.data)] = result
        for key in list(_results)[:-MAX_KEPT_RESULTS]:
            del _results[key]
        return measured

    return start_job(
        JOB, f"Measuring {', '.join(models)} on {title}", work,
        opening="loading the network", about=Request(tuple(models), title), alone=True,
    )  # fmt: skip


def results() -> tuple[Robustness, ...]:
    """What measurements of this process gave, the latest last."""
    return tuple(_results.values())
