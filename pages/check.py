"""Check an image: drop pictures, get verdicts."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from deepfake import presentation
from deepfake.errors import UserError
from deepfake.figures import draw_faces, jpeg_bytes, shrink
from deepfake.images import MAX_BYTES, MAX_PIXELS, MIN_SIDE, ImageFacts, load_image
from deepfake.presentation import CALL_WORDS, POINT_MEANINGS, POINT_WORDS, Outcome, percent
from deepfake.registry import (
    OPERATING_POINTS,
    CallName,
    Card,
    ModelError,
    OperatingPoint,
    default_name,
    load_card,
    model_names,
    models_folder,
)
from ui import plain, start_page

if TYPE_CHECKING:
    from deepfake.detector import Verdict

logger = logging.getLogger("deepfake.pages.check")

MAX_FILES = 20
MAX_MIB = MAX_BYTES // 2**20
ACCEPTED = ["image", "heic", "heif", "avif"]  # some browsers do not know the last three as images
CALL_STYLES: dict[CallName, tuple[str, str]] = {
    "fake": ("orange", ":material/warning:"),
    "real": ("blue", ":material/check_circle:"),
    "uncertain": ("gray", ":material/help:"),
}
FAULT = (
    "This picture could not be judged because of a fault in the program; the server's log says which. "
    "Other pictures are not affected."
)


class Slot(NamedTuple):
    """Where one upload's picture and verdict go on the page."""

    upload: UploadedFile
    picture: DeltaGenerator
    verdict: DeltaGenerator


# Results live as long as the visitor's session and are seen by no other.
@st.cache_data(scope="session", max_entries=2 * MAX_FILES, show_spinner=False)
def preview(file_id: str, _content: bytes) -> tuple[bytes, ImageFacts]:
    """A small JPEG of an upload, and its facts. Raises ImageRefused."""
    image = load_image(_content)
    return jpeg_bytes(shrink(image.pixels)), image.facts


@st.cache_data(scope="session", max_entries=4 * MAX_FILES, show_spinner=False)
def judge(
    file_id: str, model: str, model_sha256: str, point: OperatingPoint, _content: bytes
) -> tuple[Verdict, str, bytes, list[bytes]]:
    """The verdict, what it means, a small JPEG with the faces marked, and one of each face.

    Raises UserError.
    """
    from deepfake.detector import get_detector
    from deepfake.faces import crop

    image = load_image(_content)
    detector = get_detector(model)
    verdict = detector.check(image, point)
    meaning = presentation.context_sentence(presentation.validation_scores(detector.card), verdict)
    boxes = [face.box for face in verdict.faces]
    calls: list[CallName] = [face.verdict for face in verdict.faces]
    marked = jpeg_bytes(draw_faces(image.pixels, boxes, calls))
    faces = [jpeg_bytes(shrink(crop(image.pixels, face.crop), 160)) for face in verdict.faces]
    return verdict, meaning, marked, faces


@st.cache_resource(show_spinner=False)
def warm_up(folder: str, name: str) -> threading.Thread:
    """Loads TensorFlow and the detector behind the page's back, once per process."""

    def work() -> None:
        import numpy as np

        try:
            from deepfake.detector import get_detector
            from deepfake.faces import find_faces

            blank = np.full((64, 64, 3), 128, np.uint8)
            find_faces(blank)
            get_detector(name).p_fake([blank])
        except Exception:  # the first check meets it again and tells the person
            logger.exception("The detector could not be warmed up.")

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    thread = threading.Thread(target=work, name="warm-up", daemon=True)
    thread.start()
    return thread


def main() -> None:
    start_page("Check an image")
    st.write("Is the face in a photograph real, or was it swapped or generated? Drop a picture to find out.")
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
        if uploads:
            show_results(uploads, card, point)
        else:
            show_empty_state()
    except ModelError as error:
        st.error(plain(error.message), icon=":material/error:")
        return
    show_card(card)
    warm_up(str(models_folder()), name)


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
    preview.clear()
    judge.clear()


def ask_for_threshold() -> OperatingPoint:
    """How careful to be; kept in the address, so that a link shows the same."""
    return st.radio(
        "When to say fake",
        OPERATING_POINTS,
        format_func=lambda point: POINT_WORDS[point],
        captions=[POINT_MEANINGS[point] for point in OPERATING_POINTS],
        key="threshold",
        bind="query-params",
    )


def ask_for_detector(names: list[str], first: str) -> str:
    """Which detector; asked only where there is a choice."""
    if len(names) < 2:
        return first
    return st.selectbox("Detector", names, index=names.index(first), key="detector", bind="query-params")


def show_empty_state() -> None:
    with st.container(border=True):
        st.markdown("**Nothing to check yet.** Drop one or several pictures above, or take a photograph.")
        st.markdown(
            f"- JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF; up to {MAX_MIB} MB, {MAX_PIXELS // 10**6} "
            f"megapixels and {MAX_FILES} pictures at a time, at least {MIN_SIDE} pixels on each side\n"
            "- It works best with one clear face that looks at the camera\n"
            "- The original file says more than a screenshot or a copy from a messenger"
        )


