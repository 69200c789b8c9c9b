"""A visitor's uploads on a page: kept for the session, so that neither another page nor Back loses them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.errors import StreamlitPageNotFoundError
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from deepfake.detection.batch import MAX_KEPT_BYTES
from deepfake.errors import UserError
from deepfake.images.formats import identify
from deepfake.util.text import format_bytes

SHELVES = "shelves"
"""Key in the session's state: the uploads of each page, by its title."""
DRAWN = "drawn"
"""Key in the session's state: of each spot of the page its owner, and which of its two places it has."""
OPEN_PAGE = "open-page"
"""Key in the session's state: the title of the page that was drawn last."""
IMAGES, VIDEO = "Check an image", "Check a video"
"""Titles of the pages that keep uploads."""
LET_GO = (
    "The file was discarded when you left the page: each page keeps at most "
    f"{format_bytes(MAX_KEPT_BYTES)} of files. Upload it again for a closer look."
)


@dataclass(frozen=True)
class Upload:
    """A file that a visitor gave, or a picture of an evaluation or a batch that a link names.

    Attributes:
        file_id: tells uploads apart, those of the same file too.
        name: as given; not to be trusted as markup or as a path.
        content: the file's bytes; None once they were let go.
    """

    file_id: str
    name: str
    content: bytes | None

    def getvalue(self) -> bytes:
        """The file's bytes. Raises UserError ``let_go`` where they are gone."""
        if self.content is None:
            raise UserError("let_go", LET_GO)
        return self.content


def forget_files(file_ids: Iterable[str]) -> None:
    """Lets files of this visitor go at once; Streamlit itself keeps them until the session ends.

    But for those that a person takes out of a widget. No widget may list them any more.
    """
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        for file_id in file_ids:
            context.uploaded_file_mgr.remove_file(context.session_id, file_id)


class Shelf:
    """The uploads of one page, in the order in which they came.

    A widget loses its files when its page is left. They stay here, until the visitor takes one away or
    clears all; a file that the widget still lists goes when it is taken out of the widget.
    """

    def __init__(self) -> None:
        self._uploads: dict[str, Upload] = {}
        self._listed: dict[str, set[str]] = {}

    @property
    def uploads(self) -> list[Upload]:
        """All that are kept."""
        return list(self._uploads.values())

    @property
    def n_bytes(self) -> int:
        """What they weigh."""
        return sum(len(upload.content or b"") for upload in self.uploads)

    def take(self, widget: str, files: Sequence[UploadedFile], *, is_new: bool) -> None:
        """Follows a widget: what is new in it comes, what was taken out of it goes.

        Args:
            widget: its key.
            files: what it holds now.
            is_new: whether it is drawn for the first time since the page was opened; then what it held
                before was not taken out by the visitor.
        """
        now = {file.file_id for file in files}
        for gone in set() if is_new else self._listed.get(widget, set()) - now:
            self._uploads.pop(gone, None)
        for file in files:
            if file.file_id not in self._uploads:
                self._uploads[file.file_id] = Upload(file.file_id, file.name, file.getvalue())
        self._listed[widget] = now

    def put(self, upload: Upload) -> None:
        """Lays one more here."""
        self._uploads[upload.file_id] = upload

    def remove(self, file_id: str) -> None:
        """Forgets one."""
        self._uploads.pop(file_id, None)

    def keep_only(self, file_id: str) -> None:
        """Forgets all but one."""
        self._uploads = {file_id: self._uploads[file_id]}

    def clear(self) -> None:
        """Forgets all; the widgets that list them are replaced by new ones."""
        self._uploads.clear()
        self._unlist()

    def is_listed(self, file_id: str) -> bool:
        """Whether a widget shows it, with a cross to take it out."""
        return any(file_id in listed for listed in self._listed.values())

    def leave(self) -> None:
        """The page was left: no widget lists anything, and bytes beyond ``MAX_KEPT_BYTES`` are let go."""
        self._unlist()
        room = MAX_KEPT_BYTES
        for upload in self.uploads:
            size = len(upload.content or b"")
            if size > room:
                self._uploads[upload.file_id] = replace(upload, content=None)
            else:
                room -= size

    def _unlist(self) -> None:
        """No widget lists anything any more, so the shelf alone holds the bytes."""
        forget_files(file_id for listed in self._listed.values() for file_id in listed)
        self._listed.clear()


