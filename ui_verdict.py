"""Uploads and their verdicts: first every picture, then verdict by verdict, then all of them as files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from deepfake import presentation
from deepfake.errors import UserError
from deepfake.faces import Box
from deepfake.figures import draw_faces, jpeg_bytes, shrink
from deepfake.images import ImageFacts, load_image
from deepfake.presentation import PICTURE_FAULT, Outcome, percent
from deepfake.registry import CallName, Card, ModelError, OperatingPoint
from ui import CALL_STYLES, plain, warm_up
from ui_explanation import STRESSED, after_stress, grad_cam_of, maps_of, show_explanation, stress_of
from ui_feedback import show_feedback
from ui_forensics import examined, show_forensics, show_signed_record, signed_record
from ui_linked import LinkedPicture
from ui_lookalikes import lookalikes_of
from ui_report import forget_reports, show_report

if TYPE_CHECKING:
    from deepfake.verdict import Verdict

logger = logging.getLogger("deepfake.pages.check")

MAX_FILES = 20
SHOWN_HEIGHT = 560


class Slot(NamedTuple):
    """Where one upload's picture and verdict go on the page."""

    upload: UploadedFile | LinkedPicture
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
    from deepfake.detector import get_detector, scored_parts
    from deepfake.recorded import validation_scores

    image = load_image(_content)
    detector = get_detector(model)
    verdict = detector.check(image)
    meaning = presentation.context_sentence(validation_scores(detector.card), verdict, detector.card.rules)
    parts = scored_parts(image.pixels, verdict, every=True) if verdict.faces else []
    return verdict, meaning, [jpeg_bytes(shrink(part, 160)) for part in parts]


@st.cache_data(scope="session", max_entries=2 * MAX_FILES, show_spinner=False)
def marked(
    file_id: str, boxes: list[Box], calls: list[CallName], square: Box | None, _content: bytes
) -> bytes:
    """A small JPEG of an upload with its faces marked, and the square that the verdict rests on."""
    return jpeg_bytes(draw_faces(load_image(_content).pixels, boxes, calls, square=square))


def forget_results() -> None:
    """Drops what was computed from this visitor's uploads."""
    found = (preview, judge, marked, grad_cam_of, maps_of, stress_of, lookalikes_of, examined, signed_record)
    for results in found:
        results.clear()
    st.session_state.pop(STRESSED, None)
    forget_reports()


def show_results(uploads: Sequence[UploadedFile | LinkedPicture], card: Card, point: OperatingPoint) -> None:
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
        sentence = PICTURE_FAULT
    place.error(plain(sentence), icon=":material/image_not_supported:")
    return Outcome(name, refusal=sentence)


def show_verdict(slot: Slot, card: Card, point: OperatingPoint) -> Outcome:
    """Judges one picture and draws what came of it."""
    upload = slot.upload
    try:
        with slot.verdict, st.spinner("Looking for faces and judging them"):
            judged, meaning, faces = judge(upload.file_id, card.name, card.sha256, upload.getvalue())
        called = judged.at(point, card.thresholds)
        verdict = after_stress(slot.verdict, upload.file_id, upload.getvalue(), card, called)
    except ModelError:
        raise
    except Exception as error:
        return show_refusal(slot.verdict, upload.name, error)
    with slot.verdict.container():
        colour, icon = CALL_STYLES[verdict.verdict]
        st.subheader(f":{colour}[{icon} {presentation.headline(verdict)}]", anchor=False)
        if number := presentation.number_line(verdict):
            st.markdown(number)
        if why := presentation.stress_line(verdict):
            st.markdown(plain(why))
        if meaning:
            st.markdown(meaning)
        if verdict.scope != "no_face":  # a warning says it
            st.caption(plain(presentation.scope_line(verdict)))
        for warning in verdict.warnings:
            st.warning(plain(warning), icon=":material/info:")
        if raw := presentation.raw_line(verdict):
            st.caption(plain(raw))
        show_signed_record(upload.getvalue(), upload.file_id)
        if verdict.scope == "faces":
            show_faces(verdict, faces)
        show_limits(verdict, card)
        show_explanation(upload.file_id, upload.getvalue(), card, verdict)
        show_forensics(upload.getvalue(), upload.file_id)
        show_report(upload, card, verdict)
        show_feedback(upload.file_id, upload.getvalue(), card, verdict)
    try:
        mark_faces(slot, verdict)
    except Exception as error:
        return show_refusal(slot.verdict, upload.name, error)
    return Outcome(upload.name, verdict)


def show_limits(verdict: Verdict, card: Card) -> None:
    """What such a verdict of this detector is known to miss or to be brought about by."""
    if over := presentation.overlay_line(verdict, card.rules):
        st.caption(over)
    if verdict.verdict == "fake" and card.false_alarms:
        st.caption(plain(card.false_alarms))
    if verdict.verdict == "real":
        unknown = plain("; ".join(card.does_not_know))
        st.caption(f"This does not rule out what the detector does not know: {unknown}.")


def mark_faces(slot: Slot, verdict: Verdict) -> None:
    """Puts the picture with its faces marked in place of the bare one; after the words, which come first."""
    if verdict.faces:
        boxes = [face.box for face in verdict.faces]
        calls: list[CallName] = [face.verdict for face in verdict.faces]
        square = presentation.framed_square(verdict)
        picture = marked(slot.upload.file_id, boxes, calls, square, slot.upload.getvalue())
        slot.picture.image(picture, width=slot.width, alt="The picture with the faces marked")


def show_faces(verdict: Verdict, thumbnails: list[bytes]) -> None:
    """A row per face, and one for the whole picture where it was judged: picture, words, probability."""
    rows = presentation.part_rows(verdict)
    for row, thumbnail in zip(rows, thumbnails, strict=True):
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
            st.image(thumbnail, width=72, alt=row.name)
            if len(rows) == 1:
                st.caption("The part of the picture that was judged")
                continue
            colour, icon = CALL_STYLES[row.call] if row.call else ("gray", "")
            number = f"Probability of fake {percent(row.p_fake)}" if row.p_fake is not None else ""
            st.markdown(f"{row.name}: :{colour}[{icon} {plain(row.words)}]  \n{number}")


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
