"""Why a verdict: where the detector looked, and whether the verdict survives small changes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepfake.detection.card import Card
from deepfake.detection.figures import draw_heat
from ui.check.neighbours import show_lookalikes
from ui.page import plain
from ui.uploads import own_place

if TYPE_CHECKING:
    from deepfake.detection.heatmaps import Explanation, Heat
    from deepfake.detection.stress import StressTest
    from deepfake.detection.verdict import Verdict
    from deepfake.types import Pixels

logger = logging.getLogger("deepfake.pages.explanation")

TABS = ("Does it survive small changes?", "Where did it look?", "What does it resemble?")
STRESSED = "stressed"
"""Key in the session's state: uploads whose verdict is given after the stress test."""
EXPLAINED = "explained"
"""Key in the session's state: uploads whose explanation is open."""
TESTING = "Testing whether the verdict survives small changes"
COVERING = "Covering the face part by part"
WEIGHING = "Finding out whether the maps can be believed"
FAULT = "This part could not be worked out because of a fault in the program; the server's log says which."


@st.cache_data(scope="session", max_entries=20, show_spinner=False)
def grad_cam_of(
    file_id: str, version: str, number: int, _content: bytes, _card: Card, _verdict: Verdict
) -> tuple[Pixels, Heat]:
    """What was scored as one part of an upload, and the map that is there at once."""
    from deepfake.detection.detector import get_detector
    from deepfake.detection.heatmaps import grad_cam

    crop = crop_of(_content, _verdict, number)
    return crop, grad_cam(get_detector(_card.name).network, _card.input, crop)


@st.cache_data(scope="session", max_entries=20, show_spinner=False)
def maps_of(
    file_id: str, version: str, number: int, fake: bool, _content: bytes, _card: Card, _verdict: Verdict
) -> Explanation:
    """Both maps of one part of an upload."""
    from deepfake.detection.detector import get_detector
    from deepfake.detection.heatmaps import explain

    detector = get_detector(_card.name)
    crop, first = grad_cam_of(file_id, version, number, _content, _card, _verdict)
    progress = st.progress(0.0, COVERING)
    found = explain(
        detector.network,
        detector.scorer,
        _card.input,
        crop,
        probability=_card.probability,
        fake=fake,
        first=first,
        on_progress=lambda share: progress.progress(share, COVERING if share < 1 else WEIGHING),
    )
    progress.empty()
    return found


@st.cache_data(scope="session", max_entries=40, show_spinner=False)
def stress_of(
    file_id: str, version: str, _content: bytes | None, _card: Card, _verdict: Verdict
) -> tuple[StressTest, ...]:
    """The stress test of every part of an upload."""
    from deepfake.detection.detector import get_detector
    from deepfake.images.load import load_image

    if _content is None:  # and so it was with another detector
        return ()
    return get_detector(_card.name).stressed(load_image(_content), _verdict).stress


def ask_for_stress(file_id: str) -> None:
    """From now on the stress test counts in this upload's verdict."""
    st.session_state.setdefault(STRESSED, set()).add(file_id)


def after_stress(
    place: DeltaGenerator, file_id: str, content: bytes | None, card: Card, verdict: Verdict
) -> Verdict:
    """The verdict after the stress test, where somebody asked for it; the verdict alone where it fails.

    It was worked out where it was asked for, but for a detector that was chosen since.
    """
    if file_id not in st.session_state.get(STRESSED, ()):
        return verdict
    with place:
        return put_to_stress(file_id, content, card, verdict)


def put_to_stress(file_id: str, content: bytes | None, card: Card, verdict: Verdict) -> Verdict:
    """The verdict after the stress test, with word of the work here; the verdict alone where it fails."""
    try:
        with st.spinner(TESTING):
            stress = stress_of(file_id, card.version, content, card, verdict)
    except Exception as error:
        logger.error("A verdict could not be put to the stress test.", exc_info=error)
        return verdict
    return replace(verdict, stress=stress).at(verdict.operating_point, card.thresholds)


def crop_of(content: bytes, verdict: Verdict, number: int) -> Pixels:
    """What was scored as part ``number`` (from 0), upright."""
    from deepfake.detection.detector import scored_parts
    from deepfake.images.load import load_image

    return scored_parts(load_image(content).pixels, verdict)[number]