def show_results(uploads: list[UploadedFile], card: Card, point: OperatingPoint) -> None:
    """First every picture, then verdict by verdict."""
    if len(uploads) > MAX_FILES:
        st.warning(
            f"{len(uploads)} pictures were received; the first {MAX_FILES} are judged. "
            "Clear them and upload the others.",
            icon=":material/info:",
        )
    downloads = st.container()
    outcomes: dict[str, Outcome] = {}
    slots: list[Slot] = []
    for upload in uploads[:MAX_FILES]:
        card_box = st.container(border=True)
        card_box.text(upload.name)  # as text: a name may hold markup
        try:
            small, facts = preview(upload.file_id, upload.getvalue())
        except Exception as error:
            outcomes[upload.file_id] = show_refusal(card_box, upload.name, error)
            continue
        left, right = card_box.columns(2, gap="medium")
        picture = left.empty()
        picture.image(small, width="stretch", alt="The picture as uploaded")
        left.caption(presentation.facts_line(facts))
        slots.append(Slot(upload, picture, right.empty()))
    for slot in slots:
        outcomes[slot.upload.file_id] = show_verdict(slot, card, point)
    show_downloads(downloads, [outcomes[upload.file_id] for upload in uploads[:MAX_FILES]])


def show_refusal(place: DeltaGenerator, name: str, error: Exception) -> Outcome:
    """A sentence in place of a verdict."""
    if isinstance(error, UserError):
        sentence = error.message
    else:
        logger.error("A picture could not be judged.", exc_info=error)
        sentence = FAULT
    place.error(plain(sentence), icon=":material/image_not_supported:")
    return Outcome(name, refusal=sentence)


def show_verdict(slot: Slot, card: Card, point: OperatingPoint) -> Outcome:
    """Judges one picture and draws what came of it."""
    upload = slot.upload
    try:
        with slot.verdict, st.spinner("Looking for faces and judging them"):
            verdict, meaning, marked, faces = judge(
                upload.file_id, card.name, card.sha256, point, upload.getvalue()
            )
    except ModelError:
        raise
    except Exception as error:
        return show_refusal(slot.verdict, upload.name, error)
    if verdict.faces:
        slot.picture.image(marked, width="stretch", alt="The picture with the faces marked")
    with slot.verdict.container():
        colour, icon = CALL_STYLES[verdict.verdict]
        st.subheader(f":{colour}[{icon} {CALL_WORDS[verdict.verdict]}]", anchor=False)
        st.markdown(f"Probability of fake: **{percent(verdict.p_fake)}**")
        if meaning:
            st.markdown(meaning)
        st.caption(presentation.scope_line(verdict))
        for warning in verdict.warnings:
            st.warning(plain(warning), icon=":material/info:")
        if verdict.scope == "faces":
            show_faces(verdict, faces)
        if verdict.verdict == "real":
            st.markdown("It would also say this of fakes it does not know:\n" + bullets(card.does_not_know))
    return Outcome(upload.name, verdict)


def show_faces(verdict: Verdict, thumbnails: list[bytes]) -> None:
    """A row per face: number, picture, words, probability."""
    for number, (face, thumbnail) in enumerate(zip(verdict.faces, thumbnails, strict=True), start=1):
        colour, icon = CALL_STYLES[face.verdict]
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.image(thumbnail, width=72, alt=f"Face {number}")
            st.markdown(
                f"Face {number}  \n:{colour}[{icon} {CALL_WORDS[face.verdict]}], "
                f"probability of fake {percent(face.p_fake)}"
            )


def show_downloads(place: DeltaGenerator, outcomes: list[Outcome]) -> None:
    with place.container(horizontal=True):
        st.download_button(
            "Verdicts as JSON",
            presentation.outcomes_json(outcomes),
            "verdicts.json",
            "application/json",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "Verdicts as CSV",
            presentation.outcomes_csv(outcomes).encode("utf-8-sig"),
            "verdicts.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )


def show_card(card: Card) -> None:
    """What the detector can and cannot tell, and what becomes of the uploads."""
    st.space("small")
    knows, not_known, privacy = st.columns(3, gap="medium")
    knows.markdown("**What it was trained to notice**\n" + bullets(card.knows))
    not_known.markdown("**What it does not know**\n" + bullets(card.does_not_know))
    privacy.markdown(
        "**Nothing is stored**\n\nPictures stay in this server's memory while the page is open. "
        "They are not written to disk, not sent on and not used for training."
    )
    st.caption(f"Detector {plain(card.name)}: {plain(card.description)}")


def bullets(lines: tuple[str, ...]) -> str:
    """A Markdown list of plain texts."""
    return "\n".join(["", *(f"- {plain(line)}" for line in lines)])


main()
