"""Check an image: drop pictures, get verdicts."""

from __future__ import annotations

import streamlit as st

from deepfake.detection.card import ModelError, default_name, load_card, model_names
from deepfake.images.formats import READABLE
from deepfake.images.load import MAX_BYTES, MAX_PIXELS, MIN_SIDE
from deepfake.images.video import MAX_VIDEO_BYTES
from ui.check.verdict import MAX_FILES, forget_results, show_results
from ui.links import linked_pictures
from ui.page import ask_for_detector, ask_for_threshold, escape_markdown, show_limits, start_page, warm_up
from ui.uploads import IMAGES, Upload, link_to_page, own_place, shelf_of, warn_of_weight

MAX_MIB = MAX_BYTES // 2**20
# What the uploader lets through: what is refused here gets a reason, and a video the way to its page.
LISTED_MIB = max(MAX_BYTES, MAX_VIDEO_BYTES) // 2**20


def main() -> None:
    start_page("Check an image")
    st.write("Do the faces in a photograph look real or faked, and how sure is the detector?")
    try:
        names = model_names()
        first = default_name()
    except ModelError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    upload_side, option_side = st.columns([3, 2], gap="medium")
    with upload_side:
        uploads = ask_for_pictures()
    with option_side:
        point = ask_for_threshold()
        name = ask_for_detector(names, first)
    try:
        card = load_card(name)
        pictures = [*linked_pictures(), *uploads]
        with own_place("results", "cards" if pictures else "nothing"):
            if pictures:
                show_results(pictures, card, point)
            else:
                show_empty_state()
    except ModelError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    show_limits(card)
    warm_up()


def ask_for_pictures() -> list[Upload]:
    """The uploader, the camera on request, and the button that clears both; gives all that is kept."""
    shelf, turn = shelf_of(IMAGES), st.session_state.setdefault("turn", 0)
    key, camera_key = f"uploads-{turn}", f"camera-{turn}"
    is_new = key not in st.session_state
    files = st.file_uploader(
        "Drop pictures here, or browse for them",
        accept_multiple_files=True,
        max_upload_size=LISTED_MIB,
        key=key,
    )
    shelf.take(key, files, is_new=is_new)
    with st.container(horizontal=True, vertical_alignment="center"):
        camera = st.toggle("Use camera", key=f"camera-on-{turn}")
        clear = st.empty()
    is_new = camera_key not in st.session_state
    photo = st.camera_input("Take a photo", key=camera_key) if camera else None
    shelf.take(camera_key, [photo] if photo else [], is_new=is_new or not camera)
    if shelf.uploads:
        clear.button("Clear all", icon=":material/delete:", on_click=clear_all)
        warn_of_weight(shelf)
    return shelf.uploads


def clear_all() -> None:
    """Forgets the uploads (under a new key the uploader starts empty) and what was computed from them."""
    st.session_state["turn"] += 1
    shelf_of(IMAGES).clear()
    forget_results()


def show_empty_state() -> None:
    with st.container(border=True):
        st.markdown("**Nothing to check yet.** Drop one or several pictures above, or take a photo.")
        st.markdown(
            f"- {READABLE}; up to {MAX_MIB} MB, {MAX_PIXELS // 10**6} "
            f"megapixels and {MAX_FILES} pictures at a time, at least {MIN_SIDE} pixels on each side\n"
            "- Works best with one clear, front-facing face\n"
            "- Use the original file: screenshots and messenger copies lose evidence"
        )
        link_to_page("pages/video.py", "A video goes to the page Check a video")
        link_to_page(
            "pages/batch.py", f"More than {MAX_FILES} images, a folder or a zip archive go to Check many"
        )


main()
