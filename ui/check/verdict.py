"""Uploads and their verdicts: first every image, then verdict by verdict, then all of them as files."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepfake.detection import outcome as detection_outcome
from deepfake.detection import text
from deepfake.detection.card import Card, ModelError
from deepfake.detection.outcome import IMAGE_FAULT, Outcome
from deepfake.errors import UserError
from deepfake.images.encode import jpeg_bytes, jpeg_pixels, shrink
from deepfake.images.load import ImageFacts
from deepfake.types import OperatingPoint
from ui.check.changes import others_of, show_changes
from ui.check.checked import MAX_UPLOADS, Checked, Decoder
from ui.check.evidence import claims_of, show_evidence
from ui.check.examples import note_on
from ui.check.explanation import (
    EXPLAINED,
    STRESSED,
    after_stress,
    grad_cam_of,
    maps_of,
    show_explanation,
    stress_of,
)
from ui.check.faces import show_cells, show_face_grid, show_links
from ui.check.forensics import EXAMINED, compared, examined, show_forensics, signed_record
from ui.check.neighbours import neighbours_of
from ui.check.report import forget_reports, show_feedback, show_report
from ui.check.seen import SEEN, printed, remember, show_seen
from ui.check.strip import comparable_scores, known_scores, show_strip, show_strip_numbers
from ui.check.trust import facts_of, show_trust
from ui.page import CALL_STYLES, COUNT_STYLES, announce, escape_markdown, section, show_image, warm_up
from ui.uploads import LET_GO, Upload, link_to_page, own_place, show_name, show_right_page

if TYPE_CHECKING:
    from deepfake.detection.verdict import Verdict

logger = logging.getLogger(__name__)

SHOWN_HEIGHT = 480
JUDGED = "judged"
"""Key in the session's state: uploads whose verdict is at hand, each with its detector's hash."""


class Slot(NamedTuple):
    """Where one upload's image and verdict go on the page.

    Attributes:
        number: of the upload, from 1, where several are checked; None of one alone.
        picture, verdict: places for the image, and for the verdict beside it.
        evidence, more: places below both, for the evidence and for all else.
        width: of the image, in pixels of the screen.
        small: a JPEG of it.
    """

    upload: Upload
    number: int | None
    picture: DeltaGenerator
    verdict: DeltaGenerator
    evidence: DeltaGenerator
    more: DeltaGenerator
    width: int
    small: bytes
    facts: ImageFacts


# Results live as long as the visitor's session and are seen by no other.
@st.cache_data(scope="session", max_entries=2 * MAX_UPLOADS, show_spinner=False)
def preview(file_id: str, _upload: Upload, _decoder: Decoder) -> tuple[bytes, ImageFacts]:
    """A small JPEG of an upload, and its facts. Raises UserError."""
    image = _decoder.open(_upload)
    return jpeg_bytes(shrink(image.pixels)), image.facts


@st.cache_data(scope="session", max_entries=4 * MAX_UPLOADS, show_spinner=False)
def judge(
    file_id: str, model: str, version: str, _upload: Upload, _decoder: Decoder
) -> tuple[Verdict, list[bytes]]:
    """The verdict at the balanced threshold, and a small JPEG of each face. Raises UserError."""
    warm_up()
    from deepfake.detection.detector import get_detector, scored_parts

    image, scan = _decoder.take(_upload)
    verdict = get_detector(model).check(image, scan=scan)
    parts = scored_parts(image.pixels, verdict, every=True) if verdict.faces else []
    return verdict, [jpeg_bytes(shrink(part, 160)) for part in parts]


@st.cache_data(scope="session", max_entries=4 * MAX_UPLOADS, show_spinner=False)
def meaning_of(file_id: str, version: str, _card: Card, _verdict: Verdict) -> str:
    """What such a score meant on images with known answers, from tables that come after the networks."""
    warm_up().join()
    from deepfake.report.context import context_sentence

    return context_sentence(known_scores(_card), _verdict, _card.rules)


@st.cache_data(scope="session", max_entries=2 * MAX_UPLOADS, show_spinner=False)
def marked(verdict: Verdict, _small: bytes) -> bytes:
    """The preview of an upload with its faces marked, and the square that the verdict rests on."""
    from deepfake.detection.figures import draw_verdict

    return jpeg_bytes(draw_verdict(jpeg_pixels(_small), verdict))


def forget_results() -> None:
    """Drops what was computed from this visitor's uploads."""
    ours = (preview, judge, meaning_of, marked, examined, compared, signed_record, claims_of)
    ours = (*ours, facts_of, others_of, printed)
    for results in (*ours, grad_cam_of, maps_of, stress_of, neighbours_of):
        results.clear()
    for key in (STRESSED, JUDGED, EXPLAINED, EXAMINED, SEEN):
        st.session_state.pop(key, None)
    forget_reports()


