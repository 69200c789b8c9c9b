"""Check a video: a short clip judged frame by frame, as a timeline and a median."""

from __future__ import annotations

import logging

import streamlit as st

from deepfake.detection.batch import MAX_KEPT_BYTES
from deepfake.detection.card import Card, ModelError, default_name, detector_title, load_card, model_names
from deepfake.detection.figures import frame_picture, video_figure, video_table
from deepfake.detection.text import CALL_WORDS, POINT_WORDS, video_headline, video_number_line
from deepfake.detection.video import VideoVerdict, check_video
from deepfake.errors import UserError
from deepfake.images.video import MAX_FRAMES, MAX_SECONDS, MAX_VIDEO_BYTES
from deepfake.types import OperatingPoint
from deepfake.util.text import format_percent
from ui.charts import chart, download
from ui.page import (
    CALL_STYLES,
    ask_for_detector,
    ask_for_threshold,
    escape_markdown,
    say_unknown_options,
    section,
    start_page,
    warm_up,
)
from ui.uploads import (
    LET_GO,
    VIDEO,
    Upload,
    link_to_page,
    own_place,
    shelf_of,
    show_right_page,
    warn_of_weight,
)

logger = logging.getLogger("deepfake.pages.video")
MIB = 2**20
FAULT = "This video could not be checked because of a fault in the program; the server's log says which."
STRIP = 8  # frames shown at first


# Results live as long as the visitor's session and are seen by no other.
@st.cache_data(scope="session", max_entries=5, show_spinner=False)
def judge(file_id: str, model: str, version: str, _content: bytes | None) -> VideoVerdict:
    """The verdict at the balanced threshold. Raises UserError."""
    if _content is None:
        raise UserError("let_go", LET_GO)
    progress = st.progress(0.0, "Opening the video")
    warm_up().join()
    from deepfake.detection.detector import get_detector

    def report(done: int, total: int) -> None:
        progress.progress(done / total, f"{done} of {total} frames checked")

    try:
        return check_video(get_detector(model), _content, preview=frame_picture, on_progress=report)
    finally:
        progress.empty()


def main() -> None:
    start_page("Check a video")
    st.write("Do the faces in a short video look real or faked, frame by frame?")
    try:
        names, first = model_names(), default_name()
    except ModelError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        return
    upload = ask_for_video()
    say_unknown_options(names)
    with st.container(horizontal=True, vertical_alignment="center"):
        clear_place = st.empty()
        with st.popover("Options", icon=":material/tune:", key="options"):
            point = ask_for_threshold()
            name = ask_for_detector(names, first)
        st.caption(f"{POINT_WORDS[point]}, {escape_markdown(detector_title(name))}", width="content")
    if upload is not None:
        clear_place.button("Clear", icon=":material/delete:", key="clear-video", on_click=clear)
        warn_of_weight(shelf_of(VIDEO))
    try:
        card = load_card(name)
        owner = f"{upload.file_id} {card.version}" if upload else "nothing"
        with own_place("result", owner):
            if upload is None:
                show_empty_state()
            else:
                show_video(upload, card, point)
    except ModelError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
    warm_up()


def ask_for_video() -> Upload | None:
    """The uploader; gives the video that is kept."""
    shelf, turn = shelf_of(VIDEO), st.session_state.setdefault("video-turn", 0)
    key = f"video-{turn}"
    is_new = key not in st.session_state
    file = st.file_uploader(
        "Drop a video here, or browse for it", max_upload_size=MAX_VIDEO_BYTES // MIB, key=key
    )
    shelf.take(key, [file] if file else [], is_new=is_new)
    if file is not None:
        shelf.keep_only(file.file_id)
    return shelf.uploads[0] if shelf.uploads else None


def clear() -> None:
    """Forgets the video (under a new key the uploader starts empty) and its verdicts."""
    st.session_state["video-turn"] += 1
    shelf_of(VIDEO).clear()
    judge.clear()


