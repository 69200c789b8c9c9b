"""Why a verdict: where the detector looked, and whether the verdict survives small changes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from deepfake.detection.text import left_out_line
from deepfake.detection.words import UNCERTAIN
from ui.check.checked import BY_KEY, FAULT, Checked
from ui.check.neighbours import show_neighbours
from ui.page import escape_markdown
from ui.uploads import own_place

if TYPE_CHECKING:
    from deepfake.detection.heatmaps import Explanation, Heat
    from deepfake.detection.stress import StressTest
    from deepfake.types import Pixels

logger = logging.getLogger(__name__)

TABS = ("Stability", "Heat maps", "Similar training images")
STRESSED = "stressed"
"""Key in the session's state: uploads whose verdict is given after the stress test."""
EXPLAINED = "explained"
"""Key in the session's state: uploads whose explanation is open."""
TESTING = "Testing whether the verdict survives small changes"
COVERING = "Covering the face part by part"
WEIGHING = "Testing how faithful the maps are"


@st.cache_data(scope="session", max_entries=20, show_spinner=False, hash_funcs=BY_KEY)
def grad_cam_of(checked: Checked, number: int) -> tuple[Pixels, Heat]:
    """What was scored as one part of an upload, and the map that is there at once."""
    from deepfake.detection.detector import get_detector
    from deepfake.detection.heatmaps import grad_cam

    crop = checked.part(number)
    mapped = get_detector(checked.card.name).for_maps()
    return crop, grad_cam(mapped.mapper, mapped.card.input, crop)


@st.cache_data(scope="session", max_entries=20, show_spinner=False, hash_funcs=BY_KEY)
def maps_of(checked: Checked, number: int) -> Explanation:
    """Both maps of one part of an upload, explained on that side of the balanced threshold where it lies."""
    from deepfake.detection.detector import get_detector
    from deepfake.detection.heatmaps import explain

    mapped = get_detector(checked.card.name).for_maps()
    crop, first = grad_cam_of(checked, number)
    progress = st.progress(0.0, COVERING)
    found = explain(
        mapped.mapper,
        mapped.scorer,
        mapped.card.input,
        crop,
        probability=mapped.card.probability,
        fake=checked.verdict.parts[number].p_fake >= checked.card.thresholds.balanced,
        first=first,
        on_progress=lambda share: progress.progress(share, COVERING if share < 1 else WEIGHING),
    )
    progress.empty()
    return found


@st.cache_data(scope="session", max_entries=40, show_spinner=False, hash_funcs=BY_KEY)
def stress_of(checked: Checked) -> tuple[StressTest, ...]:
    """The stress test of every part of an upload."""
    from deepfake.detection.detector import get_detector

    if checked.upload.content is None:  # and so it was with another detector
        return ()
    return get_detector(checked.card.name).stressed(checked.image(), checked.verdict).stress


def ask_for_stress(file_id: str) -> None:
    """From now on the stress test counts in this upload's verdict."""
    st.session_state.setdefault(STRESSED, set()).add(file_id)


def after_stress(container: DeltaGenerator, checked: Checked) -> Checked:
    """With the verdict after the stress test, where somebody asked for it; as it is where that fails.

    It was worked out where it was asked for, but for a detector that was chosen since.
    """
    if checked.file_id not in st.session_state.get(STRESSED, ()):
        return checked
    with container:
        return put_to_stress(checked)


def put_to_stress(checked: Checked) -> Checked:
    """With the verdict after the stress test, with word of the work here; as it is where that fails."""
    verdict = checked.verdict
    try:
        with st.spinner(TESTING):
            stress = stress_of(checked)
    except Exception as error:
        logger.error("A verdict could not be put to the stress test.", exc_info=error)
        return checked
    tested = replace(verdict, stress=stress).at(verdict.operating_point, checked.card.thresholds)
    return replace(checked, verdict=tested)


@st.fragment  # the verdict above stays as it is while this part is worked out
def show_explanation(checked: Checked) -> None:
    """An expander, and in it the stress test, the maps and the look-alikes of one part.

    Once the stress test is done the page is drawn anew, for the verdict is given after it then.
    """
    file_id = checked.file_id
    explained: set[str] = st.session_state.setdefault(EXPLAINED, set())
    key = f"explain-{file_id}"
    if key not in st.session_state:  # drawn for the first time since the page was opened
        st.session_state[key] = file_id in explained
    box = st.expander(
        checked.named("Explain this verdict"), icon=":material/help_center:", key=key, on_change="rerun"
    )
    if not box.open:
        explained.discard(file_id)
        return
    explained.add(file_id)
    with box:
        asked = file_id in st.session_state.get(STRESSED, ())
        if not asked and put_to_stress(checked).verdict.stress:
            ask_for_stress(file_id)
            st.rerun()
        show_parts(checked)


