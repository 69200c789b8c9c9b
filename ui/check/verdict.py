"""Uploads and their verdicts: first every picture, then verdict by verdict, then all of them as files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepfake.detection import outcome as detection_outcome
from deepfake.detection import text
from deepfake.detection.card import Card, ModelError
from deepfake.detection.figures import draw_verdict
from deepfake.detection.outcome import PICTURE_FAULT, Outcome
from deepfake.errors import UserError
from deepfake.images.encode import jpeg_bytes, jpeg_pixels, shrink
from deepfake.images.load import ImageFacts
from deepfake.report.context import context_sentence
from deepfake.types import OperatingPoint
from deepfake.util.text import format_percent
from ui.check.checked import Checked, Decoder
from ui.check.explanation import (
    EXPLAINED,
    STRESSED,
    after_stress,
    grad_cam_of,
    maps_of,
    show_explanation,
    stress_of,
)
from ui.check.forensics import examined, show_forensics, show_signed_record, signed_record
from ui.check.neighbours import lookalikes_of
from ui.check.report import forget_reports, show_feedback, show_report
from ui.page import CALL_STYLES, escape_markdown, warm_up
from ui.uploads import LET_GO, Upload, link_to_page, own_place, show_name, show_right_page

if TYPE_CHECKING:
    from deepfake.detection.verdict import Verdict

logger = logging.getLogger(__name__)

MAX_FILES = 20
SHOWN_HEIGHT = 560
JUDGED = "judged"
"""Key in the session's state: uploads whose verdict is at hand, each with its detector's hash."""


class Slot(NamedTuple):
    """Where one upload's picture and verdict go on the page."""

    upload: Upload
    picture: DeltaGenerator
    verdict: DeltaGenerator
    width: int
    small: bytes
    facts: ImageFacts


# Results live as long as the visitor's session and are seen by no other.
@st.cache_data(scope="session", max_entries=2 * MAX_FILES, show_spinner=False)
def preview(file_id: str, _upload: Upload, _decoder: Decoder) -> tuple[bytes, ImageFacts]:
    """A small JPEG of an upload, and its facts. Raises UserError."""
    image = _decoder.open(_upload)
    return jpeg_bytes(shrink(image.pixels)), image.facts


@st.cache_data(scope="session", max_entries=4 * MAX_FILES, show_spinner=False)
def judge(
    file_id: str, model: str, version: str, _upload: Upload, _decoder: Decoder
) -> tuple[Verdict, str, list[bytes]]:
    """The verdict at the balanced threshold, what it means, and a small JPEG of each face.

    Raises UserError.
    """
    warm_up().join()
    from deepfake.detection.detector import get_detector, scored_parts
    from deepfake.evaluation.records import validation_scores

    image = _decoder.take(_upload)
    detector = get_detector(model)
    verdict = detector.check(image)
    meaning = context_sentence(validation_scores(detector.card), verdict, detector.card.rules)
    parts = scored_parts(image.pixels, verdict, every=True) if verdict.faces else []
    return verdict, meaning, [jpeg_bytes(shrink(part, 160)) for part in parts]


@st.cache_data(scope="session", max_entries=2 * MAX_FILES, show_spinner=False)
def marked(verdict: Verdict, _small: bytes) -> bytes:
    """The preview of an upload with its faces marked, and the square that the verdict rests on."""
    return jpeg_bytes(draw_verdict(jpeg_pixels(_small), verdict))


def forget_results() -> None:
    """Drops what was computed from this visitor's uploads."""
    found = (preview, judge, marked, grad_cam_of, maps_of, stress_of, lookalikes_of, examined, signed_record)
    for results in found:
        results.clear()
    for key in (STRESSED, JUDGED, EXPLAINED):
        st.session_state.pop(key, None)
    forget_reports()


def show_results(uploads: Sequence[Upload], card: Card, point: OperatingPoint) -> None:
    """First every picture, then verdict by verdict."""
    with st.container():
        if len(uploads) > MAX_FILES:
            st.warning(
                f"{len(uploads)} pictures were received; the first {MAX_FILES} are judged. "
                "The page Check many takes more.",
                icon=":material/info:",
            )
            link_to_page("pages/batch.py", "Check many")
    downloads = st.container()
    outcomes: dict[str, Outcome] = {}
    slots: list[Slot] = []
    decoder = Decoder()
    at_hand: set[tuple[str, str]] = st.session_state.setdefault(JUDGED, set())
    for number, upload in enumerate(uploads[:MAX_FILES]):
        card_box = own_place(f"card-{number}", upload.file_id, border=True)
        show_name(card_box, upload.name, upload.file_id)
        try:
            small, facts = preview(upload.file_id, upload, decoder)
        except Exception as error:
            outcomes[upload.file_id] = show_refusal(card_box, upload.name, error)
            with card_box:
                show_right_page(upload)
            continue
        left, right = card_box.columns([2, 3], gap="medium")
        picture, width = left.container(), shown_width(facts)
        left.caption(text.facts_line(facts))
        with right:
            words = own_place(f"verdict-{number}", f"{upload.file_id} {card.version}")
        if (upload.file_id, card.version) in at_hand:  # drawn at once, so that nothing on the page blinks
            slot = Slot(upload, picture, words, width, small, facts)
            outcomes[upload.file_id] = show_verdict(slot, card, point, decoder)
            continue
        picture = picture.empty()
        picture.image(small, width=width, alt="The picture as uploaded")
        slots.append(Slot(upload, picture, words, width, small, facts))
    for slot in slots:
        outcomes[slot.upload.file_id] = show_verdict(slot, card, point, decoder)
    if any(outcome.verdict for outcome in outcomes.values()) or slots:
        show_downloads(downloads, [outcomes[upload.file_id] for upload in uploads[:MAX_FILES]])