def show_video(upload: Upload, card: Card, point: OperatingPoint) -> None:
    """The verdict on a video, or why there is none."""
    st.text(upload.name)  # as text: a name may hold markup
    try:
        result = judge(upload.file_id, card.name, card.version, upload.content)
        if upload.content is None:
            st.caption(LET_GO)
        show_result(result.at(point, card.thresholds), card)
    except ModelError:
        raise
    except UserError as error:
        st.error(escape_markdown(error.message), icon=":material/error:")
        show_right_page(upload)
    except Exception as error:
        logger.error("A video could not be checked.", exc_info=error)
        st.error(FAULT, icon=":material/error:")


def show_empty_state() -> None:
    with st.container(border=True):
        st.markdown("**Nothing to check yet.** Drop a video above.")
        st.markdown(
            f"- MP4, MOV, WebM or Matroska; up to {MAX_SECONDS:.0f} seconds, {MAX_VIDEO_BYTES // MIB} MB and "
            "4K; trim longer clips to the relevant part\n"
            f"- Up to {MAX_FRAMES} evenly spaced frames are checked, each like a photo\n"
            "- Audio, motion and consistency between frames are not analyzed\n"
            "- The video stays in this server's memory until you clear it or close this app; it is not "
            f"written to disk. One above {MAX_KEPT_BYTES // MIB} MB is discarded when you leave this page; "
            "its verdict stays"
        )
        link_to_page("pages/check.py", "Images go to the page Check an image")


def show_result(result: VideoVerdict, card: Card) -> None:
    """The verdict in words, the timeline, the frames."""
    colour, icon = CALL_STYLES[result.verdict]
    left, right = st.columns([2, 3], gap="medium")
    with left:
        section(f":{colour}[{icon} {video_headline(result)}]")
        if number := video_number_line(result):
            st.markdown(number)
            st.markdown(count_line(result))
        facts = result.facts
        st.caption(
            f"{facts.seconds:.1f} seconds, {facts.width} x {facts.height} pixels, {facts.codec}; "
            f"{len(result.frames)} of {facts.frames:,} frames checked (detector: "
            f"{escape_markdown(detector_title(result.model))})"
        )
        for warning in result.warnings[:-1]:
            st.warning(escape_markdown(warning), icon=":material/info:")
        sound = " The audio was not analyzed." if facts.has_sound else ""
        st.info(escape_markdown(result.warnings[-1] + sound), icon=":material/info:")
        unknown = escape_markdown("; ".join(card.does_not_know))
        st.caption(f"This detector can miss: {unknown}.")
    table = video_table(result)
    with right:
        chart(video_figure(result), "video timeline", "Probability of fake of each frame over the video")
    show_frames(result)
    with st.expander("Table of the frames"):
        st.dataframe(
            table,
            hide_index=True,
            width="stretch",
            column_config={"Probability of fake": st.column_config.NumberColumn(format="percent")},
            placeholder="",
            alt="Time, probability of fake, faces and verdict of each frame",
        )
        download("Frames as CSV", table, "video frames")


def count_line(result: VideoVerdict) -> str:
    """How the frames were called."""
    calls = [frame.verdict.verdict for frame in result.deciding]
    counts = ", ".join(
        f"{calls.count(call)} {CALL_WORDS[call].lower()}" for call in ("fake", "uncertain", "real")
    )
    if unscored := len(result.with_face) - len(calls):
        counts += f", {unscored} not scored (the face is too small, or unlike the training images)"
    return f"Frames with a face: {counts}. In each frame, the face most likely to be fake counts."


def show_frames(result: VideoVerdict) -> None:
    """The frames that were judged, with their faces marked."""
    frames = result.frames
    if len(frames) > STRIP and not st.toggle(f"Show all {len(frames)} frames", key="all-frames"):
        step = len(frames) / STRIP
        frames = tuple(frames[int((index + 0.5) * step)] for index in range(STRIP))
    with st.container(horizontal=True, gap="small"):
        for frame in frames:
            verdict = frame.verdict
            if verdict.scope == "no_face":
                found = "no face"
            else:
                found = "undecided" if verdict.p_fake is None else format_percent(verdict.p_fake)
            with st.container(width=160, gap=None):
                st.image(frame.picture, width="stretch", alt=f"Frame at {frame.second:.1f} seconds")
                st.caption(f"{frame.second:.1f} s: {found}")


main()
