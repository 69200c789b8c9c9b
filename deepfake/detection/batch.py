"""Many pictures, one after the other: files, folders and zip archives to a verdict or a reason each."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepfake.detection.outcome import IMAGE_FAULT, Outcome
from deepfake.errors import UserError
from deepfake.images.archives import Archive, Source, is_archive
from deepfake.images.encode import jpeg_bytes, shrink
from deepfake.images.load import load_image
from deepfake.images.walk import walk_images
from deepfake.settings import capped
from deepfake.types import OperatingPoint
from deepfake.util.jobs import Stopped

if TYPE_CHECKING:
    from deepfake.detection.detector import Detector

logger = logging.getLogger(__name__)

MAX_IMAGES = capped(2_000, 100)
"""Images in one batch of a page."""
THUMBNAIL_SIDE = 96
"""Longest side of a thumbnail, in pixels; some 2 kB each."""
AT_ONCE = 2
"""Images of a folder that a command has at work at once: a network takes one while faces are sought in the
other, which keeps all processors busy."""
MAX_KEPT_BYTES = 64 * 2**20
"""Bytes of a batch's images that stay to be looked at again; later ones are dropped after checking."""


def sources_below(given: Path) -> Iterator[Source]:
    """Every picture that a path stands for: of a folder, of a zip archive, or the file itself.

    An empty folder and an archive that is refused are one source with a refusal, and so is each folder that
    may not be listed.
    """
    if _is_folder(given):
        closed: list[str] = []
        walked = walk_images(str(given), closed.append)
        files = sorted(Path(folder, name) for folder, names in walked for name in names)
        for folder in closed:
            text = "This folder cannot be listed. Check its rights."
            yield Source(folder, None, UserError("unreadable", text))
        if not files and not closed:
            yield Source(str(given), None, UserError("no_images", "This folder holds no images."))
        yield from (Source(str(path), path) for path in files)
    elif is_archive(given):
        yield from archive_sources(given, str(given))
    else:
        yield Source(str(given), given)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long a name, or below a folder that is closed: reading it says so
        return False


def archive_sources(content: bytes | Path, name: str) -> Iterator[Source]:
    """The files of a zip archive; one refusal where it cannot be read at all.

    Args:
        content: its bytes, or where it lies.
        name: of the archive; leads the names of its files.
    """
    try:
        archive = Archive(content, name)
    except UserError as refusal:
        yield Source(name, None, refusal)
        return
    except OSError as error:
        yield Source(name, None, UserError("unreadable", f"The archive cannot be read: {error.strerror}."))
        return
    try:
        yield from archive
    finally:
        archive.close()


def judge_source(
    detector: Detector,
    source: Source,
    point: OperatingPoint = "balanced",
    *,
    stress: bool = False,
    thumbnail: bool = False,
    background: bool = False,
) -> Outcome:
    """One file's verdict, by the way that a single picture goes; never raises for what the file holds.

    Args:
        detector: who judges.
        source: from ``sources_below`` or ``Archive``.
        point: which thresholds decide.
        stress: whether to score each face changed as well (``Detector.stressed``).
        thumbnail: whether to make one, and the print that the image is known again by.
        background: see ``BoundedQueue.slot``.
    """
    from deepfake.detection.detector import JUDGING, print_of

    if source.content is None:
        return Outcome(source.name, error=source.refusal)
    try:
        with JUDGING.slot(background=background):
            image = load_image(source.content)
            verdict = detector.check(image, point)
            if stress:
                verdict = detector.stressed(image, verdict)
        small = jpeg_bytes(shrink(image.pixels, THUMBNAIL_SIDE), quality=75) if thumbnail else None
        known_by = print_of(image.pixels, verdict) if thumbnail else None
    except UserError as refusal:
        return Outcome(source.name, error=refusal)
    except Exception as error:
        logger.error("An image could not be judged.", exc_info=error)
        return Outcome(source.name, error=UserError("fault", IMAGE_FAULT))
    return Outcome(source.name, verdict, thumbnail=small, image_print=known_by)


def count_images(uploads: Iterable[tuple[str, bytes]]) -> int:
    """How many images there are in uploads, those in zip archives counted; a file that is refused is one.

    Args:
        uploads: name and bytes of each.
    """
    return sum(_count(name, content) for name, content in uploads)


class Batch:
    """Uploads that one thread checks beside a page; ``rows`` grows and may be read at any time.

    Memory stays flat: a picture's bytes are let go once it is judged, but for the first ``MAX_KEPT_BYTES``.

    Attributes:
        detector: its name.
        rows: what came of the files so far, in order, at the balanced operating point.
        total: files to judge, those in archives counted.
    """

    def __init__(self, uploads: Sequence[tuple[str, bytes]], detector: str) -> None:
        """Counts the files.

        Args:
            uploads: name and bytes of each; zip archives are opened.
            detector: the detector's name.

        Raises:
            UserError: ``too_many_pictures``.
        """
        self.detector = detector
        self.rows: list[Outcome] = []
        self._waiting = deque(uploads)
        self._kept = 0
        self._over = threading.Event()
        self.total = count_images(uploads)
        if self.total > MAX_IMAGES:
            raise UserError(
                "too_many_pictures",
                f"{self.total:,} images were received; at most {MAX_IMAGES:,} are checked in one go. "
                "Give fewer, or use the command line, which has no such limit: python -m deepfake predict.",
            )

    def work(self, report: Callable[[int, int], None], stopped: Callable[[], bool]) -> None:
        """Judges all; see ``jobs.Work``.

        Raises:
            Stopped: ``stopped`` said so, or the batch was dropped; what is done stays.
            ModelError: the detector is missing or damaged.
        """
        from deepfake.detection.detector import get_detector

        report(0, self.total)
        try:
            detector = get_detector(self.detector)
            for source in self._sources():
                if stopped() or self._over.is_set():
                    raise Stopped
                row = judge_source(detector, source, thumbnail=True, background=True)
                self.rows.append(self._keep(row, source))
                report(len(self.rows), self.total)
        finally:
            self._waiting.clear()

    def kept(self) -> list[tuple[str, bytes]]:
        """Name and bytes of each image that is still in memory, to be checked once more."""
        return [(row.file, row.content) for row in self.rows if row.content is not None]

    def again(self, detector: str) -> Batch:
        """The same images for another detector, as far as they are in memory; what was refused stays so.

        Args:
            detector: its name.
        """
        batch = Batch(self.kept(), detector)
        batch.rows = [row for row in self.rows if row.verdict is None]
        batch.total += len(batch.rows)
        return batch

    def drop(self) -> None:
        """Ends the work, for good, when nobody is left to see it."""
        self._over.set()

    def _sources(self) -> Iterator[Source]:
        while self._waiting:
            name, content = self._waiting.popleft()
            yield from archive_sources(content, name) if is_archive(content) else (Source(name, content),)

    def _keep(self, row: Outcome, source: Source) -> Outcome:
        if row.verdict is None or not isinstance(source.content, bytes):
            return row
        if self._kept + len(source.content) > MAX_KEPT_BYTES:
            return row
        self._kept += len(source.content)
        return replace(row, content=source.content)


def _count(name: str, content: bytes) -> int:
    if not is_archive(content):
        return 1
    try:
        archive = Archive(content, name)
    except UserError:
        return 1  # one row says why
    archive.close()
    return len(archive)