def shown_width(facts: ImageFacts) -> int:
    """In pixels of the screen: small pictures are not blown up, tall ones not taller than a window."""
    return max(1, min(facts.width, round(SHOWN_HEIGHT * facts.width / facts.height)))


def show_refusal(place: DeltaGenerator, name: str, error: Exception) -> Outcome:
    """A sentence in place of a verdict."""
    if isinstance(error, UserError):
        reason = error
    else:
        logger.error("A picture could not be judged.", exc_info=error)
        reason = UserError("fault", PICTURE_FAULT)
    place.error(escape_markdown(reason.message), icon=":material/image_not_supported:")
    return Outcome(name, error=reason)


def show_verdict(slot: Slot, card: Card, point: OperatingPoint, decoder: Decoder) -> Outcome:
    """Judges one picture and draws what came of it."""
    upload = slot.upload
    busy, words = slot.verdict.empty(), slot.verdict.container()
    try:
        with busy.container(), st.spinner("Looking for faces and judging them"):
            if card.second and (upload.file_id, card.version) not in st.session_state[JUDGED]:
                show_first_look(upload, card.second.main, point, decoder)
            judged, meaning, faces = judge(upload.file_id, card.name, card.version, upload, decoder)
        busy.empty()
        checked = after_stress(busy, Checked(upload, card, judged.at(point, card.thresholds)))
        verdict = checked.verdict
    except ModelError:
        raise
    except Exception as error:
        return show_refusal(words, upload.name, error)
    st.session_state[JUDGED].add((upload.file_id, card.version))
    with words:
        colour, icon = CALL_STYLES[verdict.verdict]
        st.subheader(f":{colour}[{icon} {text.headline(verdict)}]", anchor=False)
        if number := text.number_line(verdict):
            st.markdown(number)
        if why := text.stress_line(verdict):
            st.markdown(escape_markdown(why))
        if meaning:
            st.markdown(meaning)
        if verdict.scope != "no_face":  # a warning says it
            st.caption(escape_markdown(text.scope_line(verdict)))
        for warning in verdict.warnings:
            st.warning(escape_markdown(warning), icon=":material/info:")
        if raw := text.raw_line(verdict):
            st.caption(escape_markdown(raw))
        if upload.content is not None:
            show_signed_record(upload, slot.facts.format)
        if verdict.scope == "faces":
            show_faces(verdict, card, faces)
        show_cautions(verdict, card)
        st.caption(escape_markdown(text.judged_by_line(verdict, card.thresholds)))
        show_more(checked)
    try:
        mark_faces(slot, verdict)
    except Exception as error:
        return show_refusal(words, upload.name, error)
    return Outcome(upload.name, verdict)


def show_first_look(upload: Upload, model: str, point: OperatingPoint, decoder: Decoder) -> None:
    """What the first network alone says, at once; the second takes longer."""
    warm_up().join()
    from deepfake.detection.detector import get_detector

    verdict = get_detector(model).check(decoder.look(upload), point)
    st.subheader(text.headline(verdict), anchor=False)
    st.caption("A first look, by one of two networks. The second is still at work and may change this.")


def show_more(checked: Checked) -> None:
    """What can be had below a verdict, all of which needs the file."""
    if checked.upload.content is None:
        st.caption(LET_GO)
        return
    show_explanation(checked)
    show_forensics(checked.upload)
    show_report(checked)
    show_feedback(checked)


def show_cautions(verdict: Verdict, card: Card) -> None:
    """What such a verdict of this detector is known to miss or to be brought about by."""
    if over := text.overlay_line(verdict, card.rules):
        st.caption(over)
    if verdict.verdict == "fake" and card.false_alarms:
        st.caption(escape_markdown(card.false_alarms))
    if verdict.verdict == "real":
        unknown = escape_markdown("; ".join(card.does_not_know))
        st.caption(f"This does not rule out what the detector does not know: {unknown}.")


def mark_faces(slot: Slot, verdict: Verdict) -> None:
    """Puts the picture with its faces marked in place of the bare one; after the words, which come first."""
    picture, alt = slot.small, "The picture as uploaded"
    if verdict.faces:
        picture, alt = marked(verdict, slot.small), "The picture with the faces marked"
    slot.picture.image(picture, width=slot.width, alt=alt)


def show_faces(verdict: Verdict, card: Card, thumbnails: list[bytes]) -> None:
    """A row per face, and one for the whole picture where it was judged: picture, words, probability."""
    rows = text.part_rows(verdict, card.thresholds)
    for row, thumbnail in zip(rows, thumbnails, strict=True):
        with st.container(horizontal=True, wrap=False, vertical_alignment="center", gap="small"):
            st.image(thumbnail, width=72, alt=row.name)
            if len(rows) == 1:
                st.caption("The part of the picture that was judged")
                continue
            colour, icon = CALL_STYLES[row.call] if row.call else ("gray", "")
            number = f"Probability of fake {format_percent(row.p_fake)}" if row.p_fake is not None else ""
            st.markdown(f"{row.name}: :{colour}[{icon} {escape_markdown(row.words)}]  \n{number}")


def show_downloads(place: DeltaGenerator, outcomes: list[Outcome]) -> None:
    with place.container(horizontal=True):
        st.download_button(
            "Verdicts as JSON",
            detection_outcome.outcomes_json(outcomes),
            "verdicts.json",
            "application/json",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "Verdicts as CSV",
            detection_outcome.outcomes_csv(outcomes).encode("utf-8-sig"),
            "verdicts.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