@st.fragment  # a tab or the slider draws this part anew, not the page
def show_parts(checked: Checked) -> None:
    """What explains one part's verdict; only the open tab is worked out."""
    file_id, verdict = checked.file_id, checked.verdict
    number, parts = 0, verdict.parts
    if len(parts) > 1:
        worst = max(
            range(len(parts)), key=lambda index: (not left_out_line(verdict, index), parts[index].p_fake)
        )
        number = st.selectbox(
            checked.named("Which part" if len(parts) > len(verdict.faces) else "Which face"),
            range(len(parts)),
            index=worst,
            format_func=lambda index: parts[index].name,
            key=f"explain-face-{file_id}",
        )
    why = left_out_line(verdict, number)  # the tests and maps of its score would say what it is not
    survives, where, alike = st.tabs(TABS, key=f"explain-tab-{file_id}", on_change="rerun")
    try:
        owner = f"{verdict.model} {number}"  # another face's words do not stand here until the new ones come
        for tab, name, show in (
            (survives, "stress", show_stress),
            (where, "maps", show_maps),
            (alike, "alike", show_neighbours),
        ):
            if tab.open:
                with tab, own_place(f"{name}-{file_id}", owner):
                    if why and tab is not alike:
                        st.info(escape_markdown(why), icon=":material/info:")
                    else:
                        show(checked, number)
    except Exception as error:
        logger.error("A verdict could not be explained.", exc_info=error)
        st.error(FAULT, icon=":material/error:")


def show_stress(checked: Checked, number: int) -> None:
    """The stress test in words, as a chart and as a table."""
    verdict = checked.verdict
    from deepfake.detection.figures import stress_figure, stress_table
    from deepfake.plotting import plot_config

    if not verdict.stress:
        st.error(FAULT, icon=":material/error:")
        return
    result = verdict.stress[number]
    if result.stable:
        st.markdown(escape_markdown(result.sentence()))
    else:
        words = (
            f"{result.sentence()} That makes the verdict on {verdict.parts[number].name.lower()} {UNCERTAIN}."
        )
        st.warning(escape_markdown(words), icon=":material/help:")
    st.plotly_chart(
        stress_figure(result, checked.card.thresholds, verdict.operating_point),
        width="stretch",
        theme="streamlit",
        key=f"stress-{checked.file_id}-{number}",
        config=plot_config("stress test"),
        alt="Probability of fake after each change",
    )
    table = stress_table(result)
    with st.expander(checked.named("Table of the changes")):
        st.dataframe(
            table,
            hide_index=True,
            width="stretch",
            column_config={"Probability of fake": st.column_config.NumberColumn(format="percent")},
        )


def show_maps(checked: Checked, number: int) -> None:
    """Both maps side by side, the quick one first, and what they are worth."""
    from deepfake.detection.figures import draw_heat
    from deepfake.detection.heatmaps import MAP_NAMES, agreement_words, colours_mean, worth_words

    st.markdown(colours_mean(two_networks=checked.card.second is not None))
    opacity = st.slider(
        checked.named("Opacity of the map"), 0.0, 1.0, 0.6, 0.05, key=f"opacity-{checked.file_id}",
        help="At 0 the image shows as it is",
    )  # fmt: skip
    columns = st.columns(2)

    def draw(index: int, crop: Pixels, heat: Heat) -> None:
        name, meaning = MAP_NAMES[index]
        with columns[index]:
            st.image(
                draw_heat(crop, heat, opacity),
                width="stretch",
                alt=f"{name} over {checked.verdict.parts[number].name.lower()}",
            )
            st.caption(f"{name}: {meaning}")

    crop, first = grad_cam_of(checked, number)
    draw(0, crop, first)
    with columns[1]:
        maps = maps_of(checked, number)
    draw(1, crop, maps.occlusion)
    for column, worth in zip(columns, (maps.grad_cam_worth, maps.occlusion_worth), strict=True):
        column.caption(worth_words(worth, fake=maps.fake))
    st.markdown(agreement_words(maps.agreement))