def show_results(uploads: Sequence[Upload], card: Card, point: OperatingPoint) -> None:
    """First every image, then verdict by verdict."""
    with st.container():
        if len(uploads) > MAX_UPLOADS:
            st.warning(
                f"Only the first {MAX_UPLOADS} of {len(uploads)} images are checked here. "
                "The page Check many takes more.",
                icon=":material/info:",
            )
            link_to_page("pages/batch.py", "Check many")
    status, summary = st.empty(), st.empty()
    taken = uploads[:MAX_UPLOADS]
    outcomes: dict[str, Outcome] = {}
    slots: list[Slot] = []
    verdicts: list[tuple[Slot, Checked]] = []
    decoder = Decoder()
    at_hand: set[tuple[str, str]] = st.session_state.setdefault(JUDGED, set())
    for index, upload in enumerate(taken):
        number = index + 1 if len(taken) > 1 else None
        card_box = own_place(f"card-{index}", upload.file_id, border=True)
        show_name(card_box, upload.name, upload.file_id, number)
        try:
            small, facts = preview(upload.file_id, upload, decoder)
        except Exception as error:
            outcomes[upload.file_id] = show_refusal(card_box, upload.name, error)
            with card_box:
                show_right_page(upload)
            continue
        left, right = card_box.columns([3, 2], gap="medium")
        owner = f"{upload.file_id} {card.version}"
        with left:
            words = own_place(f"verdict-{index}", owner)
        with card_box:
            evidence = own_place(f"evidence-{index}", owner)
            more = own_place(f"more-{index}", owner)
        picture, width = right.container(), shown_width(facts)
        show_facts(right, facts, note_on(upload.file_id, card.name, point))
        slot = Slot(upload, number, picture, words, evidence, more, width, small, facts)
        if (upload.file_id, card.version) in at_hand:  # drawn at once, so that nothing on the page blinks
            outcomes[upload.file_id] = show_verdict(slot, card, point, decoder, verdicts)
            continue
        picture = picture.empty()
        show_image(small, width, "The image as uploaded", picture)
        slots.append(slot._replace(picture=picture))
    if slots:
        announce(status, "Checking")
    for slot in slots:
        outcomes[slot.upload.file_id] = show_verdict(slot, card, point, decoder, verdicts)
        show_summary(summary, [outcomes.get(upload.file_id) for upload in taken])
    found = [outcomes[upload.file_id] for upload in taken]
    show_summary(summary, found)
    announce(status, text.spoken_line([outcome.verdict for outcome in found]))
    show_below(verdicts, outcomes)
    found = [outcomes[upload.file_id] for upload in taken]
    if any(outcome.verdict for outcome in found):
        show_downloads(found)


def show_facts(container: DeltaGenerator, facts: ImageFacts, note: str) -> None:
    """Below an image: its size, and of an example what it is."""
    container.caption(text.facts_line(facts))
    if note:
        container.caption(note)


def show_below(verdicts: list[tuple[Slot, Checked]], outcomes: dict[str, Outcome]) -> None:
    """What stands below each verdict and waits until all are there: near-duplicates, and the evidence."""
    for slot, checked in verdicts:
        remember(checked, slot.small)
    for slot, checked in verdicts:
        show_seen(slot.evidence, checked)
        lines = show_evidence(slot.evidence, checked, slot.facts.format)
        outcomes[checked.file_id] = replace(outcomes[checked.file_id], evidence=lines)


def show_summary(container: DeltaGenerator, outcomes: Sequence[Outcome | None]) -> None:
    """How many of several images are what, with a link to each; None is one still to come."""
    if len(outcomes) < 2:
        return
    groups: dict[str, list[str]] = {}
    for number, outcome in enumerate(outcomes, start=1):
        if outcome is not None:
            words = text.COUNT_WORDS[text.counted_as(outcome.verdict)]
            groups.setdefault(words, []).append(f"[image {number}](#image-{number})")
    with container.container(horizontal=True, gap="medium"):
        for call, words in text.COUNT_WORDS.items():
            if found := groups.get(words):
                colour, icon = COUNT_STYLES[call]
                st.markdown(f":{colour}[{icon} **{len(found)} {words}**] {', '.join(found)}", width="content")


def shown_width(facts: ImageFacts) -> int:
    """In pixels of the screen: small images are not blown up, tall ones not taller than a window."""
    return max(1, min(facts.width, round(SHOWN_HEIGHT * facts.width / facts.height)))


def show_refusal(container: DeltaGenerator, name: str, error: Exception) -> Outcome:
    """A sentence in place of a verdict."""
    if isinstance(error, UserError):
        reason = error
    else:
        logger.error("An image could not be checked.", exc_info=error)
        reason = UserError("fault", IMAGE_FAULT)
    container.error(escape_markdown(reason.message), icon=":material/image_not_supported:")
    return Outcome(name, error=reason)


