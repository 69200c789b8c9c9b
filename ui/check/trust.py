"""Below a verdict, on demand: how far to trust it for an image like this, and what its facts alone say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from deepfake.detection.card import detector_title
from deepfake.detection.words import UNCERTAIN
from ui.check.checked import BY_KEY, Checked, show_once_open
from ui.page import escape_markdown

if TYPE_CHECKING:
    from deepfake.slices.facts import SquareFacts

NO_FACE = (
    "Held-out images show one face each, so there is none to compare this verdict with: it does not rest on "
    "a face."
)


@st.cache_data(scope="session", max_entries=40, show_spinner=False, hash_funcs=BY_KEY)
def facts_of(checked: Checked, number: int) -> SquareFacts:
    """The facts of one face of an upload. Raises UserError."""
    from deepfake.slices.facts import facts_of_part

    return facts_of_part(checked.image(), checked.upload.getvalue(), checked.verdict, number)


@st.fragment  # opening it draws this part anew, not the page
def show_trust(checked: Checked) -> None:
    """An expander with what was said of held-out images like this one; worked out once it is opened."""
    show_once_open(
        checked,
        "How far to trust this",
        icon=":material/fact_check:",
        key="trust",
        show=show_alike,
        fault="Images alike could not be looked for.",
    )


def show_alike(checked: Checked) -> None:
    """How many images alike were called correctly, then the meter of shortcuts."""
    from deepfake.evaluation.records import recorded_evaluations
    from deepfake.slices.alike import images_alike, small_face
    from deepfake.slices.text import alike_sentence, alike_table, own_error_sentence, size_sentence
    from ui.held_out import held_out_of

    card, verdict = checked.card, checked.verdict
    number = verdict.most_suspicious
    if number is None or verdict.basis == "whole":
        st.info(NO_FACE, icon=":material/info:")
        return
    held, _ = held_out_of(card, recorded_evaluations(card)[0])
    if not len(held):
        st.info(
            escape_markdown(
                f"The held-out images of {detector_title(card.name)} have not been measured yet. Measure "
                f"them with 'python -m deepfake facts DATA --model {card.name}'."
            ),
            icon=":material/info:",
        )
        return
    with st.spinner("Looking for images like this one"):
        facts = facts_of(checked, number)
        found = images_alike(held.table, facts, card.thresholds, verdict.operating_point)
    small = small_face(card.rules, facts, card.input.size)
    st.markdown(f"**{escape_markdown(alike_sentence(found))}**")
    lines = [own_error_sentence(found, verdict.verdict), size_sentence(small, facts, card.input.size)]
    if len(verdict.faces) > 1:
        lines.insert(0, f"This is about face {number + 1}, the most suspicious one.")
    st.markdown("\n".join(f"- {escape_markdown(line)}" for line in lines if line))
    st.dataframe(
        alike_table(found),
        hide_index=True,
        width="stretch",
        column_config={
            "Held-out images": st.column_config.TextColumn(width=190),
            "Images": st.column_config.NumberColumn(format="localized"),
        },
        alt=checked.named("Held-out images like this one, and how they were called"),
    )
    st.caption(
        escape_markdown(
            f"Called correctly: given the right verdict, fake or real; the others are wrong or {UNCERTAIN}. "
            "In brackets: 95% intervals. Rows also differ in their kinds of fakes, which may matter more "
            "than the property itself."
        )
    )
    show_meter(checked, facts)


def show_meter(checked: Checked, facts: SquareFacts) -> None:
    """What framing, sharpness, size and compression alone would say; nothing where that is too little."""
    from deepfake.evaluation.records import recorded_evaluations
    from deepfake.slices.shortcuts import read_shortcuts
    from deepfake.slices.text import follows_sentence, shortcut_sentence, worth_sentence
    from ui.held_out import held_out_of

    shortcuts = read_shortcuts(checked.card)
    said = shortcuts and shortcut_sentence(shortcuts, facts, checked.verdict.verdict)
    if not shortcuts or not said:
        return
    held, _ = held_out_of(checked.card, recorded_evaluations(checked.card)[0])
    st.markdown(f"**Shortcuts.** {escape_markdown(said)}")
    st.progress(shortcuts.p_fake(facts), text=f"Fake by these facts alone: {shortcuts.p_fake(facts):.0%}")
    st.caption(
        escape_markdown(f"{worth_sentence(shortcuts)} {follows_sentence(shortcuts.follows(held.table))}")
    )
