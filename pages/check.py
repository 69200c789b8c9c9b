"""Check an image: drop pictures, get verdicts."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from deepfake.images import MAX_BYTES, MAX_PIXELS, MIN_SIDE
from deepfake.registry import ModelError, default_name, load_card, model_names
from ui import ask_for_detector, ask_for_threshold, plain, show_card, start_page, warm_up
from ui_linked import linked_pictures
from ui_verdict import MAX_FILES, forget_results, show_results

MAX_MIB = MAX_BYTES // 2**20
ACCEPTED = ["image", "heic", "heif", "avif"]  # some browsers do not know the last three as images


def main() -> None:
    start_page("Check an image")
    st.write("Do the faces in a photograph look real or faked, and how sure is the detector?")
    try:
        names = model_names()
        first = default_name()
    except ModelError as error:
        st.error(plain(error.message), icon=":material/error:")
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
        hint = st.empty()  # cleared at once on upload, not when the run ends
        if pictures:
            show_results(pictures, card, point)
        else:
            show_empty_state(hint)
    except ModelError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    show_card(card)
    warm_up()


def ask_for_pictures() -> list[UploadedFile]:
    """The uploader, the camera on request, and the button that clears both."""
    turn = st.session_state.setdefault("turn", 0)
    uploads = st.file_uploader(
        "Drop pictures here, or browse for them",
        type=ACCEPTED,
        accept_multiple_files=True,
        max_upload_size=MAX_MIB,
        key=f"uploads-{turn}",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        camera = st.toggle("Use the camera", key=f"camera-on-{turn}")
        clear = st.empty()
    photo = st.camera_input("Take a photograph", key=f"camera-{turn}") if camera else None
    found = [*uploads, *([photo] if photo else [])]
    if found:
        clear.button("Clear all", icon=":material/delete:", on_click=clear_all)
    return found


def clear_all() -> None:
    """Forgets the uploads (under a new key the uploader starts empty) and what was computed from them."""
    st.session_state["turn"] += 1
    forget_results()


def show_empty_state(place: DeltaGenerator) -> None:
    with place.container(border=True):
        st.markdown("**Nothing to check yet.** Drop one or several pictures above, or take a photograph.")
        st.markdown(
            f"- JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF; up to {MAX_MIB} MB, {MAX_PIXELS // 10**6} "
            f"megapixels and {MAX_FILES} pictures at a time, at least {MIN_SIDE} pixels on each side\n"
            "- It works best with one clear face that looks at the camera\n"
            "- The original file says more than a screenshot or a copy from a messenger"
        )


main()