def show_verdict(
    slot: Slot,
    card: Card,
    point: OperatingPoint,
    decoder: Decoder,
    verdicts: list[tuple[Slot, Checked]],
) -> Outcome:
    """Checks one image and draws what came of it: the words, where the score lies, one sentence.

    A verdict is added to ``verdicts``, whose evidence is drawn once all are there.
    """
    upload = slot.upload
    busy, words = slot.verdict.empty(), slot.verdict.container()
    try:
        with busy.container(), st.spinner("Looking for faces and checking them"):
            if card.second and (upload.file_id, card.version) not in st.session_state[JUDGED]:
                show_first_look(upload, card.second.main, point, decoder)
            judged, faces = judge(upload.file_id, card.name, card.version, upload, decoder)
        busy.empty()
        balanced = Checked(upload, card, judged.at(point, card.thresholds), slot.number)
        checked = after_stress(busy, balanced)
        verdict = checked.verdict
    except ModelError:
        raise
    except Exception as error:
        return show_refusal(words, upload.name, error)
    st.session_state[JUDGED].add((upload.file_id, card.version))
    with words:
        colour, icon = CALL_STYLES[verdict.verdict]
        section(f":{colour}[{icon} {text.headline(verdict)}]")
        if number := text.number_line(verdict):
            st.markdown(number)
        if kind := text.kind_line(verdict):
            st.markdown(escape_markdown(kind), help=text.KIND_MEANS)
        lead = text.lead_line(verdict, meaning_of(upload.file_id, card.version, card, judged))
        show_strip(checked, faces)
        if verdict.p_fake is None:
            st.info(escape_markdown(lead), icon=":material/info:")
        else:
            st.markdown(escape_markdown(lead))
    with slot.more:
        show_face_grid(checked, faces)
        show_details(checked, faces, lead)
        show_more(checked)
    try:
        mark_faces(slot, verdict)
    except Exception as error:
        return show_refusal(words, upload.name, error)
    verdicts.append((slot, checked))
    return Outcome(upload.name, verdict)


def show_first_look(upload: Upload, model: str, point: OperatingPoint, decoder: Decoder) -> None:
    """What the first network alone says, at once; the second takes longer."""
    warm_up()
    from deepfake.detection.detector import get_detector

    verdict = get_detector(model).check(decoder.look(upload), point, scan=decoder.scan(upload))
    section(text.headline(verdict))
    st.caption("First look, by one of two networks. The second is still running and may change this.")


def show_more(checked: Checked) -> None:
    """What can be had below a verdict, all of which needs the file."""
    if checked.upload.content is None:
        st.caption(LET_GO)
        return
    show_trust(checked)
    show_changes(checked)
    show_explanation(checked)
    show_forensics(checked.upload, checked.number)
    with st.container(horizontal=True):
        show_report(checked)
        show_feedback(checked)


def mark_faces(slot: Slot, verdict: Verdict) -> None:
    """Puts the image with its faces marked in place of the bare one; after the words, which come first."""
    picture, alt = slot.small, "The image as uploaded"
    if verdict.faces:
        picture, alt = marked(verdict, slot.small), "The image with the faces marked"
    picture_box = slot.picture.container(gap=None)
    show_image(picture, slot.width, alt, picture_box)
    show_links(picture_box, verdict, slot.width, slot.number)


def show_downloads(outcomes: list[Outcome]) -> None:
    """All verdicts as files."""
    with st.container(horizontal=True):
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


def show_details(checked: Checked, thumbnails: list[bytes], lead: str) -> None:
    """Behind an expander, everything that is known of a verdict beside its one sentence."""
    from deepfake.report.context import context_remark

    verdict, card = checked.verdict, checked.card
    with st.expander(checked.named("Details"), icon=":material/list:"):
        if verdict.faces and len(verdict.faces) < 2:
            show_cells(
                list(zip(text.part_rows(verdict, card.thresholds), thumbnails, strict=True)), linked=False
            )
        lines = text.remark_lines(verdict, lead)
        lines.append(context_remark(comparable_scores(checked), verdict))
        lines += caution_lines(checked)
        lines.append(text.judged_by_line(verdict, card.thresholds))
        st.markdown("\n".join(f"- {escape_markdown(line)}" for line in lines if line))
        show_strip_numbers(checked)


def caution_lines(checked: Checked) -> list[str]:
    """What such a verdict of this detector is known to miss or to be brought about by."""
    verdict, card = checked.verdict, checked.card
    lines = [text.overlay_line(verdict, card.rules)]
    if verdict.verdict == "fake":
        lines.append(card.false_alarms)
    if verdict.verdict == "real":
        unknown = "; ".join(card.does_not_know)
        lines.append(f"This does not rule out what the detector can miss: {unknown}.")
    return lines