@st.fragment  # the verdict above stays as it is while this part is worked out
def show_explanation(file_id: str, content: bytes, card: Card, verdict: Verdict) -> None:
    """A switch, and behind it the stress test, the maps and the look-alikes of one part.

    Once the stress test is done the page is drawn anew, for the verdict is given after it then.
    """
    explained: set[str] = st.session_state.setdefault(EXPLAINED, set())
    key = f"explain-{file_id}"
    if key not in st.session_state:  # drawn for the first time since the page was opened
        st.session_state[key] = file_id in explained
    if not st.toggle("Explain this verdict", key=key):
        explained.discard(file_id)
        return
    explained.add(file_id)
    asked = file_id in st.session_state.get(STRESSED, ())
    if not asked and put_to_stress(file_id, content, card, verdict).stress:
        ask_for_stress(file_id)
        st.rerun()
    show_parts(file_id, content, card, verdict)


@st.fragment  # a tab or the slider draws this part anew, not the page
def show_parts(file_id: str, content: bytes, card: Card, verdict: Verdict) -> None:
    """What explains one part's verdict; only the open tab is worked out."""
    number, parts = 0, verdict.parts
    if len(parts) > 1:
        barred = [face.barred for face in verdict.faces] + [False]  # the whole picture comes last
        worst = max(range(len(parts)), key=lambda place: (not barred[place], parts[place].p_fake))
        number = st.selectbox(
            "Which part" if len(parts) > len(verdict.faces) else "Which face",
            range(len(parts)),
            index=worst,
            format_func=lambda place: parts[place].name,
            key=f"explain-face-{file_id}",
        )
    survives, where, alike = st.tabs(TABS, key=f"explain-tab-{file_id}", on_change="rerun")
    try:
        owner = f"{verdict.model} {number}"  # another face's words do not stand here until the new ones come
        with survives:
            if survives.open:
                with own_place(f"stress-{file_id}", owner):
                    show_stress(file_id, card, verdict, number)
        with where:
            if where.open:
                with own_place(f"maps-{file_id}", owner):
                    show_maps(file_id, content, card, verdict, number)
        with alike:
            if alike.open:
                with own_place(f"alike-{file_id}", owner):
                    show_lookalikes(file_id, content, card, verdict, number)
    except Exception as error:
        logger.error("A verdict could not be explained.", exc_info=error)
        st.error(FAULT, icon=":material/error:")


def show_stress(file_id: str, card: Card, verdict: Verdict, number: int) -> None:
    """The stress test in words, as a chart and as a table."""
    from deepfake.detection.figures import stress_figure, stress_table
    from deepfake.plotting import plot_config

    if not verdict.stress:
        st.error(FAULT, icon=":material/error:")
        return
    result = verdict.stress[number]
    if result.stable:
        st.markdown(plain(result.sentence()))
    else:
        words = (
            f"{result.sentence()} That makes the verdict on {verdict.parts[number].name.lower()} uncertain."
        )
        st.warning(plain(words), icon=":material/help:")
    st.plotly_chart(
        stress_figure(result, card.thresholds, verdict.operating_point),
        width="stretch",
        theme="streamlit",
        key=f"stress-{file_id}-{number}",
        config=plot_config("stress test"),
        alt="Probability of fake after each change",
    )
    table = stress_table(result)
    with st.expander("Table of the changes"):
        st.dataframe(
            table,
            hide_index=True,
            width="stretch",
            column_config={"Probability of fake": st.column_config.NumberColumn(format="percent")},
        )


def show_maps(file_id: str, content: bytes, card: Card, verdict: Verdict, number: int) -> None:
    """Both maps side by side, the quick one first, and what they are worth."""
    from deepfake.detection.heatmaps import COLOURS_MEAN, MAP_NAMES, agreement_words, worth_words

    st.markdown(COLOURS_MEAN)
    opacity = st.slider("Strength of the colours", 0.0, 1.0, 0.6, 0.05, key=f"opacity-{file_id}")
    columns = st.columns(2)

    def draw(place: int, crop: Pixels, heat: Heat) -> None:
        name, meaning = MAP_NAMES[place]
        with columns[place]:
            st.image(
                draw_heat(crop, heat, opacity),
                width="stretch",
                alt=f"{name} over {verdict.parts[number].name.lower()}",
            )
            st.caption(f"{name}: {meaning}")

    crop, first = grad_cam_of(file_id, card.version, number, content, card, verdict)
    draw(0, crop, first)
    with columns[1]:
        fake = called_fake(verdict, number, card)
        maps = maps_of(file_id, card.version, number, fake, content, card, verdict)
    draw(1, crop, maps.occlusion)
    for column, worth in zip(columns, (maps.grad_cam_worth, maps.occlusion_worth), strict=True):
        column.caption(worth_words(worth, fake=maps.fake))
    st.markdown(agreement_words(maps.agreement))


def called_fake(verdict: Verdict, number: int, card: Card) -> bool:
    """On which side of the balanced threshold the score of part ``number`` (from 0) lies."""
    return verdict.parts[number].p_fake >= card.thresholds.balanced
