"""Check an image: drop images, get verdicts."""

from __future__ import annotations

import streamlit as st

from deepfake.detection.card import ModelError, default_name, detector_title, load_card, model_names
from deepfake.detection.text import POINT_WORDS
from deepfake.images.formats import READABLE
from deepfake.images.load import MAX_BYTES, MAX_PIXELS, MIN_SIDE
from deepfake.types import OperatingPoint
from ui.check.checked import MAX_UPLOADS
from ui.check.examples import show_examples
from ui.links import linked_pictures
from ui.page import (
    ask_for_detector,
    ask_for_threshold,
    escape_markdown,
    forget_uploads,
    say_unknown_options,
    show_limits,
    start_page,
    warm_up,
)
from ui.uploads import IMAGES, Shelf, Upload, link_to_page, own_place, shelf_of, warn_of_weight

MAX_MIB = MAX_BYTES // 2**20


def main() -> None:
    start_page("Check an image")
    try:
        names = model_names()
        first = default_name()
    except ModelError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    uploads, point, name = ask_for_pictures(names, first)
    try:
        card = load_card(name)
        pictures = [*linked_pictures(), *uploads]
        show_examples(folded=bool(pictures))
        with own_place("results", "cards" if pictures else "nothing"):
            if pictures:
                from ui.check.verdict import show_results  # a first paint is drawn before it is needed

                show_results(pictures, card, point)
            else:
                show_empty_state()
    except ModelError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    show_limits(card)
    warm_up()


def ask_for_pictures(names: list[str], first: str) -> tuple[list[Upload], OperatingPoint, str]:
    """The ways in, the options behind a button, and the button that clears all.

    Args:
        names: of the detectors.
        first: the one chosen at first.

    Returns:
        all uploads that are kept, the sensitivity, and the detector's name.
    """
    shelf, turn = shelf_of(IMAGES), st.session_state.setdefault("turn", 0)
    key, camera_key = f"uploads-{turn}", f"camera-{turn}"
    is_new = key not in st.session_state
    files = st.file_uploader(
        "Drop images here, or browse for them. Do the faces in them look real or fake?",
        accept_multiple_files=True,
        max_upload_size=MAX_MIB,
        key=key,
    )
    shelf.take(key, files, is_new=is_new)
    say_unknown_options(names)
    with st.container(horizontal=True, vertical_alignment="center"):
        camera = st.toggle("Use camera", key=f"camera-on-{turn}")
        paste = st.toggle("Paste", key=f"paste-on-{turn}", help="Take an image from the clipboard")
        clear = st.empty()
        with st.popover("Options", icon=":material/tune:", key="options"):
            point = ask_for_threshold()
            name = ask_for_detector(names, first)
        st.caption(f"{POINT_WORDS[point]}, {escape_markdown(detector_title(name))}", width="content")
    is_new = camera_key not in st.session_state
    # At the widget's own size a face would be too small; the browser takes what the camera can do.
    photo = st.camera_input("Take a photo", key=camera_key, resolution="1080p") if camera else None
    shelf.take(camera_key, [photo] if photo else [], is_new=is_new or not camera)
    if paste:
        with st.container():  # outside one it would stand at the bottom of the window
            take_pasted(shelf, f"paste-{turn}")
    if shelf.uploads:
        clear.button("Clear all", icon=":material/delete:", on_click=clear_all)
        warn_of_weight(shelf)
    return shelf.uploads, point, name


def take_pasted(shelf: Shelf, key: str) -> None:
    """A box that takes images from the clipboard; of Streamlit's own, the chat's alone does."""
    given = st.chat_input(
        "Press Ctrl+V (or Cmd+V) here, then Enter",
        accept_file="multiple",
        max_upload_size=MAX_MIB,
        key=key,
    )
    if given is None:
        return
    for file in given.files:
        shelf.put(Upload(file.file_id, file.name, file.getvalue()))
    if not given.files:
        st.info("The clipboard held no image. Copy one, then paste it here.", icon=":material/info:")
    forget_uploads(given.files)


def clear_all() -> None:
    """Forgets the uploads (under a new key the uploader starts empty) and what was computed from them."""
    from ui.check.verdict import forget_results

    st.session_state["turn"] += 1
    shelf_of(IMAGES).clear()
    forget_results()


def show_empty_state() -> None:
    with st.container(border=True):
        st.markdown("**Nothing to check yet.** Drop one or several images above, paste one, or take a photo.")
        st.markdown(
            f"- {READABLE}; up to {MAX_MIB} MB, {MAX_PIXELS // 10**6} "
            f"megapixels and {MAX_UPLOADS} images at a time, at least {MIN_SIDE} pixels on each side\n"
            "- Works best with one clear, front-facing face\n"
            "- Use the original file: screenshots and messenger copies lose evidence"
        )
        link_to_page("pages/batch.py", "A folder or archive: Check many")  # short enough for a phone
        link_to_page("pages/video.py", "A video: Check a video")


main()
