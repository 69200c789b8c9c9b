"""Images checked before in this session that look like the same one; forgotten with the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepfake.detection.card import detector_title
from deepfake.detection.text import CALL_WORDS
from deepfake.types import VerdictLabel
from deepfake.util.text import format_percent
from ui.check.checked import BY_KEY, Checked
from ui.page import CALL_STYLES, escape_markdown

if TYPE_CHECKING:
    from deepfake.detection.outcome import Outcome
    from deepfake.detection.verdict import Verdict
    from deepfake.images.hashing import ImagePrint, Likeness

SEEN = "seen"
"""Key in the session's state: what was checked here, by upload and detector; no image can be made of it."""
MOST = 500
"""Images that are remembered; of more, the first go."""
HOW: dict[Likeness, str] = {"whole": "the same image", "cropped": "the same face, the image cropped"}


@dataclass(frozen=True)
class Seen:
    """One image that was checked.

    Attributes:
        name: of its file; not to be trusted as markup.
        sha256: of its bytes.
        model: the detector.
        verdict: at the operating point then chosen.
        p_fake: 0..1; None where nothing could be decided on.
        image_print: what it is known again by.
    """

    name: str
    sha256: str
    model: str
    verdict: VerdictLabel
    p_fake: float | None
    image_print: ImagePrint


# Results live as long as the visitor's session and are seen by no other.
@st.cache_data(scope="session", max_entries=MOST, show_spinner=False, hash_funcs=BY_KEY)
def printed(checked: Checked, _small: bytes) -> ImagePrint:
    """What an upload is known again by, from its preview."""
    from deepfake.detection.detector import print_of
    from deepfake.images.encode import jpeg_pixels

    return print_of(jpeg_pixels(_small), checked.verdict)


def remember(checked: Checked, small: bytes) -> None:
    """Remembers an upload that was checked, for as long as the session lasts.

    Args:
        checked: the upload with its verdict.
        small: a JPEG of it.
    """
    seen: dict[tuple[str, str], Seen] = st.session_state.setdefault(SEEN, {})
    seen[checked.key()] = _seen(checked.upload.name, checked.verdict, printed(checked, small))
    while len(seen) > MOST:
        del seen[next(iter(seen))]


def _seen(name: str, verdict: Verdict, image_print: ImagePrint) -> Seen:
    return Seen(name, verdict.sha256, verdict.model, verdict.verdict, verdict.p_fake, image_print)


def seen_before(checked: Checked) -> list[tuple[Seen, Likeness]]:
    """What else was checked in this session, here or on Check many, that looks like an upload."""
    seen: dict[tuple[str, str], Seen] = st.session_state.get(SEEN, {})
    own = seen.get(checked.key())
    if own is None:
        return []
    others = [each for key, each in seen.items() if key[0] != checked.file_id]
    others += [
        _seen(row.file, row.verdict, row.image_print)
        for row in _batch_rows()
        if row.verdict and row.image_print and checked.file_id != f"batch|{row.verdict.sha256}"
    ]
    found: list[tuple[Seen, Likeness]] = []
    for each in others:
        likeness = own.image_print.like(each.image_print)
        if likeness is not None:
            found.append((each, likeness))
    return found


def _batch_rows() -> list[Outcome]:
    from ui.batch_session import batch_session

    batch = batch_session().batch
    return list(batch.rows) if batch else []


def show_seen(container: DeltaGenerator, checked: Checked) -> None:
    """An expander with the images that look like this one; nothing where there is none.

    Args:
        container: a container below the verdict.
        checked: an upload that is remembered.
    """
    found = seen_before(checked)
    if not found:
        return
    title = f"{len(found)} near-duplicate{'s' * (len(found) > 1)} checked in this session"
    with container.expander(checked.named(title), icon=":material/content_copy:"):
        st.markdown(
            escape_markdown(spread_sentence([each.p_fake for each, _ in found], checked.verdict.p_fake))
        )
        for each, likeness in found:
            show_one(each, likeness, checked)
        st.caption(
            "Found by a perceptual hash of the image and of its faces: a fingerprint from which no image can "
            "be made. It is kept for this session and nowhere else. An edited copy may look like the same "
            "image, too."
        )


def show_one(each: Seen, likeness: Likeness, checked: Checked) -> None:
    """One near-duplicate: its file, what is alike, and how it was scored."""
    colour, icon = CALL_STYLES[each.verdict]
    how = "the same file" if each.sha256 == checked.verdict.sha256 else HOW[likeness]
    score = "" if each.p_fake is None else f", probability of fake {format_percent(each.p_fake)}"
    other = escape_markdown(detector_title(each.model))
    by = "" if each.model == checked.card.name else f", detector {other}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.code(each.name, language=None, width="content")  # as it is: a name may hold markup
        st.markdown(f"{how}: :{colour}[{icon} {CALL_WORDS[each.verdict]}]{score}{by}", width="content")


def spread_sentence(scores: list[float | None], own: float | None) -> str:
    """How far apart the scores of one image's copies lie."""
    known = [score for score in (*scores, own) if score is not None]
    if len(known) < 2:
        return "The same image in another form was checked before."
    low, high = format_percent(min(known)), format_percent(max(known))
    if low == high:
        return f"Every form got the same score: {low}."
    return f"Its {len(known)} forms scored from {low} to {high}."
