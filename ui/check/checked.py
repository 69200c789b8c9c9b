"""An upload with its verdict, as every part of the page takes it; what is decoded once, and what is kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from deepfake.detection.card import Card
from deepfake.errors import UserError
from deepfake.images.load import LoadedImage, load_image
from deepfake.types import Pixels
from ui.page import escape_markdown
from ui.uploads import Upload

if TYPE_CHECKING:
    import numpy as np

    from deepfake.detection.verdict import Verdict
    from deepfake.faces.finder import FaceScan

logger = logging.getLogger(__name__)

FAULT = "This part could not be worked out because of a fault in the program; the server's log says which."
MAX_UPLOADS = 20
"""On the page at a time."""
HELD_BYTES = 64 * 2**20
"""Of decoded pictures that wait for their verdicts; one of 21 megapixels fills it."""


def named(words: str, number: int | None) -> str:
    """The label of a control; of several images each has its own, by its number."""
    return words if number is None else f"{words} (image {number})"


@dataclass(frozen=True)
class Checked:
    """An upload, the detector's card, and its verdict.

    Attributes:
        number: of the upload, from 1, where several are checked; None of one alone.
    """

    upload: Upload
    card: Card
    verdict: Verdict
    number: int | None = None

    @property
    def file_id(self) -> str:
        """The upload's; widgets are named by it."""
        return self.upload.file_id

    def named(self, words: str) -> str:
        """The label of a control, which no control of another upload has."""
        return named(words, self.number)

    def key(self) -> tuple[str, str]:
        """What a result that does not depend on thresholds is kept under: the file and the detector."""
        return self.upload.file_id, self.card.version

    def image(self) -> LoadedImage:
        """The picture, decoded anew. Raises UserError."""
        return load_image(self.upload.getvalue())

    def part(self, number: int) -> Pixels:
        """What was scored as part ``number`` (from 0), upright. Raises UserError."""
        from deepfake.detection.detector import scored_parts

        return scored_parts(self.image().pixels, self.verdict)[number]

    def embedding(self, number: int) -> np.ndarray:
        """Of part ``number``, by the detector's network. Raises UserError."""
        from deepfake.detection.detector import get_detector

        _, (vector,) = get_detector(self.card.name).read([self.part(number)])
        return vector


BY_KEY: dict[str | type, Any] = {Checked: Checked.key}
"""For ``st.cache_data``: results of one file and detector are the same whatever the thresholds."""


def show_once_open(
    checked: Checked, title: str, *, icon: str, key: str, show: Callable[[Checked], None], fault: str
) -> None:
    """An expander whose inside is worked out once it is opened; what goes wrong there is said there.

    Args:
        checked: what it is about.
        title, icon: of the expander.
        key: begins its key.
        show: draws the inside; may raise UserError.
        fault: for the log, where the program fails.
    """
    box = st.expander(checked.named(title), icon=icon, key=f"{key}-{checked.file_id}", on_change="rerun")
    if not box.open:
        return
    with box:
        try:
            show(checked)
        except UserError as error:
            st.info(escape_markdown(error.message), icon=":material/info:")
        except Exception as error:
            logger.error(fault, exc_info=error)
            st.error(FAULT, icon=":material/error:")


class Decoder:
    """Opens each upload of one run of the page once: for its preview, and again for its verdict.

    Between the two the first is held in memory, and of the others what fits into ``HELD_BYTES``. Faces are
    looked for once, too.
    """

    def __init__(self) -> None:
        self._held: dict[str, LoadedImage] = {}
        self._scans: dict[str, FaceScan] = {}

    def open(self, upload: Upload) -> LoadedImage:
        """The picture, which is held for ``take``. Raises UserError."""
        image = load_image(upload.getvalue())
        held = sum(other.pixels.nbytes for other in self._held.values())
        if not held or held + image.pixels.nbytes <= HELD_BYTES:
            self._held[upload.file_id] = image
        return image

    def look(self, upload: Upload) -> LoadedImage:
        """The picture, which is held on for ``take``. Raises UserError."""
        if upload.file_id not in self._held:
            self._held[upload.file_id] = load_image(upload.getvalue())
        return self._held[upload.file_id]

    def scan(self, upload: Upload) -> FaceScan:
        """The faces of the picture, which is held on for ``take``. Raises UserError."""
        from deepfake.detection.detector import scan_of

        if upload.file_id not in self._scans:
            self._scans[upload.file_id] = scan_of(self.look(upload))
        return self._scans[upload.file_id]

    def take(self, upload: Upload) -> tuple[LoadedImage, FaceScan | None]:
        """The picture, for the last time, and its faces where they are known. Raises UserError."""
        image = self._held.pop(upload.file_id, None) or load_image(upload.getvalue())
        return image, self._scans.pop(upload.file_id, None)
