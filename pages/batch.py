"""Check many: images, a folder or a zip archive in one go, and a table of the verdicts."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from deepfake.detection.batch import MAX_IMAGES, count_images
from deepfake.detection.card import ModelError, default_name, detector_title, load_card, model_names
from deepfake.detection.text import POINT_WORDS
from deepfake.errors import UserError
from deepfake.images.archives import MAX_ARCHIVE_BYTES
from deepfake.images.formats import IMAGE_EXTENSIONS
from deepfake.images.load import MAX_BYTES
from deepfake.types import OperatingPoint
from deepfake.util.text import format_bytes
from ui.batch_session import batch_session
from ui.check.batch import follow, show_results
from ui.page import (
    ask_for_detector,
    ask_for_threshold,
    escape_markdown,
    forget_uploads,
    main_button,
    say_unknown_options,
    start_page,
    warm_up,
)

MIB = 2**20
FILES, FOLDER = "Images or a zip archive", "A folder"


def main() -> None:
    start_page("Check many")
    st.write(
        f"Do the faces in up to {MAX_IMAGES:,} images look real or fake? One table has all verdicts, "
        "the most suspicious first."
    )
    try:
        names, first = model_names(), default_name()
    except ModelError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    running = chosen = batch_session().running
    ways = st.container()
    say_unknown_options(names)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("Options", icon=":material/tune:", key="options"):
            point = ask_for_threshold()
            name = ask_for_detector(names, first)
        st.caption(f"{POINT_WORDS[point]}, {escape_markdown(detector_title(name))}", width="content")
        again = st.empty()
    if not running:
        with ways:
            chosen = ask_for_uploads(name)
        offer_again(again, name)
    if running:
        follow(point)
    elif batch_session().batch is not None:
        show_table(point)
    elif not chosen:
        show_empty_state()
    warm_up()


def ask_for_uploads(detector: str) -> bool:
    """The choice of files, and the button that starts the work; says whether there are any."""
    kind = st.segmented_control(
        "What to check", [FILES, FOLDER], default=FILES, key="what", bind="query-params", required=True
    )
    turn = st.session_state.setdefault("batch-turn", 0)
    if kind == FOLDER:
        uploads = st.file_uploader(
            "Choose a folder; folders in it are included",
            type=sorted(IMAGE_EXTENSIONS),
            accept_multiple_files="directory",
            max_upload_size=MAX_BYTES // MIB,
            key=f"folder-{turn}",
        )
    else:
        uploads = st.file_uploader(
            "Drop images or a zip archive here, or browse for them",
            accept_multiple_files=True,  # of any type: each that is none of these gets a row that says why
            max_upload_size=MAX_ARCHIVE_BYTES // MIB,
            key=f"many-{turn}",
        )
    if not uploads:
        return False
    weight = format_bytes(sum(upload.size for upload in uploads))
    number = count_images((upload.name, upload.getvalue()) for upload in uploads)
    count = f"{number:,} image{'s' * (number != 1)}"
    if main_button(f"Check {count} ({weight})"):
        begin(uploads, detector)
    return True


def offer_again(container: DeltaGenerator, detector: str) -> None:
    """A button that has the detector chosen check the images of a batch by another one."""
    batch = batch_session().batch
    if batch is None or batch.detector == detector:
        return
    number = len(batch.kept())
    title = escape_markdown(detector_title(detector))
    label = f"Check {number:,} image{'s' * (number != 1)} again with {title}"
    help_text = "Images that are no longer in memory would have to be uploaded again."
    if number and container.button(label, icon=":material/refresh:", help=help_text):
        batch_session().again(detector, warm_up())
        st.rerun()


def begin(uploads: Sequence[UploadedFile], detector: str) -> None:
    """Hands the uploads to the work beside the page and empties the uploader; the table is drawn anew."""
    try:
        batch_session().start([(upload.name, upload.getvalue()) for upload in uploads], detector, warm_up())
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    forget_uploads(uploads)
    st.session_state["batch-turn"] += 1
    st.rerun()


def show_table(point: OperatingPoint) -> None:
    batch = batch_session().batch
    if batch is None:
        return
    try:
        card = load_card(batch.detector)
    except ModelError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    show_results(batch, card, point)


def show_empty_state() -> None:
    with st.container(border=True):
        st.markdown("**Nothing to check yet.** Choose images, a zip archive or a folder above.")
        st.markdown(
            f"- Up to {MAX_IMAGES:,} images in one go, each up to {MAX_BYTES // MIB} MB; "
            f"a zip archive up to {MAX_ARCHIVE_BYTES // MIB} MB\n"
            "- A file that cannot be checked is listed with the reason; the others are not affected\n"
            "- You can go to other pages meanwhile; the results stay until you clear them or close the page\n"
            "- Nothing is written to disk: archives are read in memory, images are discarded after checking; "
            "a few are kept for review\n"
            "- For more images: `python -m deepfake predict FOLDER`"
        )


main()
