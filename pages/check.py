"""Check an image: drop pictures, get verdicts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from deepfake import presentation
from deepfake.errors import UserError
from deepfake.faces import Box
from deepfake.figures import draw_faces, jpeg_bytes, shrink
from deepfake.images import MAX_BYTES, MAX_PIXELS, MIN_SIDE, ImageFacts, load_image
from deepfake.presentation import CALL_WORDS, Outcome, percent
from deepfake.registry import (
    CallName,
    Card,
    ModelError,
    OperatingPoint,
    default_name,
    load_card,
    model_names,
)
from ui import CALL_STYLES, ask_for_detector, ask_for_threshold, plain, show_card, start_page, warm_up

if TYPE_CHECKING:
    from deepfake.detector import Verdict

logger = logging.getLogger("deepfake.pages.check")

MAX_FILES = 20
SHOWN_HEIGHT = 560
MAX_MIB = MAX_BYTES // 2**20
ACCEPTED = ["image", "heic", "heif", "avif"]  # some browsers do not know the last three as images
FAULT = (
    "This picture could not be judged because of a fault in the program; the server's log says which. "
    "Other pictures are not affected."
)


class Slot(NamedTuple):
    """Where one upload's picture and verdict go on the page."""

    upload: UploadedFile
    picture: DeltaGenerator
    verdict: DeltaGenerator
    width: int


# Results live as long as the visitor's session and are seen by no other.
@st.cache_data(scope="session", max_entries=2 * MAX_FILES, show_spinner=False)
def preview(file_id: str, _content: bytes) -> tuple[bytes, ImageFacts]:
    """A small JPEG of an upload, and its facts. Raises ImageRefused."""
    image = load_image(_content)
    return jpeg_bytes(shrink(image.pixels)), image.facts


@st.cache_data(scope="session", max_entries=4 * MAX_FILES, show_spinner=False)
def judge(file_id: str, model: str, model_sha256: str, _content: bytes) -> tuple[Verdict, str, list[bytes]]:
    """The verdict at the balanced threshold, what it means, and a small JPEG of each face.

    Raises UserError.
    """
    warm_up().join()
    from deepfake.detector import get_detector
    from deepfake.faces import crop

    image = load_image(_content)
    detector = get_detector(model)
    verdict = detector.check(image)
    meaning = presentation.context_sentence(presentation.validation_scores(detector.card), verdict)
    faces = [jpeg_bytes(shrink(crop(image.pixels, face.crop), 160)) for face in verdict.faces]
    return verdict, meaning, faces


@st.cache_data(scope="session", max_entries=2 * MAX_FILES, show_spinner=False)
def marked(file_id: str, boxes: list[Box], calls: list[CallName], _content: bytes) -> bytes:
    """A small JPEG of an upload with its faces marked."""
    return jpeg_bytes(draw_faces(load_image(_content).pixels, boxes, calls))


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
        hint = st.empty()  # cleared at once on upload, not when the run ends
        if uploads:
            show_results(uploads, card, point)
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
    preview.clear()
    judge.clear()
    marked.clear()


def show_empty_state(place: DeltaGenerator) -> None:
    with place.container(border=True):
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
        left, right = card_box.columns([2, 3], gap="medium")
        picture = left.empty()
        picture.image(small, width=shown_width(facts), alt="The picture as uploaded")
        left.caption(presentation.facts_line(facts))
        slots.append(Slot(upload, picture, right.empty(), shown_width(facts)))
    for slot in slots:
        outcomes[slot.upload.file_id] = show_verdict(slot, card, point)
    if slots:
        show_downloads(downloads, [outcomes[upload.file_id] for upload in uploads[:MAX_FILES]])


def shown_width(facts: ImageFacts) -> int:
    """In pixels of the screen: small pictures are not blown up, tall ones not taller than a window."""
    return max(1, min(facts.width, round(SHOWN_HEIGHT * facts.width / facts.height)))


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
            judged, meaning, faces = judge(upload.file_id, card.name, card.sha256, upload.getvalue())
        verdict = judged.at(point, card.thresholds)
        boxes = [face.box for face in verdict.faces]
        calls: list[CallName] = [face.verdict for face in verdict.faces]
        picture = marked(upload.file_id, boxes, calls, upload.getvalue())
    except ModelError:
        raise
    except Exception as error:
        return show_refusal(slot.verdict, upload.name, error)
    if verdict.faces:
        slot.picture.image(picture, width=slot.width, alt="The picture with the faces marked")
    unknown = plain("; ".join(card.does_not_know))
    with slot.verdict.container():
        colour, icon = CALL_STYLES[verdict.verdict]
        st.subheader(f":{colour}[{icon} {CALL_WORDS[verdict.verdict]}]", anchor=False)
        st.markdown(f"Probability of fake: **{percent(verdict.p_fake)}**")
        if meaning:
            st.markdown(meaning)
        if verdict.scope != "no_face":  # a warning says it
            st.caption(presentation.scope_line(verdict))
        for warning in verdict.warnings:
            st.warning(plain(warning), icon=":material/info:")
        if verdict.scope == "faces":
            show_faces(verdict, faces)
        if verdict.verdict == "fake" and card.false_alarms:
            st.caption(plain(card.false_alarms))
        if verdict.verdict == "real":
            st.caption(f"This does not rule out what the detector does not know: {unknown}.")
    return Outcome(upload.name, verdict)


def show_faces(verdict: Verdict, thumbnails: list[bytes]) -> None:
    """A row per face: number, picture, words, probability."""
    for number, (face, thumbnail) in enumerate(zip(verdict.faces, thumbnails, strict=True), start=1):
        colour, icon = CALL_STYLES[face.verdict]
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
            st.image(thumbnail, width=72, alt=f"Face {number}")
            if len(thumbnails) == 1:
                st.caption("The part of the picture that was judged")
                continue
            st.markdown(
                f"Face {number}: :{colour}[{icon} {CALL_WORDS[face.verdict]}]  \n"
                f"Probability of fake {percent(face.p_fake)}"
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


main()
