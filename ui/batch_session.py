"""What a visitor has on the page Check many: one batch, the work on it, and a picture taken from it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from deepfake.detection.batch import Batch
from deepfake.errors import UserError
from deepfake.util.jobs import Job, find_job, forget_job, start_job
from ui.uploads import Upload

IN_BATCH = "in-batch"
"""In the address: the hash of a picture of the visitor's own batch."""


@dataclass
class BatchSession:
    """A visitor's one batch, and the work on it."""

    batch: Batch | None = None
    key: str = field(default_factory=lambda: f"batch-{uuid.uuid4()}")

    @property
    def job(self) -> Job | None:
        """The work, under way or over."""
        return find_job(self.key)

    @property
    def running(self) -> bool:
        """Whether images are being checked."""
        return self.job is not None and self.job.running

    def start(self, uploads: Sequence[tuple[str, bytes]], detector: str, warmed: threading.Thread) -> None:
        """Begins a batch in place of the last one; raises UserError."""
        self._work(Batch(uploads, detector), warmed)

    def again(self, detector: str, warmed: threading.Thread) -> None:
        """Has another detector check the images of the batch that are still in memory."""
        if self.batch is not None:
            self._work(self.batch.again(detector), warmed)

    def _work(self, batch: Batch, warmed: threading.Thread) -> None:
        self.clear()
        self.batch = batch

        def work(report, stopped) -> None:
            warmed.join()
            batch.work(report, stopped)

        start_job(self.key, "Checking", work)

    def clear(self) -> None:
        """Ends the work and forgets the results."""
        if self.batch is not None:
            self.batch.drop()
        self.batch = None
        forget_job(self.key)
        self.key = f"batch-{uuid.uuid4()}"  # what still runs is no longer ours


# Lives as long as the visitor's session, whichever page is open, and is seen by no other.
@st.cache_resource(scope="session", show_spinner=False, on_release=BatchSession.clear)
def batch_session() -> BatchSession:
    """This visitor's own."""
    return BatchSession()


def picture_in_batch(sha256: str) -> Upload:
    """The picture of this visitor's batch with that hash. Raises UserError."""
    batch = batch_session().batch
    for row in batch.rows if batch else ():
        if row.content is not None and row.verdict is not None and row.verdict.sha256 == sha256:
            return Upload(f"batch|{sha256}", row.file, row.content)
    raise UserError(
        "not_in_batch",
        "The image is no longer in memory: your batch was cleared or ended with its session. "
        "Upload the image here.",
    )
