"""Measuring the facts of an evaluation's images beside a page, where the images are on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from deepfake.data.sets import find_image
from deepfake.errors import UserError
from deepfake.evaluation.records import Recorded, read_recorded_scores
from deepfake.slices.facts import measure_facts
from deepfake.slices.held_out import keep_facts
from deepfake.util.jobs import Job, ReportProgress, start_job


def job_key(recorded: Recorded) -> str:
    """The key of an evaluation's measuring, see ``util.jobs``."""
    return f"facts-{hashlib.sha256(str(recorded.scores.resolve()).encode()).hexdigest()[:16]}"


def images_at_hand(recorded: Recorded) -> dict[str, Path]:
    """The files of an evaluation's images below ``settings.allowed_roots``, by ``image_id``.

    Raises:
        EvaluationError, RecordError: its scores cannot be read.
    """
    scores = read_recorded_scores(recorded)
    found = {
        name: find_image(name, source, recorded.folder)
        for name, source in zip(scores["image_id"], scores["source"], strict=True)
    }
    return {name: path for name, path in found.items() if path is not None}


def start_measuring(recorded: Recorded) -> Job:
    """Measures the images that are at hand in a thread and keeps their facts in the cache folder.

    Raises:
        EvaluationError, RecordError: as ``images_at_hand``.
    """
    files = images_at_hand(recorded)

    def work(report: ReportProgress, stopped: Callable[[], bool]) -> None:
        report(0, len(files))
        table = measure_facts(
            files,
            perturbed=recorded.perturbed,
            on_progress=lambda done: report(done, len(files)),
            stopped=stopped,
        )
        try:
            keep_facts(recorded, table)
        except OSError as error:
            raise UserError(
                "not_kept",
                f"What was measured cannot be kept ({error.strerror}). Set DEEPFAKE_CACHE to a folder that "
                "can be written.",
            ) from error

    return start_job(
        job_key(recorded), f"Measuring {recorded.title}", work, opening="looking for faces", about=recorded
    )