def shelf_of(title: str) -> Shelf:
    """This visitor's uploads on the page of that title."""
    shelves: dict[str, Shelf] = st.session_state.setdefault(SHELVES, {})
    return shelves.setdefault(title, Shelf())


def leave_other_pages(title: str) -> None:
    """What is due when the page of that title is drawn and another stood there before."""
    if st.session_state.get(OPEN_PAGE) != title:
        st.session_state[OPEN_PAGE] = title
        st.session_state.pop(DRAWN, None)
    for other, shelf in st.session_state.get(SHELVES, {}).items():
        if other != title:
            shelf.leave()


def own_place(key: str, owner: str, *, border: bool = False) -> DeltaGenerator:
    """A container at this spot that never holds another owner's content.

    Streamlit lets what a slower run drew stand in a container until new content takes its place,
    and an emptying that is followed at once by a new container may not reach the browser. So a spot has two
    places: a new owner gets the one that the last one did not have, and the other is emptied. For the same
    owner nothing is emptied, so that nothing blinks.

    Args:
        key: names the spot.
        owner: whose content it will hold.
        border: whether to draw one.
    """
    drawn: dict[str, tuple[str, int]] = st.session_state.setdefault(DRAWN, {})
    last, turn = drawn.get(key, (owner, 0))
    turn = turn if owner == last else 1 - turn
    drawn[key] = (owner, turn)
    return [st.container(border=border) if place == turn else st.empty() for place in range(2)][turn]


def show_name(place: DeltaGenerator, name: str, file_id: str, number: int | None = None) -> None:
    """A file's name, and a button that takes it away where no widget lists it with a cross.

    Args:
        place: where.
        name: of the file.
        file_id: of the upload.
        number: of the image among several, from 1; a link to ``#image-NUMBER`` leads here.
    """
    row = place.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
    left = row.container(horizontal=True, width="content", vertical_alignment="center", gap="small")
    if number is not None:
        left.html(f'<strong id="image-{number}">Image {number}</strong>', width="content")
    left.text(name)  # as text: a name may hold markup
    for shelf in st.session_state.get(SHELVES, {}).values():
        if any(kept.file_id == file_id for kept in shelf.uploads) and not shelf.is_listed(file_id):
            row.button(
                "Remove" if number is None else f"Remove image {number}",
                key=f"remove-{file_id}",
                icon=":material/close:",
                type="tertiary",
                on_click=shelf.remove,
                args=(file_id,),
            )


def warn_of_weight(shelf: Shelf) -> None:
    """Says before the page is left what leaving it costs."""
    if shelf.n_bytes > MAX_KEPT_BYTES:
        st.caption(
            f"These files take {format_bytes(shelf.n_bytes)}. If you leave this page, the verdicts stay, "
            f"but only the first {format_bytes(MAX_KEPT_BYTES)} of the files."
        )


def link_to_page(path: str, label: str) -> None:
    """A link to another page, which is only missing where a page alone was given to `streamlit run`."""
    with contextlib.suppress(StreamlitPageNotFoundError):
        st.page_link(path, label=label, icon=":material/arrow_forward:")


def show_right_page(upload: Upload) -> None:
    """The page that takes a file which this one cannot check, if there is one; a button takes it there."""
    kind = identify(upload.content or b"")
    if kind is None:
        return
    if "video" in kind.name and st.session_state.get(OPEN_PAGE) != VIDEO:
        _offer("Check it on the page Check a video", "pages/video.py", VIDEO, upload)
    elif "ZIP archive" in kind.name:
        link_to_page("pages/batch.py", "The page Check many opens zip archives of images")
    elif kind.is_image and st.session_state.get(OPEN_PAGE) != IMAGES:
        _offer("Check it on the page Check an image", "pages/check.py", IMAGES, upload)


def _offer(label: str, path: str, title: str, upload: Upload) -> None:
    if st.button(label, key=f"hand-over-{upload.file_id}", icon=":material/open_in_new:"):
        for shelf in st.session_state.get(SHELVES, {}).values():
            shelf.remove(upload.file_id)
        shelf_of(title).put(upload)
        if title == VIDEO:
            shelf_of(title).keep_only(upload.file_id)
        st.switch_page(path)
